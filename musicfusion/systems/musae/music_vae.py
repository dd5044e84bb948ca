"""MusicVAE (Roberts et al., ICML 2018), to which MusAE is compared: variational, with autoregressive decoders.

flat: one LSTM writes all four tracks, step by step. hierarchical: a conductor, an LSTM over the bars, gives each bar an
embedding, from which one LSTM for each track writes that bar without seeing the one before. The encoder is MusAE's, so
that the table compares priors and decoders.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from musicfusion.codecs.melody import REST, VOCABULARY
from musicfusion.codecs.tracks import TRACKS
from musicfusion.nn.recurrent import LSTM, Linear, LSTMCell
from musicfusion.systems.musae.autoencoder import FourTrackAutoencoder, cross_entropy
from musicfusion.systems.musae.dataset import BAR


class MusicVAE(FourTrackAutoencoder):
    """Windows of `bars` in four tracks <-> z, as latent.vae expects it."""

    encoder: nn.Module
    bars: int
    hierarchical: bool
    hidden: int = 256
    embedding: int = 64
    latent: int = 512
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        """Decoders: one for all tracks (flat), or one for each track, and their conductor."""
        groups = TRACKS if self.hierarchical else 1
        read = TRACKS // groups * self.embedding
        given = self.hidden if self.hierarchical else self.latent
        self.embeddings = [Linear(VOCABULARY, self.embedding, self.dtype) for _ in range(TRACKS)]
        self.starts = [Linear(given, self.hidden, self.dtype) for _ in range(groups)]
        self.cells = [LSTMCell((read, given), self.hidden, self.dtype) for _ in range(groups)]
        self.heads = [Linear(self.hidden, TRACKS // groups * VOCABULARY, self.dtype) for _ in range(groups)]
        if self.hierarchical:
            self.begin = Linear(self.latent, self.hidden, self.dtype)
            self.conductor = LSTM(self.hidden, dtype=self.dtype)

    def _given(self, z: jax.Array) -> jax.Array:
        """What a decoder is given of z: z itself [B, latent]; or the embedding of each bar [B bars, hidden]."""
        if not self.hierarchical:
            return z
        start = jnp.tanh(self.begin()(z))
        bars, _ = self.conductor(jnp.broadcast_to(z[:, None], (len(z), self.bars, self.latent)), (start, start))
        return bars.reshape(-1, self.hidden)

    def _sequences(self, tokens: jax.Array) -> jax.Array:
        """[B, T, 4] as the decoders write it: bar by bar where they are hierarchical, [B bars, 16, 4]."""
        return tokens.reshape(-1, BAR, TRACKS) if self.hierarchical else tokens

    def logits(self, z: jax.Array, tokens: jax.Array) -> jax.Array:
        """z [B, latent], the truth int [B, T, 4], which is fed -> [B, T, 4, 130]."""
        given, truth = self._given(z), self._sequences(tokens)
        fed = jnp.concatenate([jnp.full_like(truth[:, :1], REST), truth[:, :-1]], 1)
        found = []
        for start, cell, head, columns in self._decoders():
            arrays = cell()
            read = jnp.concatenate([self._embedded(fed[..., k], k) for k in columns], -1)
            first = jnp.tanh(start()(given))
            projected = arrays.project(read.swapaxes(0, 1)) + arrays.project(given, 1) + arrays.bias
            states, _ = arrays.run(projected, (first, first))
            found.append(head()(states.swapaxes(0, 1)).reshape(*truth.shape[:2], len(columns), VOCABULARY))
        return jnp.concatenate(found, 2).reshape(len(z), -1, TRACKS, VOCABULARY)

    def _decoders(self):
        """Each decoder's start, cell and head, and the tracks that it writes."""
        own = [[k] for k in range(TRACKS)] if self.hierarchical else [list(range(TRACKS))]
        return zip(self.starts, self.cells, self.heads, own, strict=True)

    def _embedded(self, tokens: jax.Array, k: int) -> jax.Array:
        return self.embeddings[k]()(jax.nn.one_hot(tokens, VOCABULARY))

    def losses(self, z: jax.Array, batch: Mapping, key: jax.Array, teacher: float) -> dict[str, jax.Array]:
        """Cross-entropy of the four tracks, nats a window: z [B, latent] -> {track: [B]}."""
        del key, teacher
        return cross_entropy(self.logits(z, batch["tracks"]), batch["tracks"])

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """The likeliest token at each step, which is fed to the next: z [B, latent] -> {"tracks": int32 [B, T, 4]}."""
        given = self._given(z)
        steps, found = (BAR if self.hierarchical else self.bars * BAR), []
        for start, cell, head, columns in self._decoders():
            arrays, first, out = cell(), jnp.tanh(start()(given)), head()
            constant = arrays.project(given, 1) + arrays.bias
            tables = [self.embeddings[k]() for k in columns]

            def body(carry, _, arrays=arrays, out=out, constant=constant, tables=tables, columns=columns):
                state, written = carry
                read = jnp.concatenate([table(jax.nn.one_hot(written[:, i], VOCABULARY))
                                        for i, table in enumerate(tables)], -1)
                state = arrays.step(state, arrays.project(read) + constant)
                written = jnp.argmax(out(state[0]).reshape(-1, len(columns), VOCABULARY), -1).astype(jnp.int32)
                return (state, written), written

            silence = jnp.full((len(given), len(columns)), REST, jnp.int32)
            _, written = lax.scan(body, ((first, first), silence), None, length=steps)
            found.append(written.swapaxes(0, 1))
        return {"tracks": jnp.concatenate(found, -1).reshape(len(z), -1, TRACKS)}
