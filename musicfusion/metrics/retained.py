"""What new music keeps of the music it was made of (NumPy or JAX): shares 0..1, NaN where there is nothing to keep.

Whole transpositions cost nothing: intervals are the same in every key, and where a part was moved as a whole `shift`
says by how many semitones.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Integer

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.arrays import AnyArray, ArrayModule

Shift = Integer[AnyArray, "..."] | int
Shares = dict[str, Float[AnyArray, " B"]]


def of_melody(
    new: Integer[AnyArray, "B T"], old: Integer[AnyArray, "B T"], shift: Shift = 0, xp: ArrayModule = np
) -> Shares:
    """How much of a melody is there in a new one: tokens [B, T] x 2 -> shares [B].

    A source interval is that of two consecutive onsets. It counts as kept where both are onsets still, no other lies
    between them, and it has as many semitones as before (contour: where it goes up, down, or stays as before).

    Returns:
        intervals_kept, contour_kept: of the source's intervals; onsets_kept, pitches_kept: of its onsets, those at
        which a note begins; at which the same pitch begins, moved by `shift` [B].
    """
    new, old = new.astype(np.int32), old.astype(np.int32)
    there = (old < melody.HOLD) & (new < melody.HOLD)
    begins, before = _previous(old, xp)
    _, new_before = _previous(new, xp)
    last = xp.maximum(before, 0)
    pair = begins & (before >= 0)
    both = pair & there & (before == new_before) & xp.take_along_axis(there, last, -1)
    was, now = (tokens - xp.take_along_axis(tokens, last, -1) for tokens in (old, new))
    return {
        "intervals_kept": _share(both & (was == now), pair, xp),
        "contour_kept": _share(both & (xp.sign(was) == xp.sign(now)), pair, xp),
        "onsets_kept": _share(there, begins, xp),
        "pitches_kept": _share(there & (melody.transpose(old, xp.asarray(shift)[..., None]) == new), begins, xp),
    }


def _previous(tokens, xp: ArrayModule):
    """Where notes begin [B, T], and at each step the step of the last onset before it, or -1 [B, T]."""
    begins = tokens < melody.HOLD
    latest = xp.maximum.accumulate(xp.where(begins, xp.arange(tokens.shape[-1]), -1), axis=-1)
    return begins, xp.pad(latest[..., :-1], ((0, 0), (1, 0)), constant_values=-1)


def of_accompaniment(
    new: Mapping[str, AnyArray], old: Mapping[str, AnyArray], shift: Shift = 0, xp: ArrayModule = np
) -> Shares:
    """How much of an accompaniment is there in a new one: {"pitch", "duration" [B, T, 14]} x 2 -> shares [B].

    Returns:
        notes_kept: F1 of notes by onset and pitch, moved by `shift` [B]; voicing_rhythm_kept: F1 of notes by onset
        alone, so how many begin at each step; and of chords [B, beats, 3], where both have "chords", chords_kept: beats
        with the same root, bass and tones, moved by `shift`.
    """
    moved = polyphony.transpose(old["pitch"], old["duration"], xp.asarray(shift)[..., None, None])
    was = polyphony.duration_matrix(moved, old["duration"], xp) > 0
    now = polyphony.duration_matrix(new["pitch"], new["duration"], xp) > 0
    counts = [xp.sum(part["duration"] > 0, -1) for part in (old, new)]
    shares = {"notes_kept": _f1(xp.sum(was & now, (1, 2)), xp.sum(was, (1, 2)), xp.sum(now, (1, 2)), xp),
              "voicing_rhythm_kept": _f1(xp.sum(xp.minimum(*counts), -1), xp.sum(counts[0], -1),
                                         xp.sum(counts[1], -1), xp)}
    if "chords" in new and "chords" in old:
        rows = chords.transpose(old["chords"], xp.asarray(shift)[..., None], xp)
        same = xp.all(new["chords"] == rows, -1)
        shares["chords_kept"] = _share(same, xp.ones_like(same), xp)
    return shares


def _f1(hits, old, new, xp: ArrayModule):
    return _ratio(2 * hits, old + new, xp)


def _share(kept, whole, xp: ArrayModule):
    """Of the steps [B, T] in `whole`, those that are in `kept`: [B]."""
    return _ratio(xp.sum(kept & whole, -1), xp.sum(whole, -1), xp)


def _ratio(part, whole, xp: ArrayModule):
    # explicit, since 0 / 0 need not be NaN in a compiled program
    return xp.where(whole > 0, part / xp.maximum(whole, 1), np.nan).astype(np.float32)
