"""How well decoded segments match the original: counts and rates of tokens, slots and chords (NumPy or JAX)."""

import jax.numpy as jnp
from jaxtyping import Integer

from musicfusion.codecs import melody, polyphony
from musicfusion.core.arrays import AnyArray

Slots = tuple[Integer[AnyArray, "*B T 14"], Integer[AnyArray, "*B T 14"]]  # pitch, duration
Counts = dict[str, tuple[AnyArray, AnyArray]]  # measure -> right, all


def melody_counts(decoded: Integer[AnyArray, "*B T"], tokens: Integer[AnyArray, "*B T"]) -> Counts:
    """Decoded and original tokens [..., T] -> {measure: (right, all)}, summed over all axes.

    token_accuracy: of all tokens; onset_accuracy: of the original's onsets, at which the decoded token must be the same
    pitch; rhythm_accuracy: of rhythm symbols.
    """
    onset = tokens < melody.HOLD
    same = decoded == tokens
    return {
        "token_accuracy": (jnp.sum(same), tokens.size),
        "onset_accuracy": (jnp.sum(same & onset), jnp.sum(onset)),
        "rhythm_accuracy": (jnp.sum(melody.rhythm(decoded) == melody.rhythm(tokens)), tokens.size),
    }


def note_counts(decoded: Slots, original: Slots) -> Counts:
    """Decoded and original slots -> {measure: (right, all)} of F1 = 2 hits / (notes decoded + notes original).

    note_f1: notes with the same onset and pitch; note_duration_f1: and with the same duration.
    """
    a, b = (polyphony.duration_matrix(pitch, duration, jnp) for pitch, duration in (decoded, original))
    both = jnp.sum(a > 0) + jnp.sum(b > 0)
    return {
        "note_f1": (2 * jnp.sum((a > 0) & (b > 0)), both),
        "note_duration_f1": (2 * jnp.sum((a == b) & (b > 0)), both),
    }


def chord_counts(decoded: Integer[AnyArray, "*B beats 3"], rows: Integer[AnyArray, "*B beats 3"]) -> Counts:
    """Decoded and original chords [..., beats, 3] -> {measure: (right, all)}.

    root_accuracy: of roots; chord_accuracy: of whole chords (root, bass and every chord tone).
    """
    same = decoded == rows
    return {
        "root_accuracy": (jnp.sum(same[..., 0]), same[..., 0].size),
        "chord_accuracy": (jnp.sum(jnp.all(same, -1)), same[..., 0].size),
    }
