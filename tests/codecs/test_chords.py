"""Chord rows: their grammar, names, vectors, transposition, and the estimate from notes."""

import itertools

import numpy as np
import pytest

from musicfusion.codecs import chord_symbols, chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError


def mask(*tones):
    return sum(1 << tone for tone in tones)


EVERY_ROW = np.array(
    [
        chord_symbols.parse(f"{root}:{quality}{bass}")
        for root, quality, bass in itertools.product(chords.ROOTS, chords.QUALITIES, ("", "/5"))
    ],
    np.int16,
)


@pytest.mark.parametrize(
    ("label", "row", "symbol"),
    [
        ("C:maj", (0, 0, mask(0, 4, 7)), "C"),
        ("F#:min", (6, 6, mask(6, 9, 1)), "F#m"),
        ("Eb:min7/b7", (3, 1, mask(3, 6, 10, 1)), "Ebm7/C#"),
        ("Db:maj7/3", (1, 5, mask(1, 5, 8, 0)), "C#maj7/F"),
        ("B:sus4(b7)", (11, 11, mask(11, 4, 6, 9)), "B7sus4"),
        ("Cb:hdim7", (11, 11, mask(11, 2, 5, 9)), "Bm7b5"),
        ("G:7/b7", (7, 5, mask(7, 11, 2, 5)), "G7/F"),
        ("A:maj(7)", (9, 9, mask(9, 1, 4, 8)), "Amaj7"),
    ],
)
def test_a_label_becomes_root_bass_and_tones_and_has_a_readable_name(label, row, symbol):
    assert chord_symbols.parse(label) == row
    assert chords.name(row) == symbol


def test_a_bass_foreign_to_the_chord_joins_its_tones():
    assert chord_symbols.parse("D:maj/b7") == (2, 0, mask(2, 6, 9, 0))


def test_no_chord_is_called_n():
    assert chords.name((5, 9, 0)) == "N"


def test_every_label_of_pop909_is_understood(pop909_root):
    labels = {
        line.split()[2]
        for path in pop909_root.rglob("chord_midi.txt")
        for line in path.read_text().splitlines()
    }
    assert len(labels) > 300
    for label in labels:
        root, bass, tones = chord_symbols.parse(label)
        assert label == "N" or (tones >> root & 1 and tones >> bass & 1)


def test_a_name_is_the_nearest_when_the_tones_are_no_chord():
    assert chords.name((0, 0, mask(0, 4, 7, 6))) == "C"


def test_vectors_are_root_then_bass_then_chroma():
    vector = chords.vectors(np.array(chord_symbols.parse("C:maj/3")))
    assert vector.shape == (chords.SIZE,) and vector.dtype == np.float32
    assert np.flatnonzero(vector).tolist() == [0, 12 + 4, 24 + 0, 24 + 4, 24 + 7]


def test_rows_come_back_from_their_vectors():
    rows = np.concatenate([EVERY_ROW, [[5, 9, 0]]])
    np.testing.assert_array_equal(chords.rows(chords.vectors(rows)), rows)


def test_transposing_moves_root_bass_and_every_tone():
    moved = chords.transpose(np.array(chord_symbols.parse("B:min7/5")), 3)
    assert tuple(moved) == chord_symbols.parse("D:min7/5")
    for shift in range(-6, 6):
        by_vectors = np.roll(chords.vectors(EVERY_ROW).reshape(-1, 3, 12), shift, axis=-1)
        moved = chords.transpose(EVERY_ROW, shift)
        np.testing.assert_array_equal(chords.vectors(moved), by_vectors.reshape(-1, 36))
        np.testing.assert_array_equal(chords.transpose(moved, -shift), EVERY_ROW)


def test_each_example_of_a_batch_may_have_its_own_transposition():
    batch = np.stack([EVERY_ROW[:8], EVERY_ROW[8:16]])
    moved = chords.transpose(batch, np.array([[-5], [2]]))
    np.testing.assert_array_equal(moved[0], chords.transpose(batch[0], -5))
    np.testing.assert_array_equal(moved[1], chords.transpose(batch[1], 2))


def test_the_compiled_functions_give_what_numpy_gives():
    import jax
    import jax.numpy as jnp

    shift = np.arange(len(EVERY_ROW)) % 12 - 6

    @jax.jit
    def both(rows, shift):
        moved = chords.transpose(rows, shift, jnp)
        vectors = chords.vectors(moved, jnp)
        return vectors, chords.rows(vectors, jnp)

    vectors, rows = both(jnp.asarray(EVERY_ROW), jnp.asarray(shift))
    expected = chords.transpose(EVERY_ROW, shift)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(vectors, chords.vectors(expected))
    assert vectors.dtype == np.float32


