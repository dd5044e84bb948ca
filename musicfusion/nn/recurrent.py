"""Gated recurrent units with torch's gate semantics, as the published systems use them.

    r = sigmoid(x Wr + h Ur + br)    u = sigmoid(x Wu + h Uu + bu)
    n = tanh(x Wn + bn + r * (h Un + bhn))    h' = (1 - u) n + u h

One bias less than torch's: the two biases of r and of u always occur as a sum, so one of each is
kept.

What a scan's body needs is handed out as plain pytrees (`Affine`, `Cell`), since flax modules must
not be called inside `jax.lax.scan`: calling a `Linear` or a `GRUCell` returns its arrays.
Parameters, states and results are float32; the factors of matrix products are cast to `dtype`.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

LOG_VARIANCE = (-12.0, 6.0)  # a posterior's std stays within .0025 .. 20


def uniform(bound: float):
    """Initialiser: uniform between -bound and bound (torch's layers: bound = 1 / sqrt(size))."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def uniform_token(key, shape, dtype=jnp.float32):
    """Initialiser of a learned first token: uniform between 0 and 1."""
    return jax.random.uniform(key, shape, dtype)


def product(x: jax.Array, matrix: jax.Array, dtype: Any) -> jax.Array:
    """x @ matrix with both factors in `dtype`, as float32. [..., i] x [i, o] -> [..., o]."""
    return jnp.matmul(x.astype(dtype), matrix.astype(dtype)).astype(jnp.float32)


@struct.dataclass
class Affine:
    """The arrays of a `Linear`: kernel [i, o], bias [o]."""

    kernel: jax.Array
    bias: jax.Array
    dtype: Any = struct.field(pytree_node=False)

    def __call__(self, x: jax.Array) -> jax.Array:
        """[..., i] -> [..., o]."""
        return product(x, self.kernel, self.dtype) + self.bias


class Linear(nn.Module):
    """A dense layer that starts in torch's range; calling it returns its arrays."""

    inputs: int
    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self) -> Affine:
        """The arrays, ready to be used inside a scan."""
        init = uniform(self.inputs**-0.5)
        kernel = self.param("kernel", init, (self.inputs, self.features))
        return Affine(kernel, self.param("bias", init, (self.features,)), self.dtype)


