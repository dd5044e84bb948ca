"""MusicVAE (Roberts et al., ICML 2018), to which MusAE is compared: variational, with autoregressive decoders.

flat: one LSTM writes all four tracks, step by step. hierarchical: a conductor, an LSTM over the bars, gives each bar an
embedding, from which one LSTM for each track writes that bar without seeing the one before. Sections are that
paper's.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from musicfusion.codecs.melody import REST, VOCABULARY
from musicfusion.codecs.tracks import TRACKS
from musicfusion.core.example_keys import folded
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.nn.recurrent import (
    LOG_VARIANCE,
    LSTM,
    BiLSTM,
    Linear,
    LSTMCell,
    inverse_sigmoid_teacher,
    product,
)
from musicfusion.systems.musae.autoencoder import FourTrackAutoencoder, cross_entropy
from musicfusion.systems.musae.dataset import BEATS

STEPS = 50_000  # of the training that `rate` speaks of
SMALLEST_STD = math.exp(LOG_VARIANCE[0] / 2)
SALT = 8  # of the keys that decide what is fed


class Encoder(nn.Module):
    """Bidirectional LSTMs; the last one's final states -> posterior, sigma by softplus. Section 3.1."""

    hidden: int
    latent: int
    layers: int = 2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """int [B, T, 4] -> (mean, std), [B, latent] each."""
        x = jax.nn.one_hot(tokens, VOCABULARY).reshape(*tokens.shape[:2], -1)
        for layer in range(self.layers):
            x, last = BiLSTM(self.hidden, self.dtype, name=f"layer_{layer}")(x)
        mean = Linear(2 * self.hidden, self.latent, self.dtype, name="mean")()(last)
        std = jax.nn.softplus(Linear(2 * self.hidden, self.latent, self.dtype, name="std")()(last))
        return mean, jnp.maximum(std, SMALLEST_STD)


