"""Music in four tracks: what is kept of it, there and back."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicfusion.codecs import melody, midi, tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track, grid

tokens_of_four = st.lists(st.lists(st.sampled_from([36, 60, 61, HOLD, REST]), min_size=4, max_size=4), min_size=1,
                          max_size=24).map(lambda rows: np.array(rows, np.uint8))  # fmt: skip


def track(program: int, *notes, drums: bool = False) -> Track:
    return Track("", program, drums, np.array([(onset, length, pitch, 80) for onset, length, pitch in notes], float))


def test_of_notes_that_sound_together_the_lowest_counts():
    notes = np.array([[0, 4, 48], [0, 8, 60], [2, 2, 55], [4, 2, 64]])
    np.testing.assert_array_equal(tracks.encode(notes, 9), [48, HOLD, HOLD, HOLD, 60, HOLD, HOLD, HOLD, REST])


def test_a_repeated_note_begins_again_and_in_the_papers_encoding_runs_on():
    notes = np.array([[0, 2, 60], [2, 2, 60], [6, 1, 60]])
    ours = tracks.encode(notes, 8)
    np.testing.assert_array_equal(ours, [60, HOLD, 60, HOLD, REST, REST, 60, REST])
    four = np.stack([ours] * 4, 1)
    np.testing.assert_array_equal(tracks.merged(four)[:, 0], [60, HOLD, HOLD, HOLD, REST, HOLD, 60, REST])
    np.testing.assert_array_equal(tracks.notes(tracks.merged(four))[0], [[0, 4, 60], [6, 1, 60]])


@given(tokens_of_four)
def test_what_sounds_survives_the_way_to_notes_and_back(tokens):
    again = np.stack([tracks.encode(notes, len(tokens)) for notes in tracks.notes(tokens)], 1)
    np.testing.assert_array_equal(tracks.sounding(again), tracks.sounding(tokens))
    np.testing.assert_array_equal(again, tracks.without_carry(tokens), "and so does where it begins")
    np.testing.assert_array_equal(tracks.sounding(tracks.merged(tokens)), tracks.sounding(tokens))


@settings(deadline=None, max_examples=20)  # a shape compiles
@given(tokens_of_four)
def test_numpy_and_jax_say_the_same(tokens):
    for function in (tracks.sounding, tracks.without_carry, tracks.merged):
        np.testing.assert_array_equal(function(tokens), function(jnp.asarray(tokens), jnp))


def test_real_pieces_survive_a_midi_file(tmp_path):
    from musicfusion.data import voices

    corpus = voices.read(limit=12)
    for instrumentation in ("voices", "band"):
        tokens = tracks.without_carry(corpus.arrays["tracks"][:512])
        midi.write(tmp_path / "a.mid", tracks.score(tokens, instrumentation))
        score = midi.read(tmp_path / "a.mid")
        parts = [[part] for part in score.tracks] if instrumentation == "voices" else list(tracks.roles(score).values())
        np.testing.assert_array_equal(tracks.from_tracks(parts, 0.0, 512), tokens)


@pytest.mark.parametrize(("per_quarter", "same"), [(12, True), (4, False)])
def test_triplets_survive_a_grid_of_12_and_not_one_of_4(tmp_path, per_quarter, same):
    rows = [(k / 3, 1 / 3, 40 + k) for k in range(12)]
    midi.write(tmp_path / "a.mid", Score((track(33, *rows),), np.array([[0.0, 120.0]]), (), "a"))
    parts = [[], midi.read(tmp_path / "a.mid").tracks, [], []]
    back = tracks.score(tracks.from_tracks(parts, 0.0, 4 * per_quarter, per_quarter), "band", per_quarter=per_quarter)
    assert np.allclose(back.tracks[0].notes[:, :3], rows) == same


def test_drums_are_not_transposed():
    tokens = np.array([[36, 40, 60, REST], [HOLD, HOLD, 127, 64]])[None]
    moved = tracks.transpose(tokens, np.array([3]), np.array([False, True, True, True]))
    np.testing.assert_array_equal(moved[0], [[36, 43, 63, REST], [HOLD, HOLD, melody.fold(130), 67]])


@pytest.mark.parametrize("played, kept", [
    ([28, 40, 45, 52], [40, 40, 45, 40]),  # octaves of what it has
    ([38, 50, 46, 34], [50, 50, 46, 46]),  # what it has in no octave lies above its lowest note
    ([HOLD, REST, 64, HOLD], [HOLD, REST, 40, HOLD]),
])
def test_notes_outside_the_range_of_another_version_move_by_octaves(played, kept):
    like = np.array([[40, 45, HOLD, REST], [38, 40, 45, REST], [REST] * 4, [40, 45, HOLD, REST]], np.uint8).T
    moved = tracks.in_range(np.stack([np.array(played)] * 4, 1), like, np.array([True, False, True, True]))
    np.testing.assert_array_equal(moved[:, 0], kept)
    np.testing.assert_array_equal(moved[:, 1:3], np.stack([played] * 2, 1), "drums, and what was silent, stay")
    np.testing.assert_array_equal(moved[:, 3], kept)


@given(tokens_of_four, tokens_of_four)
def test_a_range_that_is_kept_is_kept_in_every_octave(one, other):
    length = min(len(one), len(other))
    one, other = one[:length], other[:length]
    moved = tracks.in_range(one, other, np.ones(4, bool))
    notes = one < HOLD
    np.testing.assert_array_equal(moved[~notes], one[~notes])
    assert np.all((moved.astype(int) - one)[notes] % 12 == 0)
    np.testing.assert_array_equal(tracks.in_range(moved, other, np.ones(4, bool)), moved)
    np.testing.assert_array_equal(tracks.in_range(other, other, np.ones(4, bool)), other)


def test_tracks_are_told_apart_by_their_programs_and_noises_left_out():
    score = Score((track(0, (0, 1, 36), drums=True), track(32, (0, 1, 40)), track(39, (1, 1, 40)), track(5, (0, 1, 60)),
                   track(31, (0, 1, 64)), track(48, (0, 1, 70)), track(73, (0, 1, 80)), track(125, (0, 1, 90))),
                  np.array([[0.0, 120.0]]), (), "song")  # fmt: skip
    found = {name: [t.program for t in part] for name, part in tracks.roles(score).items()}
    assert found == {"drums": [0], "bass": [32, 39], "guitar": [5, 31], "strings": [48, 73]}


@pytest.mark.parametrize("instrumentation", tracks.INSTRUMENTATIONS)
def test_on_the_way_out_each_track_has_its_program(instrumentation):
    made = tracks.score(np.full((4, 4), 60), instrumentation).tracks
    assert [t.is_drum for t in made] == [part.drums for part in tracks.INSTRUMENTATIONS[instrumentation]]
    if instrumentation == "band":
        assert [t.program for t in made][1:] == [33, 27, 48], "MusAE's public code"
    assert all(len(grid(t)) == 4 for t in made)
