"""A real piece for everything that is drawn and played: a chorale of Bach's."""

import dataclasses

import browser
import numpy as np
import pytest

from musicfusion.codecs.score import Score, Track, grid
from musicfusion.render.result import SampleResult


@pytest.fixture(scope="session")
def chorale() -> Score:
    """BWV 66.6: the soprano on a violin, the other voices on a piano; 9 bars of 4/4 at 90."""
    import music21

    parts = [
        np.array(
            [
                (note.offset, note.quarterLength, note.pitch.midi, 80)
                for note in part.flatten().notes
            ],
            float,
        )
        for part in music21.corpus.parse("bwv66.6").parts
    ]
    tracks = (
        Track("melody", 40, False, parts[0]),
        Track("accompaniment", 0, False, np.concatenate(parts[1:])),
    )
    return Score(tracks, np.array([[0.0, 90.0]]), ((0.0, 4, 4),), "bwv66.6")


@pytest.fixture(scope="session")
def voices(chorale) -> dict[str, np.ndarray]:
    """The chorale on the grid, {track name: int32 [n, 3]}."""
    return {track.name: grid(track) for track in chorale.tracks}


@pytest.fixture(scope="session")
def fused(chorale) -> SampleResult:
    """The chorale beside what it was before: two notes of its melody moved, and all of the rest two semitones up."""
    melody, rest = chorale.tracks
    notes = melody.notes.copy()
    notes[[3, 8], 2] += 1
    tracks = (dataclasses.replace(melody, notes=notes), dataclasses.replace(rest, notes=rest.notes + [0, 0, 2, 0]))
    new = dataclasses.replace(chorale, tracks=tracks, name="fused")
    return SampleResult(title="A chorale", main="fused", scores={"fused": new, "before": chorale},
                        players={"fused": "The fused song", "before": "As it was"},
                        chords={"fused": ["A", "A", "Bm", "N", "A"]})


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """A browser."""
    with browser.opened(tmp_path_factory.mktemp("browser")) as found:
        yield found
