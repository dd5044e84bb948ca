"""VAEs that do not tell aspects apart: those of CollageNet-vanilla (CollageNet, section 4.3 and Table 1).

Each part has one latent, its only aspect, so there is nothing in it that a control could hold. Same contract as the
VAEs of lite.py, ec2vae.py and polydis.py (see latent.vae), but no chords are decoded. The plain ones are built as the
lite ones, the others as the published ones: a recurrent melody VAE and PianoTree-VAE.
"""

from dataclasses import field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import melody, pianotree, polyphony
from musicfusion.core.parallel import masked_mean
from musicfusion.latent import soft_decode
from musicfusion.nn.blocks import Blocks, Expansion, Summary
from musicfusion.nn.recurrent import LOG_VARIANCE, GRUCell, Linear, RecurrentEncoder, autoregress, logistic_teacher
from musicfusion.systems.collagenet import lite_actor_critic
from musicfusion.systems.collagenet.dataset import BEATS, STEPS
from musicfusion.systems.collagenet.ec2vae import EPOCHS
from musicfusion.systems.collagenet.lite import (
    Batch,
    Notes,
    greedy_matrix,
    note_heads,
    note_losses,
    notes_from_heads,
)
from musicfusion.systems.collagenet.pianotree import CHOICES, PianoTreeDecoder, PianoTreeEncoder

BIT_WEIGHTS = (1.0, 0.6, 0.4, 0.3, 0.3)  # of a duration's bits in PianoTree-VAE's loss, the highest bit first


class PlainMelodyVAE(nn.Module):
    """The lite melody VAE with one latent: the tokens are decoded from all of it.

    Attributes:
        width, depth: of the blocks in encoder and decoder.
        melody: the latent's size.
        dtype: of the factors of matrix products.
    """

    width: int = 128
    depth: int = 2
    melody: int = 256
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"melody": self.melody}

    def teacher(self, fraction: jax.Array | float) -> float:
        """How much of the truth is fed while training: nothing is fed back here."""
        return 1.0

    def setup(self):
        self.encoder = Blocks(self.width, self.depth, self.dtype)
        self.summary = Summary(self.melody, BEATS, dtype=self.dtype)
        self.steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.head = nn.Dense(melody.VOCABULARY)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 32] -> posterior (mean, std), each [B, melody]."""
        return self.summary(self.encoder(jax.nn.one_hot(batch["melody"], melody.VOCABULARY)))

    def logits(self, z: jax.Array) -> jax.Array:
        """z [B, melody] -> [B, 32, 130]."""
        return self.head(self.decoder(self.steps(z))).astype(jnp.float32)

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihood of the tokens, nats per segment [B]."""
        del key, teacher
        return {"melody": losses.nll(jax.nn.log_softmax(self.logits(z)), batch["melody"])}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: {"tokens": int32 [B, 32], "rhythm": int32 [B, 32]}."""
        return _with_rhythm(jnp.argmax(self.logits(z), -1))

    def soft_decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z -> the decoded features of the melody (lite_actor_critic.py)."""
        return soft_decode.melody(self.logits(z))


