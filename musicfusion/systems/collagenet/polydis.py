"""The chord/texture VAE of PolyDis: the published accompaniment VAE (CollageNet, section 3.1).

Chords are encoded to z_c and decoded from it; the texture encoder reads the duration matrix to z_t;
a PianoTree decoder writes the notes from both. Same contract as the lite VAE (see latent.vae).
Source: the public code of PolyDis and of CollageNet.

Differences from that code: the texture encoder keeps the order of time; the chord decoder feeds
each example its own tokens, in the data's column order; a step is summarised in the same way for
true and decoded notes (SOS, notes, EOS), also where no EOS comes; the posterior's std is
exp(.5 * head).
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.codecs import chords, pianotree, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.parallel import masked_mean
from musicfusion.nn.recurrent import (
    GRUCell,
    Linear,
    RecurrentEncoder,
    logistic_teacher,
    uniform,
    uniform_token,
)
from musicfusion.systems.collagenet.pianotree import CHOICES, STEPS, PianoTreeDecoder

BEATS = 8
PUBLISHED = {"pitch": 1.0, "duration": 0.5, "root": 1.0, "chroma": 1.0, "bass": 1.0}
PRESETS: dict[str, dict[str, Any]] = {
    "polydis": {},  # the fields' defaults
    "collagenet": {
        "chord": 512,
        "texture": 1024,
        "encoder": 2048,
        "channels": 40,
        "texture_features": 1024,
        "chord_hidden": 1024,
        "chord_input": 512,
        "notes": {"embedding": 256, "z_input": 512, "time": 2048, "note": 1024, "duration": 128},
    },
}


def create(preset: str = "polydis", **fields: Any) -> "PolyDis":
    """A published size by name, with whatever fields differ.

    Raises:
        MusicFusionError: the preset is unknown.
    """
    if preset not in PRESETS:
        raise MusicFusionError(f"preset = {preset!r} is unknown: use {' or '.join(PRESETS)}")
    return PolyDis(**(PRESETS[preset] | fields))


class TextureEncoder(nn.Module):
    """The texture encoder: a convolution that sees one beat at a time, then a BiGRU over beats.

    Attributes:
        latent: size of z_t.
        hidden: of the BiGRU, a direction.
        channels: of the convolution.
        features: of a beat.
        middle: of the linear layer between them.
        dtype: of the factors of matrix products.
    """

    latent: int
    hidden: int
    channels: int
    features: int
    middle: int = 1000
    dtype: Any = jnp.float32

    def setup(self):
        """Convolution over each beat, two linear layers, the recurrent part."""
        init = uniform((4 * 12) ** -0.5)
        self.conv = nn.Conv(
            self.channels,
            kernel_size=(4, 12),
            strides=(4, 1),
            padding="VALID",
            dtype=self.dtype,
            kernel_init=init,
            bias_init=init,
        )
        self.wide = Linear(self.channels * ((polyphony.PITCHES - 11) // 4), self.middle, self.dtype)
        self.narrow = Linear(self.middle, self.features, self.dtype)
        self.posterior = RecurrentEncoder(self.hidden, self.latent, self.dtype)

    def beats(self, matrix: jax.Array) -> jax.Array:
        """One vector a beat, of that beat's notes alone. [B, 32, 128] -> [B, 8, features].

        The public code views [channels, 8, 29] as [8, channels * 29] without a transpose, which
        mixes the beats before the recurrent part reads them.
        """
        x = nn.relu(self.conv(matrix[..., None]))
        x = nn.max_pool(x, (1, 4), (1, 4))  # [B, 8, 29, channels]
        x = x.reshape(*x.shape[:2], -1)
        return self.narrow()(self.wide()(x))

    def __call__(self, matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Duration matrix [B, 32, 128] -> (mean, std), each [B, latent]."""
        return self.posterior(self.beats(matrix))


