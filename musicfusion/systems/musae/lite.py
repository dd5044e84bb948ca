"""The lite autoencoder: MusAE's latent and loss from parallel blocks, a beat at a time.

z [512] begins with numbers for the whole window, the flower's two among them; the rest lies in time
(nn.blocks.Summary), so that a bar is decoded from its own part. The networks see z in units of the prior's spread.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.codecs.melody import VOCABULARY
from musicfusion.codecs.tracks import TRACKS
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.musae.autoencoder import ParallelAutoencoder
from musicfusion.systems.musae.dataset import BEAT_TOKENS


def units(latent: int, spread: float) -> jax.Array:
    """About how wide the prior is in each dimension: 1 in the flower's plane, `spread` elsewhere. [latent]"""
    return jnp.where(jnp.arange(latent) < 2, 1.0, spread)


class Encoder(nn.Module):
    """Four tracks -> posterior; `shared` numbers of z for the whole, the others in `parts`, one after the other."""

    width: int
    depth: int
    latent: int
    parts: int
    shared: int
    spread: float = 1.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """int [B, T, 4] -> (mean, std), [B, latent] each."""
        batch = len(tokens)
        beats = jax.nn.one_hot(tokens.reshape(batch, -1, BEAT_TOKENS), VOCABULARY, dtype=self.dtype)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(beats.reshape(batch, -1, BEAT_TOKENS * VOCABULARY))
        whole = Summary(self.shared, 1, self.dtype, name="whole")(jnp.mean(x, 1, keepdims=True))
        in_time = Summary(self.latent - self.shared, self.parts, self.dtype, name="in_time")(x)
        mean, std = (jnp.concatenate(both, -1) * units(self.latent, self.spread)
                     for both in zip(whole, in_time, strict=True))
        return mean, std


class Autoencoder(ParallelAutoencoder):
    """Windows of `bars` in four tracks <-> z."""

    bars: int
    width: int = 128
    depth: int = 2
    latent: int = 512
    parts: int = 8
    shared: int = 16
    spread: float = 1.0
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        """Encoder and decoder."""
        self.encoder = Encoder(self.width, self.depth, self.latent, self.parts, self.shared, self.spread,
                               self.dtype)
        self.whole = nn.Dense(self.width)
        self.in_time = Expansion(4 * self.bars, self.parts, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.head = nn.Dense(BEAT_TOKENS * VOCABULARY)

    def logits(self, z: jax.Array) -> jax.Array:
        """z [B, latent] -> [B, T, 4, 130]."""
        z = z / units(self.latent, self.spread)
        steps = self.in_time(z[:, self.shared :])
        whole = jnp.broadcast_to(self.whole(z[:, None, : self.shared]), (*steps.shape[:2], self.width))
        x = self.head(self.decoder(jnp.concatenate([steps, whole], -1)))
        return x.reshape(len(z), -1, TRACKS, VOCABULARY).astype(jnp.float32)
