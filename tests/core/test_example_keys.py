"""A row's random numbers are its own: they depend on neither its batch nor its place in it."""

import jax
import numpy as np

from musicfusion.core.example_keys import folded, numbered

KEYS = numbered(jax.random.key(0), np.arange(6))


def uniform(keys) -> np.ndarray:
    """A number for each key."""
    return np.asarray(jax.vmap(jax.random.uniform)(keys))


def test_a_row_keeps_its_key_whatever_rows_stand_beside_it():
    assert np.array_equal(uniform(numbered(jax.random.key(0), np.array([4, 1]))), uniform(KEYS)[[4, 1]])


def test_purposes_and_copies_draw_other_numbers():
    drawn = np.concatenate([uniform(KEYS), uniform(folded(KEYS, 1, 2)), uniform(folded(KEYS, 7))])
    assert len(drawn) == 24
    assert len(np.unique(drawn)) == 24


def test_copies_stand_one_after_the_other():
    both = uniform(folded(KEYS, 3, 2))
    assert np.array_equal(both, np.concatenate([uniform(folded(KEYS, 3)), uniform(folded(KEYS, 4))]))
