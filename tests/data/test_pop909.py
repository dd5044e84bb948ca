"""POP909: beats, metres, tracks and chords from the layout of its repository."""

import functools
import re

import numpy as np
import pytest

from musicfusion.codecs import chords, melody, midi, polyphony
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import pop909

BEAT = 0.5  # seconds
LEAD = [(0.0, 1.0, 72), (1.0, 0.5, 74), (3.75, 4.25, 76)]  # quarters after the first beat
BRIDGE = [(0.0, 2.0, 60), (2.0, 2.0, 62)]
PIANO = [(0.0, 8.0, 48), (0.25, 0.25, 64), (8.0, 4.0, 43)]


def write_song(root, name="001", **changes):
    """A song at 120 whose beat table begins at 1 s, two beats before a bar line."""
    song = {
        "first": 1.0,
        "beats": 14,
        "phase": 2,
        "period": 2,
        "tracks": {"MELODY": LEAD, "BRIDGE": BRIDGE, "PIANO": PIANO},
        "chords": [(1.0, 3.0, "C:maj"), (3.0, 4.5, "G:7/3"), (4.5, 5.0, "N"), (5.0, 7.0, "A:min")],
        **changes,
    }
    folder = root / name
    folder.mkdir(parents=True)
    tracks = tuple(
        Track(
            title,
            0,
            False,
            np.array(
                [
                    (start + song["first"] / BEAT, length, pitch, 80)
                    for start, length, pitch in notes
                ]
            ),
        )
        for title, notes in song["tracks"].items()
    )
    score = Score(tracks, np.array([[0, 60 / BEAT]]), (), name)
    midi.write(folder / f"{name}.mid", score)
    period, phase = song["period"], song["phase"]
    beats = [
        f"{song['first'] + BEAT * k} {float((k - phase) % period == 0)} "
        f"{float((k - phase) % (2 * period) == 0)}"
        for k in range(song["beats"])
    ]
    (folder / "beat_midi.txt").write_text("\n".join(beats) + "\n")
    table = [f"{start}\t{end}\t{label}" for start, end, label in song["chords"]]
    (folder / "chord_midi.txt").write_text("\n".join(table) + "\n")
    return folder


def notes_of(song):
    return (
        melody.notes_from_tokens(song["melody"]).tolist(),
        polyphony.notes_from_slots(song["pitch"], song["duration"]).tolist(),
    )


def test_notes_lie_on_the_16ths_between_the_beats_from_a_bar_line_on(tmp_path):
    lead, accompaniment = notes_of(pop909.song(write_song(tmp_path)))
    pickup = 8  # the table begins two beats after a bar line
    assert lead == [[pickup, 4, 72], [pickup + 4, 2, 74], [pickup + 15, 17, 76]]
    expected = [[int(4 * on) + pickup, int(4 * long), pitch] for on, long, pitch in BRIDGE + PIANO]
    assert sorted(accompaniment) == sorted(expected)


def test_each_beat_has_the_chord_that_covers_its_middle(tmp_path):
    rows = pop909.song(write_song(tmp_path))["chords"]
    names = [chords.name(row) for row in rows]
    assert names == ["N"] * 2 + ["C"] * 4 + ["G7/B"] * 3 + ["N"] + ["Am"] * 4 + ["N"] * 2
    assert rows[:2, :2].tolist() == [[0, 0]] * 2  # before the first chord: that of the first
    assert rows[9, :2].tolist() == [7, 11]  # in a gap: that before
    assert rows.dtype == np.int16


def test_notes_before_and_after_the_table_are_kept(tmp_path):
    early, late = (-1.5, 0.5, 70), (20.0, 1.0, 71)
    folder = write_song(tmp_path, tracks={"MELODY": [early, *LEAD, late], "PIANO": PIANO})
    song = pop909.song(folder)
    lead, _ = notes_of(song)
    assert lead[0] == [2, 2, 70]
    assert lead[-1] == [8 + 80, 4, 71]
    assert len(song["melody"]) == 4 * 24 and len(song["chords"]) == 24


