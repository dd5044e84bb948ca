"""MusicVAE (Roberts et al., ICML 2018), which paper 004 compares with: variational, and its decoders autoregressive.

flat: one LSTM writes all four tracks, step by step. hierarchical: a conductor, an LSTM over the bars, gives each bar an
embedding, from which an LSTM a track writes that bar without seeing the one before. The encoder is MusAE's, so that the
table compares priors and decoders.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from musicfusion.codecs.melody import REST, VOCABULARY
from musicfusion.codecs.tracks import TRACKS
from musicfusion.nn.recurrent import LSTM, Linear, LSTMCell
from musicfusion.systems.musae.code import Coder, cross_entropy
from musicfusion.systems.musae.windows import BAR


class MusicVAE(Coder):
    """Windows of `bars` in four tracks <-> z; contract of latent.vae."""

    encoder: nn.Module
    bars: int
    hierarchical: bool
    hidden: int = 256
    embedding: int = 64
    latent: int = 512
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        """Writers: one for all tracks (flat), or one a track, and their conductor."""
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
        """What a writer is given of z: z itself [B, latent]; or of each bar its embedding [B bars, hidden]."""
        if not self.hierarchical:
            return z
        start = jnp.tanh(self.begin()(z))
        bars, _ = self.conductor(jnp.broadcast_to(z[:, None], (len(z), self.bars, self.latent)), (start, start))
        return bars.reshape(-1, self.hidden)

    def _rows(self, tokens: jax.Array) -> jax.Array:
        """[B, T, 4] as the writers see it: hierarchical ones a bar a row, [B bars, 16, 4]."""
        return tokens.reshape(-1, BAR, TRACKS) if self.hierarchical else tokens

    def logits(self, z: jax.Array, tokens: jax.Array) -> jax.Array:
        """z [B, latent], the truth int [B, T, 4], fed -> [B, T, 4, 130]."""
        given, truth = self._given(z), self._rows(tokens)
        fed = jnp.concatenate([jnp.full_like(truth[:, :1], REST), truth[:, :-1]], 1)
        found = []
        for start, cell, head, columns in self._writers():
            arrays = cell()
            read = jnp.concatenate([self._embedded(fed[..., k], k) for k in columns], -1)
            first = jnp.tanh(start()(given))
            projected = arrays.project(read.swapaxes(0, 1)) + arrays.project(given, 1) + arrays.bias
            states, _ = arrays.run(projected, (first, first))
            found.append(head()(states.swapaxes(0, 1)).reshape(*truth.shape[:2], len(columns), VOCABULARY))
        return jnp.concatenate(found, 2).reshape(len(z), -1, TRACKS, VOCABULARY)

    def _writers(self):
        """Each writer's start, cell and head, and the tracks that it writes."""
        own = [[k] for k in range(TRACKS)] if self.hierarchical else [list(range(TRACKS))]
        return zip(self.starts, self.cells, self.heads, own, strict=True)

    def _embedded(self, tokens: jax.Array, k: int) -> jax.Array:
        return self.embeddings[k]()(jax.nn.one_hot(tokens, VOCABULARY))

    def losses(self, z, batch, key, teacher) -> dict[str, jax.Array]:
        """Cross-entropy of the four tracks, nats a window [B]."""
        del key, teacher
        return cross_entropy(self.logits(z, batch["tracks"]), batch["tracks"])

    def decode(self, z) -> dict[str, jax.Array]:
        """Greedy, each step fed with what was said before: {"tracks": int32 [B, T, 4]}."""
        given = self._given(z)
        steps, found = (BAR if self.hierarchical else self.bars * BAR), []
        for start, cell, head, columns in self._writers():
            arrays, first, out = cell(), jnp.tanh(start()(given)), head()
            constant = arrays.project(given, 1) + arrays.bias
            tables = [self.embeddings[k]() for k in columns]

            def body(carry, _, arrays=arrays, out=out, constant=constant, tables=tables, columns=columns):
                state, said = carry
                read = jnp.concatenate([table(jax.nn.one_hot(said[:, i], VOCABULARY))
                                        for i, table in enumerate(tables)], -1)
                state = arrays.step(state, arrays.project(read) + constant)
                said = jnp.argmax(out(state[0]).reshape(-1, len(columns), VOCABULARY), -1).astype(jnp.int32)
                return (state, said), said

            silence = jnp.full((len(given), len(columns)), REST, jnp.int32)
            _, said = lax.scan(body, ((first, first), silence), None, length=steps)
            found.append(said.swapaxes(0, 1))
        return {"tracks": jnp.concatenate(found, -1).reshape(len(z), -1, TRACKS)}
