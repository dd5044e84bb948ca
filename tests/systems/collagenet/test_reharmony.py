import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicfusion.codecs import chord_symbols, chords
from musicfusion.systems.collagenet import reharmony
from musicfusion.systems.collagenet.reharmony import CHORDS, NEW, OPTIONS, OWN

C_SCALE = sum(1 << tone for tone in (0, 2, 4, 5, 7, 9, 11))
INSIDE = np.arange(12, 116)  # pitches that no octave folds


def option(root: str, quality: str, near: bool = False) -> int:
    return 1 + NEW.index(quality) * 12 + chords.ROOTS.index(root) + near * CHORDS


def maps_of(label: str, scale: int = C_SCALE):
    """The maps [options, 128] and chords [options, 3] in the place of one chord."""
    maps, after = reharmony.pitch_maps(np.array([chord_symbols.parse(label)]), scale)
    return maps[0].astype(int), after[0]


@pytest.mark.parametrize("label, root, quality, before, after", [
    ("C:maj", "F", "maj", (48, 52, 55, 60), (53, 57, 60, 65)),  # everything up a fourth
    ("C:maj", "A", "min", (48, 52, 55, 60), (45, 48, 52, 57)),  # down a third, the third of the chord to its third
    ("C:maj", "C", "min", (48, 52, 55, 60), (48, 51, 55, 60)),
    ("G:7", "G", "maj", (43, 47, 50, 53), (43, 47, 50, 55)),  # the seventh to the root above
])
def test_in_parallel_a_chord_tone_goes_to_the_tone_at_its_degree(label, root, quality, before, after):
    maps, rows = maps_of(label)
    number = option(root, quality)
    assert tuple(maps[number, list(before)]) == after
    assert chords.name(rows[number]).startswith(root)


def test_the_near_way_keeps_what_both_chords_share_and_moves_the_rest_least():
    maps, rows = maps_of("C:maj")
    number = option("A", "min", near=True)
    assert list(maps[number, [48, 52, 55, 60]]) == [48, 52, 57, 60]
    assert chords.name(rows[number]) == "Am/C"  # the bass stays, so it is an inversion


def test_a_chord_that_stays_and_a_beat_without_a_chord_change_nothing():
    maps, rows = maps_of("D:min7")
    np.testing.assert_array_equal(maps[OWN], np.arange(128))
    np.testing.assert_array_equal(rows[OWN], chord_symbols.parse("D:min7"))
    maps, rows = maps_of("N")
    np.testing.assert_array_equal(maps, np.tile(np.arange(128), (OPTIONS, 1)))
    assert (rows[:, 2] == 0).all()


@given(root=st.integers(0, 11), mask=st.integers(1, 4095), scale=st.integers(1, 4095))
def test_voices_never_cross_and_chord_tones_become_chord_tones(root, mask, scale):
    row = np.array([[root, root, mask | 1 << root]])
    maps, after = (x[0] for x in reharmony.pitch_maps(row, scale))
    new = reharmony.option_rows()
    assert (np.diff(maps[:, INSIDE].astype(int), axis=-1) >= 0).all()
    tones = INSIDE[(row[0, 2] >> INSIDE % 12) & 1 > 0]
    assert ((new[1:, 2:3] >> maps[1:, tones] % 12) & 1).all()
    assert (abs(maps[:, INSIDE].astype(int) - INSIDE) <= 18).all()
    assert ((after[:, 2] >> after[:, 1]) & 1).all()  # the bass belongs to the chord


def test_every_option_has_its_root_quality_and_way():
    rows, kinds = reharmony.option_rows(), reharmony.option_qualities()
    assert len(rows) == len(kinds) == OPTIONS
    np.testing.assert_array_equal(reharmony.qualities(rows[1:]), kinds[1:])
    assert not reharmony.is_near(option("B", NEW[-1])) and reharmony.is_near(option("C", "maj", near=True))


@pytest.mark.parametrize("label, quality", [
    ("Eb:maj", "maj"), ("F#:min/5", "min"), ("A:sus4(b7)", "sus4"), ("B:hdim7", "min7")])
def test_the_nearest_quality_is_found_in_every_key(label, quality):
    row = np.array(chord_symbols.parse(label))
    for shift in range(12):
        found = int(reharmony.qualities(chords.transpose(row[None], shift))[0])
        assert NEW[found] == quality


def test_statistics_count_every_change_and_every_note_once():
    labels = ("D:min7", "D:min7", "G:7", "G:7", "C:maj7", "C:maj7", "N", "N")
    two_five_one = np.array([[chord_symbols.parse(x) for x in labels]], np.int32)
    tokens = np.full((1, 32), 129, np.int32)
    tokens[0, :4] = [65, 128, 128, 64]  # F and E over D minor: a third, held for three steps, and a second
    task = reharmony.statistics()
    state = task.init(None, None, None)
    for _ in range(2):
        state = task.step(state, {"chords": two_five_one, "melody": tokens}, None)
    counts = jax.device_get(state["params"])
    assert counts["transitions"].sum() == 2 * 6 and counts["melody"].sum() == 2 * 4
    assert counts["transitions"][NEW.index("min7"), 5, NEW.index("7")] == 4
    assert counts["melody"][NEW.index("min7"), 3] == 6 and counts["melody"][NEW.index("min7"), 2] == 2
    model = reharmony.chord_model(counts)
    np.testing.assert_allclose(np.exp(-model.transitions).sum((1, 2)), 1)
    np.testing.assert_allclose(np.exp(-model.melody).sum(1), 1)
    assert np.argmin(model.melody[NEW.index("min7")]) == 3
