"""The lite VAE: paper 001's latent and loss (section 2.2) from parallel blocks, not autoregressive.

Every step is decoded from z alone, so nothing lets the decoder do without it: it cannot collapse. A melody is read and
written in the frame of its key (frames.py), and the frame has a part of z to itself.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.latent import soft
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.connective_fusion import frames
from musicfusion.systems.connective_fusion.windows import BARS, STEPS

FRAME = 8.0  # how much a wrong frame weighs: as many wrong notes as that


class MelodyVAE(nn.Module):
    """Four bars <-> z, which lies in time (nn.blocks.Summary); the last number of each bar belongs to the frame."""

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
        """Encoder and decoder, of the melody and of its frame."""
        self.encoder = Blocks(self.width, self.depth, self.dtype)
        self.summary = Summary(self.latent, self.parts, dtype=self.dtype)
        self.place = nn.Dense(2 * BARS)
        self.steps = Expansion(STEPS, self.parts, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.head = nn.Dense(frames.SYMBOLS)
        self.places = nn.Dense(self.width)
        self.frames = nn.Dense(frames.FRAMES)

    def encode(self, batch) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 64] -> posterior (mean, std), each [B, latent]."""
        frame, seen = self._seen(batch)
        mean, std = self.summary(self.encoder(jax.nn.one_hot(seen, frames.SYMBOLS)))
        place, spread = jnp.split(self.place(jax.nn.one_hot(frame, frames.FRAMES)), 2, -1)
        return _with_frame(mean, place), _with_frame(std, jnp.exp(0.5 * jnp.clip(spread, -14.0, 4.0)))

    def _seen(self, batch) -> tuple[jax.Array, jax.Array]:
        """The frames [B], and the melodies as they are seen from there [B, 64]; in training also from beside it."""
        frame = jnp.clip(frames.find(batch["melody"]) + batch.get("aside", 0), 0, frames.FRAMES - 1)
        return frame, frames.relative(batch["melody"], frame)

    def logits(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """z [B, latent] -> the melody as it is seen from its frame [B, 64, SYMBOLS], and the frame [B, FRAMES]."""
        seen = self.head(self.decoder(self.steps(_with_frame(z, jnp.zeros(())))))
        frame = self.frames(nn.gelu(self.places(z.reshape(len(z), BARS, -1)[..., -1])))
        return seen.astype(jnp.float32), frame.astype(jnp.float32)

    def losses(self, z, batch, key, teacher) -> dict[str, jax.Array]:
        """Negative log-likelihood, nats per side [B]: of the symbols, and of the frame, which every note depends on."""
        del key, teacher
        frame, seen = self._seen(batch)
        symbols, place = (jax.nn.log_softmax(x) for x in self.logits(z))
        return {"symbols": losses.nll(symbols, seen), "frame": FRAME * losses.nll(place[:, None], frame[:, None])}

    def decode(self, z) -> dict[str, jax.Array]:
        """Greedy: {"melody": int32 [B, 64]}."""
        seen, frame = (jnp.argmax(x, -1) for x in self.logits(z))
        return {"melody": frames.absolute(seen, frame)}

    def hear(self, z) -> dict[str, jax.Array]:
        """The melody as actor and critic hear it (hearing.py)."""
        seen, frame = self.logits(z)
        return soft.framed_melody(seen, -frames.REACH, frame, frames.LOWEST)


def _with_frame(z: jax.Array, frame: jax.Array) -> jax.Array:
    """z [B, latent] with the frame's numbers [B, 4] in their places."""
    bars = jnp.asarray(z).reshape(len(z), BARS, -1)
    return bars.at[..., -1].set(frame).reshape(z.shape)