class PlainAccompanimentVAE(nn.Module):
    """The lite accompaniment VAE with one latent: it reads and writes notes at their own pitch, and no chords.

    Attributes:
        width, depth: of the blocks in encoder and decoder.
        accompaniment: the latent's size.
        dtype: of the factors of matrix products.
    """

    width: int = 128
    depth: int = 2
    accompaniment: int = 384
    dtype: jnp.dtype = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"accompaniment": self.accompaniment}

    def teacher(self, fraction: jax.Array | float) -> float:
        """How much of the truth is fed while training: nothing is fed back here."""
        return 1.0

    def setup(self):
        self.encoder = Blocks(self.width, self.depth, self.dtype)
        self.summary = Summary(self.accompaniment, BEATS, dtype=self.dtype)
        self.steps = Expansion(STEPS, BEATS, dtype=self.dtype)
        self.decoder = Blocks(self.width, self.depth, self.dtype)
        self.onset_head, self.duration_head = note_heads(self.dtype)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch: "pitch", "duration" [B, 32, 14] -> posterior (mean, std), each [B, accompaniment]."""
        matrix = _matrix(batch)
        return self.summary(self.encoder(jnp.concatenate([matrix > 0, jnp.log2(1 + matrix)], -1)))

    def logits(self, z: jax.Array) -> Notes:
        """z [B, accompaniment] -> the notes at their own pitch."""
        x = self.decoder(self.steps(z))
        return notes_from_heads(self.onset_head(x), self.duration_head(x))

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihoods, nats per segment [B]: onsets, durations (at real onsets)."""
        del key, teacher
        return note_losses(self.logits(z), _matrix(batch))

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: slots "pitch", "duration" int32 [B, 32, 14]."""
        pitch, duration = polyphony.slots_from_matrix(greedy_matrix(self.logits(z)), jnp)
        return {"pitch": pitch, "duration": polyphony.cut(duration, jnp)}

    def soft_decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """z -> the decoded features of the accompaniment (lite_actor_critic.py)."""
        return lite_actor_critic.accompaniment(self.logits(z).onsets)


class RecurrentMelodyVAE(nn.Module):
    """EC2-VAE with one latent: a BiGRU reads the tokens, one GRU that is fed each token writes them.

    The paper does not say how large its plain melody VAE is: `hidden` and the teacher's schedule are EC2-VAE's.

    Attributes:
        hidden: size of every GRU.
        melody: the latent's size.
        dtype: of the factors of matrix products.
    """

    hidden: int = 2048
    melody: int = 256
    dtype: Any = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"melody": self.melody}

    def teacher(self, fraction: jax.Array | float) -> jax.Array:
        """Probability of feeding the truth at this fraction of the training, as for EC2-VAE."""
        return logistic_teacher(fraction, slope=2.3 * EPOCHS, midpoint=5 / EPOCHS)

    def setup(self):
        self.encoder = RecurrentEncoder(self.hidden, self.melody, self.dtype)
        self.start = Linear(self.melody, self.hidden, self.dtype)
        self.cell = GRUCell((melody.VOCABULARY, self.melody), self.hidden, dtype=self.dtype)
        self.head = Linear(self.hidden, melody.VOCABULARY, self.dtype)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch["melody"] int [B, 32] -> posterior (mean, std), each [B, melody]."""
        return self.encoder(jax.nn.one_hot(batch["melody"], melody.VOCABULARY))

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """Negative log-likelihood of the tokens, nats per segment [B].

        key: of the teacher-forcing mask, one draw a step for the whole batch. teacher: how likely a step feeds the
        truth, else the argmax.
        """
        tokens = batch["melody"].astype(jnp.int32)
        mask = jax.random.bernoulli(key, teacher, tokens.shape[1:])
        return {"melody": losses.nll(self._scores(z, tokens, mask), tokens)}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: {"tokens": int32 [B, 32], "rhythm": int32 [B, 32]}."""
        unseen = jnp.zeros((z.shape[0], STEPS), jnp.int32)
        return _with_rhythm(jnp.argmax(self._scores(z, unseen, jnp.zeros(STEPS, bool)), -1))

    def _scores(self, z, truth, teacher_forcing_mask) -> jax.Array:
        """Log-probabilities [B, 32, 130]; teacher_forcing_mask [32]: where the truth is fed."""
        cell, head = self.cell(), self.head()
        fixed = cell.project(z, 1) + cell.bi

        def step(h, token, _):
            h = cell.step(h, cell.project(token) + fixed)
            return h, head(h)

        start = jnp.tanh(self.start()(z))
        scores = autoregress(step, start, melody.REST, melody.VOCABULARY, None, truth, teacher_forcing_mask)
        return scores.swapaxes(0, 1)


class PianoTreeVAE(nn.Module):
    """PianoTree-VAE: the notes of each step, then the steps, to one latent and back; encoder and decoder embed alike.

    Attributes:
        accompaniment: the latent's size.
        embedding: of a note.
        encoder, decoder: fields of `PianoTreeEncoder` and `PianoTreeDecoder` that differ from their defaults, which are
            the published sizes.
        ceilings: probability of feeding the truth where `teacher` is 1, for the summary of a step, for a note.
        dtype: of the factors of matrix products.

    Source: the public code of PianoTree-VAE; the posterior's std is exp(.5 * head) here, exp(head) there.
    """

    accompaniment: int = 512
    embedding: int = 128
    encoder: Any = field(default_factory=dict)
    decoder: Any = field(default_factory=dict)
    ceilings: tuple[float, float] = (0.8, 0.6)
    dtype: Any = jnp.float32

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"accompaniment": self.accompaniment}

    def teacher(self, fraction: jax.Array | float) -> jax.Array:
        """How much of `ceilings` holds at this fraction of the training."""
        return logistic_teacher(fraction)

    def setup(self):
        self.note_encoder = PianoTreeEncoder(self.embedding, dtype=self.dtype, **self.encoder)
        self.mean = Linear(2 * self.note_encoder.time, self.accompaniment, self.dtype)
        self.log_variance = Linear(2 * self.note_encoder.time, self.accompaniment, self.dtype)
        self.note_decoder = PianoTreeDecoder(self.accompaniment, self.embedding, dtype=self.dtype, **self.decoder)

    def encode(self, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """batch: slots "pitch", "duration" [B, 32, 14], cut at the segment's end -> (mean, std), [B, accompaniment]."""
        last = self.note_encoder(_grid(batch), self.note_decoder().embed)
        return self.mean()(last), jnp.exp(0.5 * jnp.clip(self.log_variance()(last), *LOG_VARIANCE))

    def losses(self, z: jax.Array, batch: Batch, key: jax.Array, teacher: jax.Array | float) -> dict[str, jax.Array]:
        """The published terms, means over the tokens of the batch, the same for all examples: [B] each.

        pitch: of notes and EOS. duration: of the notes, their five bits weighted by BIT_WEIGHTS and added.
        key: of the teacher-forcing masks, one draw a decision for the whole batch. teacher: in 0..1, see `ceilings`.
        """
        grid, decoder = _grid(batch), self.note_decoder()
        shapes = {"summary": (STEPS,), "note": (STEPS, CHOICES)}
        masks = {name: jax.random.bernoulli(key, ceiling * teacher, shape) for key, ceiling, (name, shape)
                 in zip(jax.random.split(key), self.ceilings, shapes.items(), strict=True)}
        _, fed = decoder.choose(z, grid, masks)
        pitch, bits = decoder.logits(z, fed)
        target = grid.swapaxes(0, 1)[:, :, 1:]  # [32, B, 15, 6], as the logits
        terms = {
            "pitch": masked_mean(_entropy(pitch, target[..., 0]), target[..., 0] != pianotree.PAD),
            "duration": masked_mean(_entropy(bits, target[..., 1:]) @ jnp.array(BIT_WEIGHTS),
                                    target[..., 0] < pianotree.SOS),
        }
        return {name: jnp.broadcast_to(term, z.shape[:1]) for name, term in terms.items()}

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """Greedy: slots "pitch", "duration" uint8 [B, 32, 14]."""
        return self.note_decoder().greedy(z)


def _with_rhythm(tokens) -> dict[str, jax.Array]:
    """Decoded tokens [B, 32] and the rhythm that they have: 0 onset, 1 hold, 2 rest."""
    return {"tokens": tokens, "rhythm": melody.rhythm(tokens)}


def _matrix(batch) -> jax.Array:
    """Duration matrix [B, 32, 128] of a batch's slots."""
    return polyphony.duration_matrix(batch["pitch"], batch["duration"], jnp)


def _grid(batch) -> jax.Array:
    """PianoTree grid [B, 32, 16, 6] of a batch's slots."""
    return pianotree.grid_from_slots(batch["pitch"], batch["duration"], jnp)


def _entropy(logits, targets) -> jax.Array:
    """Cross-entropy of logits [..., C] and int [...], 0 where the target is no class -> [...]."""
    return -jnp.sum(jax.nn.log_softmax(logits) * jax.nn.one_hot(targets, logits.shape[-1]), -1)
