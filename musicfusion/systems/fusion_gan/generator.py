"""FusionGAN's generator G: an LSTM over symbols (section III-E), what it plays, and its completions of any prefix."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from musicfusion.core.contracts import Tree
from musicfusion.nn.recurrent import Affine, Linear, LSTMCell, MemoryCell
from musicfusion.systems.fusion_gan.dataset import SYMBOLS

State = tuple[jax.Array, jax.Array]


class Player(NamedTuple):
    """A generator's arrays, ready to be used inside a scan.

    Everything random is a number from 0 to 1 that is given (`uniforms`). ratio: the first genre's share.

    Attributes:
        cell: the LSTM.
        table: what each symbol adds to the gates, [V, 4H].
        blend: what the first genre's share, scaled to -1..1, adds to the gates, [4H].
        head: state -> logits.
    """

    cell: MemoryCell
    table: jax.Array
    blend: jax.Array
    head: Affine

    @property
    def start(self) -> int:
        """The symbol before the first one: a rest."""
        return len(self.table) - 1

    def read(self, state: State, symbol: jax.Array, ratio: jax.Array) -> State:
        """The state after one more symbol int [...]; ratio [...]."""
        return self.cell.step(state, self.table[symbol] + (2 * ratio[..., None] - 1) * self.blend)

    def begin(self, ratio: jax.Array) -> State:
        """The state before the first symbol; ratio [B]."""
        return self.read(self.cell.start(len(ratio)), jnp.full(len(ratio), self.start), ratio)

    def logits(self, state: State) -> jax.Array:
        """Of the next symbol: [..., V]."""
        return self.head(state[0])

    def states(self, symbols: jax.Array, ratio: jax.Array) -> State:
        """The states before each symbol of [B, T]: (h, c), [T, B, H] each."""

        def body(state, symbol):
            return self.read(state, symbol, ratio), state

        return lax.scan(body, self.begin(ratio), symbols.T)[1]

    def log_likelihood(self, symbols: jax.Array, ratio: jax.Array) -> jax.Array:
        """log p of every possible symbol given those before it: [B, T] -> [B, T, V]."""
        return jax.nn.log_softmax(self.logits(self.states(symbols, ratio))).swapaxes(0, 1)

    def sample(self, uniforms: jax.Array, ratio: jax.Array) -> jax.Array:
        """New melodies: uniforms [T, B], ratio [B] -> int32 [B, T]."""
        return self._play(self.begin(ratio), uniforms, ratio)

    def continuation(self, prompt: jax.Array, length: jax.Array, uniforms: jax.Array, ratio: jax.Array) -> jax.Array:
        """What follows prompts of different lengths.

        Args:
            prompt: int [B, P]; each prompt is the last `length` [B] symbols of its row, what is before them is ignored.
            uniforms: [T, B].
            ratio: [B].

        Returns:
            int32 [B, T], without the prompt.
        """
        steps = prompt.shape[1]

        def body(state, x):
            symbol, step = x
            known = (step >= steps - length)[:, None]
            after = self.read(state, symbol, ratio)
            return jax.tree.map(lambda new, old: jnp.where(known, new, old), after, state), None

        state, _ = lax.scan(body, self.begin(ratio), (prompt.T, jnp.arange(steps)))
        return self._play(state, uniforms, ratio)

    def _play(self, state: State, uniforms: jax.Array, ratio: jax.Array) -> jax.Array:
        def body(state, uniform):
            symbol = pick(self.logits(state), uniform)
            return self.read(state, symbol, ratio), symbol

        return lax.scan(body, state, uniforms)[1].T

    def rollouts(self, symbols: jax.Array, uniforms: jax.Array, ratio: jax.Array) -> jax.Array:
        """Every prefix of melodies, completed n times.

        Two prefixes share one lane of a scan over T steps, a short prefix with a long completion and a long one with a
        short completion, so that no step is spent on known symbols: lane i completes the prefix of i + 1 symbols, then
        that of T - 1 - i.

        Args:
            symbols: int [B, T].
            uniforms: [T, T // 2, n, B].
            ratio: [B].

        Returns:
            int32 [T - 1, n, B, T]; entry t - 1 keeps the first t symbols.
        """
        length = symbols.shape[1]
        lanes = length // 2
        first = jnp.arange(1, lanes + 1)  # the length of each lane's first prefix
        turn = length - first  # the step at which its second prefix begins, which is also that prefix's length
        before = self.states(symbols, ratio)
        shape = uniforms.shape[1:]
        share = jnp.broadcast_to(ratio, shape)

        def spread(states):
            return tuple(jnp.broadcast_to(x[:, None], (lanes, *shape[1:], x.shape[-1])) for x in states)

        early, late = (spread([x[at] for x in before]) for at in (first, turn))

        def body(state, x):
            step, uniform = x
            renewed = (step == turn)[:, None, None, None]
            state = jax.tree.map(lambda new, old: jnp.where(renewed, new, old), late, state)
            symbol = pick(self.logits(state), uniform)
            return self.read(state, symbol, share), symbol

        _, completed = lax.scan(body, early, (jnp.arange(length), uniforms))  # [T, lanes, n, B]
        known = jnp.broadcast_to(symbols.T[:, None], (length, *shape[1:]))
        found: list = [None] * (length - 1)
        for i in range(lanes):
            for kept, steps in ((i + 1, slice(0, length - i - 1)), (length - 1 - i, slice(length - i - 1, length))):
                found[kept - 1] = jnp.concatenate([known[:kept], completed[steps, i]])
        return jnp.moveaxis(jnp.stack(found), 1, -1)


def pick(logits: jax.Array, uniform: jax.Array) -> jax.Array:
    """The symbol at which the cumulated probability passes a number in 0..1: [..., V], [...] -> int32 [...]."""
    passed = jnp.cumsum(jax.nn.softmax(logits), -1)
    return jnp.minimum(jnp.sum(passed <= uniform[..., None], -1), logits.shape[-1] - 1).astype(jnp.int32)


class Generator(nn.Module):
    """The parameters of G; calling it returns a Player.

    blended: it is conditioned on the first genre's share; the paper's is not.
    """

    hidden: int = 32
    embedding: int = 32
    vocabulary: int = SYMBOLS
    blended: bool = True

    @nn.compact
    def __call__(self) -> Player:
        """The arrays, for use in a scan."""
        embed = self.param("embedding", nn.initializers.normal(0.1), (self.vocabulary, self.embedding))
        cell = LSTMCell((self.embedding,), self.hidden, name="cell")()
        zeros = nn.initializers.zeros_init()
        blend = self.param("blend", zeros, (4 * self.hidden,)) if self.blended else jnp.zeros(4 * self.hidden)
        return Player(cell, cell.project(embed) + cell.bias, blend, Linear(self.hidden, self.vocabulary, name="head")())


def player(generator: Generator, params: Tree) -> Player:
    """A generator with its parameters."""
    return generator.apply({"params": params})  # type: ignore[return-value]


def uniforms(example_keys: jax.Array, salt: int, shape: tuple[int, ...]) -> jax.Array:
    """Random numbers from 0 to 1 for each example: keys [B] -> [*shape, B]; another `salt` gives others."""
    drawn = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, salt), shape))(example_keys)
    return jnp.moveaxis(drawn, 0, -1)
