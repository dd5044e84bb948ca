"""Beats of what was played freely."""

from dataclasses import replace

import mir_eval
import numpy as np
import pytest

from musicfusion.codecs import beat_tracking, midi
from musicfusion.codecs.score import Score, Track, grid

# A tune in 16ths: onset, length; with a bass note on each beat.
TUNE = [(0, 4), (4, 2), (6, 2), (8, 3), (11, 1), (12, 4), (16, 4), (20, 2), (22, 1), (23, 1), (24, 8)]


def song(bars: int = 16) -> Score:
    """The tune over and over, at 120 quarters a minute."""
    tune = np.array([(32 * k + onset, length, 72, 90) for k in range(bars // 2) for onset, length in TUNE])
    bass = np.array([(4 * k, 4, 40, 90) for k in range(4 * bars)])
    tracks = tuple(Track(name, 0, False, rows / (4, 4, 1, 1), pedal=((1.0, 3.5),), lyrics=((2.0, "la"),))
                   for name, rows in (("tune", tune), ("bass", bass)))
    return Score(tracks, np.array([[0, 120.0]]), ((0.0, 4, 4),), "song", ((1.0, "do"),))


def in_time(score: Score, when) -> Score:
    """The score played at other times: seconds -> seconds; its tempo says 120 nevertheless."""
    def moved(track):
        start = when(score.seconds(track.notes[:, 0]))
        end = when(score.seconds(track.notes[:, 0] + track.notes[:, 1]))
        notes = np.column_stack([2 * start, 2 * np.maximum(end - start, 0.01), track.notes[:, 2:]])
        return replace(track, notes=notes, pedal=(), lyrics=())

    return replace(score, tracks=tuple(moved(track) for track in score.tracks), tempos=np.array([[0, 120.0]]),
                   metres=(), lyrics=())


def rubato(seconds):
    """A beat that lasts 0.62 seconds on average, and 15 per cent more or less by turns."""
    return 0.3 + 1.24 * (seconds + 0.15 * 8 / (2 * np.pi) * np.sin(2 * np.pi * seconds / 8))


def onsets(score: Score) -> np.ndarray:
    return np.concatenate([track.notes[:, 0] for track in score.tracks])


def test_a_score_that_fits_its_own_grid_is_the_same_object():
    for shift in (0.0, 0.3):
        shifted = replace(song(), tracks=tuple(
            replace(track, notes=track.notes + (shift, 0, 0, 0)) for track in song().tracks))
        assert beat_tracking.with_beats(shifted) is shifted
    triplets = Track("", 0, False, np.array([(k / 3, 0.3, 60, 80) for k in range(300)]))
    swing = Track("", 0, False, np.array([(k + late, 0.3, 60, 80) for k in range(100) for late in (0, 0.62)]))
    for track in (triplets, swing):
        assert not beat_tracking.is_free(replace(song(), tracks=(track,)))
    few = in_time(replace(song(), tracks=(song(4).tracks[0],)), rubato)
    assert beat_tracking.with_beats(few) is few, "two dozen notes tell nothing"


def test_what_was_played_freely_is_in_quarters_of_its_own_beats():
    free = in_time(song(), rubato)
    assert beat_tracking.is_free(free)
    found = beat_tracking.with_beats(free)
    beats = rubato(song().seconds(np.arange(64)))
    assert mir_eval.beat.f_measure(beats, beat_tracking.track(free)) > 0.97
    first = round(float(found.tracks[1].notes[0, 0]))
    expected = np.concatenate([grid(track) for track in song().tracks])
    assert (np.concatenate([grid(track, first) for track in found.tracks])[:, 0] == expected[:, 0]).mean() > 0.97
    assert found.metres == ()
    assert found.tempos[5:60, 1] == pytest.approx(97, rel=0.2)
    assert found.notices[-1].startswith("played freely: ")
    assert beat_tracking.fit(found).distance < 0.06 < 0.2 < beat_tracking.fit(free).distance


def test_in_seconds_nothing_moves():
    free = in_time(song(), rubato)
    free = replace(free, lyrics=((7.7, "do"),), tracks=tuple(
        replace(track, pedal=((3.3, 9.1),), lyrics=((5.5, "la"),)) for track in free.tracks))
    found = beat_tracking.with_beats(free)
    for before, after in zip(free.tracks, found.tracks, strict=True):
        for times in (lambda t: t.notes[:, 0], lambda t: t.notes[:, 0] + t.notes[:, 1], lambda t: np.ravel(t.pedal),
                      lambda t: np.array([t.lyrics[0][0]])):
            np.testing.assert_allclose(found.seconds(times(after)), free.seconds(times(before)), atol=1e-6)
        assert (before.notes[:, 2:] == after.notes[:, 2:]).all()
    assert found.seconds(found.lyrics[0][0]) == pytest.approx(free.seconds(7.7), abs=1e-6)


def test_notes_at_random_times_have_no_beat_and_stay_where_they_are():
    times = np.sort(np.random.default_rng(0).uniform(0, 120, 300))
    noise = Score((Track("", 0, False, np.column_stack([times, np.full((300, 3), (0.3, 60, 80))])),),
                  np.array([[0, 120.0]]), (), "noise")
    found = beat_tracking.with_beats(noise)
    assert found.tracks is noise.tracks and found.tempos is noise.tempos
    assert found.notices[-1].startswith("played freely, and no beat was found: ")
    assert beat_tracking.fit(noise).distance == pytest.approx(0.25, abs=0.02)


def test_hours_of_it_are_not_searched():
    long = in_time(song(), lambda seconds: 60 * rubato(seconds))
    assert beat_tracking.with_beats(long).notices[-1] == (
        "played freely, and no beat was looked for in more than 20 minutes")


def test_nothing_has_no_beats_and_fits():
    empty = Score((), np.array([[0, 120.0]]), (), "")
    assert len(beat_tracking.track(empty)) == 0
    assert beat_tracking.with_beats(empty) is empty
    assert beat_tracking.fit(empty) == (0.0, 1.0)


def test_beats_of_pop909_are_those_that_are_annotated_or_twice_as_many(pop909_root):
    for number in ("207", "303", "605"):
        song = midi.read(next(pop909_root.rglob(f"{number}.mid")))
        annotated = np.loadtxt(next(pop909_root.rglob(f"{number}.mid")).parent / "beat_midi.txt")[:, 0]
        found = beat_tracking.track(in_time(song, lambda seconds: rubato(seconds) / 1.24))
        halves = np.sort(np.concatenate([annotated, (annotated[1:] + annotated[:-1]) / 2]))
        agree = [mir_eval.beat.f_measure(rubato(beats) / 1.24, found) for beats in (annotated, halves)]
        assert max(agree) > 0.9, number


def test_no_song_of_pop909_is_taken_for_free_playing(pop909_root):
    paths = sorted(pop909_root.rglob("???.mid"))[::30]
    assert not any(beat_tracking.is_free(midi.read(path)) for path in paths)