class ChordDecoder(nn.Module):
    """z_c -> a chord for each beat: a GRU over the beats that is fed the chord before.

    Attributes:
        latent: size of z_c.
        hidden: of the GRU.
        input: of z_c as the GRU reads it.
        dtype: of the factors of matrix products.
    """

    latent: int
    hidden: int
    input: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, z: jax.Array, truth: jax.Array, teacher_forcing_mask: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """z [B, latent], truth [B, 8, 36], mask bool [8] -> logits [B, 8, 48], greedy [B, 8, 36].

        Logits: root 12, bass 12, chroma 12 x (absent, present). Where the mask is True the next
        beat is fed the truth.
        """
        start = Linear(self.latent, self.hidden, self.dtype, name="start")()
        constant = Linear(self.latent, self.input, self.dtype, name="input")()
        cell = GRUCell((chords.SIZE, self.input), self.hidden, dtype=self.dtype, name="cell")()
        head = Linear(self.hidden, 48, self.dtype, name="head")()
        first = self.param("first", uniform_token, (chords.SIZE,))
        fixed = cell.project(constant(z), 1) + cell.bi

        def step(carry, x):
            h, token = carry
            truth, forced = x
            h = cell.step(h, cell.project(token) + fixed)
            logits = head(h)
            guess = _greedy_chord(logits)
            return (h, jnp.where(forced, truth, guess)), (logits, guess)

        begin = (start(z), jnp.broadcast_to(first, (z.shape[0], chords.SIZE)))
        given = (truth.swapaxes(0, 1), teacher_forcing_mask)
        _, (logits, guesses) = jax.lax.scan(step, begin, given)
        return logits.swapaxes(0, 1), guesses.swapaxes(0, 1)


def _greedy_chord(logits: jax.Array) -> jax.Array:
    """Logits [B, 48] -> chord vectors [B, 36], each from its own logits."""
    root, bass, chroma = jnp.split(logits, [12, 24], -1)
    root, bass = (jax.nn.one_hot(jnp.argmax(x, -1), 12) for x in (root, bass))
    chroma = jnp.argmax(chroma.reshape(-1, 12, 2), -1)
    return jnp.concatenate([root, bass, chroma], -1)


