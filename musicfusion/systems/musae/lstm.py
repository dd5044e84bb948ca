"""MusAE's networks (section 3.2) in the public code's sizes: LSTMs, one decoder for each track, nothing fed back."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.codecs.melody import VOCABULARY
from musicfusion.codecs.tracks import TRACKS
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.nn.recurrent import LOG_VARIANCE, LSTM, BiLSTM, Linear
from musicfusion.systems.musae.autoencoder import ParallelAutoencoder
from musicfusion.systems.musae.dataset import BEATS

LAYERS = 3


class Encoder(nn.Module):
    """Three bidirectional LSTMs; the last one's final states -> posterior. Equations (7) to (10).

    sigma = exp(.5 log sigma^2), as in the public code; equation (10) prints exp(2 sigma_pre).
    """

    hidden: int
    latent: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """int [B, T, 4] -> (mean, std), [B, latent] each."""
        x = jax.nn.one_hot(tokens, VOCABULARY).reshape(*tokens.shape[:2], -1)
        for layer in range(LAYERS):
            x, last = BiLSTM(self.hidden, self.dtype, name=f"layer_{layer}")(x)
        mean = Linear(2 * self.hidden, self.latent, self.dtype, name="mean")()(last)
        log_variance = Linear(2 * self.hidden, self.latent, self.dtype, name="log_variance")()(last)
        return mean, jnp.exp(0.5 * jnp.clip(log_variance, *LOG_VARIANCE))


class Autoencoder(ParallelAutoencoder):
    """Windows of `bars` in four tracks, with `steps` to a beat <-> z."""

    bars: int
    hidden: int = 512
    latent: int = 512
    dtype: jnp.dtype = jnp.float32
    steps: int = STEPS_PER_BEAT

    def setup(self):
        """The encoder; three LSTMs for each track; the linear map to their initial states, which all tracks share."""
        self.encoder = Encoder(self.hidden, self.latent, self.dtype)
        self.start = Linear(self.latent, self.hidden, self.dtype)
        self.layers = [[LSTM(self.hidden, dtype=self.dtype, name=f"track_{k}_layer_{layer}") for layer in range(LAYERS)]
                       for k in range(TRACKS)]
        self.heads = [Linear(self.hidden, VOCABULARY, self.dtype) for _ in range(TRACKS)]

    def logits(self, z: jax.Array) -> jax.Array:
        """z [B, latent] -> [B, T, 4, 130]: z at every step, h_0 = c_0 = tanh(W z). Equations (11) to (13)."""
        start = jnp.tanh(self.start()(z))
        given = jnp.broadcast_to(z[:, None], (len(z), self.bars * BEATS * self.steps, self.latent))
        found = []
        for layers, head in zip(self.layers, self.heads, strict=True):
            x = given
            for layer in layers:
                x, _ = layer(x, (start, start))
            found.append(head()(x))
        return jnp.stack(found, 2)
