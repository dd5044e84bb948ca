"""G: an LSTM over symbols (paper 003, section III-C), what it plays, and all the ways it may go on from any prefix."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from musicfusion.nn.recurrent import Affine, Linear, LSTMCell, MemoryCell
from musicfusion.systems.fusion_gan.melodies import SYMBOLS

State = tuple[jax.Array, jax.Array]


class Player(NamedTuple):
    """A generator's arrays, ready to be used inside a scan.

    table: what each symbol adds to the gates [V, 4H];  blend: what the first genre's share adds, from -1 to 1, [4H]
    """

    cell: MemoryCell
    table: jax.Array
    blend: jax.Array
    head: Affine

    @property
    def start(self) -> int:
        """The symbol before the first: a rest."""
        return len(self.table) - 1

    def read(self, state: State, symbol: jax.Array, ratio: jax.Array) -> State:
        """The state after one more symbol int [...]; ratio [...]: the first genre's share."""
        return self.cell.step(state, self.table[symbol] + (2 * ratio[..., None] - 1) * self.blend)

    def begin(self, ratio: jax.Array) -> State:
        """The state before the first symbol, of rows with shares [b]."""
        return self.read(self.cell.start(len(ratio)), jnp.full(len(ratio), self.start), ratio)

    def logits(self, state: State) -> jax.Array:
        """[..., V]."""
        return self.head(state[0])

    def states(self, symbols: jax.Array, ratio: jax.Array) -> State:
        """The states before each symbol of [b, T]: (h, c), [T, b, H] each."""

        def body(state, symbol):
            return self.read(state, symbol, ratio), state

        return lax.scan(body, self.begin(ratio), symbols.T)[1]

    def log_likelihood(self, symbols: jax.Array, ratio: jax.Array) -> jax.Array:
        """log p of each symbol given those before it: [b, T] -> [b, T, V]."""
        return jax.nn.log_softmax(self.logits(self.states(symbols, ratio))).swapaxes(0, 1)

    def sample(self, luck: jax.Array, ratio: jax.Array) -> jax.Array:
        """Melodies, from numbers in 0..1, [T, b] -> int32 [b, T]."""

        def body(state, luck):
            symbol = pick(self.logits(state), luck)
            return self.read(state, symbol, ratio), symbol

        return lax.scan(body, self.begin(ratio), luck)[1].T

    def go_on(self, symbols: jax.Array, luck: jax.Array, ratio: jax.Array) -> jax.Array:
        """After a prompt int [b, P], from numbers in 0..1 [T, b] -> what comes next, int32 [b, T]."""

        def heard(state, symbol):
            return self.read(state, symbol, ratio), None

        def body(state, luck):
            symbol = pick(self.logits(state), luck)
            return self.read(state, symbol, ratio), symbol

        state, _ = lax.scan(heard, self.begin(ratio), symbols.T)
        return lax.scan(body, state, luck)[1].T

    def rollouts(self, symbols: jax.Array, luck: jax.Array, ratio: jax.Array) -> jax.Array:
        """Every prefix of melodies int [b, T], gone on with n times to the end: int32 [T - 1, n, b, T].

        luck: numbers in 0..1, [T, T // 2, n, b]. Entry t - 1 keeps the first t symbols. Two prefixes share a row of one
        scan over T steps, a long way to go and a short one, so that no step is spent on what is known: row i goes on
        from i + 1 symbols, then from T - 1 - i.
        """
        length = symbols.shape[1]
        rows = length // 2
        first = jnp.arange(1, rows + 1)  # how many symbols each row keeps at first
        turn = length - first  # the step at which it takes its second prefix; that is how long it is, too
        before = self.states(symbols, ratio)
        shape = luck.shape[1:]
        share = jnp.broadcast_to(ratio, shape)

        def spread(states):
            return tuple(jnp.broadcast_to(x[:, None], (rows, *shape[1:], x.shape[-1])) for x in states)

        early, late = (spread([x[at] for x in before]) for at in (first, turn))

        def body(state, x):
            step, luck = x
            renewed = (step == turn)[:, None, None, None]
            state = jax.tree.map(lambda new, old: jnp.where(renewed, new, old), late, state)
            symbol = pick(self.logits(state), luck)
            return self.read(state, symbol, share), symbol

        _, made = lax.scan(body, early, (jnp.arange(length), luck))  # [T, rows, n, b]
        known = jnp.broadcast_to(symbols.T[:, None], (length, *shape[1:]))
        found: list = [None] * (length - 1)
        for i in range(rows):
            for kept, steps in ((i + 1, slice(0, length - i - 1)), (length - 1 - i, slice(length - i - 1, length))):
                found[kept - 1] = jnp.concatenate([known[:kept], made[steps, i]])
        return jnp.moveaxis(jnp.stack(found), 1, -1)


def pick(logits: jax.Array, luck: jax.Array) -> jax.Array:
    """The symbol at which the cumulated probability passes a number in 0..1: [..., V], [...] -> int32 [...]."""
    passed = jnp.cumsum(jax.nn.softmax(logits), -1)
    return jnp.minimum(jnp.sum(passed <= luck[..., None], -1), logits.shape[-1] - 1).astype(jnp.int32)


class Generator(nn.Module):
    """The parameters of G; calling it returns a Player.

    blended: it is told the share of either genre; the paper's is not.
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