def test_a_pickup_longer_than_a_bar_brings_whole_bars(tmp_path):
    folder = write_song(tmp_path, first=2.0, tracks={"MELODY": [(-4, 1, 70)], "PIANO": PIANO})
    lead, accompaniment = notes_of(pop909.song(folder))
    assert lead == [[8, 4, 70]]
    assert accompaniment[0] == [24, 32, 48]


def test_a_tempo_that_changes_moves_no_note_off_its_beat(tmp_path):
    folder = write_song(tmp_path)
    times = 1.0 + np.cumsum(np.concatenate([[0], 0.5 * 1.02 ** np.arange(13)]))
    flags = [line.split()[1:] for line in (folder / "beat_midi.txt").read_text().splitlines()]
    (folder / "beat_midi.txt").write_text(
        "\n".join(f"{time} {' '.join(flag)}" for time, flag in zip(times, flags, strict=True))
    )
    onsets = np.array([0, 1, 2.5, 4.25, 10.75])
    seconds = np.interp(onsets, np.arange(14), times)
    notes = np.array([(second / BEAT, 0.25, 70, 80) for second in seconds])
    other = np.array([(second / BEAT, 0.25, 50, 80) for second in seconds])
    tracks = (Track("MELODY", 0, False, notes), Track("PIANO", 0, False, other))
    midi.write(folder / "001.mid", Score(tracks, np.array([[0, 120.0]]), (), "rubato"))
    lead, _ = notes_of(pop909.song(folder))
    assert [onset for onset, _, _ in lead] == (8 + 4 * onsets).tolist()


def test_the_melody_is_one_voice_and_the_highest_note_wins(tmp_path):
    doubled = [(0, 1, 60), (0, 1, 72), (1, 2, 74), (2, 1, 76)]
    lead, _ = notes_of(
        pop909.song(write_song(tmp_path, tracks={"MELODY": doubled, "PIANO": PIANO}))
    )
    assert lead == [[8, 4, 72], [12, 4, 74], [16, 4, 76]]


def test_a_note_that_never_ends_does_not_lengthen_the_song_without_limit(tmp_path):
    endless = [*PIANO, (12.0, 5000.0, 40)]
    song = pop909.song(write_song(tmp_path, tracks={"MELODY": LEAD, "PIANO": endless}))
    assert len(song["chords"]) <= 2 + 12 + pop909.TAIL + 4


def damage_midi(folder):
    (folder / f"{folder.name}.mid").write_bytes(b"MThd no more")


def damage_beats(folder):
    (folder / "beat_midi.txt").write_bytes(b"1.0 \xff 0.0\n")


def shuffle_beats(folder):
    lines = (folder / "beat_midi.txt").read_text().splitlines()
    (folder / "beat_midi.txt").write_text("\n".join(lines[::-1]))


def forget_chords(folder):
    (folder / "chord_midi.txt").unlink()


def misspell_a_chord(folder):
    (folder / "chord_midi.txt").write_text("1.0 2.0 H:dur\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_midi, r"002\.mid"),
        (damage_beats, r"beat_midi\.txt: accepted are lines of two numbers and a word"),
        (shuffle_beats, r"beat_midi\.txt: needs at least 8 beats, each later"),
        (forget_chords, r"chord_midi\.txt: cannot be read \(No such file"),
        (misspell_a_chord, "'H:dur' is not understood"),
    ],
)
def test_an_unreadable_song_is_named_and_the_others_are_read(tmp_path, damage, reason):
    write_song(tmp_path, "001")
    damage(write_song(tmp_path, "002"))
    write_song(tmp_path, "003")
    corpus = pop909.read(tmp_path)
    assert corpus.songs == ("001", "003") and corpus.licence == "MIT"
    assert list(corpus.skipped) == ["002"]
    assert re.search(reason, corpus.skipped["002"])
    assert str(tmp_path) not in corpus.skipped["002"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"period": 3}, "not in 4/4 (a downbeat every 3 beats)"),
        ({"tracks": {"MELODY": LEAD}}, "BRIDGE or PIANO"),
        ({"tracks": {"BRIDGE": BRIDGE, "PIANO": PIANO}}, "MELODY"),
        ({"tracks": {"MELODY": LEAD, "PIANO": [(60_000, 1, 50)]}}, "longer than 20000 beats"),
    ],
)
def test_a_song_that_cannot_be_used_is_named_with_the_reason(tmp_path, changes, reason):
    write_song(tmp_path, "001")
    write_song(tmp_path, "002", **changes)
    corpus = pop909.read(tmp_path)
    assert corpus.songs == ("001",)
    assert reason in corpus.skipped["002"]


