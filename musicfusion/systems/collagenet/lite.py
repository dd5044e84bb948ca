"""The lite VAEs: the paper's latents and factorisation (CollageNet, section 3.1) from parallel blocks.

They keep the contract of the published recurrent models in ec2vae.py and polydis.py (see latent.vae); losses are nats
per segment, one number an example. They also have `soft_decode`, for the actor and critic of lite_actor_critic.py.

A melody is read and written relative to its tonic (codecs/tonic.py), a texture relative to the roots of its chords, so
either looks the same in every key. Which tonic it is has a part of z_p to itself; in which octave the roots lie is a
part of z_t. So another key is a short way off, and from F sharp to G it is a semitone, as it is anywhere.

Every latent lies in time: an eighth of each aspect belongs to each beat (nn.blocks.Summary). So the actor meets a
beat's melody beside the chord under it, and need not find out which numbers of z sound together.
"""

from collections.abc import Mapping
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import chords, melody, polyphony, tonic
from musicfusion.latent import soft_decode
from musicfusion.latent.soft_decode import OCTAVE
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.collagenet import lite_actor_critic
from musicfusion.systems.collagenet.dataset import BEATS, PER_BEAT, STEPS

TONICS = tonic.Tonics(0, melody.HOLD)
TONIC_WEIGHT = 4.0  # a wrong tonic costs as much as so many wrong notes
SURE = nn.initializers.constant(-4.0)  # a posterior's log variance at first
CENTRE = 60  # where a root lies among the pitches that are relative to it

Batch = Mapping[str, jax.Array]


class MelodyVAE(nn.Module):
    """z_p + z_r: the rhythm is decoded from z_r alone, the melody from z_p and the decoded rhythm (as EC2-VAE).

    Attributes:
        width, depth: of the blocks in the encoder and in each decoder.
        pitch, rhythm: latent sizes. Of z_p the last number of each beat belongs to the tonic.
        dtype: of the factors of matrix products.
    """

    width: int = 128
    depth: int = 2
    pitch: int = 128
    rhythm: int = 128
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """Latent sizes in the order in which z holds them."""
        return {"pitch": self.pitch, "rhythm": self.rhythm}

    def teacher(self, fraction: jax.Array | float) -> float:
        """How much of the truth is fed while training: nothing is fed back here."""
        return 1.0

    def setup(self):
        self.encoder = Blocks(self.width, self.depth, self.dtype)
        self.pitch_summary = Summary(self.pitch - BEATS, BEATS, dtype=self.dtype)
        self.rhythm_summary = Summary(self.rhythm, BEATS, dtype=self.dtype)
        self.tonic_mean, self.tonic_log_variance = nn.Dense(BEATS), nn.Dense(BEATS, bias_init=SURE)
        self.rhythm_steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.rhythm_decoder = Blocks(self.width, self.depth, self.dtype)
        self.rhythm_head = nn.Dense(melody.RHYTHMS)
        self.pitch_steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.melody_decoder = Blocks(self.width, self.depth, self.dtype)
        self.melody_head = nn.Dense(tonic.SYMBOLS)
        self.tonic_decoder = nn.Dense(self.width)
        self.tonic_head = nn.Dense(TONICS.count)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 32] -> posterior (mean, std), each [B, pitch + rhythm]."""
        tokens = batch["melody"]
        found = TONICS.find(tokens)
        x = jnp.concatenate([jax.nn.one_hot(TONICS.relative(tokens, found), tonic.SYMBOLS),
                             jax.nn.one_hot(melody.rhythm(tokens), melody.RHYTHMS)], -1)
        x, key = self.encoder(x), jax.nn.one_hot(found, TONICS.count)
        of_tonic = self.tonic_mean(key), std_from(self.tonic_log_variance(key))
        mean, std = (jnp.concatenate([with_last(pitch, tonic[..., None]), rhythm], -1) for pitch, tonic, rhythm
                     in zip(self.pitch_summary(x), of_tonic, self.rhythm_summary(x), strict=True))
        return mean, std

    def logits(self, z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """z [B, pitch + rhythm] -> log-probabilities of the rhythm [B, 32, 3], of tonic-relative symbols [B, 32, 51],
        of the tonic [B, 140].
        """
        z_p, z_r = jnp.split(z, [self.pitch], -1)
        notes, tonics = without_last(z_p)
        rhythm = self.rhythm_head(self.rhythm_decoder(self.rhythm_steps(z_r)))
        rhythm = jax.nn.log_softmax(rhythm.astype(jnp.float32))
        x = jnp.concatenate([self.pitch_steps(notes), jnp.exp(rhythm)], -1)
        degrees = self.melody_head(self.melody_decoder(x))
        found = self.tonic_head(nn.gelu(self.tonic_decoder(tonics[..., 0])))
        degrees, found = (jax.nn.log_softmax(x.astype(jnp.float32)) for x in (degrees, found))
        return rhythm, degrees, found

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihood of rhythm, melody and tonic, nats per segment [B]; nothing feeds back: no teacher."""
        del key, teacher
        tokens = batch["melody"]
        found = TONICS.find(tokens)
        rhythm, degrees, tonics = self.logits(z)
        return {"rhythm": losses.nll(rhythm, melody.rhythm(tokens)),
                "melody": losses.nll(degrees, TONICS.relative(tokens, found)),
                "tonic": TONIC_WEIGHT * losses.nll(tonics[:, None], found[:, None])}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: {"tokens": int32 [B, 32], "rhythm": int32 [B, 32]}."""
        rhythm, degrees, tonics = (jnp.argmax(x, -1) for x in self.logits(z))
        return {"tokens": TONICS.absolute(degrees, tonics), "rhythm": rhythm}

    def soft_decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z -> the decoded features of the melody (lite_actor_critic.py)."""
        _, degrees, tonics = self.logits(z)
        return soft_decode.tonic_relative_melody(degrees, -tonic.REACH, tonics, TONICS.first)


