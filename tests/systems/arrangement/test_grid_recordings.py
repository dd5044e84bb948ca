"""Drums for recorded basses beside the recorded drums, of recordings that are played here."""

import dataclasses

import numpy as np
import pytest
import sections

from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drums import STEPS, Hits, hits_of
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import kit
from musicfusion.render.audio import write_wav
from musicfusion.systems.arrangement import grid_recordings
from musicfusion.systems.arrangement.drum_transcriber import Transcriber
from musicfusion.systems.arrangement.grid_dataset import BAR, KIT, Sections

TEMPO, BARS = 100.0, 12
BEAT = 60 / TEMPO


def plucked(seconds, begins):
    """Notes of a bass at those seconds: samples at RATE."""
    found, time = np.zeros(round(seconds * RATE)), np.arange(round(0.4 * RATE)) / RATE
    for number, begin in enumerate(begins):
        pitch = (41.2, 55.0, 49.0, 61.7)[number // 4 % 4]
        tone = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 6)) * np.exp(-time / 0.25)
        at = round(begin * RATE)
        part = found[at : at + len(tone)]
        part += 0.2 * tone[: len(part)]
    return found.astype(np.float32)


def hits():
    """The drums: kick on the bass's beats, snare on 2 and 4, eighths."""
    beats = np.arange(4 * BARS) * BEAT + 0.5
    return np.concatenate([np.stack([when, np.full(len(when), kind), np.full(len(when), 90)], 1) for when, kind in (
        (beats, sections.KICK), (beats[1::2], sections.SNARE), (np.arange(8 * BARS) * BEAT / 2 + 0.5, sections.HAT))])


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Two songs, in the second of which the bass rests for bars 5 to 8; and one without a bass."""
    root = tmp_path_factory.mktemp("stems")
    seconds = 4 * BARS * BEAT + 1.5
    beats = np.arange(4 * BARS) * BEAT + 0.5
    for name, begins in (("one", beats), ("two", np.concatenate([beats[:16], beats[32:]])), ("three", None)):
        (root / name).mkdir()
        write_wav(root / name / "drums.wav", kit.play(hits(), kit.shipped(), rate=RATE, seconds=seconds), RATE)
        if begins is not None:
            write_wav(root / name / "bass.wav", plucked(seconds, begins), RATE)
    return root


@pytest.fixture(scope="module")
def songs(stems):
    """Read with a transcriber that knows the drums, whatever is played."""
    found, left_out = grid_recordings.read(str(stems), knows_all())
    assert left_out == ["three: no bass"]
    return found


def knows_all():
    class Knows(Transcriber):
        def hits(self, samples):
            return hits()

    return Knows(activations=lambda frames: frames, thresholds=np.zeros(KIT))


def test_only_bars_in_which_the_bass_plays_count(songs):
    full, rests = (grid_recordings.spans(song.piece) for song in sorted(songs, key=lambda song: song.name))
    assert len(full) >= BARS - 1 and len(rests) <= len(full) - 3
    assert not ((rests[:, 0] > 16.5 * BEAT + 0.5) & (rests[:, 1] < 31.5 * BEAT + 0.5)).any()
    rows = np.stack([np.linspace(-5, 40, 500), np.zeros(500), np.zeros(500)], 1)
    kept = grid_recordings.inside(rows, rests)
    assert all(any(begin <= when < end for begin, end in rests) for when in kept[:, 0]) and 0 < len(kept) < 500
    assert not len(grid_recordings.inside(rows, rests[:0]))


def test_a_steady_beat_lies_on_the_beats_that_were_found(songs):
    quarters = np.arange(4.0 * BARS)
    piece = next(song.piece for song in songs if song.name == "one")
    for clock in (grid_recordings.tracked(piece), grid_recordings.steady(piece)):
        away = (clock(quarters) - 0.5) / BEAT
        assert np.abs(away - np.rint(away)).max() < 0.15
    assert np.ptp(np.diff(grid_recordings.steady(piece)(quarters))) < 1e-9


def test_what_is_true_is_above_what_is_not(songs, stems):
    def right(piece, seed):
        pattern = np.zeros((len(piece.bass), KIT), bool)
        pattern[::STEPS, sections.KICK] = pattern[:: STEPS // 2, sections.HAT] = True
        pattern[STEPS :: 2 * STEPS, sections.SNARE] = True
        return hits_of(pattern.astype(np.uint8))

    def late(piece, seed):
        found = right(piece, seed)
        return Hits(*(np.roll(x, STEPS // 4 + seed, 0) for x in found))

    corpus, own = sections.corpus(), Sections(seed=0)
    table = grid_recordings.evaluate(str(stems), corpus, own, {"right": right, "late": late}, knows_all())
    values = {row.name: {name: value.mean for name, value in row.values.items()} for row in table.rows}
    assert values["right"]["one_stream"] > 0.9 and values["right"]["mean"] > 0.8 and values["right"]["above"] > 0.3
    assert values["late"]["one_stream"] < 0.5 > values["another song's drums"]["mean"]
    assert values["eighths, at one tempo"]["one_stream"] > 0.9, "the tempo is one here"
    assert values["the bass itself, as kick"]["one_stream"] < values["eighths"]["one_stream"]
    assert values["sixteenths"]["above"] < values["right"]["above"] - 0.2, "who plays everywhere does not win"
    assert values["the true drums, by their spectral flux"]["one_stream"] > 0.9
    assert values["the true drums, played by the kit and transcribed again"]["mean"] == 1
    assert values["another recording's drums"]["one_stream"] == 1, "both songs have the same drums"
    assert [table.measures[f"song {k}"].label for k in (1, 2)] == ["one", "two"]
    assert "Left out: three: no bass" in table.note and "kick, snare, closed hat" in table.note


def test_hits_moved_in_time_are_what_chance_is(songs):
    song = next(song for song in songs if song.name == "one")
    true = grid_recordings.measured(song.truth, song)
    assert true["one_stream"] == true["mean"] == 1 and 0.5 < true["above"] < 1
    moved = grid_recordings.measured(song.truth + [0.25 * BEAT, 0, 0], song)
    assert moved["above"] < 0.2 < true["above"]
    nothing = grid_recordings.measured(song.truth[:0], song)
    assert nothing["one_stream"] == nothing["above"] == nothing["hits"] == 0
    silent = dataclasses.replace(song, truth=song.truth[:0])
    assert grid_recordings.measured(song.truth, silent)["one_stream"] == 0
    assert len(grid_recordings.bars(song.piece)) * BAR * STEPS == len(song.piece.bass)


def test_a_folder_without_songs_is_one_line(tmp_path):
    with pytest.raises(MusicFusionError, match=r"no song with a bass and drums .*no folder SONG with bass.wav"):
        grid_recordings.read(str(tmp_path), knows_all())
