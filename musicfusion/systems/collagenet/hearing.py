"""Actor and critic of the lite preset: they hear what z decodes to, softly, as probabilities with a gradient.

Harmony is a matter of intervals, which are the same in every key, and of what sounds together; both are plain in heard
music. Networks that read z's own numbers must find twelve keys' worth of them first (the paper gives them 48 million
pairs for that). Otherwise all is as in actor_critic.py: G and D still judge and move z.

Heard music is a dict; pitch classes are expected counts:
    "lead", "lead_onsets" [B, 32, 12]: the melody's sounding note, and its onsets
    "leaps" [B, 32, 12]: the interval from the note before to the one that begins
    "lead_states" [B, 32, 4]: the chance of an onset, a hold, a rest; the leap in octaves
    "back" [B, 32, 12]: the accompaniment's onsets;  "density" [B, 32, 1]: how many notes begin
    "root", "bass", "tones" [B, 8, 12]: the chords, where the accompaniment's VAE knows any
    "z" [B, d]: the latent itself
"""

from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from musicfusion.codecs import melody
from musicfusion.latent.space import split
from musicfusion.nn.blocks import Blocks

OCTAVE = 12
TEMPERATURE = 3.0
BEATS, PER_BEAT, HALVES = 8, 4, 16
_HEIGHT = (np.arange(melody.HOLD) - 60) / OCTAVE
_CLASSES = np.arange(OCTAVE)
_BETWEEN = np.eye(OCTAVE, dtype=np.float32)[(_CLASSES - _CLASSES[:, None]) % OCTAVE]  # [low, high, interval]
_ABOVE = np.eye(OCTAVE, dtype=np.float32)[(_CLASSES + _CLASSES[:, None]) % OCTAVE]  # [root, interval, class]


def lead(logits: jax.Array) -> dict[str, jax.Array]:
    """Token logits [B, 32, 130] -> the melody, heard: a hold goes on with whatever sounded before."""
    probabilities = _likely(jax.nn.softmax, logits)
    notes, hold, rest = jnp.split(probabilities, [melody.HOLD, melody.REST], -1)
    onset = jnp.sum(notes, -1, keepdims=True)
    note = jnp.concatenate([_fold(notes), onset, (notes @ _HEIGHT)[..., None]], -1)  # [B, 32, 14]

    def go_on(before, now):
        sounding, last = before
        note, onset, hold = now
        sounding = note + hold * sounding
        return (sounding, note + (1 - onset) * last), (sounding, last)

    silence = jnp.zeros_like(note[:, 0])
    in_time = jax.tree.map(lambda x: x.swapaxes(0, 1), (note, onset, hold))
    _, heard = lax.scan(go_on, (silence, silence), in_time)
    sounding, last = (x.swapaxes(0, 1) for x in heard)
    leap = note[..., -1:] * last[..., -2:-1] - onset * last[..., -1:]
    onsets, before = note[..., :OCTAVE], last[..., :OCTAVE]
    return {"lead": sounding[..., :OCTAVE], "lead_onsets": onsets, "leaps": intervals(before, onsets),
            "lead_states": jnp.concatenate([onset, hold, rest, leap], -1)}


def back(onsets: jax.Array, chord: jax.Array | None = None) -> dict[str, jax.Array]:
    """Onset logits [B, 32, 128] -> the accompaniment, heard.

    With chord logits [B, 8, 36] (root, bass, tones) the onsets are counted from the root, as lite writes them.
    """
    onsets = _likely(jax.nn.sigmoid, onsets)
    heard = {"back": _fold(onsets), "density": jnp.sum(onsets, -1, keepdims=True)}
    if chord is None:
        return heard
    root, bass, tones = jnp.split(chord, 3, -1)
    root, bass = _likely(jax.nn.softmax, root), _likely(jax.nn.softmax, bass)
    tones = _likely(jax.nn.sigmoid, tones)
    classes = _pairs(jnp.repeat(root, PER_BEAT, axis=1), heard["back"], _ABOVE)
    return heard | {"back": classes, "root": root, "bass": bass, "tones": tones}


def _likely(squash: Callable[[jax.Array], jax.Array], logits: jax.Array) -> jax.Array:
    """squash(logits), its gradient that of squash(logits / TEMPERATURE).

    A decoder that is sure of its notes has hardly a gradient: an actor could not learn from it which way another note
    lies.
    """
    blurred = squash(logits / TEMPERATURE)
    return blurred + lax.stop_gradient(squash(logits) - blurred)


def _fold(pitches: jax.Array) -> jax.Array:
    """[..., 128] -> [..., 12]: what lies in one pitch class is added up."""
    padded = jnp.pad(pitches, [(0, 0)] * (pitches.ndim - 1) + [(0, -pitches.shape[-1] % OCTAVE)])
    return jnp.sum(padded.reshape(*pitches.shape[:-1], -1, OCTAVE), -2)