@pytest.mark.parametrize("inside", ["", "POP909", "POP909-Dataset/POP909"])
def test_the_folder_may_be_the_songs_or_the_repository(tmp_path, inside):
    write_song(tmp_path / inside, "001")
    (tmp_path / inside / "index.xlsx").write_bytes(b"")
    assert pop909.read(tmp_path).songs == ("001",)


def test_a_folder_without_songs_says_what_is_accepted(tmp_path):
    with pytest.raises(MusicFusionError, match="no songs here; accepted is POP909"):
        pop909.read(tmp_path)


def test_a_folder_without_a_usable_song_says_why(tmp_path):
    write_song(tmp_path, "001", period=3)
    with pytest.raises(MusicFusionError, match=r"none of 1 songs can be used .*not in 4/4"):
        pop909.read(tmp_path)


def test_a_limit_reads_the_first_songs_and_progress_counts_them(tmp_path):
    for name in ("003", "001", "002"):
        write_song(tmp_path, name)
    seen = []
    corpus = pop909.read(tmp_path, progress=lambda done, of: seen.append((done, of)), limit=2)
    assert corpus.songs == ("001", "002")
    assert seen == [(1, 2), (2, 2)]


@functools.cache
def real(root):
    return pop909.read(root, limit=60)


def test_songs_in_three_are_left_out_and_the_others_are_all_usable(pop909_root):
    corpus = real(pop909_root)
    assert {"034"} <= set(corpus.skipped)
    assert set(corpus.skipped.values()) == {"beat_midi.txt: not in 4/4 (a downbeat every 3 beats)"}
    assert len(corpus.songs) + len(corpus.skipped) == 60
    assert not np.any(np.diff(corpus.first_beat) % 4)


def test_processes_read_what_one_alone_reads(pop909_root):
    corpus = real(pop909_root)
    for index in (0, 30, len(corpus.songs) - 1):
        (folder,) = pop909_root.rglob(corpus.songs[index])
        first, end = corpus.first_beat[index : index + 2]
        for key, array in pop909.song(folder).items():
            per_beat = 1 if key == "chords" else 4
            there = corpus.arrays[key][first * per_beat : end * per_beat]
            np.testing.assert_array_equal(array, there)


def test_segments_have_as_many_notes_as_the_paper_counts(pop909_root):
    """CollageNet, table 3: 10.7 melody notes and 31.6 accompaniment notes in 8 beats."""
    corpus = real(pop909_root)
    start, _ = corpus.windows(require={"melody": 1, "accompaniment": 1})
    chosen = np.random.default_rng(0).choice(start, 2000)
    steps = 4 * chosen[:, None] + np.arange(32)
    assert 10 <= np.sum(corpus.arrays["melody"][steps] < melody.HOLD, axis=1).mean() <= 12
    assert 30 <= np.sum(corpus.arrays["duration"][steps] > 0, axis=(1, 2)).mean() <= 34


def test_real_notes_prefer_the_beats(pop909_root):
    """Were the grid off by a step, or the tables by a beat, the strong beats would be bare."""
    onsets = (real(pop909_root).arrays["duration"] > 0).sum(axis=1).reshape(-1, 16).sum(axis=0)
    assert np.argmax(onsets) == 0
    assert onsets[::4].min() > onsets[1::4].max()
    assert onsets[::4].min() > onsets[3::4].max()


def test_real_chords_hold_most_of_the_notes_above_them(pop909_root):
    corpus = real(pop909_root)
    notes = polyphony.notes_from_slots(corpus.arrays["pitch"], corpus.arrays["duration"])
    mask = corpus.arrays["chords"][notes[:, 0] // 4, 2]
    inside = (mask >> (notes[:, 2] % 12)) & 1
    assert inside[mask > 0].mean() > 0.8
