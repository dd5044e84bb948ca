"""Which key notes are in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import keys

MAJOR, MINOR = [0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 11]


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize(("scale", "first"), [(MAJOR, 0), (MINOR, 12)])
def test_a_scale_with_its_triad_is_in_its_key(tonic, scale, first):
    classes = np.zeros(12)
    classes[[(tonic + step) % 12 for step in scale]] = 1
    classes[[(tonic + scale[degree]) % 12 for degree in (0, 2, 4)]] = 3
    assert keys.best(classes) == first + tonic
    assert keys.scale(classes) == (tonic + (3 if first else 0)) % 12, "a minor key's relative"


def test_many_are_looked_up_at_once_and_jax_finds_the_same():
    classes = np.random.default_rng(0).random((4, 5, 12)).astype(np.float32)
    found = keys.scale(classes)
    assert found.shape == (4, 5) and found.min() >= 0 and found.max() < 12
    np.testing.assert_array_equal(jax.jit(lambda x: keys.scale(x, jnp))(classes), found)
    np.testing.assert_array_equal([keys.scale(row) for row in classes[0]], found[0])
