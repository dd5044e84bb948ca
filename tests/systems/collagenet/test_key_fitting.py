import jax
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import baselines, dataset

SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
SHIFTS = range(-6, 6)
MAJOR = [0, 2, 4, 5, 7, 9, 11]


def histogram(*classes):
    """Pitch classes -> counts int [12]."""
    return np.bincount(np.array(classes) % 12, minlength=12)


def best(melody_histogram, accompaniment_histogram) -> int:
    return int(baselines.best_shift(melody_histogram[None], accompaniment_histogram[None])[0])


@pytest.fixture(scope="module")
def pairs(corpus):
    """Pitch classes of 300 real melodies, and of accompaniments of other songs."""
    starts, songs = SEGMENTS.windows(corpus, "train")
    batch = jax.jit(dataset.cut)(dict(corpus.arrays), starts, np.zeros_like(starts))
    lead = np.asarray(statistics.melody_pitch_classes(batch["melody"]))
    others = np.asarray(statistics.pitch_classes(batch["pitch"], batch["duration"]))
    first, second = np.random.default_rng(0).integers(0, len(starts), (2, 300))
    unrelated = songs[first] != songs[second]
    return lead[first][unrelated], others[second][unrelated]


@pytest.mark.parametrize("tonic, semitones", [(0, 0), (2, 2), (7, -5), (5, 5), (10, -2), (6, -6)])
def test_a_melody_in_c_major_goes_the_short_way_to_the_accompaniment_s_key(tonic, semitones):
    tune = histogram(*MAJOR, 0, 0, 4, 7)
    assert best(tune, histogram(*(pitch + tonic for pitch in MAJOR * 3))) == semitones


@pytest.mark.parametrize(
    "accompaniment, semitones",
    [
        (range(12), 0),  # every key is as good
        ([1, 11], 1),  # as near upward as downward
        ([2, 11], -1),  # the nearer one
        ([3, 3, 5, 8, 8], 3),  # -4 and 3
        ([6, 5, 7], 5),
    ],
)
def test_of_equally_good_keys_the_nearest_wins_then_the_upper(accompaniment, semitones):
    for count in (1, 3, 7):  # however the shares round
        assert best(histogram(*[0] * count), histogram(*accompaniment)) == semitones


def test_without_notes_nothing_moves():
    some, none = histogram(*MAJOR), np.zeros(12, int)
    assert best(none, some) == best(some, none) == best(none, none) == 0


def exact(tune, accompaniment) -> int:
    """The same in integers, shift by shift."""
    def overlap(shift):
        return np.minimum(np.roll(tune, shift) * accompaniment.sum(), accompaniment * tune.sum()).sum()

    return max(SHIFTS, key=lambda shift: (overlap(shift), -abs(shift), shift))


def test_of_real_pairs_it_finds_the_exact_best(pairs):
    found = np.asarray(baselines.best_shift(*pairs))
    assert found.dtype == np.int32
    expected = [exact(*(x.astype(int) for x in pair)) for pair in zip(*pairs, strict=True)]
    np.testing.assert_array_equal(found, expected)
    assert set(found.tolist()) == set(SHIFTS)  # chorales are in many keys


def test_a_transposed_melody_finds_its_way_back(corpus):
    starts, _ = SEGMENTS.windows(corpus, "test", ("melody",))
    tokens = jax.jit(dataset.cut)(dict(corpus.arrays), starts, np.zeros_like(starts))["melody"]
    own = statistics.melody_pitch_classes(tokens)
    for shift in SHIFTS:
        moved = melody.transpose(tokens, shift)
        back = baselines.best_shift(statistics.melody_pitch_classes(moved), own)
        assert np.mean(back == (-shift + 6) % 12 - 6) > 0.95  # a diminished chord returns by another way
        again = statistics.melody_pitch_classes(melody.transpose(moved, back[:, None]))
        np.testing.assert_array_equal(again, own)


def test_a_pair_transposed_as_one_needs_the_same_shift(pairs):
    expected = baselines.best_shift(*pairs)
    for shift in (1, 5, 6):
        np.testing.assert_array_equal(baselines.best_shift(*(np.roll(x, shift, 1) for x in pairs)), expected)
