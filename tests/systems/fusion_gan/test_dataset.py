"""FusionGAN's windows: symbols, keys, genres."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import concatenate, finer, joined
from musicfusion.systems.fusion_gan import dataset
from musicfusion.systems.fusion_gan.dataset import GENRES, SPLITS, Dataset

SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12])
MINOR = np.array([0, 2, 3, 5, 7, 8, 11, 12])


def tune(tonic, scale=SCALE, bars=6, seed=None):
    """A scale up and down from the tonic, one note an eighth, or its notes in another order, a song of its own."""
    degrees = np.concatenate([scale, scale[-2::-1], [0]])
    degrees = degrees if seed is None else np.random.default_rng(seed).permutation(degrees)
    notes = [(2 * k, 2, tonic + int(degrees[k % 16])) for k in range(8 * bars)]
    return melody.tokens_from_notes(np.array(notes), 16 * bars)


def corpus(*genres):
    parts = [concatenate([(f"{name}{k}", {"melody": tokens}) for k, tokens in enumerate(songs)], {}, name)
             for name, songs in genres]
    return joined(parts, tuple(name for name, _ in genres))


@pytest.fixture(scope="module")
def both():
    ups = [tune(60 + k % 12, seed=k) for k in range(40)]
    downs = [tune(55 + k % 12, seed=50 + k) for k in range(30)] + [tune(57, MINOR)] * 4
    return corpus(("up", ups), ("down", downs))


def data(**changes):
    return Dataset(**({"mode": "major", "grid": 16, "seed": 0} | changes))


def test_symbols_are_pitches_hold_and_rest_and_come_back():
    tokens = np.array([36, 60, 95, melody.HOLD, melody.REST])
    assert dataset.symbols(tokens).tolist() == [0, 24, 59, dataset.HOLD, dataset.REST]
    np.testing.assert_array_equal(dataset.tokens(dataset.symbols(tokens)), tokens)
    assert dataset.tokens(dataset.symbols(np.array([20, 100]))).tolist() == [44, 88], "by octaves"


@pytest.mark.parametrize("tonic", [53, 60, 66, 71])
@pytest.mark.parametrize(("scale", "first"), [(SCALE, 0), (MINOR, 12)])
def test_a_melody_moves_to_c_by_the_shorter_way_and_back(tonic, scale, first):
    tokens = tune(tonic, scale)
    assert dataset.key_of(tokens) == first + tonic % 12
    moved = dataset.in_c(tokens, tonic % 12)
    onsets = tokens < melody.HOLD
    shift = moved[onsets].astype(int) - tokens[onsets]
    assert np.ptp(shift) == 0 and -6 <= shift[0] <= 6 and moved[onsets][0] % 12 == 0
    np.testing.assert_array_equal(moved[~onsets], tokens[~onsets])
    back = dataset.from_c(moved, tonic % 12)
    np.testing.assert_array_equal(back[onsets] % 12, tokens[onsets] % 12)


def test_windows_keep_to_their_genre_split_and_mode(both):
    found = {split: data().windows(both, split) for split in SPLITS}
    for genre, low, high in (("a", 0, 40), ("b", 40, 74)):
        songs = [set(part[genre].songs) for part in found.values()]
        assert not set.intersection(*songs) and all(low <= song < high for part in songs for song in part)
        assert not any(song >= 70 for part in songs for song in part), "those in minor"
    for part in found.values():
        for own in part.values():
            pitched = own.symbols[own.symbols < dataset.PITCHES]
            assert set((pitched + dataset.LOWEST) % 12) <= set(SCALE % 12), "all in C"
            assert own.symbols.shape[1] == dataset.LENGTH
    minor = data(mode="both").windows(both, "train")
    assert len(minor["b"].songs) > len(found["train"]["b"].songs)


def test_a_mode_without_songs_and_an_unknown_one_are_refused(both):
    with pytest.raises(MusicFusionError, match=r"up: no train song in minor .* data.mode=both"):
        data(mode="minor").windows(both, "train")
    with pytest.raises(MusicFusionError, match=r"data.mode = 'dorian' is unknown: use major, minor, both"):
        data(mode="dorian")


def test_a_batch_has_as_many_of_either_genre_and_validation_examples_are_its_own(both):
    resident = data().resident(both, {"generators": 1})
    keys = jax.random.split(jax.random.key(0), 50)
    for training, split in ((True, "train"), (False, "validation")):
        batch = dataset.examples(resident.arrays, jnp.zeros(50, jnp.int32), keys, training)
        real = data().windows(both, split)
        for genre in GENRES:
            own = {window.tobytes() for window in real[genre].symbols}
            assert {np.asarray(window, np.uint8).tobytes() for window in batch[genre]} <= own
    assert resident.train == max(len(part.songs) for part in data().windows(both, "train").values())
    assert resident.frozen == {"generators": 1}


def test_windows_of_32nds_begin_at_bars_of_32_steps(both):
    found = data(grid=32).windows(finer(both), "train")["a"].symbols
    coarse = data().windows(both, "train")["a"].symbols
    assert {window.tobytes() for window in found[:, ::2]} >= {window[:18].tobytes() for window in coarse}
    with pytest.raises(MusicFusionError, match="16 or 32"):
        data(grid=24)


def test_what_is_measured_is_as_much_of_either_genre_spread_evenly(both):
    windows = data().windows(both, "train")
    every = dataset.evenly(windows)
    assert len(every["a"].symbols) == len(every["b"].symbols) == min(len(own.songs) for own in windows.values())
    few = dataset.evenly(windows, 5)
    for genre in GENRES:
        assert len(few[genre].symbols) == 5
        assert few[genre].songs[0] == windows[genre].songs[0] and few[genre].songs[-1] != windows[genre].songs[0]


def test_a_corpus_of_two_genres_that_was_cached_is_read_from_its_file(both, tmp_path):
    from musicfusion.data import cache

    cache.save(both, tmp_path / "both.npz")
    assert data().read(str(tmp_path / "both.npz")).tags == ("up", "down")


@pytest.mark.parametrize(("root", "words"), [
    ("fiddle", "accepted are two data roots with melodies, ONE,OTHER"), ("fiddle,chorales,essen", "two data roots"),
    ("fiddle,nowhere", "nowhere: no such folder"), ("fiddle,fiddle", "both genres are the same"),
])
def test_genres_are_two(root, words):
    with pytest.raises(MusicFusionError, match=words):
        data().read(root, limit=5)
