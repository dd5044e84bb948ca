"""How well decoded segments match: counts and rates, pure functions on token and slot arrays (NumPy or JAX)."""

import jax
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


def kept(decoded, batch) -> dict[str, jax.Array]:
    """How much of the segments `batch` is still there in the segments made of them: shares [B], NaN where undefined.

    decoded: whatever there is of "tokens" [B, T], "pitch" and "duration" [B, T, 14], "chords" [B, beats, 3].

    onsets_kept: of the melody's onsets, those at which a note of any pitch begins; pitches_kept: those at which the
    same pitch begins; notes_kept: F1 of the accompaniment's notes by onset and pitch; chords_kept: beats with the same
    root, bass and chord tones.
    """
    counts = {}
    if "tokens" in decoded:
        melodies = decoded["tokens"], batch["melody"]
        counts["onsets_kept"] = jax.vmap(_onset_count)(*melodies)
        counts["pitches_kept"] = jax.vmap(melody_counts)(*melodies)["onset_accuracy"]
    if "pitch" in decoded:
        slots = ((part["pitch"], part["duration"]) for part in (decoded, batch))
        counts["notes_kept"] = jax.vmap(note_counts)(*slots)["note_f1"]
    if "chords" in decoded:
        counts["chords_kept"] = jax.vmap(chord_counts)(decoded["chords"], batch["chords"])["chord_accuracy"]
    # said outright: compiled, 0 / 0 need not be NaN
    return {
        name: jnp.where(whole > 0, right / jnp.maximum(whole, 1), jnp.nan) for name, (right, whole) in counts.items()
    }


def _onset_count(decoded, tokens) -> tuple:
    onset = tokens < melody.HOLD
    return jnp.sum((decoded < melody.HOLD) & onset), jnp.sum(onset)
