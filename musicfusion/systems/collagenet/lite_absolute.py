"""The lite VAEs as they were when collagenet-lite learned: lite.py, but melodies are not relative to a tonic, and roots
lie in one octave, so that F sharp to G is a leap of eleven semitones down. To be deleted with those weights.

They keep the contract of the published recurrent models in ec2vae.py and polydis.py (see latent.vae); losses are nats
per segment, one number an example. They also have `soft_decode`, for the actor and critic of lite_actor_critic.py.

Every latent lies in time: an eighth of each aspect belongs to each beat (nn.blocks.Summary). So the actor meets a
beat's melody beside the chord under it, and need not find out which numbers of z sound together.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import chords, melody, polyphony
from musicfusion.latent import soft_decode
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.systems.collagenet import lite_actor_critic
from musicfusion.systems.collagenet.dataset import BEATS, PER_BEAT, STEPS
from musicfusion.systems.collagenet.lite import Notes, greedy_matrix, note_heads, note_losses, notes_from_heads

Batch = Mapping[str, jax.Array]


class MelodyVAE(nn.Module):
    """z_p + z_r: the rhythm is decoded from z_r alone, the melody from z_p and the decoded rhythm (as EC2-VAE).

    Attributes:
        width, depth: of the blocks in the encoder and in each decoder.
        pitch, rhythm: latent sizes.
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
        self.summary = Summary(self.pitch + self.rhythm, BEATS, dtype=self.dtype)
        self.rhythm_steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.rhythm_decoder = Blocks(self.width, self.depth, self.dtype)
        self.rhythm_head = nn.Dense(melody.RHYTHMS)
        self.pitch_steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.melody_decoder = Blocks(self.width, self.depth, self.dtype)
        self.melody_head = nn.Dense(melody.VOCABULARY)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 32] -> posterior (mean, std), each [B, pitch + rhythm]."""
        tokens = batch["melody"]
        x = jnp.concatenate(
            [jax.nn.one_hot(tokens, melody.VOCABULARY),
             jax.nn.one_hot(melody.rhythm(tokens), melody.RHYTHMS)], -1)
        return self.summary(self.encoder(x))

    def logits(self, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        """z [B, pitch + rhythm] -> rhythm log-probabilities [B, 32, 3], melody log-probabilities [B, 32, 130]."""
        z_p, z_r = jnp.split(z, [self.pitch], -1)
        rhythm = self.rhythm_head(self.rhythm_decoder(self.rhythm_steps(z_r)))
        rhythm = jax.nn.log_softmax(rhythm.astype(jnp.float32))
        x = jnp.concatenate([self.pitch_steps(z_p), jnp.exp(rhythm)], -1)
        notes = self.melody_head(self.melody_decoder(x))
        return rhythm, jax.nn.log_softmax(notes.astype(jnp.float32))

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihood of rhythm and melody, nats per segment [B]; nothing feeds back, so no teacher."""
        del key, teacher
        rhythm, notes = self.logits(z)
        return {"rhythm": losses.nll(rhythm, melody.rhythm(batch["melody"])),
                "melody": losses.nll(notes, batch["melody"])}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: {"tokens": int32 [B, 32], "rhythm": int32 [B, 32]}."""
        rhythm, notes = self.logits(z)
        return {"tokens": jnp.argmax(notes, -1), "rhythm": jnp.argmax(rhythm, -1)}

    def soft_decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z -> the decoded features of the melody (lite_actor_critic.py)."""
        return soft_decode.melody(self.logits(z)[1])


class AccompanimentVAE(nn.Module):
    """z_c + z_t: the chords are decoded from z_c alone, the notes from both (as PolyDis).

    The texture is read and written relative to its chords: pitches are counted from the root of the chord that sounds
    at their onset. So z_t need not know the key, and moving a root in z_c moves the notes along with it.

    Attributes:
        width, depth: of the blocks that read and write notes; those of chords are half as wide, and one deep.
        chord, texture: latent sizes.
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
        self.texture_summary = Summary(self.texture, BEATS, dtype=self.dtype)
        self.texture_steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.note_chords = Expansion(BEATS, BEATS, dtype=self.dtype)
        self.note_decoder = Blocks(self.width, self.depth, self.dtype)
        self.onset_head, self.duration_head = note_heads(self.dtype)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch: "pitch", "duration" [B, 32, 14], "chords" int [B, 8, 3] -> (mean, std), each [B, chord + texture]."""
        mean_c, std_c = self.chord_summary(self.chord_encoder(chords.vectors(batch["chords"], jnp)))
        matrix = _relative_matrix(batch)
        x = jnp.concatenate([matrix > 0, jnp.log2(1 + matrix)], -1)
        mean_t, std_t = self.texture_summary(self.texture_encoder(x))
        return jnp.concatenate([mean_c, mean_t], -1), jnp.concatenate([std_c, std_t], -1)

    def logits(self, z: jax.Array) -> tuple[jax.Array, Notes]:
        """z -> chord logits [B, 8, 36], and the notes relative to the root."""
        z_c, z_t = jnp.split(z, [self.chord], -1)
        chord = self.chord_head(self.chord_decoder(self.chord_steps(z_c))).astype(jnp.float32)
        here = jnp.repeat(self.note_chords(z_c), PER_BEAT, axis=1)
        x = self.note_decoder(jnp.concatenate([self.texture_steps(z_t), here], -1))
        return chord, notes_from_heads(self.onset_head(x), self.duration_head(x))

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihoods, nats per segment [B]: root, bass, chroma, onsets, durations (at real onsets)."""
        del key, teacher
        chord, notes = self.logits(z)
        rows = batch["chords"]
        root, bass, chroma = jnp.split(chord, 3, -1)
        tones = chords.vectors(rows, jnp)[..., 24:]
        return {
            "root": losses.nll(jax.nn.log_softmax(root), rows[..., 0]),
            "bass": losses.nll(jax.nn.log_softmax(bass), rows[..., 1]),
            "chroma": jnp.sum(losses.binary_cross_entropy(chroma, tones), (1, 2)),
        } | note_losses(notes, _relative_matrix(batch))

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: slots "pitch", "duration" int32 [B, 32, 14] and "chords" int32 [B, 8, 3]."""
        chord, notes = self.logits(z)
        rows = chords.rows(chord, jnp)
        pitch, duration = polyphony.slots_from_matrix(greedy_matrix(notes), jnp)
        pitch = polyphony.transpose(pitch, duration, _root(rows))
        return {"pitch": pitch, "duration": polyphony.cut(duration, jnp), "chords": rows}

    def soft_decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z -> the decoded features of the accompaniment (lite_actor_critic.py)."""
        chord, notes = self.logits(z)
        return lite_actor_critic.accompaniment(notes.onsets, chord)


def _root(rows) -> jax.Array:
    """Chord rows [B, 8, 3] -> root in -5..6, for every step and slot: [B, 32, 1]."""
    root = rows[..., 0]
    return jnp.repeat(jnp.where(root > 6, root - 12, root), PER_BEAT, axis=1)[..., None]


def _relative_matrix(batch) -> jax.Array:
    """Duration matrix [B, 32, 128] with pitches counted from the root of the chord at their onset."""
    pitch, duration = batch["pitch"].astype(jnp.int32), batch["duration"].astype(jnp.int32)
    pitch = polyphony.transpose(pitch, duration, -_root(batch["chords"]))
    return polyphony.duration_matrix(pitch, duration, jnp)
