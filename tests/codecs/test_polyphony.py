import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicfusion.codecs import polyphony
from musicfusion.codecs.polyphony import SLOTS

STEPS = 32
NOTES = st.lists(
    st.tuples(st.integers(-2, STEPS + 1), st.integers(0, 40), st.sampled_from([0, 48, 50, 51, 60, 64, 127])),
    max_size=40,
).map(lambda notes: np.array(notes, np.int32).reshape(-1, 3))


@pytest.fixture(scope="module")
def segments(real_corpus):
    """Slots of real segments, cut at the end: pitch, duration [n, 32, 14]."""
    starts, _ = real_corpus.windows(8, 1, {"accompaniment": 1})
    steps = starts[:, None] * 4 + np.arange(STEPS)
    return real_corpus.arrays["pitch"][steps], polyphony.cut(real_corpus.arrays["duration"][steps])


def test_real_segments_survive_the_way_to_notes_and_back(segments):
    assert len(segments[0]) > 200
    for slots in zip(*segments, strict=True):
        notes = polyphony.notes_from_slots(*slots)
        for array, again in zip(slots, polyphony.slots_from_notes(notes, STEPS), strict=True):
            np.testing.assert_array_equal(again, array)


def test_real_segments_survive_the_duration_matrix(segments):
    matrix = polyphony.duration_matrix(*segments)
    assert matrix.shape == (len(segments[0]), STEPS, 128) and matrix.dtype == np.float32
    for array, again in zip(segments, polyphony.slots_from_matrix(matrix), strict=True):
        np.testing.assert_array_equal(again, array)


@given(NOTES)
def test_canonical_notes_survive_slots_and_matrix(notes):
    kept = polyphony.canonical(notes, STEPS)
    slots = polyphony.slots_from_notes(notes, STEPS)
    np.testing.assert_array_equal(polyphony.notes_from_slots(*slots), kept)
    back = polyphony.slots_from_matrix(polyphony.duration_matrix(*slots))
    np.testing.assert_array_equal(polyphony.notes_from_slots(*back), kept)


@given(NOTES)
def test_canonical_notes_are_sorted_and_no_pitch_sounds_twice(notes):
    kept = polyphony.canonical(notes, STEPS)
    assert kept.dtype == np.int32
    assert sorted(map(tuple, kept[:, [0, 2]])) == list(map(tuple, kept[:, [0, 2]]))
    assert ((kept[:, 0] >= 0) & (kept[:, 0] < STEPS) & (kept[:, 1] > 0)).all()
    for pitch in np.unique(kept[:, 2]):
        onset, duration, _ = kept[kept[:, 2] == pitch].T
        assert (onset[:-1] + duration[:-1] <= onset[1:]).all()
    inside = notes[(notes[:, 0] >= 0) & (notes[:, 0] < STEPS) & (notes[:, 1] > 0)]
    assert set(map(tuple, kept[:, [0, 2]])) == set(map(tuple, inside[:, [0, 2]]))
    np.testing.assert_array_equal(polyphony.canonical(kept, STEPS), kept)


def test_a_note_struck_again_ends_there_and_of_equal_onsets_the_longest_stays():
    notes = np.array([[0, 2, 60], [0, 16, 60], [4, 8, 60], [0, 16, 64]])
    assert polyphony.canonical(notes, STEPS).tolist() == [[0, 4, 60], [0, 16, 64], [4, 8, 60]]


def test_of_more_than_fourteen_onsets_in_a_step_the_outer_voices_stay():
    notes = np.array([[3, 4, pitch] for pitch in range(40, 60)])
    pitch, duration = polyphony.slots_from_notes(notes, STEPS)
    assert pitch[3].tolist() == [*range(40, 47), *range(53, 60)]
    assert np.count_nonzero(duration) == SLOTS


def test_a_note_that_reaches_the_end_of_the_segment_keeps_its_length_to_it():
    notes = np.array([[0, 32, 60], [0, 300, 62], [28, 4, 64], [28, 5, 65], [31, 1, 67]])
    pitch, duration = polyphony.slots_from_notes(notes, STEPS)
    assert duration[0, :2].tolist() == [32, 255]
    cut = polyphony.notes_from_slots(pitch, polyphony.cut(duration))
    assert cut.tolist() == [[0, 32, 60], [0, 32, 62], [28, 4, 64], [28, 4, 65], [31, 1, 67]]


@pytest.mark.parametrize("shift", range(-6, 6))
def test_transposition_moves_every_note_and_leaves_empty_slots_empty(segments, shift):
    pitch, duration = segments
    moved = polyphony.transpose(pitch, duration, shift)
    there = duration > 0
    np.testing.assert_array_equal(moved[there], pitch[there].astype(int) + shift)
    assert not moved[~there].any()
    np.testing.assert_array_equal(polyphony.transpose(moved, duration, -shift), pitch)


def test_transposition_folds_by_octaves_and_a_folded_note_does_not_lengthen_another():
    pitch, duration = (np.pad([row], ((0, 0), (0, polyphony.SLOTS - 2))) for row in ([115, 127], [5, 9]))
    moved = polyphony.transpose(pitch, duration, 1)
    assert moved[0, :2].tolist() == [116, 116]
    assert polyphony.duration_matrix(moved, duration)[0, 116] == 9


@given(NOTES)
def test_rolls_tell_where_notes_begin_and_sound(notes):
    onsets, sounding = polyphony.rolls(*polyphony.slots_from_notes(notes, STEPS))
    expected = np.zeros((2, STEPS, 128), np.float32)
    for onset, duration, pitch in polyphony.canonical(notes, STEPS):
        expected[0, onset, pitch] = 1
        expected[1, onset : onset + duration, pitch] = 1
    np.testing.assert_array_equal([onsets, sounding], expected)


def test_inside_a_compiled_step_the_arrays_are_the_same(segments):
    pitch, duration = (array[:100].astype(np.int32) for array in segments)
    shift = np.arange(100)[:, None, None] % 12 - 6

    @jax.jit
    def compiled(pitch, duration):
        moved = polyphony.transpose(pitch, duration, shift)
        matrix = polyphony.duration_matrix(moved, duration, jnp)
        return (moved, matrix, *polyphony.slots_from_matrix(matrix, jnp), *polyphony.rolls(moved, duration, jnp),
                polyphony.cut(duration[:, 4:], jnp))

    moved = polyphony.transpose(pitch, duration, shift)
    matrix = polyphony.duration_matrix(moved, duration)
    expected = (moved, matrix, *polyphony.slots_from_matrix(matrix), *polyphony.rolls(moved, duration),
                polyphony.cut(duration[:, 4:]))
    for array, wanted in zip(compiled(pitch, duration), expected, strict=True):
        np.testing.assert_array_equal(array, wanted)