class PolyDis(nn.Module):
    """z_c + z_t.

    Attributes:
        chord, texture: latent sizes.
        encoder: size of the encoders' GRUs, a direction.
        channels, texture_features: of the texture encoder.
        chord_hidden, chord_input: of the chord decoder.
        notes: fields of `PianoTreeDecoder` that differ from its defaults.
        ceilings: probability of feeding the ground truth where `teacher` is 1, for the summary of a
            step, for a note, for a chord.
        normalise: "paper" for the published weighted means per token, which are the same for all
            examples; "segment" for nats per segment, as the other VAEs have it.
        dtype: of the factors of matrix products.
    """

    chord: int = 256
    texture: int = 256
    encoder: int = 1024
    channels: int = 10
    texture_features: int = 256
    chord_hidden: int = 512
    chord_input: int = 256
    notes: Any = field(default_factory=dict)
    ceilings: tuple[float, float, float] = (0.6, 0.5, 0.5)
    normalise: str = "paper"
    dtype: Any = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """Latent sizes in the order in which z holds them."""
        return {"chord": self.chord, "texture": self.texture}

    def teacher(self, fraction: jax.Array | float) -> jax.Array:
        """How much of `ceilings` holds at this fraction of the training."""
        return logistic_teacher(fraction)

    def setup(self):
        """Two encoders and two decoders."""
        self.chord_encoder = RecurrentEncoder(self.encoder, self.chord, self.dtype)
        self.texture_encoder = TextureEncoder(
            self.texture, self.encoder, self.channels, self.texture_features, dtype=self.dtype
        )
        self.chord_decoder = ChordDecoder(
            self.chord, self.chord_hidden, self.chord_input, self.dtype
        )
        self.note_decoder = PianoTreeDecoder(
            self.chord + self.texture, dtype=self.dtype, **self.notes
        )

    def encode(self, batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Segments -> posterior (mean, std), each [B, chord + texture].

        batch: slots "pitch", "duration" [B, 32, 14], cut at the segment's end; "chords" [B, 8, 3].
        """
        mean_c, std_c = self.chord_encoder(chords.vectors(batch["chords"], jnp))
        matrix = polyphony.duration_matrix(batch["pitch"], batch["duration"], jnp)
        mean_t, std_t = self.texture_encoder(matrix)
        return jnp.concatenate([mean_c, mean_t], -1), jnp.concatenate([std_c, std_t], -1)

    def losses(
        self,
        z: jax.Array,
        batch: Mapping[str, jax.Array],
        key: jax.Array,
        teacher: jax.Array | float,
    ) -> dict[str, jax.Array]:
        """Reconstruction terms [B]: pitch (of notes and EOS), duration, root, bass, chroma.

        Args:
            z: [B, chord + texture]
            batch: as for `encode`.
            key: of the teacher-forcing masks, one draw a decision for the whole batch; the same on
                all devices.
            teacher: scalar in 0..1; the truth is fed with probability ceiling * teacher, else the
                argmax.
        """
        keys = jax.random.split(key, 3)
        shapes = ((STEPS,), (STEPS, CHOICES), (BEATS,))
        masks = [
            jax.random.bernoulli(key, ceiling * teacher, shape)
            for key, ceiling, shape in zip(keys, self.ceilings, shapes, strict=True)
        ]
        return {**self._note_losses(z, batch, masks[:2]), **self._chord_losses(z, batch, masks[2])}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: slots "pitch", "duration" uint8 [B, 32, 14] and "chords" int32 [B, 8, 3]."""
        unseen = jnp.zeros((z.shape[0], BEATS, chords.SIZE))
        _, vectors = self.chord_decoder(z[:, : self.chord], unseen, jnp.zeros(BEATS, bool))
        return {**self.note_decoder().greedy(z), "chords": chords.rows(vectors, jnp)}

    def _note_losses(self, z, batch, masks) -> dict[str, jax.Array]:
        grid = pianotree.grid_from_slots(batch["pitch"], batch["duration"], jnp)
        decoder = self.note_decoder()
        masks = dict(zip(("summary", "note"), masks, strict=True))
        time_first = grid.swapaxes(0, 1)
        fed = jax.lax.cond(
            jnp.all(masks["summary"]) & jnp.all(masks["note"]),  # then nothing decoded is fed
            lambda: {"notes": time_first[:, :, :-1], "steps": time_first},
            lambda: decoder.choose(z, grid, masks)[1],
        )
        pitch, bits = decoder.logits(z, fed)
        target = time_first[:, :, 1:]
        there = target[..., 0] != pianotree.PAD
        note = (target[..., 0] < pianotree.SOS)[..., None]
        return {
            "pitch": self._term("pitch", pitch, target[..., 0], there, 1),
            "duration": self._term("duration", bits, target[..., 1:], note, 1),
        }

    def _chord_losses(self, z, batch, mask) -> dict[str, jax.Array]:
        rows = batch["chords"]
        truth = chords.vectors(rows, jnp)
        logits, _ = self.chord_decoder(z[:, : self.chord], truth, mask)
        root, bass, chroma = jnp.split(logits, [12, 24], -1)
        chroma = chroma.reshape(*chroma.shape[:-1], 12, 2)
        tones = truth[..., 24:].astype(jnp.int32)
        return {
            "root": self._term("root", root, rows[..., 0]),
            "bass": self._term("bass", bass, rows[..., 1]),
            "chroma": self._term("chroma", chroma, tones),
        }

    def _term(self, name: str, logits, targets, mask=True, axis: int = 0) -> jax.Array:
        """Logits [..., C], masked targets [...] -> [B]; `axis` is the batch's in them."""
        scores = jax.nn.log_softmax(logits) * jax.nn.one_hot(targets, logits.shape[-1])
        entropy = -jnp.sum(scores, -1)
        mask = jnp.broadcast_to(mask, entropy.shape).astype(jnp.float32)
        if self.normalise == "paper":
            mean = PUBLISHED[name] * masked_mean(entropy, mask)
            return jnp.broadcast_to(mean, entropy.shape[axis])
        others = [other for other in range(entropy.ndim) if other != axis]
        return jnp.sum(entropy * mask, others)
