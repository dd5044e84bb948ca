"""How well decoded segments match the original: counts and rates of tokens, slots and chords (NumPy or JAX)."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

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


def kept(decoded: Mapping[str, AnyArray], batch: Mapping[str, AnyArray]) -> dict[str, Float[Array, " B"]]:
    """How much of segments is kept in those that were generated from them: shares [B], NaN where undefined.

    Args:
        decoded: the generated segments, as many as there are of "tokens" [B, T], "pitch" and "duration" [B, T, 14],
            "chords" [B, beats, 3].
        batch: the original ones: "melody" [B, T] for tokens, the others by the same names.

    Returns:
        onsets_kept: of the melody's onsets, those at which a note of any pitch begins; pitches_kept: those at which the
        same pitch begins; notes_kept: F1 of the accompaniment's notes by onset and pitch; chords_kept: beats with the
        same root, bass and chord tones.
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
    # explicit, since 0 / 0 need not be NaN in a compiled program
    return {
        name: jnp.where(whole > 0, right / jnp.maximum(whole, 1), jnp.nan) for name, (right, whole) in counts.items()
    }


def _onset_count(decoded: Integer[AnyArray, " T"], tokens: Integer[AnyArray, " T"]) -> tuple[AnyArray, AnyArray]:
    onset = tokens < melody.HOLD
    return jnp.sum((decoded < melody.HOLD) & onset), jnp.sum(onset)
