"""The judges: does this melody belong to this accompaniment? (CollageNet, section 4.3; its public code.)

They read notes, not latents, so they measure what any method makes; no model learns from them, and they learn from
songs that no model has met (dataset.SPLITS). The share of pairs that pass (logit > 0) is the harmony rate of Table 1.

The paper's evaluator knows one kind of negatives, melodies of other songs. Many of them differ from real ones by their
key alone, and nothing teaches it that a melody on chord tones only, or a drone, is none. So the judges know six kinds
of melodies and two of accompaniments, in equal parts (negatives.py). The critics that guide a model are trained
likewise, on other songs.

Harmony is the paper's network; LiteHarmony and RecurrentHarmony are ours. Each has `accompaniment(batch) -> code` and
`judge(code, tokens, example_keys) -> logits`; called, it does the one after the other. So one accompaniment is encoded
once, however many melodies are tried over it.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from musicfusion import losses
from musicfusion.codecs import keys, melody, pianotree, polyphony
from musicfusion.core import optimizers, progress
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.latent.negatives import sample_negative
from musicfusion.metrics import statistics
from musicfusion.nn.blocks import Blocks
from musicfusion.nn.mlp import DropoutMLP, dropout_masks
from musicfusion.nn.recurrent import BiGRU, Linear
from musicfusion.systems.collagenet import dataset, negatives
from musicfusion.systems.collagenet.negatives import ACCOMPANIMENTS, KINDS
from musicfusion.systems.collagenet.pianotree import PianoTreeEncoder

OCTAVE = statistics.CLASSES
BLOCKS = (512, 64)  # pairs that `scorer` takes at once
LEAP = 12  # semitones; a wider melodic interval counts as this one

Batch = Mapping[str, jax.Array]


class Harmony(nn.Module):
    """The paper's evaluator: a recurrent encoder for each part, then a perceptron (its public code, 7.46 M parameters).

    Attributes:
        melody: size of the melody's BiGRU, a direction.
        embedding, notes, time: of the accompaniment's `PianoTreeEncoder`.
        hidden: of both parts' codes; the perceptron is hidden, hidden / 2, hidden / 8, 1 wide.
        dropout: after the joined codes and each hidden layer.
        one_key: every pair is moved to C major or A minor first, so twelve times fewer cases are to be learned; ours.
        dtype: of the factors of matrix products.
    """

    melody: int = 512
    embedding: int = 128
    notes: int = 256
    time: int = 512
    hidden: int = 512
    dropout: float = 0.5
    one_key: bool = False
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

    def accompaniment(self, batch: Batch) -> dict[str, jax.Array]:
        """batch: "pitch", "duration" [B, 32, 14] -> {"code" [B, hidden], "shift" [B] semitones to the one key}."""
        pitch, duration, shift = _in_one_key(batch["pitch"], batch["duration"], self.one_key)
        grid = pianotree.grid_from_slots(pitch, duration, jnp)
        return {"code": self.accompaniment_code()(self.accompaniment_encoder(grid)), "shift": shift}

    def judge(self, code: Batch, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """Code, tokens [B, 32] -> logits [B]."""
        tokens = melody.transpose(tokens, code["shift"][:, None])
        _, last = self.melody_encoder(jax.nn.one_hot(tokens, melody.VOCABULARY))
        x = nn.relu(jnp.concatenate([self.melody_code()(last), code["code"]], -1))
        salted = None if example_keys is None else folded(example_keys, 1)
        masks = dropout_masks(salted, x.shape[1:], self.dropout)
        return self.logit(self.body(x if masks is None else x * masks, example_keys))[:, 0]


class RecurrentHarmony(nn.Module):
    """Ours: a recurrent network reads both parts at once, step by step, in one key. Same contract.

    `Harmony` sums up each part before it compares them, which takes far more steps to learn. This one has nothing in
    common with `LiteHarmony` but the contract: no intervals are counted for it, and nothing is convolved.

    Attributes:
        width: of the layer that reads a step.
        hidden: of the BiGRU, a direction.
        dropout: of what that layer reads, and in the perceptron at the end.
        dtype: of the factors of matrix products.
    """

    width: int = 128
    hidden: int = 96
    dropout: float = 0.2
    dtype: Any = jnp.float32

    def setup(self):
        """A layer for each step, a BiGRU over the steps, a perceptron over its mean and maximum."""
        self.step = DropoutMLP(self.width, 2, 0.0, self.dtype)
        self.memory = BiGRU(self.hidden, self.dtype)
        self.body = DropoutMLP(self.width, 1, self.dropout, self.dtype)
        self.logit = nn.Dense(1)

    def __call__(self, batch: Batch, example_keys: jax.Array | None = None) -> jax.Array:
        """batch: "melody" [B, 32], "pitch", "duration" [B, 32, 14] -> logits [B]. Example keys [B]: with dropout."""
        return self.judge(self.accompaniment(batch), batch["melody"], example_keys)

    def accompaniment(self, batch: Batch) -> dict[str, jax.Array]:
        """batch: "pitch", "duration" [B, 32, 14] -> {"rolls" [B, 32, 256], "shift" [B] semitones to the one key}."""
        pitch, duration, shift = _in_one_key(batch["pitch"], batch["duration"])
        return {"rolls": jnp.concatenate(polyphony.rolls(pitch, duration, jnp), -1), "shift": shift}

    def judge(self, code: Batch, tokens: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """Code, tokens [B, 32] -> logits [B]."""
        tokens = melody.transpose(tokens, code["shift"][:, None])
        sounds = (statistics.melody_states(tokens) != statistics.REST)[..., None]
        lead = jax.nn.one_hot(_lead(tokens), polyphony.PITCHES) * sounds
        x = jnp.concatenate([jax.nn.one_hot(tokens, melody.VOCABULARY), lead, code["rolls"]], -1)
        masks = None if example_keys is None else dropout_masks(folded(example_keys, 1), x.shape[2:], self.dropout)
        x = x if masks is None else x * masks[:, None]
        x, _ = self.memory(self.step(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:2], -1))
        return self.logit(self.body(_mean_and_peak(x), example_keys))[:, 0]


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
        return self.logit(self.body(_mean_and_peak(x), example_keys))[:, 0]

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


def _in_one_key(pitch, duration, moved: bool = True) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Slots [B, 32, 14] in C major or A minor, where they are to be `moved`, and the semitones -5..6 to there [B]."""
    shift = ((5 - keys.scale(statistics.pitch_classes(pitch, duration), jnp)) % OCTAVE - 5) * moved
    return polyphony.transpose(pitch, duration, shift[:, None, None]), duration, shift