def intervals(low: jax.Array, high: jax.Array) -> jax.Array:
    """How often each interval upward from `low` to `high` sounds: [..., 12] x 2 -> [..., 12]; the same in every key."""
    return _pairs(low, high, _BETWEEN)


def _pairs(one: jax.Array, other: jax.Array, meaning: np.ndarray) -> jax.Array:
    """Every pair of classes, added up by what it means: [..., 12] x 2, [12, 12, 12] -> [..., 12].

    As a matrix product: the gradient of indexing would be a scatter, which a CPU does one by one.
    """
    both = one[..., :, None] * other[..., None, :]
    return both.reshape(*both.shape[:-2], -1) @ meaning.reshape(-1, OCTAVE)


def chords(heard: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """What the accompaniment sounds like over a beat and over the segment, and its chords, [B, 8, 12] each."""
    back = heard["back"]
    beat = jnp.mean(back.reshape(len(back), BEATS, PER_BEAT, OCTAVE), 2)
    named = {name: heard[name] for name in ("root", "bass", "tones") if name in heard}
    return {"beat": beat, "segment": _everywhere(back)} | named


def relations(heard: dict[str, jax.Array]) -> jax.Array:
    """All that is the same in every key, half a beat at a time: [B, 16, features]."""
    lead, back, under = heard["lead"], heard["back"], chords(heard)
    steps = [heard["lead_states"], heard["leaps"], heard["density"],
             intervals(lead, back), intervals(heard["lead_onsets"], back)]
    steps += [intervals(lead, jnp.repeat(chord, PER_BEAT, 1)) for chord in under.values()]
    x = jnp.concatenate(steps, -1).reshape(len(lead), HALVES, -1)
    if "bass" not in under:
        return x
    bass = under["bass"]
    beats = [intervals(bass, _everywhere(lead)), intervals(bass, under["beat"]),
             intervals(under["root"], under["tones"])]
    return jnp.concatenate([x, jnp.repeat(jnp.concatenate(beats, -1), HALVES // BEATS, 1)], -1)


def _everywhere(steps: jax.Array) -> jax.Array:
    """[B, 32, 12] -> their mean, the same for each beat: [B, 8, 12]."""
    return jnp.repeat(jnp.mean(steps, 1, keepdims=True), BEATS, 1)


class Actor(nn.Module):
    """G(z, c): a token for each beat, which sees all others; then the gate. (Paper 000, sections 3.3 and 3.4.)

    dz of the paper's z' = (1 - g) z + g dz is counted from z here, dz = z + change: an untrained actor leaves z alone
    though its gate is open, and so learns at once.
    """

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 4
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, heard: dict[str, jax.Array], controls: jax.Array, row_keys=None) -> jax.Array:
        """Heard music, a column of controls for each of `controlled(aspects)` [B, 4] -> z' [B, d]."""
        del row_keys  # nothing is dropped
        z = by_beat(heard["z"], self.aspects)
        knobs = jnp.repeat(2 * controls[:, None] - 1, BEATS, 1)
        steps = (relations(heard), heard["lead"], heard["lead_onsets"], heard["back"])
        by_step = [x.reshape(len(z), BEATS, -1) for x in steps]
        x = jnp.concatenate([z, knobs, *by_step, *chords(heard).values(), _everywhere(heard["lead"])], -1)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(x)
        small = nn.initializers.variance_scaling(0.1, "fan_in", "truncated_normal")
        gate = nn.Dense(z.shape[-1], kernel_init=small, bias_init=nn.initializers.constant(-1.0), name="gate")(x)
        change = nn.Dense(z.shape[-1], kernel_init=small, name="change")(x)
        return from_beats(z + jax.nn.sigmoid(gate) * change, self.aspects)


class Critic(nn.Module):
    """D(z): the logit that a pair belongs to one song, from how it sounds and from z. (Paper 000, section 3.2.)"""

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, heard: dict[str, jax.Array], row_keys=None) -> jax.Array:
        """Heard music -> logits [B]."""
        del row_keys  # nothing is dropped
        z = jnp.repeat(by_beat(heard["z"], self.aspects), HALVES // BEATS, 1)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(jnp.concatenate([relations(heard), z], -1))
        x = nn.gelu(nn.Dense(self.width, dtype=self.dtype, name="hidden")(jnp.mean(x, 1)))
        return nn.Dense(1, name="logit")(x)[:, 0]


def by_beat(z: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """z [B, d] -> [B, 8, d / 8]: for each beat its part of every aspect."""
    parts = split(z, aspects).values()
    return jnp.concatenate([part.reshape(len(z), BEATS, -1) for part in parts], -1)


def from_beats(x: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """The reverse of by_beat: [B, 8, d / 8] -> [B, d]."""
    ends = np.cumsum([size // BEATS for size in aspects.values()])[:-1]
    return jnp.concatenate([part.reshape(len(x), -1) for part in jnp.split(x, ends, -1)], -1)
