import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from musicfusion.codecs import pianotree, polyphony
from musicfusion.codecs.pianotree import EOS, PAD, SOS
from musicfusion.data import chorales

STEPS = 32


@pytest.fixture(scope="module")
def segments():
    """Slots of real accompaniments, pitch and duration [n, 32, 14], not cut at the end."""
    corpus = chorales.read(6)
    starts, _ = corpus.windows(8, 3)
    steps = starts[:, None] * 4 + np.arange(STEPS)
    return corpus.arrays["pitch"][steps], corpus.arrays["duration"][steps]


def test_real_segments_survive_the_grid(segments):
    pitch, duration = segments
    assert len(pitch) > 50
    grid = pianotree.grid_from_slots(pitch, duration)
    again = pianotree.slots_from_grid(grid)
    np.testing.assert_array_equal(again[0], pitch)
    np.testing.assert_array_equal(again[1], polyphony.cut(duration))


def test_inside_a_compiled_step_the_grid_is_the_same(segments):
    grid = pianotree.grid_from_slots(*segments)
    compiled = jax.jit(lambda *slots: pianotree.grid_from_slots(*slots, xp=jnp))
    np.testing.assert_array_equal(compiled(*segments), grid)
    back = jax.jit(lambda grid: pianotree.slots_from_grid(grid, jnp))(grid)
    for array, expected in zip(back, pianotree.slots_from_grid(grid), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_a_step_is_sos_notes_in_ascending_pitch_eos_and_padding():
    notes = np.array([[0, 32, 60], [0, 5, 64], [31, 1, 50]])
    grid = pianotree.grid_from_notes(notes, STEPS)
    assert grid.shape == (32, 16, 6)
    assert grid[0, :5, 0].tolist() == [SOS, 60, 64, EOS, PAD]
    assert grid[0, 1:3, 1:].tolist() == [[1, 1, 1, 1, 1], [0, 0, 1, 0, 0]]
    assert grid[31, 1].tolist() == [50, 0, 0, 0, 0, 0]
    assert grid[1, :, 0].tolist() == [SOS, EOS] + [PAD] * 14
    assert (grid[..., 1:][grid[..., 0] >= SOS] == 2).all()


def test_a_note_beyond_the_end_is_cut_there_and_keeps_its_length_up_to_it():
    notes = np.array([[0, 40, 60], [28, 4, 62], [30, 9, 64]])
    back = pianotree.notes_from_grid(pianotree.grid_from_notes(notes, STEPS))
    assert back.tolist() == [[0, 32, 60], [28, 4, 62], [30, 2, 64]]


def test_fourteen_notes_in_a_step_leave_room_for_eos():
    notes = np.array([[3, 2, 40 + i] for i in range(14)])
    grid = pianotree.grid_from_notes(notes, STEPS)
    assert grid[3, -1, 0] == EOS
    np.testing.assert_array_equal(pianotree.notes_from_grid(grid), notes)


def test_a_step_without_eos_keeps_all_its_notes():
    grid = pianotree.grid_from_notes(np.zeros((0, 3), int), STEPS)
    grid[5, 1:, 0] = np.arange(15) + 50
    grid[5, 1:, 1:] = 0
    assert pianotree.notes_from_grid(grid).tolist() == [[5, 1, 50 + i] for i in range(14)]
    assert pianotree.lengths(grid)[5] == 16


@pytest.mark.parametrize("end", [SOS, EOS, PAD, 1000, -1])
def test_whatever_is_no_note_ends_its_step(end):
    grid = pianotree.grid_from_notes(np.array([[0, 1, 50], [0, 1, 60], [0, 1, 70]]), STEPS)
    grid[0, 2, 0] = end
    assert pianotree.notes_from_grid(grid).tolist() == [[0, 1, 50]]
    assert pianotree.lengths(grid)[0] == 3


def test_decoded_notes_are_sorted_and_of_two_on_one_pitch_the_longest_stays():
    grid = pianotree.grid_from_notes(np.array([[0, 3, 50], [0, 2, 60], [0, 4, 70]]), STEPS)
    grid[0, 1:4, 0] = [70, 40, 70]
    assert pianotree.notes_from_grid(grid).tolist() == [[0, 2, 40], [0, 4, 70]]


def notes_of_a_segment():
    note = st.tuples(st.integers(0, 31), st.integers(1, 60), st.integers(0, 127))
    return st.lists(note, max_size=60).map(lambda rows: np.array(rows, np.int32).reshape(-1, 3))


@given(notes_of_a_segment())
@settings(max_examples=100, deadline=None)
def test_any_notes_survive_once_they_are_canonical(notes):
    pitch, duration = polyphony.slots_from_notes(notes, STEPS)
    expected = polyphony.notes_from_slots(pitch, polyphony.cut(duration))
    back = pianotree.notes_from_grid(pianotree.grid_from_slots(pitch, duration))
    np.testing.assert_array_equal(back, expected)


@given(npst.arrays(np.int32, (4, 16, 6), elements=st.integers(-2, 131)))
@settings(max_examples=100, deadline=None)
def test_any_grid_decodes_to_proper_notes(grid):
    notes = pianotree.notes_from_grid(grid)
    onset, duration, pitch = notes.T
    assert ((pitch >= 0) & (pitch < 128) & (duration >= 1) & (onset + duration <= 4)).all()
    assert len(np.unique(notes[:, [0, 2]], axis=0)) == len(notes)
    np.testing.assert_array_equal(
        pianotree.notes_from_grid(pianotree.grid_from_notes(notes, 4))[:, [0, 2]], notes[:, [0, 2]]
    )
