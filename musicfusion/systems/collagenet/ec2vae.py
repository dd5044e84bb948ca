"""EC2-VAE without chord condition: the published melody VAE (CollageNet, section 3.1).

A bidirectional GRU encodes 32 melody tokens to z_p + z_r. The rhythm is decoded from z_r; the
melody from z_p and the decoded rhythm's log-probabilities, so that it learns of z_r only through
them, and gradients flow back. Same contract as the lite VAE (see latent.vae). Source: the public
code of EC2-VAE and of CollageNet.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.nn.recurrent import GRUCell, Linear, RecurrentEncoder, autoregress, logistic_teacher

RESTING = 2  # a rhythm symbol
PARTS = ("rhythm", "melody")
EPOCHS = 200  # of CollageNet's training; from the tenth on hardly any truth is fed


class EC2VAE(nn.Module):
    """z_p + z_r.

    Attributes:
        hidden: size of every GRU (2048 published).
        pitch, rhythm: latent sizes (128 and 128).
        as_shipped: always feed the truth. So the published models were trained: their schedule has no
            effect, because data parallelism changes it on a copy only.
        dtype: of the factors of matrix products.
    """

    hidden: int = 2048
    pitch: int = 128
    rhythm: int = 128
    as_shipped: bool = False
    dtype: Any = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """Latent sizes in the order in which z holds them."""
        return {"pitch": self.pitch, "rhythm": self.rhythm}

    def teacher(self, fraction: jax.Array | float) -> jax.Array:
        """Probability of feeding the truth at this fraction of the training, as CollageNet intends.

        1 - 1e-5 at the start, 1e-5 after 10 epochs of 200. EC2-VAE's own schedule is nn.recurrent's
        `inverse_sigmoid_teacher`.
        """
        if self.as_shipped:
            return jnp.ones_like(jnp.asarray(fraction, jnp.float32))
        return logistic_teacher(fraction, slope=2.3 * EPOCHS, midpoint=5 / EPOCHS)

    def setup(self):
        """Encoder, rhythm decoder, melody decoder."""
        hidden, dtype = self.hidden, self.dtype
        z_p, z_r = self.pitch, self.rhythm
        symbols, tokens = melody.RHYTHMS, melody.VOCABULARY
        self.encoder = RecurrentEncoder(hidden, z_p + z_r, dtype)
        self.rhythm_start = Linear(z_r, hidden, dtype)
        self.rhythm_cell = GRUCell((symbols, z_r), hidden, dtype=dtype)
        self.rhythm_head = Linear(hidden, symbols, dtype)
        self.melody_start = Linear(z_p, hidden, dtype)
        self.melody_cell_1 = GRUCell((tokens, symbols, z_p), hidden, dtype=dtype)
        self.melody_cell_2 = GRUCell((hidden,), hidden, dtype=dtype)
        self.melody_head = Linear(hidden, tokens, dtype)

    def encode(self, batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 32] -> posterior (mean, std), each [B, pitch + rhythm]."""
        return self.encoder(jax.nn.one_hot(batch["melody"], melody.VOCABULARY))

    def losses(
        self,
        z: jax.Array,
        batch: Mapping[str, jax.Array],
        key: jax.Array,
        teacher: jax.Array | float,
    ) -> dict[str, jax.Array]:
        """Negative log-likelihood of rhythm and melody, nats per segment [B], as CollageNet.

        Args:
            z: [B, pitch + rhythm]
            batch: "melody" int [B, 32]
            key: of the teacher-forcing masks, one draw a decision for the whole batch; the same on
                all devices.
            teacher: probability of feeding the truth, else the argmax; a scalar in 0..1.
        """
        tokens = batch["melody"].astype(jnp.int32)
        truth = {"rhythm": melody.rhythm(tokens), "melody": tokens}
        masks = jax.random.bernoulli(key, teacher, (len(PARTS), tokens.shape[1]))
        scores = self._scores(z, truth, dict(zip(PARTS, masks, strict=True)))
        return {name: losses.nll(scores[name], truth[name]) for name in PARTS}

    def decode(self, z: jax.Array, steps: int = 32) -> dict[str, jax.Array]:
        """Greedy: {"tokens": int32 [B, 32], "rhythm": int32 [B, 32]}; 0 onset, 1 hold, 2 rest."""
        unseen = dict.fromkeys(PARTS, jnp.zeros((z.shape[0], steps), jnp.int32))
        scores = self._scores(z, unseen, dict.fromkeys(PARTS, jnp.zeros(steps, bool)))
        rhythm, tokens = (jnp.argmax(scores[name], -1).astype(jnp.int32) for name in PARTS)
        return {"tokens": tokens, "rhythm": rhythm}

    def _scores(self, z, truth, masks) -> dict[str, jax.Array]:
        """Log-probabilities of rhythm [B, T, 3], melody [B, T, 130]; masks [T]: feed the truth."""
        z_p, z_r = jnp.split(z, [self.pitch], -1)
        rhythm = self._rhythm(z_r, truth["rhythm"], masks["rhythm"])
        notes = self._melody(z_p, rhythm, truth["melody"], masks["melody"])
        return {"rhythm": rhythm.swapaxes(0, 1), "melody": notes.swapaxes(0, 1)}

    def _rhythm(self, z_r, truth, teacher_forcing_mask) -> jax.Array:
        cell, head = self.rhythm_cell(), self.rhythm_head()
        fixed = cell.project(z_r, 1) + cell.bi

        def step(h, token, _):
            h = cell.step(h, cell.project(token) + fixed)
            return h, head(h)

        start = jnp.tanh(self.rhythm_start()(z_r))
        return autoregress(
            step, start, RESTING, melody.RHYTHMS, None, truth, teacher_forcing_mask
        )

    def _melody(self, z_p, rhythm, truth, teacher_forcing_mask) -> jax.Array:
        first, second, head = self.melody_cell_1(), self.melody_cell_2(), self.melody_head()
        given = first.project(rhythm, 1) + (first.project(z_p, 2) + first.bi)  # [T, B, 3H]
        begins = jnp.arange(given.shape[0]) == 0

        def step(state, token, given):
            (h1, h2), (given, begins) = state, given
            h1 = first.step(h1, first.project(token) + given)
            h2 = jnp.where(begins, h1, h2)  # the upper state starts as a copy of the lower
            h2 = second.step(h2, second.project(h1) + second.bi)
            return (h1, h2), head(h2)

        h1 = jnp.tanh(self.melody_start()(z_p))
        start = (h1, jnp.zeros_like(h1))
        return autoregress(
            step,
            start,
            melody.REST,
            melody.VOCABULARY,
            (given, begins),
            truth,
            teacher_forcing_mask,
        )
