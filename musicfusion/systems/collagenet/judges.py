"""The harmony evaluators: does this melody belong to this accompaniment? (CollageNet, section 4.3; its public code.)

They read notes, not latents, so they measure what any method makes; no model learns from them. The share of pairs that
pass (logit > 0) is the harmony rate of Table 1. The paper's negatives are melodies of other songs. Many of them differ
from real ones by their key alone: transposed, they pass. So a second evaluator of the same architecture also learns
from key-matched negatives, which have been transposed into the key that fits best.

Harmony is the paper's network, LiteHarmony ours. Both have `accompaniment(batch) -> code` and
`judge(code, tokens, example_keys) -> logits`; called, they do the one after the other. So one accompaniment is encoded
once, however many melodies are tried over it.
"""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from musicfusion import losses
from musicfusion.codecs import melody, pianotree, polyphony
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.latent import negatives
from musicfusion.metrics import statistics
from musicfusion.nn.blocks import Blocks
from musicfusion.nn.mlp import DropoutMLP, dropout_masks
from musicfusion.nn.recurrent import BiGRU, Linear
from musicfusion.systems.collagenet import dataset
from musicfusion.systems.collagenet.baselines import transposed
from musicfusion.systems.collagenet.pianotree import PianoTreeEncoder

KINDS = ("random", "key_matched")  # of negatives
OCTAVE = statistics.CLASSES
LEAP = 12  # semitones; a wider melodic interval counts as this one

Batch = Mapping[str, jax.Array]


