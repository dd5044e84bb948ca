"""Actor and critic of the lite preset: they read what z decodes to, as probabilities with a gradient.

Harmony is a matter of intervals, which are the same in every key, and of what sounds together. Decoded notes show both
directly. Networks that read z's own numbers must find twelve keys' worth of them first; the paper gives them 48 million
pairs for that. Otherwise all is as in actor_critic.py: G and D still move and judge z.

Decoded features are a dict; pitch classes are expected counts:
    "lead", "lead_onsets" [B, 32, 12]: the melody's sounding note, and its onsets
    "leaps" [B, 32, 12]: the interval from the note before to the one that begins
    "lead_states" [B, 32, 4]: the chance of an onset, a hold, a rest; the leap in octaves
    "back" [B, 32, 12]: the accompaniment's onsets
    "density" [B, 32, 1]: how many of its notes begin
    "root", "bass", "tones" [B, 8, 12]: its chords, from VAEs that know chords
    "z" [B, d]: the latent itself
Those of the melody come from latent.soft_decode.melody, those of the accompaniment from `accompaniment`.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.latent import soft_decode
from musicfusion.latent.space import split
from musicfusion.nn.blocks import moved, verdict
from musicfusion.systems.collagenet.dataset import BEATS, PER_BEAT
from musicfusion.systems.collagenet.objective import held

HALVES = 2 * BEATS  # half beats in a segment

Features = dict[str, jax.Array]


def accompaniment(onsets: jax.Array, chord: jax.Array | None = None) -> Features:
    """Onset logits [B, 32, 128] -> the decoded features of an accompaniment.

    chord: logits [B, 8, 36] of root, bass and tones; where they are given, the onsets' pitches are counted from the
    root, as lite.AccompanimentVAE has them.
    """
    onsets = soft_decode.straight_through(jax.nn.sigmoid, onsets)
    features = {"back": soft_decode.fold(onsets), "density": jnp.sum(onsets, -1, keepdims=True)}
    if chord is None:
        return features
    root, bass, tones = jnp.split(chord, 3, -1)
    root, bass = soft_decode.straight_through(jax.nn.softmax, root), soft_decode.straight_through(jax.nn.softmax, bass)
    tones = soft_decode.straight_through(jax.nn.sigmoid, tones)
    classes = soft_decode.pairs(jnp.repeat(root, PER_BEAT, axis=1), features["back"], soft_decode.ABOVE)
    return features | {"back": classes, "root": root, "bass": bass, "tones": tones}


def harmony(features: Features) -> Features:
    """Pitch classes of the accompaniment over each beat and over the segment, and its chords, [B, 8, 12] each."""
    back = features["back"]
    beat = jnp.mean(back.reshape(len(back), BEATS, PER_BEAT, soft_decode.OCTAVE), 2)
    chords = {name: features[name] for name in ("root", "bass", "tones") if name in features}
    return {"beat": beat, "segment": _everywhere(back)} | chords


def invariants(features: Features) -> jax.Array:
    """All of the features that is the same in every key, half a beat at a time: [B, 16, any]."""
    lead, back, under = features["lead"], features["back"], harmony(features)
    steps = [features["lead_states"], features["leaps"], features["density"],
             soft_decode.intervals(lead, back), soft_decode.intervals(features["lead_onsets"], back)]
    steps += [soft_decode.intervals(lead, jnp.repeat(chord, PER_BEAT, 1)) for chord in under.values()]
    x = jnp.concatenate(steps, -1).reshape(len(lead), HALVES, -1)
    if "bass" not in under:
        return x
    bass = under["bass"]
    beats = [soft_decode.intervals(bass, _everywhere(lead)), soft_decode.intervals(bass, under["beat"]),
             soft_decode.intervals(under["root"], under["tones"])]
    return jnp.concatenate([x, jnp.repeat(jnp.concatenate(beats, -1), HALVES // BEATS, 1)], -1)


def _everywhere(steps: jax.Array) -> jax.Array:
    """[B, 32, 12] -> their mean, the same for each beat: [B, 8, 12]."""
    return jnp.repeat(jnp.mean(steps, 1, keepdims=True), BEATS, 1)


class Actor(nn.Module):
    """G(z, c), a beat at a time (nn.blocks.moved; CollageNet, sections 3.3 and 3.4).

    Attributes:
        aspects: latent sizes in the order in which z holds them.
        width, depth: of the blocks.
        gated: whether an aspect moves by 1 - its control (objective.held).
        dtype: of the factors of matrix products.
    """

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 4
    gated: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, features: Features, controls: jax.Array, example_keys: jax.Array | None = None) -> jax.Array:
        """Decoded features, a column of controls for each of `controlled(aspects)` [B, 4] -> z' [B, d]."""
        del example_keys  # nothing is dropped
        z = by_beat(features["z"], self.aspects)
        asked = jnp.repeat(2 * controls[:, None] - 1, BEATS, 1)
        steps = (invariants(features), features["lead"], features["lead_onsets"], features["back"])
        by_step = [x.reshape(len(z), BEATS, -1) for x in steps]
        x = jnp.concatenate([z, asked, *by_step, *harmony(features).values(), _everywhere(features["lead"])], -1)
        new = from_beats(moved(x, z, self.width, self.depth, self.dtype), self.aspects)
        return held(features["z"], new, controls, self.aspects) if self.gated else new


class Critic(nn.Module):
    """D(z): the logit that a pair belongs to one song, from its decoded features and from z (CollageNet, section 3.2).

    Attributes as the actor's.
    """

    aspects: Mapping[str, int]
    width: int = 128
    depth: int = 2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, features: Features, example_keys: jax.Array | None = None) -> jax.Array:
        """Decoded features -> logits [B]."""
        del example_keys  # nothing is dropped
        z = jnp.repeat(by_beat(features["z"], self.aspects), HALVES // BEATS, 1)
        return verdict(jnp.concatenate([invariants(features), z], -1), self.width, self.depth, self.dtype)


def by_beat(z: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """z [B, d] -> [B, 8, d / 8]: for each beat its part of every aspect."""
    parts = split(z, aspects).values()
    return jnp.concatenate([part.reshape(len(z), BEATS, -1) for part in parts], -1)


def from_beats(x: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """The reverse of by_beat: [B, 8, d / 8] -> [B, d]."""
    ends = np.cumsum([size // BEATS for size in aspects.values()])[:-1]
    return jnp.concatenate([part.reshape(len(x), -1) for part in jnp.split(x, ends, -1)], -1)