def _mean_and_peak(x) -> jax.Array:
    """Over the steps: [B, T, n] -> [B, 2n]."""
    # Not jnp.max: its gradient looks for the maximum again, among values that a compiler may have rounded anew.
    peak = jnp.take_along_axis(x, jnp.argmax(x, 1, keepdims=True), 1)[:, 0]
    return jnp.concatenate([jnp.mean(x, 1), peak], -1)


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


Network = Harmony | RecurrentHarmony | LiteHarmony


@functools.partial(jax.jit, static_argnums=0)
def score(model: Network, params: Any, batch: Batch) -> jax.Array:
    """Logits [B] of "melody" over "pitch" and "duration"; above 0 a pair passes."""
    logits: jax.Array = model.apply({"params": params}, batch)  # type: ignore[assignment]
    return logits


@functools.partial(jax.jit, static_argnums=0)
def mean_score(models: tuple[Network, ...], critics: Sequence[Any], batch: Batch) -> jax.Array:
    """The mean of `score` over critics, each of its own model, given their parameters: logits [B]."""
    return sum(score(*critic, batch) for critic in zip(models, critics, strict=True)) / len(critics)


def scorer(critics: Sequence[tuple[Network, Any]]) -> Callable[..., np.ndarray]:
    """(tokens [n, 32], pitch, duration [n, 32, 14]) -> logits [n], NumPy, for any n: the mean over critics.

    Who searches for what pleases a critic finds its errors. Several seldom have the same; those of one make may.

    Args:
        critics: model and parameters of each.

    They go through two compiled programs, of large blocks and of small ones; the last block is filled up.
    """
    models = tuple(model for model, _ in critics)
    parameters = jax.device_put([params for _, params in critics])

    def run(tokens, pitch, duration) -> np.ndarray:
        music = {"melody": tokens, "pitch": pitch, "duration": duration}
        count, at, found = len(tokens), 0, [np.zeros(0, np.float32)]
        while at < count:
            progress.tick("weighing edits")
            size = BLOCKS[0] if count - at > BLOCKS[0] // 2 else BLOCKS[1]
            index = np.minimum(np.arange(at, at + size), count - 1)
            logits = mean_score(models, parameters, {name: np.asarray(x[index], np.int32) for name, x in music.items()})
            found.append(np.asarray(logits)[: count - at])
            at += size
        return np.concatenate(found)

    return run