def std_from(log_variance: jax.Array) -> jax.Array:
    """A posterior's std, within the limits that nn.blocks.Summary has."""
    return jnp.exp(0.5 * jnp.clip(log_variance, -14.0, 4.0))


def with_last(z: jax.Array, numbers: jax.Array) -> jax.Array:
    """Each beat's part of z [B, n] and one number more [B, 8, 1] -> [B, n + 8]."""
    return jnp.concatenate([z.reshape(len(z), BEATS, -1), numbers], -1).reshape(len(z), -1)


def without_last(z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The reverse: [B, n + 8] -> [B, n], [B, 8, 1]."""
    by_beat = z.reshape(len(z), BEATS, -1)
    return by_beat[..., :-1].reshape(len(z), -1), by_beat[..., -1:]


class Notes(NamedTuple):
    """A decoder's output for every cell of the duration matrix, [B, 32, 128] each.

    onsets: the logit of an onset. location, log_scale: of the logistic distribution of the duration's log2.
    """

    onsets: jax.Array
    location: jax.Array
    log_scale: jax.Array


def note_heads(dtype: jnp.dtype) -> tuple[nn.Dense, nn.Dense]:
    """The last layers of a decoder of notes: onsets, durations."""
    rare = nn.initializers.constant(-4.0)  # about one cell in 128 holds an onset
    return (nn.Dense(polyphony.PITCHES, bias_init=rare), nn.Dense(2 * polyphony.PITCHES, dtype=dtype))


def notes_from_heads(onsets: jax.Array, durations: jax.Array) -> Notes:
    """The outputs of the two heads, [B, 32, 128] and [B, 32, 256], as Notes; 0 of the second means two steps."""
    location, log_scale = jnp.split(durations.astype(jnp.float32), 2, -1)
    return Notes(onsets.astype(jnp.float32), location + 1.0, jnp.clip(log_scale - 1.0, -4.0, 2.0))


def note_losses(notes: Notes, matrix: jax.Array) -> dict[str, jax.Array]:
    """Nats per segment [B]: onsets, and durations at the onsets of the true matrix [B, 32, 128].

    A duration that reaches the segment's end stands for every longer one.
    """
    there = (matrix > 0).astype(jnp.float32)
    length = jnp.maximum(matrix, 1.0)
    above = jnp.where(length >= jnp.arange(STEPS, 0, -1)[:, None], jnp.inf, jnp.log2(length + 0.5))
    below = jnp.where(length <= 1.0, -jnp.inf, jnp.log2(length - 0.5))
    durations = losses.interval_nll(notes.location, notes.log_scale, below, above)
    return {"onsets": jnp.sum(losses.binary_cross_entropy(notes.onsets, there), (1, 2)),
            "durations": jnp.sum(there * durations, (1, 2))}


def greedy_matrix(notes: Notes) -> jax.Array:
    """The likeliest duration matrix [B, 32, 128]."""
    length = jnp.clip(jnp.round(2.0**notes.location), 1, STEPS).astype(jnp.int32)
    return (notes.onsets > 0) * length


class AccompanimentVAE(nn.Module):
    """z_c + z_t: the chords are decoded from z_c alone, the notes from both (as PolyDis).

    The texture is read and written relative to its chords: pitches are counted from the root of the chord that sounds
    at their onset, in the octave nearest to the notes' mean. So z_t need not know the key. It knows near which pitch
    each root lies, and a root that z_c moves is the nearest one to that, with the notes above it.

    Attributes:
        width, depth: of the blocks that read and write notes; those of chords are half as wide, and one deep.
        chord, texture: latent sizes. Of z_t the last number of each beat says near which pitch its root lies.
        dtype: of the factors of matrix products.
    """

    width: int = 128
    depth: int = 2
    chord: int = 128
    texture: int = 256
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """Latent sizes in the order in which z holds them."""
        return {"chord": self.chord, "texture": self.texture}

    def teacher(self, fraction: jax.Array | float) -> float:
        """How much of the truth is fed while training: nothing is fed back here."""
        return 1.0

    def setup(self):
        half = self.width // 2
        self.chord_encoder = Blocks(half, 1, self.dtype)
        self.chord_summary = Summary(self.chord, BEATS, dtype=self.dtype)
        self.chord_steps = Expansion(BEATS, BEATS, dtype=self.dtype)
        self.chord_decoder = Blocks(half, 1, self.dtype)
        self.chord_head = nn.Dense(chords.SIZE)
        self.texture_encoder = Blocks(self.width, self.depth, self.dtype)
        self.texture_summary = Summary(self.texture - BEATS, BEATS, dtype=self.dtype)
        as_it_is = nn.initializers.ones
        self.height_mean = nn.Dense(1, kernel_init=as_it_is)
        self.height_log_variance = nn.Dense(1, bias_init=SURE)
        self.texture_steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.note_chords = Expansion(BEATS, BEATS, dtype=self.dtype)
        self.note_decoder = Blocks(self.width, self.depth, self.dtype)
        self.onset_head, self.duration_head = note_heads(self.dtype)
        self.height_head = nn.Dense(1, kernel_init=as_it_is)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch: "pitch", "duration" [B, 32, 14], "chords" int [B, 8, 3] -> (mean, std), each [B, chord + texture]."""
        mean_c, std_c = self.chord_summary(self.chord_encoder(chords.vectors(batch["chords"], jnp)))
        roots = _roots(batch)
        matrix = _relative_matrix(batch, roots)
        x = jnp.concatenate([matrix > 0, jnp.log2(1 + matrix)], -1)
        mean_t, std_t = self.texture_summary(self.texture_encoder(x))
        height = (roots[..., None] - CENTRE) / OCTAVE
        mean_t = with_last(mean_t, self.height_mean(height))
        std_t = with_last(std_t, std_from(self.height_log_variance(height)))
        return jnp.concatenate([mean_c, mean_t], -1), jnp.concatenate([std_c, std_t], -1)

    def logits(self, z: jax.Array) -> tuple[jax.Array, Notes, jax.Array]:
        """z -> chord logits [B, 8, 36], the notes relative to the root, and near which pitch the roots lie [B, 8]."""
        z_c, z_t = jnp.split(z, [self.chord], -1)
        chord = self.chord_head(self.chord_decoder(self.chord_steps(z_c))).astype(jnp.float32)
        here = jnp.repeat(self.note_chords(z_c), PER_BEAT, axis=1)
        z_t, height = without_last(z_t)
        x = self.note_decoder(jnp.concatenate([self.texture_steps(z_t), here], -1))
        height = CENTRE + OCTAVE * self.height_head(height)[..., 0].astype(jnp.float32)
        return chord, notes_from_heads(self.onset_head(x), self.duration_head(x)), height

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihoods, nats per segment [B]: root, bass, chroma, onsets, durations (at real onsets);
        and half the squared error of the roots' heights in semitones.
        """
        del key, teacher
        chord, notes, heights = self.logits(z)
        roots = _roots(batch)
        rows = batch["chords"]
        root, bass, chroma = jnp.split(chord, 3, -1)
        tones = chords.vectors(rows, jnp)[..., 24:]
        return {
            "root": losses.nll(jax.nn.log_softmax(root), rows[..., 0]),
            "bass": losses.nll(jax.nn.log_softmax(bass), rows[..., 1]),
            "chroma": jnp.sum(losses.binary_cross_entropy(chroma, tones), (1, 2)),
            "heights": 0.5 * jnp.sum((heights - roots) ** 2, 1),
        } | note_losses(notes, _relative_matrix(batch, roots))

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: slots "pitch", "duration" int32 [B, 32, 14] and "chords" int32 [B, 8, 3]."""
        chord, notes, heights = self.logits(z)
        rows = chords.rows(chord, jnp)
        pitch, duration = polyphony.slots_from_matrix(greedy_matrix(notes), jnp)
        roots = tonic.nearest(rows[..., 0], jnp.round(heights).astype(jnp.int32))
        pitch = polyphony.transpose(pitch, duration, _by_step(roots - CENTRE))
        return {"pitch": pitch, "duration": polyphony.cut(duration, jnp), "chords": rows}

    def soft_decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z -> the decoded features of the accompaniment (lite_actor_critic.py)."""
        chord, notes, _ = self.logits(z)
        return lite_actor_critic.accompaniment(notes.onsets, chord)


def _roots(batch: Batch) -> jax.Array:
    """The root of each beat's chord as a pitch, the nearest one to the mean of the segment's notes: int32 [B, 8]."""
    there = batch["duration"] > 0
    count, total = (jnp.sum(x, (1, 2))[:, None] for x in (there, batch["pitch"].astype(jnp.int32) * there))
    total = jnp.where(count > 0, total, CENTRE)
    return tonic.nearest(batch["chords"][..., 0], total, jnp.maximum(count, 1)).astype(jnp.int32)


def _by_step(by_beat: jax.Array) -> jax.Array:
    """[B, 8] -> the same at every step and slot: [B, 32, 1]."""
    return jnp.repeat(by_beat, PER_BEAT, axis=1)[..., None]


def _relative_matrix(batch: Batch, roots: jax.Array) -> jax.Array:
    """Duration matrix [B, 32, 128] of pitches counted from the root [B, 8] at their onset, which lies at CENTRE."""
    pitch, duration = batch["pitch"].astype(jnp.int32), batch["duration"].astype(jnp.int32)
    return polyphony.duration_matrix(polyphony.transpose(pitch, duration, _by_step(CENTRE - roots)), duration, jnp)
