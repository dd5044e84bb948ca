"""NoteSequences: scores and segments there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicfusion.codecs import chord_symbols, midi
from musicfusion.codecs.note_sequence import (
    from_note_sequence,
    segment_from_note_sequence,
    segment_to_note_sequence,
    to_note_sequence,
)
from musicfusion.codecs.score import Score, Track, grid, monophonic, pick_accompaniment, pick_melody
from musicfusion.core.errors import MusicFusionError


def assert_close(first: Score, second: Score) -> None:
    assert len(first.tracks) == len(second.tracks)
    for one, two in zip(first.tracks, second.tracks, strict=True):
        assert (one.name, one.program, one.is_drum) == (two.name, two.program, two.is_drum)
        np.testing.assert_allclose(one.notes, two.notes, atol=1e-8)
    np.testing.assert_allclose(first.tempos, second.tempos, atol=1e-8)
    np.testing.assert_allclose(first.metres, second.metres, atol=1e-8)


@st.composite
def segments(draw) -> np.ndarray:
    """Notes of a segment of 32 steps, int32 [n, 3]."""
    row = st.tuples(st.integers(0, 31), st.integers(1, 32), st.integers(0, 127))
    rows = draw(st.lists(row, max_size=20, unique_by=lambda row: (row[0], row[2])))
    rows = [(onset, min(duration, 32 - onset), pitch) for onset, duration, pitch in rows]
    return np.array(sorted(rows, key=lambda row: (row[0], row[2])), np.int32).reshape(-1, 3)


@settings(max_examples=60, deadline=None)
@given(segments(), segments(), st.floats(20, 400))
def test_a_segment_survives_exactly_at_any_tempo(melody, accompaniment, qpm):
    sequence = segment_to_note_sequence(melody, accompaniment, qpm)
    back = segment_from_note_sequence(sequence)
    np.testing.assert_array_equal(back[0], melody)
    np.testing.assert_array_equal(back[1], accompaniment)
    assert back[0].dtype == back[1].dtype == np.int32
    assert sequence.tempos[0].qpm == qpm


def test_real_segments_survive_exactly(pop909_root):
    song = midi.read(min(pop909_root.rglob("*.mid")))
    melody, accompaniment = monophonic(grid(pick_melody(song))), grid(pick_accompaniment(song))
    back = segment_from_note_sequence(segment_to_note_sequence(melody, accompaniment, 93.7))
    np.testing.assert_array_equal(back[0], melody)
    np.testing.assert_array_equal(back[1], accompaniment)


def test_a_score_with_a_tempo_map_survives():
    voice = Track("voice", 52, False, np.array([(0, 4, 60, 80), (4, 2.5, 62, 70), (9, 1, 64, 1)]))
    drums = Track("kit", 0, True, np.array([(k / 3, 0.25, 36, 100) for k in range(30)]))
    tempos = np.array([[0, 60], [4, 133.7], [6.5, 30]])
    score = Score((voice, drums), tempos, ((0.0, 3, 4), (6.0, 6, 8)), "piece")
    sequence = to_note_sequence(score)
    assert sequence.notes[1].start_time == pytest.approx(4)
    assert sequence.total_time == pytest.approx(float(score.seconds(score.length)))
    assert_close(from_note_sequence(sequence), score)


def test_pop909_songs_survive(pop909_root):
    for path in sorted(pop909_root.rglob("*.mid"))[:2]:
        score = midi.read(path)
        assert_close(from_note_sequence(to_note_sequence(score)), score)


def test_a_sequence_that_note_seq_wrote_is_read(tmp_path):
    from note_seq import midi_file_to_note_sequence

    score = Score(
        (Track("voice", 52, False, np.array([(0, 4, 60, 80), (4, 2, 62, 70)])),),
        np.array([[0, 60], [4, 120]]),
        ((0.0, 4, 4),),
        "piece",
    )
    midi.write(tmp_path / "piece.mid", score)
    sequence = midi_file_to_note_sequence(str(tmp_path / "piece.mid"))
    assert_close(from_note_sequence(sequence), score)


def test_a_sequence_without_a_tempo_runs_at_120():
    sequence = segment_to_note_sequence(np.array([(4, 4, 60)]), np.zeros((0, 3), int), 60)
    del sequence.tempos[:]
    np.testing.assert_array_equal(segment_from_note_sequence(sequence)[0], [(8, 8, 60)])


def test_an_empty_sequence_is_a_score_without_tracks():
    empty = np.zeros((0, 3), np.int32)
    sequence = segment_to_note_sequence(empty, empty, 120)
    assert from_note_sequence(sequence).tracks == ()
    assert [part.shape for part in segment_from_note_sequence(sequence)] == [(0, 3), (0, 3)]


def test_a_segments_drums_belong_to_neither_part():
    sequence = segment_to_note_sequence(np.array([(0, 4, 60)]), np.array([(0, 8, 48)]), 120)
    sequence.notes.add(start_time=0, end_time=1, pitch=36, velocity=80, instrument=9, is_drum=True)
    melody, accompaniment = segment_from_note_sequence(sequence)
    assert (len(melody), len(accompaniment)) == (1, 1)


def test_chord_symbols_are_given_chords():
    notes = np.array([(0.0, 8.0, 60, 80)])
    given = tuple((at, *chord_symbols.parse(symbol)) for at, symbol in ((0.0, "N"), (1.0, "C"), (4.5, "F#m7b5/C")))
    score = Score((Track("voice", 52, False, notes),), np.array([[0, 60], [4, 90]]), (), "piece", chords=given)
    sequence = to_note_sequence(score)
    assert [note.text for note in sequence.text_annotations] == ["N", "C", "F#m7b5/C"]
    sequence.text_annotations.add(time=2, text="no chord at all", annotation_type=1)
    sequence.text_annotations.add(time=2.5, text="G", annotation_type=2)  # a beat
    back = from_note_sequence(sequence).chords
    np.testing.assert_allclose(back, given, atol=1e-8)


@pytest.mark.parametrize("damage", ["no length", "pitch", "tempo", "early tempo", "early note"])
def test_an_impossible_sequence_is_our_error(damage):
    sequence = segment_to_note_sequence(np.array([(4, 4, 60)]), np.zeros((0, 3), int), 60)
    if damage == "no length":
        sequence.notes[0].end_time = sequence.notes[0].start_time
    elif damage == "pitch":
        sequence.notes[0].pitch = 200
    elif damage == "tempo":
        sequence.tempos[0].qpm = 0
    elif damage == "early tempo":
        sequence.tempos.add(time=-1, qpm=60)
    else:
        sequence.notes[0].start_time = -1
    with pytest.raises(MusicFusionError, match="segment: a NoteSequence that cannot be used"):
        from_note_sequence(sequence)
    with pytest.raises(MusicFusionError):
        segment_from_note_sequence(sequence)
