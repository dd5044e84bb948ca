"""Actor and critic of the lite preset: they hear what z decodes to, softly, as probabilities with a gradient.

Harmony is a matter of intervals, which are the same in every key, and of what sounds together; both are plain in heard
music. Networks that read z's own numbers must find twelve keys' worth of them first (the paper gives them 48 million
pairs for that). Otherwise all is as in actor_critic.py: G and D still judge and move z.

Heard music is a dict; pitch classes are expected counts:
    "lead", "lead_onsets" [B, 32, 12]: the melody's sounding note, and its onsets
    "leaps" [B, 32, 12]: the interval from the note before to the one that begins
    "lead_states" [B, 32, 4]: the chance of an onset, a hold, a rest; the leap in octaves  (of the melody: soft.melody)
    "back" [B, 32, 12]: the accompaniment's onsets;  "density" [B, 32, 1]: how many notes begin
    "root", "bass", "tones" [B, 8, 12]: the chords, where the accompaniment's VAE knows any
    "z" [B, d]: the latent itself
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.latent import soft
from musicfusion.latent.space import split
from musicfusion.nn.blocks import moved, verdict

BEATS, PER_BEAT, HALVES = 8, 4, 16


def back(onsets: jax.Array, chord: jax.Array | None = None) -> dict[str, jax.Array]:
    """Onset logits [B, 32, 128] -> the accompaniment, heard.

    With chord logits [B, 8, 36] (root, bass, tones) the onsets are counted from the root, as lite writes them.
    """
    onsets = soft.likely(jax.nn.sigmoid, onsets)
    heard = {"back": soft.fold(onsets), "density": jnp.sum(onsets, -1, keepdims=True)}
    if chord is None:
        return heard
    root, bass, tones = jnp.split(chord, 3, -1)
    root, bass = soft.likely(jax.nn.softmax, root), soft.likely(jax.nn.softmax, bass)
    tones = soft.likely(jax.nn.sigmoid, tones)
    classes = soft.pairs(jnp.repeat(root, PER_BEAT, axis=1), heard["back"], soft.ABOVE)
    return heard | {"back": classes, "root": root, "bass": bass, "tones": tones}


def chords(heard: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """What the accompaniment sounds like over a beat and over the segment, and its chords, [B, 8, 12] each."""
    back = heard["back"]
    beat = jnp.mean(back.reshape(len(back), BEATS, PER_BEAT, soft.OCTAVE), 2)
    named = {name: heard[name] for name in ("root", "bass", "tones") if name in heard}
    return {"beat": beat, "segment": _everywhere(back)} | named


def relations(heard: dict[str, jax.Array]) -> jax.Array:
    """All that is the same in every key, half a beat at a time: [B, 16, features]."""
    lead, back, under = heard["lead"], heard["back"], chords(heard)
    steps = [heard["lead_states"], heard["leaps"], heard["density"],
             soft.intervals(lead, back), soft.intervals(heard["lead_onsets"], back)]
    steps += [soft.intervals(lead, jnp.repeat(chord, PER_BEAT, 1)) for chord in under.values()]
    x = jnp.concatenate(steps, -1).reshape(len(lead), HALVES, -1)
    if "bass" not in under:
        return x
    bass = under["bass"]
    beats = [soft.intervals(bass, _everywhere(lead)), soft.intervals(bass, under["beat"]),
             soft.intervals(under["root"], under["tones"])]
    return jnp.concatenate([x, jnp.repeat(jnp.concatenate(beats, -1), HALVES // BEATS, 1)], -1)


def _everywhere(steps: jax.Array) -> jax.Array:
    """[B, 32, 12] -> their mean, the same for each beat: [B, 8, 12]."""
    return jnp.repeat(jnp.mean(steps, 1, keepdims=True), BEATS, 1)


class Actor(nn.Module):
    """G(z, c), a beat at a time (nn.blocks.moved; paper 000, sections 3.3 and 3.4)."""

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
        return from_beats(moved(x, z, self.width, self.depth, self.dtype), self.aspects)


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
        return verdict(jnp.concatenate([relations(heard), z], -1), self.width, self.depth, self.dtype)


def by_beat(z: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """z [B, d] -> [B, 8, d / 8]: for each beat its part of every aspect."""
    parts = split(z, aspects).values()
    return jnp.concatenate([part.reshape(len(z), BEATS, -1) for part in parts], -1)


def from_beats(x: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """The reverse of by_beat: [B, 8, d / 8] -> [B, d]."""
    ends = np.cumsum([size // BEATS for size in aspects.values()])[:-1]
    return jnp.concatenate([part.reshape(len(x), -1) for part in jnp.split(x, ends, -1)], -1)
