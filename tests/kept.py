"""The promise of core.contracts.Locked, as a test of two songs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from musicfusion.codecs.score import Score


def inside(notes: np.ndarray, start: float, end: float) -> np.ndarray:
    """The notes that begin in a span."""
    return notes[(start <= notes[:, 0]) & (notes[:, 0] < end)]


def assert_kept(before: Score, after: Score, spans: Iterable, parts: Mapping[str, Sequence[int]]) -> None:
    """What is locked of the earlier song is in the new one, to the bit, and nothing else sounds there.

    spans: rows (start, end, part);  parts: name -> the numbers of its tracks
    """
    assert len(before.tracks) == len(after.tracks)
    for start, end, name in spans:
        for k in [k for part, own in parts.items() if name in (None, part) for k in own]:
            old, new = before.tracks[k].notes, after.tracks[k].notes
            np.testing.assert_array_equal(inside(new, start, end), inside(old, start, end))
            for onset, duration, pitch, _ in new[new[:, 0] < start]:
                if onset + duration > start + 1e-9:
                    same = old[(old[:, 0] < start) & (old[:, 2] == pitch)]
                    until = np.max(same[:, 0] + same[:, 1], initial=0.0)
                    assert onset + duration <= until + 1e-9, "what sounds in a span sounded there before"


def differ(one: Score, other: Score) -> bool:
    """Whether any note of two songs is another."""
    return any(not np.array_equal(a.notes, b.notes) for a, b in zip(one.tracks, other.tracks, strict=True))
