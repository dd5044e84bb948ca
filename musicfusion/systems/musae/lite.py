"""The lite autoencoder: MusAE's latent and loss from parallel blocks, a beat at a time.

z begins with numbers for the whole window, the flower's two among them; the rest lies in time
(nn.blocks.Summary), so that a bar is decoded from its own part. The networks see z in units of the prior's spread.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.codecs.melody import VOCABULARY
from musicfusion.codecs.tracks import TRACKS
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.musae.autoencoder import ParallelAutoencoder
from musicfusion.systems.musae.dataset import BEATS


def units(latent: int, spread: float, flower: bool) -> jax.Array:
    """About how wide the prior is in each dimension: `spread`, but 1 in a flower's plane. [latent]"""
    return jnp.where((jnp.arange(latent) < 2) & flower, 1.0, spread)


class Embedding(nn.Module):
    """Tokens of four tracks, each with a table of its own -> a vector for each beat, all steps and tracks side by side.

    [B, T, 4] -> [B, T / steps, 4 steps size]; steps: of a beat.
    """

    size: int
    dtype: jnp.dtype = jnp.float32
    steps: int = STEPS_PER_BEAT

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        tables = self.param("tables", nn.initializers.normal(0.3), (TRACKS, VOCABULARY, self.size))
        onehot = jax.nn.one_hot(tokens, VOCABULARY, dtype=self.dtype)  # a product learns faster than a lookup on a CPU
        embedded = jnp.einsum("btkv,kve->btke", onehot, tables.astype(self.dtype))
        return embedded.reshape(len(tokens), -1, self.steps * TRACKS * self.size)


class Readout(nn.Module):
    """Vectors of beats -> logits of each step and track, a table for each track.

    [B, T / steps, W] -> [B, T, 4, 130]; steps: of a beat.
    """

    size: int
    dtype: jnp.dtype = jnp.float32
    steps: int = STEPS_PER_BEAT

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.gelu(nn.Dense(self.steps * TRACKS * self.size, dtype=self.dtype, name="steps")(x))
        x = x.reshape(len(x), -1, TRACKS, self.size)
        tables = self.param("tables", nn.initializers.lecun_normal(in_axis=-1, out_axis=-2, batch_axis=0),
                            (TRACKS, VOCABULARY, self.size))
        bias = self.param("bias", nn.initializers.zeros, (TRACKS, VOCABULARY))
        return (jnp.einsum("btke,kve->btkv", x, tables.astype(self.dtype)) + bias).astype(jnp.float32)


class Encoder(nn.Module):
    """Four tracks -> posterior; `shared` numbers of z for the whole, the others in `parts`, one after the other."""

    width: int
    depth: int
    embedding: int
    latent: int
    parts: int
    shared: int
    spread: float = 1.0
    flower: bool = False
    dtype: jnp.dtype = jnp.float32
    steps: int = STEPS_PER_BEAT

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """int [B, T, 4] -> (mean, std), [B, latent] each."""
        beats = Embedding(self.embedding, self.dtype, self.steps, name="embedding")(tokens)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(beats)
        whole = Summary(self.shared, 1, self.dtype, name="whole")(jnp.mean(x, 1, keepdims=True))
        in_time = Summary(self.latent - self.shared, self.parts, self.dtype, name="in_time")(x)
        mean, std = (jnp.concatenate(both, -1) * units(self.latent, self.spread, self.flower)
                     for both in zip(whole, in_time, strict=True))
        return mean, std


class Autoencoder(ParallelAutoencoder):
    """Windows of `bars` in four tracks, with `steps` to a beat <-> z."""

    bars: int
    width: int = 128
    depth: int = 3
    embedding: int = 48
    latent: int = 512
    parts: int = 8
    shared: int = 16
    spread: float = 1.0
    flower: bool = False
    dtype: jnp.dtype = jnp.float32
    steps: int = STEPS_PER_BEAT

    def setup(self):
        """Encoder and decoder."""
        self.encoder = Encoder(self.width, self.depth, self.embedding, self.latent, self.parts, self.shared,
                               self.spread, self.flower, self.dtype, self.steps)
        self.whole = nn.Dense(self.width)
        self.in_time = Expansion(BEATS * self.bars, self.parts, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.readout = Readout(self.embedding, self.dtype, self.steps)

    def logits(self, z: jax.Array) -> jax.Array:
        """z [B, latent] -> [B, T, 4, 130]."""
        z = z / units(self.latent, self.spread, self.flower)
        steps = self.in_time(z[:, self.shared :])
        whole = jnp.broadcast_to(self.whole(z[:, None, : self.shared]), (*steps.shape[:2], self.width))
        return self.readout(self.decoder(jnp.concatenate([steps, whole], -1)))