def test_given_chords_are_those_in_the_middle_of_each_beat():
    c, g = chord_symbols.parse("C"), chord_symbols.parse("G/B")
    given = ((1.0, *c), (2.5, *g), (3.75, *c), (5 - 1 / 3, 0, 0, 0))
    rows = chords.by_beat(given, 7)
    assert [chords.name(row) for row in rows] == ["N", "C", "G/B", "G/B", "C", "N", "N"] and rows.dtype == np.int16
    assert rows[0, :2].tolist() == [0, 0] and not chords.by_beat((), 3).any()


def block(start, beats, *pitches):
    return [[4 * start, 4 * beats, pitch] for pitch in pitches]


def names(notes, beats):
    return [chords.name(row) for row in chords.estimate(np.array(notes, np.int32), beats)]


def test_a_cadence_is_heard_with_its_inversions():
    notes = [
        *block(0, 2, 48, 64, 67),  # C
        *block(2, 2, 45, 60, 65),  # F/A
        *block(4, 1, 43, 59, 62, 65),  # G7
        *block(5, 3, 48, 60, 64),  # C without its fifth
    ]
    assert names(notes, 8) == ["C", "C", "F/A", "F/A", "G7", "C", "C", "C"]


def test_an_arpeggio_is_one_chord():
    pitches = [45, 52, 57, 60, 64, 60, 57, 52] * 2
    notes = [[step, 1, pitch] for step, pitch in enumerate(pitches)]
    assert [chord.split("/")[0] for chord in names(notes, 4)] == ["Am"] * 4


def test_a_short_silence_keeps_the_chord_and_a_long_one_ends_it():
    notes = [*block(2, 1, 52, 55, 60), *block(12, 1, 50, 53, 57)]
    heard = names(notes, 14)
    assert heard[:2] == ["N", "N"]
    assert heard[2:6] == ["C/E"] * 4
    assert heard[6:12] == ["N"] * 6
    assert heard[12:] == ["Dm", "Dm"]


def test_root_and_bass_of_a_silence_are_those_of_the_neighbouring_chord():
    rows = chords.estimate(np.array(block(1, 1, 52, 55, 60), np.int32), 8)
    assert rows.dtype == np.int16
    np.testing.assert_array_equal(rows[:, :2], np.tile([0, 4], (8, 1)))


def test_music_without_notes_has_no_chords():
    np.testing.assert_array_equal(chords.estimate(np.zeros((0, 3), np.int32), 5), np.zeros((5, 3)))
    assert chords.estimate(np.zeros((0, 3), np.int32), 0).shape == (0, 3)


def test_notes_beyond_the_end_are_left_out():
    notes = [*block(0, 2, 48, 64, 67), *block(2, 9, 50, 53, 57)]
    assert names(notes, 2) == ["C", "C"]


def test_transposed_music_has_transposed_chords():
    generator = np.random.default_rng(0)
    steps, lengths = generator.integers(0, 64, 80), generator.integers(1, 9, 80)
    notes = np.stack([steps, lengths, generator.integers(40, 80, 80)], axis=1)
    higher = notes + np.array([0, 0, 5])
    rows = chords.estimate(notes, 16)
    np.testing.assert_array_equal(
        chords.estimate(higher, 16)[:, 1], chords.transpose(rows, 5)[:, 1]
    )
    same = chords.estimate(higher, 16) == chords.transpose(rows, 5)
    assert same.mean() > 0.95  # an even match between two roots may fall either way


def test_the_estimate_agrees_with_the_labels_of_pop909(pop909_root):
    from musicfusion.data import pop909

    roots, masks, beats = 0, 0, 0
    for folder in pop909.song_folders(pop909_root)[10::20]:
        try:
            song = pop909.song(folder)
        except MusicFusionError:
            continue  # not in 4/4
        labels = song["chords"]
        notes = [
            polyphony.notes_from_slots(song["pitch"], song["duration"]),
            melody.notes_from_tokens(song["melody"]),
        ]
        heard = chords.estimate(np.concatenate(notes), len(labels))
        labelled = labels[:, 2] > 0
        roots += np.sum((heard[:, 0] == labels[:, 0]) & labelled)
        masks += np.sum((heard[:, 2] == labels[:, 2]) & labelled)
        beats += labelled.sum()
    assert roots / beats > 0.9
    assert masks / beats > 0.75
