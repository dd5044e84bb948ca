"""How well decoded segments match: counts and rates, pure functions on token and slot arrays (NumPy or JAX)."""

import jax.numpy as jnp

from musicfusion.codecs import melody, polyphony


def melody_counts(decoded, tokens) -> dict:
    """int [B, T] x 2 -> right and all, summed over everything: of all tokens, of note onsets, of rhythm symbols.

    Onset accuracy: the share of the original's onsets at which the decoded token is the same pitch.
    """
    onset = tokens < melody.HOLD
    same = decoded == tokens
    return {
        "token_accuracy": (jnp.sum(same), tokens.size),
        "onset_accuracy": (jnp.sum(same & onset), jnp.sum(onset)),
        "rhythm_accuracy": (jnp.sum(melody.rhythm(decoded) == melody.rhythm(tokens)), tokens.size),
    }


def note_counts(decoded, original) -> dict:
    """Slots (pitch, duration) [B, T, 14] x 2 -> counts of F1 = 2 hits / (notes decoded + notes original).

    note_f1 asks for onset and pitch; note_duration_f1 for the duration as well.
    """
    a, b = (polyphony.duration_matrix(pitch, duration, jnp) for pitch, duration in (decoded, original))
    both = jnp.sum(a > 0) + jnp.sum(b > 0)
    return {
        "note_f1": (2 * jnp.sum((a > 0) & (b > 0)), both),
        "note_duration_f1": (2 * jnp.sum((a == b) & (b > 0)), both),
    }


def chord_counts(decoded, rows) -> dict:
    """Chord rows int [B, beats, 3] x 2 -> right and all: roots, and whole chords (root, bass and every chord tone)."""
    same = decoded == rows
    return {
        "root_accuracy": (jnp.sum(same[..., 0]), same[..., 0].size),
        "chord_accuracy": (jnp.sum(jnp.all(same, -1)), same[..., 0].size),
    }
