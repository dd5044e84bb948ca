"""What a latent sounds like, softly: music as probabilities, through which a gradient finds its way back to z.

This critic judges what the decoders would make of z instead of z's own numbers. Harmony is a matter of intervals,
which are the same in every key, and of what sounds together; both are plain here. A critic on the numbers themselves
must find twelve keys' worth of them first (the paper gives it 48 million pairs for that).

Heard music is a dict; pitch classes are expected counts:
    "lead", "lead_onsets" [B, 32, 12]: the melody's sounding note, and its onsets
    "lead_states" [B, 32, 3]: the chance of an onset, a hold, a rest
    "back" [B, 32, 12]: the accompaniment's onsets;  "density" [B, 32, 1]: how many notes begin
    "root", "bass", "tones" [B, 8, 12]: the chords, where the accompaniment's VAE knows any
    "z" [B, 8, d / 8]: the latent itself, beat by beat
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from musicfusion.codecs import melody
from musicfusion.nn.blocks import Blocks

OCTAVE = 12
TEMPERATURE = 3.0
PER_BEAT = 4
_UP = (np.arange(OCTAVE)[:, None] + np.arange(OCTAVE)) % OCTAVE  # [class, interval] -> class
_DOWN = (np.arange(OCTAVE)[:, None] - np.arange(OCTAVE)) % OCTAVE  # [class, root] -> class counted from the root


def lead(logits: jax.Array) -> dict[str, jax.Array]:
    """Token logits [B, 32, 130] -> the melody, heard: a hold goes on with whatever sounded before."""
    probabilities = _likely(jax.nn.softmax, logits)
    onsets = _fold(probabilities[..., : melody.HOLD])
    hold, rest = (probabilities[..., token : token + 1] for token in (melody.HOLD, melody.REST))

    def go_on(before, now):
        begun, held = now
        sounding = begun + held * before
        return sounding, sounding

    _, sounding = lax.scan(go_on, jnp.zeros_like(onsets[:, 0]), (onsets.swapaxes(0, 1), hold.swapaxes(0, 1)))
    states = jnp.concatenate([jnp.sum(onsets, -1, keepdims=True), hold, rest], -1)
    return {"lead": sounding.swapaxes(0, 1), "lead_onsets": onsets, "lead_states": states}


def back(onsets: jax.Array, chord: jax.Array | None = None) -> dict[str, jax.Array]:
    """Onset logits [B, 32, 128] -> the accompaniment, heard.

    With chord logits [B, 8, 36] (root, bass, tones) the onsets are counted from the root, as lite writes them.
    """
    onsets = _likely(jax.nn.sigmoid, onsets)
    classes, density = _fold(onsets), jnp.sum(onsets, -1, keepdims=True)
    if chord is None:
        return {"back": classes, "density": density}
    root, bass, tones = jnp.split(chord, 3, -1)
    root, bass = _likely(jax.nn.softmax, root), _likely(jax.nn.softmax, bass)
    tones = _likely(jax.nn.sigmoid, tones)
    here = jnp.repeat(root, PER_BEAT, axis=1)
    classes = jnp.einsum("btr,btqr->btq", here, classes[..., _DOWN])
    return {"back": classes, "density": density, "root": root, "bass": bass, "tones": tones}


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
    return jnp.einsum("...p,...pk->...k", low, high[..., _UP])


class Critic(nn.Module):
    """D(z): the logit that a pair belongs to one song, from how it sounds. (Paper 000, section 3.2.)"""

    width: int = 128
    depth: int = 2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, heard: dict[str, jax.Array], row_keys=None) -> jax.Array:
        """Heard music -> logits [B]."""
        del row_keys  # nothing is dropped
        lead, back = heard["lead"], heard["back"]
        beat = jnp.mean(back.reshape(len(back), -1, PER_BEAT, OCTAVE), 2)
        chords = [beat, jnp.broadcast_to(jnp.mean(back, 1, keepdims=True), beat.shape)]
        chords += [heard[name] for name in ("root", "bass", "tones") if name in heard]
        parts = [heard["lead_states"], heard["density"], intervals(lead, back), intervals(heard["lead_onsets"], back)]
        parts += [intervals(lead, jnp.repeat(chord, PER_BEAT, 1)) for chord in chords]
        x = jnp.concatenate(parts, -1)
        x = x.reshape(len(x), 2 * beat.shape[1], -1)  # half a beat at a time
        x = jnp.concatenate([x, jnp.repeat(heard["z"], 2, 1)], -1)
        x = Blocks(self.width, self.depth, self.dtype, name="body")(x)
        x = nn.gelu(nn.Dense(self.width, dtype=self.dtype, name="hidden")(jnp.mean(x, 1)))
        return nn.Dense(1, name="logit")(x)[:, 0]
