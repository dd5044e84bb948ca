"""PianoTree: the notes of 32 steps to a vector, and a latent to the notes of 32 steps.

The encoder is that of PianoTree-VAE: a GRU reads the notes of each step, a second one the steps.

The decoder is that of PolyDis: a GRU goes over the steps, fed a summary of the notes of the step
before; from its state a second GRU goes over the notes of the step, fed the note before, and gives
a pitch; a third one gives the five bits of that note's duration. The grid of tokens is that of
codecs/pianotree.py. Source: the public code of PianoTree-VAE, PolyDis and CollageNet, which differ
in the sizes only.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from musicfusion.codecs import pianotree
from musicfusion.nn.recurrent import (
    Affine,
    BiGRU,
    Cell,
    GRUCell,
    Linear,
    bidirectional,
    uniform_token,
)

STEPS = 32
CHOICES = pianotree.TOKENS - 1  # tokens of a step that are decoded: all but SOS
PITCHES = pianotree.EOS + 1  # classes of a note's head: 128 pitches, SOS, EOS
FEATURES = PITCHES + pianotree.BITS
SOS_TOKEN = [pianotree.SOS] + [pianotree.NO_BIT] * pianotree.BITS


def features(tokens: jax.Array) -> jax.Array:
    """Tokens [..., 6] -> what their embedding reads [..., 135]; PAD has no pitch, bits are numbers."""
    pitch = jax.nn.one_hot(tokens[..., 0], PITCHES)
    return jnp.concatenate([pitch, tokens[..., 1:].astype(jnp.float32)], -1)


class PianoTreeEncoder(nn.Module):
    """A BiGRU over the notes of each step, then one over the steps.

    The defaults are those of PianoTree-VAE and of CollageNet's harmony evaluator.

    Attributes:
        embedding: of a note.
        notes, time: of the two BiGRUs, a direction.
        dtype: of the factors of matrix products.
    """

    embedding: int = 128
    notes: int = 256
    time: int = 512
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, grid: jax.Array, embed: Affine | None = None) -> jax.Array:
        """Grid int [B, 32, 16, 6] -> last states of both directions over the steps [B, 2 time].

        embed: the notes' embedding where it is shared with a decoder (PianoTree-VAE: `PianoTree.embed`);
        by default the encoder has its own.
        """
        if embed is None:
            embed = Linear(FEATURES, self.embedding, self.dtype, name="embed")()
        cell = GRUCell((self.embedding,), self.notes, 2, self.dtype, name="note")()
        notes = embed(features(jnp.moveaxis(grid, -2, 0)))  # [16, B, 32, embedding]
        _, steps = bidirectional(cell, notes, pianotree.lengths(grid, jnp))
        _, last = BiGRU(self.time, self.dtype, name="step")(steps)
        return last


class PianoTreeDecoder(nn.Module):
    """The decoder's parameters, at the sizes of PolyDis; calling it returns a `PianoTree`.

    Attributes:
        latent: size of z.
        embedding: of a note; the summary of a step is twice as large.
        z_input: of z as the GRU over the steps reads it.
        time, note, duration: of the three GRUs.
        dtype: of the factors of matrix products.
    """

    latent: int
    embedding: int = 128
    z_input: int = 256
    time: int = 1024
    note: int = 512
    duration: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self) -> "PianoTree":
        """The arrays with their functions, ready to be used inside a scan."""
        summary = 2 * self.embedding

        def linear(name, inputs, features):
            return Linear(inputs, features, self.dtype, name=name)()

        def gru(name, inputs, features, directions=1):
            return GRUCell(inputs, features, directions, self.dtype, name=name)()

        return PianoTree(
            embed=linear("embed", FEATURES, self.embedding),
            summary=gru("summary", (self.embedding,), self.embedding, 2),
            first_summary=self.param("first_summary", uniform_token, (summary,)),
            time_start=linear("time_start", self.latent, self.time),
            time_input=linear("time_input", self.latent, self.z_input),
            time=gru("time", (summary, self.z_input), self.time),
            note_start=linear("note_start", self.time, self.note),
            note=gru("note", (self.time, self.embedding), self.note),
            pitch=linear("pitch", self.note, PITCHES),
            bit_start=linear("bit_start", self.note + PITCHES, self.duration),
            first_bit=self.param("first_bit", uniform_token, (pianotree.BITS,)),
            bits=gru("bits", (pianotree.BITS,), self.duration),
            bit=linear("bit", self.duration, 2),
        )


@struct.dataclass
class PianoTree:
    """The PianoTree decoder as pure functions of its arrays, in two passes.

    `choose` goes through 32 x 15 x 5 decisions one after the other, without gradients, and settles
    what is fed: true or decoded tokens. `logits` then takes what was fed as given, so its only
    sequences are 32 steps, 15 notes of all steps at once, 5 bits of all notes at once. Gradients
    need no more, since none flow through an argmax. Both use the same arrays: the argmax of
    `logits`, given what a greedy `choose` fed, is what it chose.
    """

    embed: Affine
    summary: Cell
    first_summary: jax.Array
    time_start: Affine
    time_input: Affine
    time: Cell
    note_start: Affine
    note: Cell
    pitch: Affine
    bit_start: Affine
    first_bit: jax.Array
    bits: Cell
    bit: Affine

    def choose(
        self, z: jax.Array, truth: jax.Array, masks: Mapping[str, jax.Array]
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Greedy decoding, with the truth fed instead where a teacher-forcing mask is True.

        Args:
            z: [B, latent]
            truth: grid int [B, 32, 16, 6]
            masks: bool, "summary" [32]: the next step is fed the true notes of this one;
                "note" [32, 15]: the next note of the same step is fed the true note before.

        Returns:
            (decoded grid [B, 32, 16, 6],
            fed tokens: "notes" [32, B, 15, 6], "steps" [32, B, 16, 6])
        """
        decoder, z = jax.lax.stop_gradient((self, z))
        return decoder._choose(z, truth, masks)

    def greedy(self, z: jax.Array) -> dict[str, jax.Array]:
        """z [B, latent] -> the likeliest notes: slots "pitch", "duration" uint8 [B, 32, 14]."""
        unseen = jnp.zeros((z.shape[0], STEPS, pianotree.TOKENS, 1 + pianotree.BITS), jnp.int32)
        never = {"summary": jnp.zeros(STEPS, bool), "note": jnp.zeros((STEPS, CHOICES), bool)}
        grid, _ = self.choose(z, unseen, never)
        pitch, duration = pianotree.slots_from_grid(grid, jnp)
        return {"pitch": pitch.astype(jnp.uint8), "duration": duration.astype(jnp.uint8)}

    def _choose(self, z, truth, masks):
        fixed = self.time.project(self.time_input(z), 1) + self.time.bi

        def step(carry, x):
            h, summary = carry
            truth, masks = x
            h = self.time.step(h, self.time.project(summary) + fixed)
            decoded, fed = self._choose_notes(h, truth, masks["note"])
            whole = jnp.where(masks["summary"], truth, decoded)
            return (h, self.summarise(whole)), (decoded, fed, whole)

        begin = (self.time_start(z), self._first_summary(z.shape[:1]))
        _, (decoded, notes, steps) = jax.lax.scan(step, begin, (truth.swapaxes(0, 1), masks))
        return decoded.swapaxes(0, 1), {"notes": notes, "steps": steps}

    def _choose_notes(self, h, truth, mask) -> tuple[jax.Array, jax.Array]:
        """h [B, time], truth [B, 16, 6], mask [15] -> decoded [B, 16, 6], fed [B, 15, 6]."""
        fixed = self.note.project(h) + self.note.bi

        def step(carry, x):
            state, token = carry
            truth, forced = x
            state = self.note.step(state, self.note.project(self._embed(token), 1) + fixed)
            pitch = self.pitch(state)
            guess = _token(pitch, self._bits(state, pitch))
            return (state, jnp.where(forced, truth, guess)), (guess, token)

        sos = jnp.broadcast_to(jnp.array(SOS_TOKEN, jnp.int32), truth[:, 0].shape)
        begin = (self.note_start(h), sos)
        _, (decoded, fed) = jax.lax.scan(step, begin, (truth[:, 1:].swapaxes(0, 1), mask))
        decoded = jnp.concatenate([sos[None], decoded])
        return decoded.swapaxes(0, 1), fed.swapaxes(0, 1)

    def logits(
        self, z: jax.Array, fed: Mapping[str, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        """Scores of every decision given the tokens that were fed (the form of `choose`).

        Returns:
            (pitch logits [32, B, 15, 130], bit logits [32, B, 15, 5, 2])
        """
        summaries = self.summarise(fed["steps"][:-1])  # [31, B, 2E]
        first = self._first_summary((1, z.shape[0]))
        projected = self.time.project(jnp.concatenate([first, summaries]))
        projected += self.time.project(self.time_input(z), 1) + self.time.bi
        h, _ = self.time.run(projected, self.time_start(z))  # [32, B, time]
        tokens = jnp.moveaxis(fed["notes"], 2, 0)  # [15, 32, B, 6]
        projected = self.note.project(self._embed(tokens), 1)
        projected += self.note.project(h) + self.note.bi
        states, _ = self.note.run(projected, self.note_start(h))  # [15, 32, B, note]
        states = jnp.moveaxis(states, 0, 2)
        pitch = self.pitch(states)
        return pitch, self._bits(states, pitch)

    def summarise(self, tokens: jax.Array) -> jax.Array:
        """A step's notes as the next step is fed them: tokens [..., 16, 6] -> [..., 2E]."""
        x = self._embed(jnp.moveaxis(tokens, -2, 0))
        return bidirectional(self.summary, x, pianotree.lengths(tokens, jnp))[1]

    def _first_summary(self, shape: tuple[int, ...]) -> jax.Array:
        return jnp.broadcast_to(self.first_summary, (*shape, *self.first_summary.shape))

    def _embed(self, tokens) -> jax.Array:
        """Tokens [..., 6] -> [..., E]."""
        return self.embed(features(tokens))

    def _bits(self, state, pitch) -> jax.Array:
        """Note states [..., note], pitch logits [..., 130] -> duration's logits [..., 5, 2]."""
        h = self.bit_start(jnp.concatenate([state, pitch], -1))
        token, logits = self.first_bit, []
        for _ in range(pianotree.BITS):  # five small steps, cheaper unrolled than as a loop
            h = self.bits.step(h, self.bits.project(token) + self.bits.bi)
            logits.append(self.bit(h))
            token = jax.nn.one_hot(jnp.argmax(logits[-1], -1), pianotree.BITS)
        return jnp.stack(logits, -2)


def _token(pitch, bits) -> jax.Array:
    """Logits [..., 130] and [..., 5, 2] -> the greedy token [..., 6], in the form of a true one."""
    pitch = jnp.argmax(pitch, -1, keepdims=True)
    bits = jnp.where(pitch < pianotree.SOS, jnp.argmax(bits, -1), pianotree.NO_BIT)
    return jnp.concatenate([pitch, bits], -1).astype(jnp.int32)
