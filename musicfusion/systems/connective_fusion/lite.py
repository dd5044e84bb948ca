"""The lite VAE: paper 001's latent and loss (section 2.2) from parallel blocks, not autoregressive.

Every step is decoded from z alone, so nothing lets the decoder do without it: it cannot collapse.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.latent import soft
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.connective_fusion.windows import STEPS


class MelodyVAE(nn.Module):
    """Four bars <-> z. z lies in time (nn.blocks.Summary): an equal part of it belongs to each of `parts` spans."""

    width: int = 128
    depth: int = 2
    latent: int = 64
    parts: int = 8
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"melody": self.latent}

    def teacher(self, fraction):
        """How much of the truth is fed while training: nothing is fed back here."""
        return 1.0

    def setup(self):
        """Encoder and decoder."""
        self.encoder = Blocks(self.width, self.depth, self.dtype)
        self.summary = Summary(self.latent, self.parts, dtype=self.dtype)
        self.steps = Expansion(STEPS, self.parts, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.head = nn.Dense(melody.SYMBOLS)

    def encode(self, batch) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 64] -> posterior (mean, std), each [B, latent]."""
        return self.summary(self.encoder(jax.nn.one_hot(batch["melody"], melody.SYMBOLS)))

    def logits(self, z: jax.Array) -> jax.Array:
        """z [B, latent] -> [B, 64, 32]."""
        return self.head(self.decoder(self.steps(z))).astype(jnp.float32)

    def losses(self, z, batch, key, teacher) -> dict[str, jax.Array]:
        """Negative log-likelihood of the symbols, nats per side [B]."""
        del key, teacher
        return {"symbols": losses.nll(jax.nn.log_softmax(self.logits(z)), batch["melody"])}

    def decode(self, z) -> dict[str, jax.Array]:
        """Greedy: {"melody": int32 [B, 64]}."""
        return {"melody": jnp.argmax(self.logits(z), -1)}

    def hear(self, z) -> dict[str, jax.Array]:
        """The melody as actor and critic hear it (hearing.py)."""
        return soft.melody(self.logits(z), melody.LOWEST, height=True)
