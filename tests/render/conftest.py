"""A real piece for everything that is drawn and played: a chorale of Bach's."""

import numpy as np
import pytest

from musicfusion.codecs.score import Score, Track, grid


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
