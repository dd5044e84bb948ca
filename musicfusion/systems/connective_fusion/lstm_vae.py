"""The paper's VAE: an LSTM of two layers reads, another one writes (Connective Fusion, sections 2.4 and 3.2).

The paper tells neither sizes nor whether the reader goes both ways: it does here, since the last state alone forgets
what went before a long note. Nor does it tell what keeps the decoder from ignoring z: here the KL's weight warms up and
some of its nats are free (config), and symbols that are fed back are dropped.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.nn.recurrent import LOG_VARIANCE, Linear, LSTMCell, autoregress
from musicfusion.systems.connective_fusion.dataset import STEPS

START = melody.SYMBOLS  # fed before the first symbol, and in place of a dropped one


class LSTMVAE(nn.Module):
    """Four bars <-> z.

    dropped: the share of fed symbols that are hidden while training (word dropout).
    """

    hidden: int = 512
    latent: int = 64
    dropped: float = 0.3
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"melody": self.latent}

    def teacher(self, fraction: jax.Array | float) -> float:
        """The share of fed symbols that are the truth while training; the others are hidden."""
        del fraction
        return 1.0 - self.dropped

    def setup(self) -> None:
        """Two layers each way."""
        size, dtype = self.hidden, self.dtype
        self.forward = [LSTMCell((inputs,), size, dtype) for inputs in (melody.SYMBOLS, 2 * size)]
        self.backward = [LSTMCell((inputs,), size, dtype) for inputs in (melody.SYMBOLS, 2 * size)]
        self.mean = Linear(2 * size, self.latent, dtype)
        self.log_variance = Linear(2 * size, self.latent, dtype)
        self.writers = [LSTMCell(inputs, size, dtype) for inputs in ((melody.SYMBOLS + 1, self.latent), (size,))]
        self.begin = Linear(self.latent, 4 * size, dtype)
        self.head = Linear(size, melody.SYMBOLS, dtype)

    def encode(self, batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 64] -> posterior mean and std, [B, d_z] each, from the upper layer's last states."""
        x = jax.nn.one_hot(batch["melody"], melody.SYMBOLS).swapaxes(0, 1)
        for there, back in zip(self.forward, self.backward, strict=True):
            forward, backward = there().read(x), back().read(x[::-1])
            x = jnp.concatenate([forward, backward[::-1]], -1)
        last = jnp.concatenate([forward[-1], backward[-1]], -1)
        std = jnp.exp(0.5 * jnp.clip(self.log_variance()(last), *LOG_VARIANCE))
        return self.mean()(last), std

    def losses(self, z: jax.Array, batch: Mapping[str, jax.Array], key: jax.Array,
               teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihood of the symbols, nats per side [B]; each is fed with the probability `teacher`."""
        shown = jax.random.bernoulli(key, teacher, batch["melody"].shape)
        scores = self._write(z, jnp.where(shown, batch["melody"], START))
        return {"symbols": losses.nll(scores, batch["melody"])}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z [B, d_z] -> greedily decoded {"melody": symbols int32 [B, 64]}."""
        return {"melody": jnp.argmax(self._write(z), -1)}

    def _write(self, z: jax.Array, fed: jax.Array | None = None) -> jax.Array:
        """Log-probabilities [B, 64, 32], after the symbols that are fed int [B, 64], or else after the likeliest."""
        first, second, head = self.writers[0](), self.writers[1](), self.head()
        h1, c1, h2, c2 = jnp.split(jnp.tanh(self.begin()(z)), 4, -1)
        fixed = first.project(z, 1) + first.bias

        def step(state, token, given):
            del given
            low, high = state
            low = first.step(low, first.project(token) + fixed)
            high = second.step(high, second.project(low[0]) + second.bias)
            return (low, high), head(high[0])

        truth = jnp.full((len(z), STEPS), START) if fed is None else fed
        teacher_forcing_mask = jnp.full(STEPS, fed is not None)
        scores = autoregress(step, ((h1, c1), (h2, c2)), START, START + 1, None, truth.astype(jnp.int32),
                             teacher_forcing_mask)
        return scores.swapaxes(0, 1)