@struct.dataclass
class Cell:
    """The arrays of a `GRUCell`, and its equations.

    wi has one block [i, 3H] for each part of the input; wh [H, 3H], bi [3H], bhn [H].
    """

    wi: tuple[jax.Array, ...]
    wh: jax.Array
    bi: jax.Array
    bhn: jax.Array
    dtype: Any = struct.field(pytree_node=False)

    def project(self, x: jax.Array, part: int = 0) -> jax.Array:
        """One part of the input, its share of the gates, without bias. [..., i] -> [..., 3H].

        A part that is the same in every step, or known for all of them, is projected once, outside
        the scan; add `bi` there too.
        """
        return product(x, self.wi[part], self.dtype)

    def step(self, h: jax.Array, projected: jax.Array) -> jax.Array:
        """State [..., H] and the whole input's projection with `bi` [..., 3H] -> next state."""
        reset_x, update_x, new_x = jnp.split(projected, 3, -1)
        reset_h, update_h, new_h = jnp.split(product(h, self.wh, self.dtype), 3, -1)
        reset = jax.nn.sigmoid(reset_x + reset_h)
        update = jax.nn.sigmoid(update_x + update_h)
        new = jnp.tanh(new_x + reset * (new_h + self.bhn))
        return new + update * (h - new)

    def run(
        self, projected: jax.Array, start: jax.Array, valid: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """A scan over the first axis.

        Args:
            projected: the inputs' projections with `bi`  # [T, ..., 3H]
            start: first state  # [..., H]
            valid: bool; where it is False a step keeps the state  # [T, ...]

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

    wi [sum of inputs, 3H], wh [H, 3H], bi [3H], bhn [H], gates in the order reset, update, new;
    with `directions` = 2 each of them twice, along a first axis (see `bidirectional`).
    """

    inputs: tuple[int, ...]
    features: int
    directions: int = 1
    dtype: Any = jnp.float32

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
    cell: Cell, x: jax.Array, lengths: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Both directions of a two-direction cell in one scan.

    Args:
        cell: of a `GRUCell` with directions = 2.
        x: inputs, time first  # [T, ..., i]
        lengths: how many first steps count; all by default  # int [...]

    Returns:
        (outputs [T, ..., 2H], the directions' last states side by side [..., 2H])
    """
    both = jnp.stack([x, x[::-1]])
    valid = None
    if lengths is not None:
        step = jnp.arange(x.shape[0]).reshape(-1, *[1] * lengths.ndim)
        valid = jnp.stack([step < lengths, step[::-1] < lengths])

    def run(cell, x, valid):
        start = jnp.zeros((*x.shape[1:-1], cell.wh.shape[0]))
        return cell.run(cell.project(x) + cell.bi, start, valid)

    states, last = jax.vmap(run)(cell, both, valid)
    outputs = jnp.concatenate([states[0], states[1, ::-1]], -1)
    return outputs, jnp.concatenate([last[0], last[1]], -1)


class GRU(nn.Module):
    """A GRU over a sequence; the projection of all inputs is one matrix product before the scan."""

    features: int
    reverse: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, start: jax.Array | None = None, lengths: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """x [B, T, i] -> (outputs [B, T, H], last state [B, H]).

        start: [B, H], 0 by default. lengths: int [B], how many first steps count, T by default;
        in reverse the scan begins at the last of them. Outputs stay in the order of time.
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
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, lengths: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """x [B, T, i], lengths int [B] (default T) -> (outputs [B, T, 2H], last states [B, 2H])."""
        cell = GRUCell((x.shape[-1],), self.features, 2, self.dtype, name="cell")()
        outputs, last = bidirectional(cell, x.swapaxes(0, 1), lengths)
        return outputs.swapaxes(0, 1), last


class RecurrentEncoder(nn.Module):
    """Sequence -> Gaussian posterior: last states of a BiGRU, linear heads for mean and variance.

    std = exp(.5 * head), clamped; the public code of EC2-VAE and PolyDis has exp(head), which
    CollageNet's authors call an error.
    """

    features: int
    latent: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """x [B, T, i] -> (mean, std), each [B, latent]."""
        _, last = BiGRU(self.features, self.dtype, name="gru")(x)
        mean = Linear(2 * self.features, self.latent, self.dtype, name="mean")()(last)
        log_variance = Linear(2 * self.features, self.latent, self.dtype, name="log_variance")()
        return mean, jnp.exp(0.5 * jnp.clip(log_variance(last), *LOG_VARIANCE))


def autoregress(step, start, first: int, symbols: int, given, truth, coins) -> jax.Array:
    """A sequence of symbols, each said from what was fed of the one before: log-probabilities [T, B, C].

    step(state, one-hot token [B, C], given[t]) -> state, logits [B, C], from the state `start` and the token `first`.
    What is fed is the truth (int [B, T]) where coins [T] say so, else the likeliest symbol.
    """

    def body(carry, x):
        state, token = carry
        given, truth, coin = x
        state, logits = step(state, jax.nn.one_hot(token, symbols), given)
        guess = jnp.argmax(logits, -1).astype(jnp.int32)
        return (state, jnp.where(coin, truth, guess)), jax.nn.log_softmax(logits)

    begin = (start, jnp.full(truth.shape[0], first, jnp.int32))
    _, scores = jax.lax.scan(body, begin, (given, truth.T, coins))
    return scores


def logistic_teacher(
    fraction, high: float = 1.0, low: float = 0.0, slope: float = 10.0, midpoint: float = 0.5
):
    """Probability of teacher forcing that falls from `high` to `low`, half-way at `midpoint`.

    (high - low) / (1 + exp(slope (fraction - midpoint))) + low, with `fraction` of the training in
    0..1. PianoTree-VAE, PolyDis and CollageNet have the defaults; the public PolyDis passes the
    step's number in place of the fraction, so that its teacher is gone after two steps.
    """
    return (high - low) * jax.nn.sigmoid(-slope * (fraction - midpoint)) + low


def inverse_sigmoid_teacher(step, k: float = 1000.0):
    """The original EC2-VAE's k / (k + exp(step / k)): for k = 1000 .999 at 0, .5 at 6,908."""
    return k / (k + jnp.exp(jnp.minimum(step / k, 80.0)))


@struct.dataclass
class MemoryCell:
    """The arrays of an `LSTMCell`, and its equations; a state is (h, c), [..., H] each.

    i, f, g, o = x W + h U + b;    c' = sigmoid(f) c + sigmoid(i) tanh(g);    h' = sigmoid(o) tanh(c')
    """

    wi: tuple[jax.Array, ...]
    wh: jax.Array
    bias: jax.Array
    dtype: Any = struct.field(pytree_node=False)

    def project(self, x: jax.Array, part: int = 0) -> jax.Array:
        """One part of the input, its share of the gates, without bias. [..., i] -> [..., 4H]."""
        return product(x, self.wi[part], self.dtype)

    def start(self, rows: int) -> tuple[jax.Array, jax.Array]:
        """A state of nothing."""
        return (jnp.zeros((rows, self.wh.shape[0])),) * 2

    def step(self, state: tuple[jax.Array, jax.Array], projected: jax.Array) -> tuple[jax.Array, jax.Array]:
        """State and the whole input's projection with the bias [..., 4H] -> next state."""
        h, c = state
        i, f, g, o = jnp.split(projected + product(h, self.wh, self.dtype), 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def run(self, projected: jax.Array, start: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """A scan over the first axis: inputs' projections with the bias [T, B, 4H] -> (outputs [T, B, H], last h)."""

        def body(state, x):
            state = self.step(state, x)
            return state, state[0]

        (last, _), outputs = jax.lax.scan(body, start, projected)
        return outputs, last

    def read(self, x: jax.Array) -> jax.Array:
        """All outputs of a sequence, from a state of nothing: [T, B, i] -> [T, B, H]."""
        return self.run(self.project(x) + self.bias, self.start(x.shape[1]))[0]


class LSTMCell(nn.Module):
    """The parameters of an LSTM whose input has parts of the sizes `inputs`; calling it returns them.

    wi [sum of inputs, 4H], wh [H, 4H], bias [4H], gates in the order input, forget, cell, output. One bias less than
    torch's; it starts at 1 for the forget gate.
    """

    inputs: tuple[int, ...]
    features: int
    dtype: Any = jnp.float32

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
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, start: tuple[jax.Array, jax.Array] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """x [B, T, i] -> (outputs [B, T, H] in the order of time, last h [B, H]); start: h, c, 0 by default."""
        cell = LSTMCell((x.shape[-1],), self.features, self.dtype, name="cell")()
        turn = -1 if self.reverse else 1
        outputs, last = cell.run(cell.project(x.swapaxes(0, 1)[::turn]) + cell.bias, start or cell.start(len(x)))
        return outputs[::turn].swapaxes(0, 1), last


class BiLSTM(nn.Module):
    """LSTMs in both directions."""

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """x [B, T, i] -> (outputs [B, T, 2H], last h of both [B, 2H])."""
        both = [LSTM(self.features, turn, self.dtype, name=name)(x)
                for name, turn in (("forward", False), ("backward", True))]
        outputs, last = (jnp.concatenate(part, -1) for part in zip(*both, strict=True))
        return outputs, last