@functools.partial(jax.jit, static_argnames=("training", "kinds"))
def examples(arrays: Mapping[str, Any], index: jax.Array, keys: jax.Array, training: bool,
             kinds: tuple[str, ...]) -> dict[str, jax.Array]:
    """Segments as they are, and music to take the place of theirs (negatives.py).

    Args:
        arrays: those of dataset.Segments.resident.
        index: which segments, int [b].
        keys: one for each.
        training: transpose at random.
        kinds: of KINDS, those that "negative" is drawn from, in equal parts.

    Returns:
        The segments (dataset.examples), a melody [b, 32] of each of KINDS by its name, and "negative" [b, 32], of the
        kind that was drawn; of ACCOMPANIMENTS also the slots, "displaced_pitch", "fitted_pitch" [b, 32, 14], and
        "negative_pitch".
    """
    other_key, own_key, kind_key, wrong_key = (folded(keys, i) for i in range(1, 5))
    shift = dataset.shifts(keys, training)
    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = sample_negative(other_key, arrays["low"][index], arrays["high"][index], first, end)
    starts = arrays["starts"]
    real = dataset.cut(arrays["corpus"], starts[index], shift)
    random, foreign = (dataset.cut(arrays["corpus"], starts[other], by)["melody"]
                       for by in (dataset.shifts(own_key, training), shift))
    music = negatives.wrong(real, random, foreign, wrong_key)
    drawn = negatives.drawn(music, kinds, kind_key)
    named = {name: made["melody"] for name, made in music.items()} | {
        f"{name}_pitch": music[name]["pitch"] for name in ACCOMPANIMENTS}
    return real | named | {"negative": drawn["melody"], "negative_pitch": drawn["pitch"], "example_key": keys}


def task(model: Network, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Binary cross-entropy, .5 (real pairs + negatives). state: {"params", "optimizer", "step"}.

    Validation tells how many pass of each kind of negatives, whichever of them the loss counts.
    """

    def judge(params, batch, names, example_keys=None):
        """Logits [b] of each named melody, over the batch's accompaniment or the one that goes with it."""
        tokens = jnp.concatenate([batch[name] for name in names])
        if example_keys is not None:
            example_keys = folded(example_keys, 10, len(names))
        own = {name: batch.get(f"{name}_pitch") for name in names}
        pitches = [batch["pitch"], *(pitch for pitch in own.values() if pitch is not None)]
        order = jnp.cumsum(jnp.array([pitch is not None for pitch in own.values()]))
        used = jnp.where(jnp.array([pitch is not None for pitch in own.values()]), order, 0)

        def run(model):
            slots = {"pitch": jnp.concatenate(pitches), "duration": jnp.concatenate([batch["duration"]] * len(pitches))}
            code = jax.tree.map(lambda x: x.reshape(len(pitches), -1, *x.shape[1:])[used].reshape(-1, *x.shape[1:]),
                                model.accompaniment(slots))
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
        real, negative, *others = judge(state["params"], batch, ("melody", "negative", *KINDS))
        return {"loss": cross_entropy(real, negative), "pass_real": jnp.mean(real > 0),
                **{f"pass_{kind}": jnp.mean(logits > 0) for kind, logits in zip(KINDS, others, strict=True)}}

    init, step = optimizers.learner(optimizer, steps=steps, loss=loss,
                                    parameters=lambda key, batch, _: model.init(key, batch)["params"])
    return Task(init=init, step=step, validate=validate)