class Harmony(nn.Module):
    """The paper's evaluator: a recurrent encoder for each part, then a perceptron (its public code, 7.46 M parameters).

    Attributes:
        melody: size of the melody's BiGRU, a direction.
        embedding, notes, time: of the accompaniment's `PianoTreeEncoder`.
        hidden: of both parts' codes; the perceptron is hidden, hidden / 2, hidden / 8, 1 wide.
        dropout: after the joined codes and each hidden layer.
        dtype: of the factors of matrix products.
    """

    melody: int = 512
    embedding: int = 128
    notes: int = 256
    time: int = 512
    hidden: int = 512
    dropout: float = 0.5
    dtype: Any = jnp.float32

    def setup(self):
        """The two encoders and the perceptron."""
        hidden, dtype = self.hidden, self.dtype
        self.melody_encoder = BiGRU(self.melody, dtype)
        self.melody_code = Linear(2 * self.melody, hidden, dtype)
        self.accompaniment_encoder = PianoTreeEncoder(self.embedding, self.notes, self.time, dtype)
        self.accompaniment_code = Linear(2 * self.time, hidden, dtype)
        self.body = DropoutMLP((hidden, hidden // 2, hidden // 8), rate=self.dropout, dtype=dtype)
        self.logit = nn.Dense(1)

    def __call__(self, batch: Batch, example_keys: jax.Array | None = None) -> jax.Array:
        """batch: "melody" [B, 32], "pitch", "duration" [B, 32, 14] -> logits [B]. Example keys [B]: with dropout."""
        return self.judge(self.accompaniment(batch), batch["melody"], example_keys)

    def accompaniment(self, batch: Batch) -> jax.Array:
        """batch: "pitch", "duration" [B, 32, 14] -> code [B, hidden]."""
        grid = pianotree.grid_from_slots(batch["pitch"], batch["duration"], jnp)
        return self.accompaniment_code()(self.accompaniment_encoder(grid))

    def judge(self, code: jax.Array, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """Code [B, hidden], tokens [B, 32] -> logits [B]."""
        _, last = self.melody_encoder(jax.nn.one_hot(tokens, melody.VOCABULARY))
        x = nn.relu(jnp.concatenate([self.melody_code()(last), code], -1))
        salted = None if example_keys is None else folded(example_keys, 1)
        masks = dropout_masks(salted, x.shape[1:], self.dropout)
        return self.logit(self.body(x if masks is None else x * masks, example_keys))[:, 0]


class LiteHarmony(nn.Module):
    """Ours: parallel blocks read, at each step, the intervals between accompaniment and melody. Same contract.

    It reads nothing but intervals, so its logit is the same in every key: it need not learn twelve times what a third
    or a leading note is.

    Attributes:
        width, depth: of the blocks.
        dropout: in the perceptron behind them.
        dtype: of the factors of matrix products.
    """

    width: int = 128
    depth: int = 2
    dropout: float = 0.2
    dtype: Any = jnp.float32

    def setup(self):
        """Blocks over the steps, then a perceptron over their mean and maximum."""
        self.blocks = Blocks(self.width, self.depth, self.dtype)
        self.body = DropoutMLP(self.width, 1, self.dropout, self.dtype)
        self.logit = nn.Dense(1)

    def __call__(self, batch: Batch, example_keys: jax.Array | None = None) -> jax.Array:
        """batch: "melody" [B, 32], "pitch", "duration" [B, 32, 14] -> logits [B]. Example keys [B]: with dropout."""
        return self.judge(self.accompaniment(batch), batch["melody"], example_keys)

    def accompaniment(self, batch: Batch) -> dict[str, jax.Array]:
        """batch: "pitch", "duration" [B, 32, 14] -> code: what `judge` reads of it at each step."""
        onsets, sounding = polyphony.rolls(batch["pitch"], batch["duration"], jnp)
        there = jnp.any(sounding > 0, -1)
        bass = jnp.where(there, jnp.argmax(sounding, -1), 0)
        classes = _classes(sounding)
        beats = jnp.mean(classes.reshape(-1, dataset.BEATS, dataset.PER_BEAT, OCTAVE), 2)
        return {
            "onsets": onsets,
            "sounding": sounding,
            "there": there[..., None],
            "bass": bass,
            "top": jnp.where(there, polyphony.PITCHES - 1 - jnp.argmax(sounding[..., ::-1], -1), 0),
            "chord": _above(classes, bass),
            "struck": _classes(onsets),  # pitch classes from here on: beginning, sounding, over the beat, over all
            "step": classes,
            "beat": jnp.repeat(beats, dataset.PER_BEAT, 1),
            "segment": _everywhere(jnp.mean(classes, 1)),
        }

    def judge(self, code: Batch, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """Code, tokens [B, 32] -> logits [B]."""
        x = self.blocks(self.features(code, tokens))
        # Not jnp.max: its gradient looks for the maximum again, among values that a compiler may have rounded anew.
        peak = jnp.take_along_axis(x, jnp.argmax(x, 1, keepdims=True), 1)[:, 0]
        x = jnp.concatenate([jnp.mean(x, 1), peak], -1)
        return self.logit(self.body(x, example_keys))[:, 0]

    def features(self, code: Batch, tokens: jax.Array) -> jax.Array:
        """What the blocks read: [B, 32, features].

        Of the melody its states and intervals; the accompaniment's pitch classes, counted from the melody's note; the
        bass, counted likewise, chord and melody counted from the bass, and the distance of the parts; unisons and
        octaves.
        """
        states = statistics.melody_states(tokens)
        lead = _lead(tokens)  # [B, 32]
        leap = jnp.clip(jnp.diff(lead, prepend=lead[:, :1]), -LEAP, LEAP)
        begins, sounds = (states == statistics.ONSET)[..., None], (states != statistics.REST)[..., None]
        tune = _everywhere(jnp.mean(jax.nn.one_hot(lead % OCTAVE, OCTAVE) * sounds, 1))
        of_bass = [
            jax.nn.one_hot((code["bass"] - lead) % OCTAVE, OCTAVE),
            code["chord"],
            _above(tune, code["bass"]),
            jnp.stack([lead - code["bass"], lead - code["top"]], -1) / OCTAVE,
        ]
        return jnp.concatenate([
            jax.nn.one_hot(states, melody.RHYTHMS),
            jax.nn.one_hot(leap + LEAP, 2 * LEAP + 1) * begins,
            *(_above(code[span], lead) for span in ("struck", "step", "beat", "segment")),
            *(feature * code["there"] for feature in of_bass),
            *(_at(code[roll], lead) for roll in ("onsets", "sounding")),
        ], -1)


def _lead(tokens) -> jax.Array:
    """The pitch that a melody has reached at each step: the last that began; the first, before it. [B, T] -> [B, T]."""
    onset = tokens < melody.HOLD
    latest = jnp.maximum.accumulate(jnp.where(onset, jnp.arange(tokens.shape[-1]), 0), axis=-1)
    reached = jnp.maximum(latest, jnp.argmax(onset, -1)[:, None])
    return jnp.take_along_axis(tokens.astype(jnp.int32), reached, -1)


def _classes(roll) -> jax.Array:
    """Roll [B, T, 128] of 0 and 1 -> pitch classes [B, T, 12] of 0 and 1."""
    octaves = -(-polyphony.PITCHES // OCTAVE)
    roll = jnp.pad(roll, ((0, 0), (0, 0), (0, octaves * OCTAVE - polyphony.PITCHES)))
    return jnp.max(roll.reshape(*roll.shape[:2], octaves, OCTAVE), 2)


def _everywhere(vector) -> jax.Array:
    """The same at each step: [B, n] -> [B, T, n]."""
    return jnp.broadcast_to(vector[:, None], (vector.shape[0], dataset.STEPS, vector.shape[1]))


def _above(classes, pitch) -> jax.Array:
    """Pitch classes [B, T, 12] counted upward from a pitch of their own step [B, T] instead of from C."""
    return jnp.take_along_axis(classes, (pitch[..., None] + jnp.arange(OCTAVE)) % OCTAVE, -1)


def _at(roll, pitch) -> jax.Array:
    """What a roll [B, T, 128] has an octave below, at, and an octave above a pitch of each step [B, T] -> [B, T, 3]."""
    index = pitch[..., None] + OCTAVE * jnp.arange(-1, 2)
    inside = (index >= 0) & (index < polyphony.PITCHES)
    return jnp.take_along_axis(roll, jnp.clip(index, 0, polyphony.PITCHES - 1), -1) * inside


@functools.partial(jax.jit, static_argnums=0)
def score(model: Harmony | LiteHarmony, params: Any, batch: Batch) -> jax.Array:
    """Logits [B] of "melody" over "pitch" and "duration"; above 0 a pair passes."""
    logits: jax.Array = model.apply({"params": params}, batch)  # type: ignore[assignment]
    return logits


@functools.partial(jax.jit, static_argnames="training")
def examples(arrays: Mapping[str, Any], index: jax.Array, keys: jax.Array, training: bool,
             key_matched: float) -> dict[str, jax.Array]:
    """Segments as they are, and melodies of other songs to take the place of theirs.

    Args:
        arrays: those of dataset.Segments.resident.
        index: which segments, int [b].
        keys: one for each.
        training: transpose at random.
        key_matched: the probability with which "negative" is the key-matched melody.

    Returns:
        The segments (dataset.examples) and melodies [b, 32]: "random", of another song, in training transposed by a
        draw of its own (the paper's disharmonic pairs); "key_matched", the same in the key that fits this
        accompaniment best; "negative", one of the two, the latter where "matched" [b].
    """
    other_key, own_key, kind_key = (folded(keys, i) for i in range(1, 4))
    shift = dataset.shifts(keys, training)
    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = negatives.sample_negative(other_key, arrays["low"][index], arrays["high"][index], first, end)
    real = dataset.cut(arrays["corpus"], arrays["starts"][index], shift)

    def foreign(shift):
        return dataset.cut(arrays["corpus"], arrays["starts"][other], shift)["melody"]

    melodies = {
        "random": foreign(dataset.shifts(own_key, training)),
        # From the key that the song has beside this one's: the pair, transposed as one.
        "key_matched": transposed(foreign(shift), real["pitch"], real["duration"]),
    }
    matched = jax.vmap(lambda key: jax.random.bernoulli(key, key_matched))(kind_key)
    negative = jnp.where(matched[:, None], melodies["key_matched"], melodies["random"])
    return real | melodies | {"negative": negative, "matched": matched, "example_key": keys}


def task(model: Harmony | LiteHarmony, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Binary cross-entropy, .5 (real pairs + negatives). state: {"params", "optimizer", "step"}.

    Validation tells how many pass of both kinds of negatives, whichever of them the loss counts.
    """

    def judge(params, batch, names, example_keys=None):
        """Logits [b] of each named melody over the batch's accompaniment."""
        tokens = jnp.concatenate([batch[name] for name in names])
        if example_keys is not None:
            example_keys = folded(example_keys, 10, len(names))

        def run(model):
            code = jax.tree.map(lambda x: jnp.concatenate([x] * len(names)), model.accompaniment(batch))
            return model.judge(code, tokens, example_keys)

        return jnp.split(nn.apply(run, model)({"params": params}), len(names))

    def cross_entropy(real, negative):
        bce = losses.binary_cross_entropy
        return 0.5 * (jnp.mean(bce(real, 1.0)) + jnp.mean(bce(negative, 0.0)))

    def accuracy(real, negative):
        return 0.5 * (jnp.mean(real > 0) + jnp.mean(negative <= 0))

    def loss(params, batch, frozen, key, fraction):
        del frozen, key, fraction
        real, negative = judge(params, batch, ("melody", "negative"), batch["example_key"])
        value = cross_entropy(real, negative)
        return value, {"loss": value, "accuracy": accuracy(real, negative)}

    def validate(state, batch, frozen, key):
        del frozen, key
        real, *others = judge(state["params"], batch, ("melody", *KINDS))
        named = dict(zip(KINDS, others, strict=True))
        negative = jnp.where(batch["matched"], named["key_matched"], named["random"])
        return {"loss": cross_entropy(real, negative), "pass_real": jnp.mean(real > 0),
                **{f"pass_{kind}": jnp.mean(logits > 0) for kind, logits in named.items()},
                **{f"accuracy_{kind}": accuracy(real, logits) for kind, logits in named.items()}}

    init, step = optimizers.learner(optimizer, steps=steps, loss=loss,
                                    parameters=lambda key, batch, _: model.init(key, batch)["params"])
    return Task(init=init, step=step, validate=validate)
