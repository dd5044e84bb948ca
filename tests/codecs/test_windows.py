"""A piece cut into windows and joined again is the piece."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicfusion.codecs import polyphony, windows

WINDOW = 32


def rows(*notes: tuple[int, int, int]) -> np.ndarray:
    return np.array(notes, np.int32).reshape(-1, 3)


def cut(notes: np.ndarray, begins: np.ndarray) -> list[np.ndarray]:
    """What each window knows of the notes: those that begin in it, no longer than itself."""
    pieces = []
    for begin in begins:
        mine = notes[(notes[:, 0] >= begin) & (notes[:, 0] < begin + WINDOW)] - np.array([begin, 0, 0])
        mine[:, 1] = np.minimum(mine[:, 1], WINDOW - mine[:, 0])
        pieces.append(mine)
    return pieces


@given(steps=st.integers(1, 500), hop=st.integers(1, WINDOW))
def test_windows_cover_the_piece_and_stay_inside_it(steps, hop):
    begins = windows.starts(steps, WINDOW, hop)
    assert begins[0] == 0 and begins[-1] == max(steps - WINDOW, 0)
    assert np.all(np.diff(begins) > 0) and np.all(np.diff(begins) <= hop)


def test_the_last_window_ends_with_the_piece():
    assert windows.starts(80, WINDOW, 16).tolist() == [0, 16, 32, 48]
    assert windows.starts(84, WINDOW, 16).tolist() == [0, 16, 32, 48, 52]
    assert windows.starts(20, WINDOW, 16).tolist() == [0]


def test_a_note_across_a_border_keeps_its_length_when_windows_overlap():
    notes = rows((14, 10, 60))
    for hop, length in ((16, 10), (8, 10), (32, 10)):
        begins = windows.starts(64, WINDOW, hop)
        assert windows.join(cut(notes, begins), begins, 64).tolist() == [[14, length, 60]]
    late = rows((30, 10, 60))
    begins = windows.starts(64, WINDOW, 32)
    assert windows.join(cut(late, begins), begins, 64).tolist() == [[30, 2, 60]], "its window ends there"


def test_only_the_window_that_answers_for_a_step_is_heard():
    begins = np.array([0, 16, 32])
    pieces = [rows((0, 4, 60), (20, 4, 61)), rows((0, 4, 62), (31, 1, 63)), rows((4, 4, 64))]
    joined = windows.join(pieces, begins, 64)
    assert joined.tolist() == [[0, 4, 60], [16, 4, 62], [36, 4, 64]]


def test_a_pitch_struck_again_in_the_next_window_ends_there():
    begins = np.array([0, 16, 32])
    joined = windows.join([rows((12, 20, 60)), rows((2, 4, 60)), rows()], begins, 64)
    assert joined.tolist() == [[12, 6, 60], [18, 4, 60]]


def test_all_notes_end_with_the_piece_and_silence_stays_silence():
    begins = np.array([0, 16, 32])
    joined = windows.join([rows(), rows(), rows((30, 32, 60))], begins, 64)
    assert joined.tolist() == [[62, 2, 60]]
    assert windows.join([rows(), rows(), rows()], begins, 64).shape == (0, 3)


@pytest.mark.parametrize("hop", range(1, 8))
@given(data=st.data())
def test_what_is_cut_and_joined_is_as_before(hop, data):
    """Notes as long as the overlap allows: those that begin just before a border see `WINDOW - hop` steps beyond it."""
    steps = 4 * data.draw(st.integers(8, 40))
    hop *= 4
    note = st.tuples(st.integers(0, steps - 1), st.integers(1, WINDOW - hop + 1), st.integers(40, 50))
    notes = polyphony.canonical(rows(*data.draw(st.lists(note, max_size=30))), steps)
    notes[:, 1] = np.minimum(notes[:, 1], steps - notes[:, 0])
    begins = windows.starts(steps, WINDOW, hop)
    np.testing.assert_array_equal(windows.join(cut(notes, begins), begins, steps), notes)
