"""Thirds of a beat: which beats are swung or hold triplets, and the map that makes them straight."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import ROOT

from musicfusion.codecs import beats, feel, midi
from musicfusion.codecs.feel import SIXTEENTHS, SWING, TRIPLET, Feel
from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, Track, grid

# Eight bars of 4/4, onsets in quarters: a walking bass, and a riff of eighths with a few 16ths.
RIFF = [0, 0.5, 1, 1.5, 2.5, 3, 3.5, 4, 5, 5.25, 5.5, 6, 6.5, 7.5]
EIGHTHS = np.concatenate([8 * bars + np.array(RIFF) for bars in range(4)])
WALK = np.arange(32.0)


def score(*onsets, metre=(4, 4), jitter: float = 0.0) -> Score:
    """A track for each list of onsets; its notes last half a quarter."""
    generator = np.random.default_rng(1)
    tracks = []
    for k, own in enumerate(onsets):
        times = np.maximum(np.asarray(own) + generator.normal(0, jitter, len(own)), 0)
        tracks.append(Track("", 0, False, np.column_stack([times, np.full((len(own), 3), (0.5, 60 - 12 * k, 80))])))
    return Score(tuple(tracks), np.array([[0, 120.0]]), ((0.0, *metre),), "tune")


def swung(onsets: np.ndarray, ratio: float) -> np.ndarray:
    """Straight eighths and 16ths, played with a long and a short half."""
    return np.floor(onsets) + np.interp(onsets % 1, (0, 0.5, 1), (0, ratio, 1))


def onsets(music: Score) -> np.ndarray:
    return np.concatenate([track.notes[:, 0] for track in music.tracks])


def in_order(rows: np.ndarray) -> np.ndarray:
    """Notes in an order that rounding does not change."""
    return np.array(sorted(rows.tolist(), key=lambda row: (row[2:], round(row[0], 6), round(row[1], 6))))


def data(name: str) -> Path:
    folder = ROOT.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not beside the project")
    return folder


# The map -------------------------------------------------------------------------------------------------------------

def a_feel(kinds: list[str], begin: float, ratio: float) -> Feel:
    """One kind for each quarter from `begin` on; "" is straight."""
    odd = np.flatnonzero([kind != "" for kind in kinds])
    return Feel(begin + odd, tuple(kind for kind in kinds if kind), ratio)


feels = st.tuples(st.lists(st.sampled_from(["", SWING, SIXTEENTHS, TRIPLET]), max_size=20), st.floats(0, 2),
                  st.floats(0.55, 0.75))
notes = st.lists(st.tuples(st.floats(0, 25), st.floats(1e-3, 8), st.integers(0, 127), st.integers(1, 127)), min_size=1)


@settings(deadline=None)
@given(feels, notes)
def test_what_is_made_straight_comes_back_as_it_was_played(given_feel, rows):
    own = a_feel(*given_feel)
    track = Track("", 0, False, np.array(rows), pedal=((1.0, 2.7),), lyrics=((3.3, "la"),))
    music = Score((track,), np.array([[0, 120.0]]), (), "", ((0.4, "do"),))
    made = feel.straight(music, own)
    assert (made.tracks[0].notes[:, 1] > 0).all()
    back = feel.played(made, own)
    before, after = in_order(track.notes), in_order(back.tracks[0].notes)
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-9)
    np.testing.assert_allclose(after[:, :2].sum(1), before[:, :2].sum(1), atol=1e-9)
    np.testing.assert_allclose(back.tracks[0].pedal, track.pedal, atol=1e-9)
    assert back.lyrics[0][0] == pytest.approx(0.4, abs=1e-9)
    assert back.tracks[0].lyrics[0][0] == pytest.approx(3.3, abs=1e-9)


@settings(deadline=None)
@given(feels, st.lists(st.floats(-1, 25), min_size=2))
def test_time_never_runs_backward_and_beats_stand_still(given_feel, times):
    own, times = a_feel(*given_feel), np.sort(times)
    assert (np.diff(own.straight(times)) >= 0).all()
    np.testing.assert_allclose(own.straight(own.beats), own.beats, atol=1e-12)
    np.testing.assert_allclose(own.straight(own.beats + 1), own.beats + 1, atol=1e-9)


def test_two_thirds_become_a_half_and_a_triplet_three_of_four_steps():
    own = Feel(np.array([4.0, 6.0, 8.0]), (SWING, TRIPLET, SIXTEENTHS))
    played = np.array([4, 4 + 2 / 3, 5.5, 6, 6 + 1 / 3, 6 + 2 / 3, 8 + 1 / 3, 8.5, 8 + 5 / 6])
    np.testing.assert_allclose(own.straight(played), [4, 4.5, 5.5, 6, 6.25, 6.75, 8.25, 8.5, 8.75])


def test_notes_of_the_grid_are_played_with_the_same_feel():
    own = Feel(np.arange(4.0), (SWING,) * 4)
    steps = np.array([[0, 2, 60], [2, 2, 62], [4, 4, 64]], np.int32)
    played = feel.played(steps / (STEPS_PER_QUARTER, STEPS_PER_QUARTER, 1), own)
    np.testing.assert_allclose(played, [[0, 2 / 3, 60], [2 / 3, 1 / 3, 62], [1, 1, 64]])


def test_a_part_is_cut_out_and_looped_with_its_feel():
    own = Feel(np.array([1.0, 5.0, 6.0, 9.0]), (TRIPLET, SWING, TRIPLET, SWING))
    looped = own.cut_out(4.0, 4.0, 10.5)
    assert looped.beats.tolist() == [1, 2, 5, 6, 9]
    assert looped.kinds == (SWING, TRIPLET, SWING, TRIPLET, SWING)
    assert own.cut_out(5.5, 1.0, 1.0).is_straight, "half a beat is none"
    assert own.shifted(-1.0).beats.tolist() == [0, 4, 5, 8]


def test_no_beat_may_overlap_another():
    with pytest.raises(ValueError):
        Feel(np.array([0.0, 0.5]), (SWING, SWING))
    with pytest.raises(ValueError):
        Feel(np.array([0.0]), ("waltz",))


# Recognition ---------------------------------------------------------------------------------------------------------


def test_a_straight_song_is_the_same_object_afterwards():
    song = score(EIGHTHS, WALK)
    assert feel.straight(song, feel.of(song, 0.0)) is song
    assert feel.of(score([]), 0.0).is_straight


@pytest.mark.parametrize("ratio", [0.58, 0.6, 0.62, 0.65, 2 / 3, 0.7])
@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_swing_of_any_usual_ratio_is_found(ratio, jitter):
    song = score(swung(EIGHTHS, ratio), WALK, jitter=jitter)
    own = feel.of(song, 0.0)
    assert set(own.kinds) == {SWING}
    assert own.ratio == pytest.approx(ratio, abs=0.015)
    expected = grid(np.concatenate([track.notes for track in score(EIGHTHS, WALK).tracks]))
    found = grid(np.concatenate([track.notes for track in feel.straight(song, own).tracks]))
    assert (found[:, 0] == expected[:, 0]).mean() > 0.98


def test_beats_that_tell_nothing_swing_between_swung_ones_only():
    song = score(swung(EIGHTHS, 2 / 3), WALK)
    own = feel.of(song, 0.0)
    assert 4.0 in own.beats, "a note on the beat alone, between swung beats"
    assert own.beats[-1] == 31.0
    longer = score(swung(EIGHTHS, 2 / 3), np.arange(40.0))
    assert feel.of(longer, 0.0).beats[-1] == 31.0, "nothing swings after it"


def test_triplets_in_a_straight_song_are_found_and_nothing_else():
    triplets = np.array([6, 6 + 1 / 3, 6 + 2 / 3, 20, 20 + 1 / 3, 20 + 2 / 3])
    straight = EIGHTHS[~np.isin(np.floor(EIGHTHS), [6, 20])]
    own = feel.of(score(np.concatenate([straight, triplets]), WALK), 0.0)
    assert own.kinds == (TRIPLET, TRIPLET)
    assert own.beats.tolist() == [6, 20]


def test_a_triplet_of_quarters_takes_two_beats():
    straight = EIGHTHS[~np.isin(np.floor(EIGHTHS), [10, 11])]
    song = score(np.concatenate([straight, [10, 10 + 2 / 3, 11 + 1 / 3]]), np.delete(WALK, 11))
    own = feel.of(song, 0.0)
    assert own.beats.tolist() == [10, 11]
    np.testing.assert_allclose(own.straight(np.array([10 + 2 / 3, 11 + 1 / 3])), [10.75, 11.25])


def test_swung_16ths_are_no_triplets():
    sixteenths = np.concatenate([beat + np.array([0, 1 / 3, 0.5, 5 / 6]) for beat in range(32)])
    assert set(feel.of(score(sixteenths, WALK), 0.0).kinds) == {SIXTEENTHS}


def test_eighths_of_6_8_are_left_alone():
    eighths = np.arange(0, 48, 0.5)
    assert feel.of(score(eighths, metre=(6, 8)), 0.0).is_straight
    thirds = np.arange(0, 32, 1 / 3)
    assert feel.of(score(thirds, metre=(6, 8)), 0.0).is_straight
    assert set(feel.of(score(thirds), 0.0).kinds) == {TRIPLET}


def test_a_part_in_6_8_between_swung_ones_is_left_alone():
    swing = swung(EIGHTHS, 2 / 3)
    song = score(np.concatenate([swing, np.arange(32, 44, 0.5), swing + 44]), np.concatenate([WALK, WALK + 44]))
    song = replace(song, metres=((0.0, 4, 4), (32.0, 6, 8), (44.0, 4, 4)))
    own = feel.of(song, 0.0)
    assert set(own.kinds) == {SWING}
    assert not ((own.beats >= 32) & (own.beats < 44)).any()


def test_a_long_and_a_short_above_even_eighths_is_no_swing():
    late = np.concatenate([beat + np.array([0, 0.7]) for beat in range(32)])
    own = feel.of(score(late, *[np.arange(0, 32, 0.5)] * 3), 0.0)
    assert own.is_straight


@pytest.mark.parametrize("jitter", [0.01, 0.02, 0.03, 0.05])
def test_16ths_played_by_a_human_stay_16ths(jitter):
    sixteenths = np.sort(np.concatenate([EIGHTHS, np.arange(0, 32, 0.25)[::3]]))
    assert len(feel.of(score(sixteenths, WALK, jitter=jitter), 0.0).kinds) <= 1


def test_notes_at_random_times_have_no_feel():
    times = np.random.default_rng(0).uniform(0, 128, 500)
    assert len(feel.of(score(times), 0.0).kinds) <= 3


def test_a_phase_moves_the_beats():
    own = feel.of(score(swung(EIGHTHS, 2 / 3) + 0.2, WALK + 0.2), 0.2)
    assert set(own.kinds) == {SWING}
    np.testing.assert_allclose(own.beats, np.arange(32) + 0.2, atol=1e-9)


# Real music ----------------------------------------------------------------------------------------------------------


def test_pop909_is_straight_but_for_its_triplets(pop909_root):
    songs = [midi.read(path) for path in sorted(pop909_root.rglob("???.mid"))[::45]]
    called = np.sort([len(feel.of(song, beats.phase(song)).kinds) / song.length for song in songs])
    assert (called[:-2] < 0.01).all()
    assert (called[-2:] > 0.8).all(), "509 and 801, which are written in triplets throughout"


def test_pop909_played_with_swing_is_straight_again(pop909_root):
    song = midi.read(next(pop909_root.rglob("018.mid")))
    tracks = [replace(track, pedal=(), notes=track.notes[np.abs((track.notes[:, 0] * 4 + 0.5) % 1 - 0.5) < 0.1])
              for track in song.tracks]
    song = replace(song, tracks=tuple(tracks))
    rows = [np.column_stack([swung(track.notes[:, 0], 0.64), track.notes[:, 1:]]) for track in tracks]
    late = replace(song, tracks=tuple(replace(track, notes=own) for track, own in zip(tracks, rows, strict=True)))
    own = feel.of(late, 0.0)
    assert own.ratio == pytest.approx(0.64, abs=0.01)
    right = np.abs(onsets(feel.straight(late, own)) - onsets(song)) < 1 / 8
    assert right.mean() > 0.97


def test_drummers_who_shuffle_are_heard_to(pop909_root):
    folder = data("groove-midi")
    for name, kinds in (("51_rock-shuffle_125_beat", {SWING}), ("22_rock_120_beat", {SWING}),
                        ("180_rock_50_beat", {TRIPLET}), ("13_rock_115_beat", set()), ("1_rock_60_beat", set())):
        drums = midi.read(next(folder.rglob(f"{name}_4-4.mid")))
        own = feel.of(drums, 0.0)
        if kinds:
            assert kinds <= set(own.kinds) and len(own.kinds) > 0.8 * drums.length, name
        else:
            assert len(own.kinds) < 0.02 * drums.length, name


def test_a_delayed_score_has_its_first_tempo_and_metre_before_it():
    given = Score((Track("Low", 33, False, np.array([[0.0, 1, 40, 80], [6.0, 1, 43, 80]]), pedal=((1.0, 2.0),),
                         lyrics=((0.0, "la"),)),),
                  np.array([[0.0, 60.0], [4.0, 120.0]]), ((0.0, 3, 4), (3.0, 4, 4)), "song",
                  chords=((0.0, 0, 0, 0b10010001),))
    later = feel.delayed(given, 6.0)
    np.testing.assert_array_equal(later.tracks[0].notes[:, 0], [6, 12])
    np.testing.assert_array_equal(later.tempos, [[0, 60], [10, 120]])
    assert later.metres == ((0.0, 3, 4), (9.0, 4, 4)) and later.chords[0][0] == 6.0
    assert later.tracks[0].pedal == ((7.0, 8.0),) and later.tracks[0].lyrics == ((6.0, "la"),)
    assert later.seconds(12.0) - later.seconds(6.0) == given.seconds(6.0)
