"""The lite VAE: latent and loss as in Connective Fusion, section 2.4; parallel blocks, not autoregressive.

Every step is decoded from z alone, so the decoder cannot do without it and the posterior cannot collapse. A melody is
read and written relative to its tonic (codecs/tonic.py), and the tonic has a part of z to itself.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import melody, tonic
from musicfusion.latent import soft_decode
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.connective_fusion.dataset import BARS, STEPS

TONICS = tonic.Tonics(melody.LOWEST, melody.PITCHES)
TONIC_WEIGHT = 8.0  # a wrong tonic costs as much as so many wrong notes


class MelodyVAE(nn.Module):
    """Four bars <-> z, which lies in time (nn.blocks.Summary); the last number of each bar belongs to the tonic."""

    width: int = 128
    depth: int = 2
    latent: int = 64
    parts: int = 8
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"melody": self.latent}

    def teacher(self, fraction: jax.Array | float) -> float:
        """How much of the truth is fed to the decoder while training: it is fed nothing."""
        del fraction
        return 1.0

    def setup(self) -> None:
        """Encoder and decoder, of the melody and of its tonic."""
        self.encoder = Blocks(self.width, self.depth, self.dtype)
        self.summary = Summary(self.latent, self.parts, dtype=self.dtype)
        self.tonic_encoder = nn.Dense(2 * BARS)
        self.steps = Expansion(STEPS, self.parts, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.head = nn.Dense(tonic.SYMBOLS)
        self.tonic_decoder = nn.Dense(self.width)
        self.tonic_head = nn.Dense(TONICS.count)

    def encode(self, batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 64] -> posterior mean and std, [B, d_z] each."""
        tonics, degrees = self._relative(batch)
        mean, std = self.summary(self.encoder(jax.nn.one_hot(degrees, tonic.SYMBOLS)))
        tonic_mean, log_variance = jnp.split(self.tonic_encoder(jax.nn.one_hot(tonics, TONICS.count)), 2, -1)
        return _with_tonic(mean, tonic_mean), _with_tonic(std, jnp.exp(0.5 * jnp.clip(log_variance, -14.0, 4.0)))

    def _relative(self, batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """The tonics [B] and the melodies relative to them [B, 64]; in training some tonics are others' (dataset)."""
        found = TONICS.find(batch["melody"])
        if "tonic_offset" in batch:
            found = jnp.clip(found + batch["tonic_offset"], 0, TONICS.count - 1)
        return found, TONICS.relative(batch["melody"], found)

    def logits(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """z [B, d_z] -> logits of tonic-relative symbols [B, 64, SYMBOLS] and of the tonic [B, TONICS]."""
        degrees = self.head(self.decoder(self.steps(_with_tonic(z, jnp.zeros(())))))
        tonics = self.tonic_head(nn.gelu(self.tonic_decoder(z.reshape(len(z), BARS, -1)[..., -1])))
        return degrees.astype(jnp.float32), tonics.astype(jnp.float32)

    def losses(self, z: jax.Array, batch: Mapping[str, jax.Array], key: jax.Array,
               teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihood, nats per side [B]: of the symbols, and of the tonic, on which every note depends."""
        del key, teacher
        found, degrees = self._relative(batch)
        symbols, tonics = (jax.nn.log_softmax(x) for x in self.logits(z))
        return {"symbols": losses.nll(symbols, degrees),
                "tonic": TONIC_WEIGHT * losses.nll(tonics[:, None], found[:, None])}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z [B, d_z] -> the likeliest {"melody": symbols int32 [B, 64]}."""
        degrees, tonics = (jnp.argmax(x, -1) for x in self.logits(z))
        return {"melody": TONICS.absolute(degrees, tonics)}

    def decoded_features(self, z: jax.Array) -> dict[str, jax.Array]:
        """z [B, d_z] -> the features that actor and critic read (lite_actor_critic.py), with a gradient."""
        degrees, tonics = self.logits(z)
        return soft_decode.tonic_relative_melody(degrees, -tonic.REACH, tonics, TONICS.first)


def _with_tonic(z: jax.Array, numbers: jax.Array) -> jax.Array:
    """z [B, d_z] with the numbers of the tonic [B, 4] in their places."""
    bars = jnp.asarray(z).reshape(len(z), BARS, -1)
    return bars.at[..., -1].set(numbers).reshape(z.shape)
