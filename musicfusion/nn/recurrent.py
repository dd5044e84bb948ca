"""Recurrent units with torch's gates, as the published systems use them: GRUs, and LSTMs below.

    r = sigmoid(x Wr + h Ur + br)    u = sigmoid(x Wu + h Uu + bu)
    n = tanh(x Wn + bn + r * (h Un + bhn))    h' = (1 - u) n + u h

There are fewer biases than in torch: its two biases of r and of u always occur as a sum, so one of each is kept.

What the body of a scan needs is returned as plain pytrees (`Affine`, `Cell`), since flax modules must not be called
inside `jax.lax.scan`: calling a `Linear` or a `GRUCell` returns its arrays. Parameters, states and results are float32;
the factors of matrix products are cast to `dtype`.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Integer, Key, Num, Shaped

from musicfusion.core.arrays import AnyArray

LOG_VARIANCE = (-12.0, 6.0)  # a posterior's std stays within .0025 .. 20


def uniform(bound: float) -> Callable[..., Array]:
    """Initialiser: uniform between -bound and bound (torch's layers: bound = 1 / sqrt(size))."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def uniform_token(
    key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> Float[Array, "..."]:
    """Initialiser of a learned first token: uniform between 0 and 1."""
    return jax.random.uniform(key, shape, dtype)


def product(x: Shaped[AnyArray, "*B i"], matrix: Float[AnyArray, "i o"], dtype: DTypeLike) -> Float[Array, "*B o"]:
    """x @ matrix with both factors in `dtype`, as float32. [..., i] x [i, o] -> [..., o]."""
    return jnp.matmul(x.astype(dtype), matrix.astype(dtype)).astype(jnp.float32)


@struct.dataclass
class Affine:
    """The arrays of a `Linear`: kernel [i, o], bias [o]."""

    kernel: AnyArray
    bias: AnyArray
    dtype: Any = struct.field(pytree_node=False)

    def __call__(self, x: Shaped[AnyArray, "*B i"]) -> Float[Array, "*B o"]:
        """[..., i] -> [..., o]."""
        return product(x, self.kernel, self.dtype) + self.bias


class Linear(nn.Module):
    """A dense layer with torch's initialisation; calling it returns its arrays."""

    inputs: int
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self) -> Affine:
        """The arrays, ready to be used inside a scan."""
        init = uniform(self.inputs**-0.5)
        kernel = self.param("kernel", init, (self.inputs, self.features))
        return Affine(kernel, self.param("bias", init, (self.features,)), self.dtype)


@struct.dataclass
class Cell:
    """The arrays of a `GRUCell`, and its equations.

    wi has one block [i, 3H] for each part of the input; wh [H, 3H], bi [3H], bhn [H]. (Those of two directions have an
    axis of 2 in front.)
    """

    wi: tuple[AnyArray, ...]
    wh: AnyArray
    bi: AnyArray
    bhn: AnyArray
    dtype: Any = struct.field(pytree_node=False)

    @property
    def size(self) -> int:
        """H."""
        return self.wh.shape[-2]

    def project(self, x: Shaped[AnyArray, "*B i"], part: int = 0) -> Float[Array, "*B 3*{self.size}"]:
        """The product of one part of the input with its block of wi, without bias. [..., i] -> [..., 3H].

        A part that is the same in every step, or known for all of them, is projected once, outside the scan; add `bi`
        there too.
        """
        return product(x, self.wi[part], self.dtype)

    def step(self, h: Float[AnyArray, "*B H"], projected: Float[AnyArray, "*C 3*H"]) -> Float[Array, "*D H"]:
        """State [..., H] and the sum of all parts' projections and `bi` [..., 3H] -> next state [..., H]."""
        reset_x, update_x, new_x = jnp.split(projected, 3, -1)
        reset_h, update_h, new_h = jnp.split(product(h, self.wh, self.dtype), 3, -1)
        reset = jax.nn.sigmoid(reset_x + reset_h)
        update = jax.nn.sigmoid(update_x + update_h)
        new = jnp.tanh(new_x + reset * (new_h + self.bhn))
        return new + update * (h - new)

    def run(
        self, projected: Float[AnyArray, "T *B 3*{self.size}"], start: Float[AnyArray, "*B H"],
        valid: Bool[AnyArray, " T *B"] | None = None,
    ) -> tuple[Float[Array, "T *B H"], Float[Array, "*B H"]]:
        """A scan over the first axis.

        Args:
            projected: the inputs' projections with `bi` [T, ..., 3H].
            start: the first state [..., H].
            valid: where it is False a step keeps the state, bool [T, ...].

        Returns:
            (states [T, ..., H], last state [..., H])
        """

        def body(h, x):
            projected, valid = x
            new = self.step(h, projected)
            if valid is not None:
                new = jnp.where(valid[..., None], new, h)
            return new, new

        last, states = jax.lax.scan(body, start, (projected, valid))
        return states, last


