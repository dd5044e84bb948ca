from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from musicfusion.codecs import melody
from musicfusion.codecs.melody import HOLD, REST

STEPS = 32
SHIFTS = range(-6, 6)
TOKENS = npst.arrays(np.uint8, STEPS, elements=st.sampled_from([HOLD] * 3 + [REST, 0, 60, 61, 72, 127]))


@st.composite
def voices(draw):
    """Notes of one voice inside 32 steps, none overlapping the next: int32 [n, 3]."""
    borders = sorted(draw(st.sets(st.integers(0, STEPS), max_size=12)))
    notes = []
    for start, end in pairwise(borders):
        pitch = draw(st.one_of(st.none(), st.integers(0, 127)))  # None: a rest
        if pitch is not None:
            notes.append((start, draw(st.integers(1, end - start)), pitch))
    return np.array(notes, np.int32).reshape(-1, 3)


@pytest.fixture(scope="module")
def segments(real_corpus):
    """Tokens of real segments, uint8 [n, 32]."""
    starts, _ = real_corpus.windows(8, 1, {"melody": 1})
    return melody.without_carry(real_corpus.arrays["melody"][starts[:, None] * 4 + np.arange(STEPS)])


def test_real_segments_survive_the_way_to_notes_and_back(segments):
    assert len(segments) > 200
    for tokens in segments:
        notes = melody.notes_from_tokens(tokens)
        np.testing.assert_array_equal(melody.tokens_from_notes(notes, STEPS), tokens)


@given(voices())
def test_notes_of_one_voice_survive_the_way_to_tokens_and_back(notes):
    tokens = melody.tokens_from_notes(notes, STEPS)
    assert tokens.dtype == np.uint8 and tokens.shape == (STEPS,)
    np.testing.assert_array_equal(melody.notes_from_tokens(tokens), notes)


@given(TOKENS)
def test_any_tokens_become_notes_of_one_voice_and_a_hold_without_a_note_a_rest(tokens):
    notes = melody.notes_from_tokens(tokens)
    assert notes.dtype == np.int32 and notes.shape[1:] == (3,)
    mended, sounds = tokens.copy(), False
    for step, token in enumerate(tokens):
        sounds = token < HOLD or (token == HOLD and sounds)
        if not sounds:
            mended[step] = REST
    np.testing.assert_array_equal(melody.tokens_from_notes(notes, STEPS), mended)


def test_a_note_that_reaches_the_end_keeps_its_length():
    last, whole = np.array([[28, 4, 60]]), np.array([[0, 32, 60]])
    for notes in (last, whole):
        np.testing.assert_array_equal(melody.notes_from_tokens(melody.tokens_from_notes(notes, STEPS)), notes)
    longer = melody.tokens_from_notes(np.array([[28, 9, 60]]), STEPS)
    np.testing.assert_array_equal(melody.notes_from_tokens(longer), last)


def test_silence_has_no_notes():
    tokens = melody.tokens_from_notes(np.zeros((0, 3), np.int32), STEPS)
    assert (tokens == REST).all()
    for silent in (tokens, np.full(STEPS, HOLD)):
        assert melody.notes_from_tokens(silent).shape == (0, 3)


def test_a_hold_after_a_rest_does_not_lengthen_the_note_before():
    tokens = np.full(STEPS, REST)
    tokens[:5] = 60, HOLD, REST, HOLD, HOLD
    assert melody.notes_from_tokens(tokens).tolist() == [[0, 2, 60]]


def test_a_note_ends_where_the_next_begins_and_the_highest_of_one_onset_stays():
    notes = np.array([[0, 16, 60], [4, 2, 55], [4, 2, 67], [4, 8, 64]])
    notes = notes[np.lexsort((notes[:, 2], notes[:, 0]))]
    assert melody.notes_from_tokens(melody.tokens_from_notes(notes, STEPS)).tolist() == [[0, 4, 60], [4, 2, 67]]


def test_notes_outside_the_grid_are_left_out():
    tokens = melody.tokens_from_notes(np.array([[-2, 8, 60], [32, 4, 62]]), STEPS)
    assert (tokens == REST).all()


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_transposed_segment_keeps_its_rhythm_and_moves_every_note(segments, shift):
    moved = melody.transpose(segments, shift)
    np.testing.assert_array_equal(melody.rhythm(moved), melody.rhythm(segments))
    onset = segments < HOLD
    np.testing.assert_array_equal(moved[onset], segments[onset].astype(int) + shift)
    np.testing.assert_array_equal(melody.transpose(moved, -shift), segments)


@given(st.integers(0, 127), st.integers(-200, 200))
def test_a_pitch_that_would_leave_the_range_is_folded_back_by_the_fewest_octaves(pitch, shift):
    folded = int(melody.fold(np.int32(pitch + shift)))
    assert 0 <= folded <= 127 and (folded - pitch - shift) % 12 == 0
    nearest = pitch + shift
    while not 0 <= nearest <= 127:
        nearest += 12 if nearest < 0 else -12
    assert folded == nearest


def test_rhythm_tells_onset_hold_and_rest_apart():
    tokens = np.array([0, 127, HOLD, REST])
    assert melody.rhythm(tokens).tolist() == [0, 0, 1, 2]


def test_what_began_before_a_window_leaves_no_trace():
    window = np.array([HOLD, HOLD, REST, REST, 60, HOLD, REST, 62, HOLD])
    assert melody.without_carry(window).tolist() == [REST] * 4 + [60, HOLD, REST, 62, HOLD]
    clean = np.array([60, HOLD, REST, 62])
    assert melody.without_carry(clean).tolist() == clean.tolist()


def test_inside_a_compiled_step_the_tokens_are_the_same(segments):
    shifts = np.arange(len(segments))[:, None] % 12 - 6
    raw = np.roll(segments, 5, 1)  # now with holds at the front

    @jax.jit
    def compiled(tokens):
        tokens = melody.without_carry(tokens.astype(jnp.int32), jnp)
        return melody.transpose(tokens, shifts), melody.rhythm(tokens)

    expected = melody.without_carry(raw)
    moved, rhythm = compiled(raw)
    np.testing.assert_array_equal(moved, melody.transpose(expected, shifts))
    np.testing.assert_array_equal(rhythm, melody.rhythm(expected))


def test_the_pitch_that_sounds_is_that_of_the_last_onset_and_none_in_a_rest():
    tokens = np.array([[HOLD, REST, 60, HOLD, HOLD, REST, 62, 64], [HOLD] * 8, [REST] * 8, [0, *[HOLD] * 6, REST]])
    expected = [[-1, -1, 60, 60, 60, -1, 62, 64], [-1] * 8, [-1] * 8, [0] * 7 + [-1]]
    for kind in (np.uint8, np.int32):
        found = melody.sounding(tokens.astype(kind))
        assert found.tolist() == expected and found.dtype == np.int32
        np.testing.assert_array_equal(jax.jit(lambda x: melody.sounding(x, jnp))(tokens.astype(kind)), expected)
    np.testing.assert_array_equal(melody.sounding(tokens[0]), expected[0])