class MusicVAE(FourTrackAutoencoder):
    """Windows of `bars` in four tracks <-> z, as latent.vae expects it.

    Attributes:
        encoder: tokens int [B, T, 4] -> (mean, std), [B, latent] each.
        bars: of a window; steps: of a beat.
        hierarchical: whether a conductor leads a decoder for each track, bar by bar.
        hidden, layers: of the decoders and of the conductor; embedding: of a token that is fed.
        rate: k of the inverse sigmoid at which the truth gives way to what the decoder wrote itself, in steps of a
            training of `STEPS`, whatever its real length; 0: the truth is always fed, as in the public 16-bar models.
    """

    encoder: nn.Module
    bars: int
    hierarchical: bool
    hidden: int = 256
    embedding: int = 64
    layers: int = 2
    latent: int = 512
    rate: float = 2000.0
    dtype: jnp.dtype = jnp.float32
    steps: int = STEPS_PER_BEAT

    def setup(self):
        """Decoders: one for all tracks (flat), or one for each track, and their conductor."""
        read = TRACKS // self._count * self.embedding
        given = self.hidden if self.hierarchical else self.latent
        self.embeddings = [Linear(VOCABULARY, self.embedding, self.dtype) for _ in range(TRACKS)]
        self.starts = [Linear(given, 2 * self.layers * self.hidden, self.dtype) for _ in range(self._count)]
        self.cells = [[LSTMCell((self.hidden,) if layer else (read, given), self.hidden, self.dtype,
                                name=f"decoder_{k}_layer_{layer}") for layer in range(self.layers)]
                      for k in range(self._count)]
        self.heads = [Linear(self.hidden, TRACKS // self._count * VOCABULARY, self.dtype) for _ in range(self._count)]
        if self.hierarchical:
            self.begin = Linear(self.latent, 2 * self.layers * self.hidden, self.dtype)
            self.conductor = [LSTM(self.hidden, dtype=self.dtype) for _ in range(self.layers)]

    @property
    def _count(self) -> int:
        """How many decoders there are."""
        return TRACKS if self.hierarchical else 1

    @property
    def _bar(self) -> int:
        """Its steps."""
        return BEATS * self.steps

    def teacher(self, fraction: jax.Array | float) -> jax.Array | float:
        """Probability of feeding the truth at this fraction of the training, by an inverse sigmoid (public code)."""
        return inverse_sigmoid_teacher(fraction * STEPS, self.rate) if self.rate else 1.0

    def logits(self, z: jax.Array, tokens: jax.Array) -> jax.Array:
        """z [B, latent], tokens int [B, T, 4], each fed to the step after it -> [B, T, 4, 130]."""
        return self._logits(self._decoders(), self._given(z), tokens)

    def losses(
        self, z: jax.Array, batch: Mapping, key: jax.Array, teacher: jax.Array | float
    ) -> dict[str, jax.Array]:
        """Cross-entropy of the four tracks, nats a window: z [B, latent] -> {track: [B]}.

        teacher: how likely a step of a decoder is fed the truth, else a draw from what it gave the step before; decided
        by batch["example_key"], which is not needed where `teacher` is the number 1.0.
        """
        del key
        decoders, given, truth = self._decoders(), self._given(z), batch["tracks"]
        forced = isinstance(teacher, float) and teacher >= 1.0
        fed = truth if forced else self._mixed(decoders, given, truth, batch["example_key"], teacher)
        return cross_entropy(self._logits(decoders, given, fed), truth)

    def predicted(self, z: jax.Array, batch: Mapping) -> dict[str, jax.Array]:
        """The likeliest token at each step, given the true ones before it: {"tracks": int32 [B, T, 4]}."""
        return {"tracks": jnp.argmax(self.logits(z, batch["tracks"]), -1).astype(jnp.int32)}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """The likeliest token at each step, which is fed to the next: z [B, latent] -> {"tracks": int32 [B, T, 4]}."""

        def likeliest(logits, _):
            return jnp.argmax(logits, -1).astype(jnp.int32)

        steps = self._bar if self.hierarchical else self.bars * self._bar
        write = jax.vmap(lambda decoder, given: _write(decoder, given, likeliest, None, steps), (0, None))
        return {"tracks": self._joined(write(self._decoders(), self._given(z)).swapaxes(1, 2))}

    def _given(self, z: jax.Array) -> jax.Array:
        """What a decoder is given of z: z itself [B, latent]; or the embedding of each bar [B bars, hidden].

        Nothing is fed to the conductor: z gives its first states, as in the public code.
        """
        if not self.hierarchical:
            return z
        x = jnp.zeros((len(z), self.bars, 1))
        for layer, start in zip(self.conductor, _states(self.begin(), z, self.layers), strict=True):
            x, _ = layer(x, start)
        return x.reshape(-1, self.hidden)

    def _decoders(self) -> dict[str, Any]:
        """The arrays of all decoders, each stacked along a first axis."""
        embeddings = [embedding() for embedding in self.embeddings]
        each = TRACKS // self._count
        found = [{"embeddings": _stacked(embeddings[k * each : (k + 1) * each]), "start": start(),
                  "cells": [cell() for cell in cells], "head": head()}
                 for k, (start, cells, head) in enumerate(zip(self.starts, self.cells, self.heads, strict=True))]
        return _stacked(found)

    def _apart(self, x: jax.Array) -> jax.Array:
        """[B, T, 4] as the decoders write it: [decoders, B, T, 4], or bar by bar [decoders, B bars, 4 steps, 1]."""
        steps = self._bar if self.hierarchical else x.shape[1]
        return jnp.moveaxis(x.reshape(-1, steps, self._count, TRACKS // self._count), 2, 0)

    def _joined(self, x: jax.Array) -> jax.Array:
        """The reverse, whatever axes follow: [decoders, B or B bars, steps, tracks, ...] -> [B, T, 4, ...]."""
        return jnp.moveaxis(x, 0, 2).reshape(-1, self.bars * self._bar, TRACKS, *x.shape[4:])

    def _logits(self, decoders, given, tokens) -> jax.Array:
        return self._joined(jax.vmap(_forced, (0, None, 0))(decoders, given, self._apart(tokens)))

    def _mixed(self, decoders, given, truth, keys, teacher) -> jax.Array:
        """What is fed: the truth with probability `teacher`, else what the decoder draws. int [B, T, 4]; no gradient.

        As in the public code a step of a decoder is fed all of the truth or nothing of it.
        """
        draw = jax.vmap(lambda key: jax.random.uniform(key, (2, *truth.shape[1:])), out_axes=1)
        chances, uniforms = (self._apart(x).swapaxes(1, 2) for x in draw(folded(keys, SALT)))
        parts = (self._apart(truth).swapaxes(1, 2), chances[..., :1] < teacher, uniforms)

        def chosen(logits, x):
            truth, forced, uniforms = x
            return jnp.where(forced, truth, drawn(logits, uniforms))

        def write(decoder, given, parts):
            return _write(decoder, given, chosen, parts, len(parts[0]))

        decoders, given = lax.stop_gradient((decoders, given))
        return self._joined(jax.vmap(write, (0, None, 0))(decoders, given, parts).swapaxes(1, 2))


def drawn(logits: jax.Array, uniforms: jax.Array) -> jax.Array:
    """Symbols at random by their probabilities: logits [..., C], uniform numbers in 0..1 [...] -> int32 [...]."""
    below = jnp.cumsum(jax.nn.softmax(logits), -1)
    return jnp.sum(below[..., :-1] <= uniforms[..., None] * below[..., -1:], -1, dtype=jnp.int32)


def _stacked(trees: list) -> Any:
    return jax.tree.map(lambda *x: jnp.stack(x), *trees)


def _states(start, given: jax.Array, layers: int) -> list[tuple[jax.Array, jax.Array]]:
    """The first (h, c) of each layer, tanh of a linear map of what is given: [N, given] -> [N, hidden] each."""
    parts = jnp.split(jnp.tanh(start(given)), 2 * layers, -1)
    return list(zip(parts[::2], parts[1::2], strict=True))


def _forced(decoder: Mapping, given: jax.Array, tokens: jax.Array) -> jax.Array:
    """One decoder, all steps at once: given [N, size], tokens int [N, steps, tracks] -> [N, steps, tracks, 130].

    Each token is fed to the step after it; a rest is fed to the first.
    """
    fed = jnp.concatenate([jnp.full_like(tokens[:, :1], REST), tokens[:, :-1]], 1).swapaxes(0, 1)
    embed = jax.vmap(lambda embedding, token: embedding(jax.nn.one_hot(token, VOCABULARY)), (0, -1), -2)
    x, cells = embed(decoder["embeddings"], fed).reshape(*fed.shape[:2], -1), decoder["cells"]
    constant = cells[0].project(given, 1)
    for cell, start in zip(cells, _states(decoder["start"], given, len(cells)), strict=True):
        x, _ = cell.run(cell.project(x) + cell.bias + constant, start)
        constant = 0.0
    return decoder["head"](x).swapaxes(0, 1).reshape(*tokens.shape, VOCABULARY)


def _write(decoder: Mapping, given: jax.Array, choose: Callable, parts: Any, steps: int) -> jax.Array:
    """One decoder, step by step: choose(logits [N, tracks, 130], parts[step]) -> tokens int [N, tracks], fed next.

    given: [N, size]. Returns int32 [steps, N, tracks]
    """
    first, *others = decoder["cells"]
    embeddings = decoder["embeddings"]
    tracks, _, size = embeddings.kernel.shape
    constant = first.project(given, 1) + first.bias
    read = first.wi[0].reshape(tracks, size, -1)
    tables = [product(table + bias, block, first.dtype)  # what each token adds to the gates, [130, 4 hidden]
              for table, bias, block in zip(embeddings.kernel, embeddings.bias, read, strict=True)]

    def body(carry, part):
        (state, *states), tokens = carry
        state = first.step(state, constant + sum(table[tokens[:, k]] for k, table in enumerate(tables)))
        new = [state]
        for cell, before in zip(others, states, strict=True):
            new.append(cell.step(before, cell.project(new[-1][0]) + cell.bias))
        tokens = choose(decoder["head"](new[-1][0]).reshape(-1, tracks, VOCABULARY), part)
        return (new, tokens), tokens

    silence = jnp.full((len(given), tracks), REST, jnp.int32)
    start = _states(decoder["start"], given, 1 + len(others))
    return lax.scan(body, (start, silence), parts, length=steps)[1]