class GRUCell(nn.Module):
    """The parameters of a GRU whose input has parts of the sizes `inputs`; calling it returns them.

    wi [sum of inputs, 3H], wh [H, 3H], bi [3H], bhn [H], gates in the order reset, update, new; with `directions` = 2
    each of them twice, along a first axis (see `bidirectional`).
    """

    inputs: tuple[int, ...]
    features: int
    directions: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self) -> Cell:
        """The arrays, ready to be used inside a scan."""
        init, size = uniform(self.features**-0.5), self.features
        lead = () if self.directions == 1 else (self.directions,)
        wi = self.param("wi", init, (*lead, sum(self.inputs), 3 * size))
        wh = self.param("wh", init, (*lead, size, 3 * size))
        bi = self.param("bi", init, (*lead, 3 * size))
        bhn = self.param("bhn", init, (*lead, size))
        ends = [sum(self.inputs[: i + 1]) for i in range(len(self.inputs) - 1)]
        return Cell(tuple(jnp.split(wi, ends, -2)), wh, bi, bhn, self.dtype)


def bidirectional(
    cell: Cell, x: Shaped[AnyArray, "T *B i"], lengths: Integer[AnyArray, "*B"] | None = None
) -> tuple[Float[Array, "T *B 2*{cell.size}"], Float[Array, "*B 2*{cell.size}"]]:
    """Both directions of a two-direction cell in one scan.

    Args:
        cell: of a `GRUCell` with directions = 2.
        x: inputs, time first [T, ..., i].
        lengths: the number of first steps that count, int [...]; all by default.

    Returns:
        (outputs [T, ..., 2H], the directions' last states side by side [..., 2H])
    """
    both = jnp.stack([x, x[::-1]])
    valid = None
    if lengths is not None:
        step = jnp.arange(x.shape[0]).reshape(-1, *[1] * lengths.ndim)
        valid = jnp.stack([step < lengths, step[::-1] < lengths])

    def run(cell, x, valid):
        start = jnp.zeros((*x.shape[1:-1], cell.size))
        return cell.run(cell.project(x) + cell.bi, start, valid)

    states, last = jax.vmap(run)(cell, both, valid)
    outputs = jnp.concatenate([states[0], states[1, ::-1]], -1)
    return outputs, jnp.concatenate([last[0], last[1]], -1)


class GRU(nn.Module):
    """A GRU over a sequence; the projection of all inputs is one matrix product before the scan."""

    features: int
    reverse: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[AnyArray, "B T i"], start: Float[AnyArray, "B H"] | None = None,
        lengths: Integer[AnyArray, " B"] | None = None,
    ) -> tuple[Float[Array, "B T {self.features}"], Float[Array, "B {self.features}"]]:
        """x [B, T, i] -> (outputs [B, T, H] in the order of time, last state [B, H]).

        start: [B, H], 0 by default. lengths: int [B], the number of first steps that count, T by default; in reverse
        the scan begins at the last of them.
        """
        cell = GRUCell((x.shape[-1],), self.features, dtype=self.dtype, name="cell")()
        if start is None:
            start = jnp.zeros((x.shape[0], self.features))
        turn = -1 if self.reverse else 1
        x = x.swapaxes(0, 1)[::turn]
        valid = None
        if lengths is not None:
            valid = (jnp.arange(x.shape[0])[:, None] < lengths)[::turn]
        states, last = cell.run(cell.project(x) + cell.bi, start, valid)
        return states[::turn].swapaxes(0, 1), last


