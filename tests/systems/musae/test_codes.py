"""The codes that later stages learn from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core.example_keys import numbered
from musicfusion.data.corpus import concatenate
from musicfusion.systems.musae import codes, dataset, genre_means
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import UNTAGGED

BAR = 16  # steps
SONGS = 60
COMPONENTS = Components(component=np.array([1, 0, *range(2, 32)]), count=2, genres=("a", "b"), instrumentation="band")


def encode(tokens):
    """The first pitch of the drums, which no key changes, and that of the bass."""
    return tokens[:, 0, :2].astype(np.float32)


def harmony(tokens):
    """The bass at first, as the one number of one part."""
    return tokens[:, :1, 1:2]


@pytest.fixture(scope="module")
def corpus():
    """Song k is all of one drum k; every third has no genre."""
    songs = []
    for k in range(SONGS):
        bits = (0, 1, 2)[k % 3]
        songs.append((f"song {k}", {"tracks": np.tile(np.array([[k, 60, 60, 60]], np.uint8), (4 * BAR, 1)),
                                    "tags": np.full(BAR, bits, np.uint32)}))
    return concatenate(songs, {}, "made up", tags=("a", "b"), instrumentation="band")


def encoded(corpus, count=1000):
    return codes.encoded(corpus, encode, harmony, COMPONENTS, seed=0, bars=2, encoding="onsets", sparse=False,
                         shares=(), count=count)


def test_training_windows_come_first_then_those_to_validate_on(corpus, monkeypatch):
    monkeypatch.setattr(codes, "BLOCK", 50)  # several, the last of which is shorter
    found = encoded(corpus)
    windows = [dataset.windows(corpus, split, seed=0, bars=2)["song"] for split in ("train", "validation")]
    assert found.z[: found.train, 0].tolist() == windows[0].tolist()
    assert found.z[found.train :, 0].tolist() == windows[1].tolist()
    drum = found.z[:, 0].astype(int)
    np.testing.assert_array_equal(found.component, np.array([UNTAGGED, 1, 0])[drum % 3])
    assert set(found.z[:, 1].tolist()) == {*range(55, 67)}, "each in a key of its own"
    np.testing.assert_array_equal(found.harmony[:, 0, 0], found.z[:, 1])


def test_of_many_windows_some_are_taken_all_over_the_corpus(corpus):
    found = encoded(corpus, 24)
    assert found.train == 24 and len(found.z) == 24 + 3
    assert len(set(found.z[:24, 0].tolist())) > 20


def test_the_codes_are_the_examples_of_a_stage(corpus):
    found = encoded(corpus, 24)
    resident = found.resident(2, {"mean": 1})
    assert resident.train == 24 and resident.validation == 3 and resident.frozen == {"mean": 1}
    keys = numbered(jax.random.key(0), jnp.arange(2))
    batch = codes.examples(jax.tree.map(jnp.asarray, resident.arrays), jnp.array([5, 25]), keys, True)
    np.testing.assert_array_equal(batch["z"], found.z[[5, 25]])
    np.testing.assert_array_equal(batch["component"], found.component[[5, 25]])
    np.testing.assert_array_equal(batch["harmony"], found.harmony[[5, 25]])
    assert batch["components"].tolist() == [2, 2] and np.all(batch["example_key"] == keys)


def test_the_genres_means_are_those_of_training_windows(corpus):
    found = encoded(corpus)
    resident = genre_means.resident(found)
    own = found.z[: found.train][found.component[: found.train] == 1]
    np.testing.assert_allclose(resident.arrays["mean"][1], own.mean(0), rtol=1e-5)
    np.testing.assert_allclose(resident.arrays["mean"][-1], found.z[: found.train].mean(0), rtol=1e-5)
    assert resident.train == 1 and set(resident.arrays) == {"mean", "deviation"}
