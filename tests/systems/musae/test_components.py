"""Which genre sits on which component of the flower."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core import memos
from musicfusion.data import voices
from musicfusion.systems.musae import components
from musicfusion.systems.musae.components import Components


@pytest.fixture(scope="module")
def corpus():
    return voices.read(limit=90)


def test_genres_that_are_alike_become_neighbours():
    around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    order = np.random.default_rng(3).permutation(12)
    points = np.stack([np.cos(around), np.sin(around)], 1)[order]
    trip = order[components.round_trip(components.distances(points), 0)]
    assert set(np.diff(trip) % 12) <= {1} or set(np.diff(trip) % 12) <= {11}


def test_distances_are_symmetrical_and_euclidean():
    found = components.distances(np.array([[0.0, 0], [3, 4], [0, 1]]))
    np.testing.assert_allclose(found, [[0, 5, 1], [5, 0, np.sqrt(18)], [1, np.sqrt(18), 0]], rtol=1e-6)


def test_every_genre_gets_a_component_of_its_own_and_similar_composers_become_neighbours(corpus):
    found = components.arranged(corpus, seed=0, bars=2)
    assert sorted(found.component.tolist()) == list(range(32)) and found.count == len(corpus.tags)
    assert found.genres == corpus.tags and found.instrumentation == "voices"
    assert sorted(found.around) == sorted(corpus.tags)
    steps = abs(found.around.index("palestrina") - found.around.index("monteverdi"))
    assert steps in (1, len(corpus.tags) - 1), found.around


def test_the_stage_keeps_them_whole(corpus):
    resident = components.resident(corpus, seed=0, bars=2, sparse=False)
    task, key = memos.task(), jax.random.key(0)
    batch = memos.examples(resident.arrays, jnp.zeros(1, jnp.int32), key, True)
    state = task.step(task.init(key, batch, resident.frozen), batch, resident.frozen)
    loaded, expected = Components.load(jax.device_get(state["params"])), components.arranged(corpus, seed=0, bars=2)
    np.testing.assert_array_equal(loaded.component, expected.component)
    assert (loaded.count, loaded.genres, loaded.instrumentation) == (expected.count, corpus.tags, "voices")


def test_names_of_genres_of_any_length_and_script_survive():
    names = ("rock", "a " + "very " * 20 + "long name", "música popular brasileira", "演歌")
    found = Components(component=np.arange(32), count=4, genres=names, instrumentation="band")
    loaded = Components.load(found.params())
    assert loaded.genres == names and loaded.around == list(names) and loaded.instrumentation == "band"


def test_without_genres_there_are_32_components():
    found = Components(component=np.arange(32), count=32, genres=(), instrumentation="band")
    loaded = Components.load(found.params())
    assert loaded.genres == () and loaded.around == [] and loaded.count == 32