class BiGRU(nn.Module):
    """A GRU in both directions, run as one scan."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[AnyArray, "B T i"], lengths: Integer[AnyArray, " B"] | None = None
    ) -> tuple[Float[Array, "B T 2*{self.features}"], Float[Array, "B 2*{self.features}"]]:
        """x [B, T, i], lengths int [B] (default T) -> (outputs [B, T, 2H], last states [B, 2H])."""
        cell = GRUCell((x.shape[-1],), self.features, 2, self.dtype, name="cell")()
        outputs, last = bidirectional(cell, x.swapaxes(0, 1), lengths)
        return outputs.swapaxes(0, 1), last


class RecurrentEncoder(nn.Module):
    """Sequence -> Gaussian posterior: the last states of a BiGRU, then linear heads for mean and log-variance.

    std = exp(.5 * head), clamped; the public code of EC2-VAE and PolyDis has exp(head), which CollageNet's authors call
    an error.
    """

    features: int
    latent: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[AnyArray, "B T i"]
    ) -> tuple[Float[Array, "B {self.latent}"], Float[Array, "B {self.latent}"]]:
        """x [B, T, i] -> (mean, std), each [B, latent]."""
        _, last = BiGRU(self.features, self.dtype, name="gru")(x)
        mean = Linear(2 * self.features, self.latent, self.dtype, name="mean")()(last)
        log_variance = Linear(2 * self.features, self.latent, self.dtype, name="log_variance")()
        return mean, jnp.exp(0.5 * jnp.clip(log_variance(last), *LOG_VARIANCE))


def autoregress(
    step: Callable[[Any, Array, Any], tuple[Any, Array]], start: Any, first: int, symbols: int, given: Any,
    truth: Integer[AnyArray, "B T"], teacher_forcing_mask: Bool[AnyArray, " T"],
) -> Float[Array, "T B C"]:
    """A sequence of symbols, each predicted from the one before it: log-probabilities [T, B, C].

    Args:
        step: (state, one-hot token [B, symbols], given[t]) -> (state, logits [B, C]).
        start: the first state.
        first: the token that is fed to the first step.
        symbols: how many can be fed: those that are predicted, C, and one more where only a first token is that.
        given: a pytree of what else each step gets [T, ...]; None for nothing.
        truth: int [B, T].
        teacher_forcing_mask: [T]; where it is True the next step gets the truth, else the most probable symbol.
    """

    def body(carry, x):
        state, token = carry
        given, truth, forced = x
        state, logits = step(state, jax.nn.one_hot(token, symbols), given)
        guess = jnp.argmax(logits, -1).astype(jnp.int32)
        return (state, jnp.where(forced, truth, guess)), jax.nn.log_softmax(logits)

    begin = (start, jnp.full(truth.shape[0], first, jnp.int32))
    _, scores = jax.lax.scan(body, begin, (given, truth.T, teacher_forcing_mask))
    return scores


def logistic_teacher(
    fraction: Float[Array, ""] | float, high: float = 1.0, low: float = 0.0, slope: float = 10.0, midpoint: float = 0.5
) -> Float[Array, ""]:
    """Probability of teacher forcing that falls from `high` to `low`, half-way at `midpoint`.

    (high - low) / (1 + exp(slope (fraction - midpoint))) + low, with the `fraction` of the training in 0..1.
    PianoTree-VAE, PolyDis and CollageNet have the defaults; the public PolyDis passes the number of the step instead of
    the fraction, so that there is no teacher forcing after two steps.
    """
    return (high - low) * jax.nn.sigmoid(-slope * (fraction - midpoint)) + low


def inverse_sigmoid_teacher(step: Num[Array, ""] | float, k: float = 1000.0) -> Float[Array, ""]:
    """Probability of teacher forcing k / (k + exp(step / k)), of the original EC2-VAE: .999 at 0, .5 at 6,908."""
    return k / (k + jnp.exp(jnp.minimum(step / k, 80.0)))


@struct.dataclass
class MemoryCell:
    """The arrays of an `LSTMCell`, and its equations; a state is (h, c), [..., H] each.

    i, f, g, o = x W + h U + b;    c' = sigmoid(f) c + sigmoid(i) tanh(g);    h' = sigmoid(o) tanh(c')
    """

    wi: tuple[AnyArray, ...]
    wh: AnyArray
    bias: AnyArray
    dtype: Any = struct.field(pytree_node=False)

    @property
    def size(self) -> int:
        """H."""
        return self.wh.shape[-2]

    def project(self, x: Shaped[AnyArray, "*B i"], part: int = 0) -> Float[Array, "*B 4*{self.size}"]:
        """The product of one part of the input with its block of wi, without bias. [..., i] -> [..., 4H]."""
        return product(x, self.wi[part], self.dtype)

    def start(self, batch: int) -> tuple[Float[Array, "{batch} H"], Float[Array, "{batch} H"]]:
        """The state of zeros for a batch of that size."""
        return (jnp.zeros((batch, self.size)),) * 2

    def step(
        self, state: tuple[Float[AnyArray, "*B H"], Float[AnyArray, "*B H"]], projected: Float[AnyArray, "*B 4*H"]
    ) -> tuple[Float[Array, "*B H"], Float[Array, "*B H"]]:
        """State and the sum of all parts' projections and the bias [..., 4H] -> next state."""
        h, c = state
        i, f, g, o = jnp.split(projected + product(h, self.wh, self.dtype), 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def run(
        self, projected: Float[AnyArray, "T *B 4*{self.size}"],
        start: tuple[Float[AnyArray, "*B H"], Float[AnyArray, "*B H"]],
    ) -> tuple[Float[Array, "T *B H"], Float[Array, "*B H"]]:
        """A scan over the first axis: inputs' projections with the bias [T, B, 4H] -> (outputs [T, B, H], last h)."""

        def body(state, x):
            state = self.step(state, x)
            return state, state[0]

        (last, _), outputs = jax.lax.scan(body, start, projected)
        return outputs, last

    def read(self, x: Shaped[AnyArray, "T B i"]) -> Float[Array, "T B {self.size}"]:
        """All outputs of a sequence, from the state of zeros: [T, B, i] -> [T, B, H]."""
        return self.run(self.project(x) + self.bias, self.start(x.shape[1]))[0]


class LSTMCell(nn.Module):
    """The parameters of an LSTM whose input has parts of the sizes `inputs`; calling it returns them.

    wi [sum of inputs, 4H], wh [H, 4H], bias [4H], gates in the order input, forget, cell, output. There is one bias
    where torch has two; it starts at 1 for the forget gate.
    """

    inputs: tuple[int, ...]
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self) -> MemoryCell:
        """The arrays, ready to be used inside a scan."""
        init, size = uniform(self.features**-0.5), self.features
        wi = self.param("wi", init, (sum(self.inputs), 4 * size))
        wh = self.param("wh", init, (size, 4 * size))
        bias = self.param("bias", lambda _, shape: jnp.zeros(shape).at[size : 2 * size].set(1.0), (4 * size,))
        ends = [sum(self.inputs[: i + 1]) for i in range(len(self.inputs) - 1)]
        return MemoryCell(tuple(jnp.split(wi, ends)), wh, bias, self.dtype)


class LSTM(nn.Module):
    """An LSTM over a sequence; the projection of all inputs is one matrix product before the scan."""

    features: int
    reverse: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[AnyArray, "B T i"], start: tuple[Float[AnyArray, "B H"], Float[AnyArray, "B H"]] | None = None
    ) -> tuple[Float[Array, "B T {self.features}"], Float[Array, "B {self.features}"]]:
        """x [B, T, i] -> (outputs [B, T, H] in the order of time, last h [B, H]); start: h, c, 0 by default."""
        cell = LSTMCell((x.shape[-1],), self.features, self.dtype, name="cell")()
        turn = -1 if self.reverse else 1
        outputs, last = cell.run(cell.project(x.swapaxes(0, 1)[::turn]) + cell.bias, start or cell.start(len(x)))
        return outputs[::turn].swapaxes(0, 1), last


class BiLSTM(nn.Module):
    """LSTMs in both directions."""

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[AnyArray, "B T i"]
    ) -> tuple[Float[Array, "B T 2*{self.features}"], Float[Array, "B 2*{self.features}"]]:
        """x [B, T, i] -> (outputs [B, T, 2H], last h of both [B, 2H])."""
        both = [LSTM(self.features, turn, self.dtype, name=name)(x)
                for name, turn in (("forward", False), ("backward", True))]
        outputs, last = (jnp.concatenate(part, -1) for part in zip(*both, strict=True))
        return outputs, last
