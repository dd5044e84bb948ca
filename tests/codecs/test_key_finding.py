"""Which key notes are in."""

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
