"""What sampling and evaluation share: compiled batches, and how alike two versions of music are."""

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.musae import latent_space


def test_batches_are_filled_up_and_cut_again():
    seen = []

    def run(params, x):
        seen.append(len(x))
        return x * params

    np.testing.assert_array_equal(latent_space.batched(run, 2, 4)(np.arange(10)), 2 * np.arange(10))
    assert seen == [4, 4, 4]


def test_what_is_kept_is_counted_both_ways():
    before = np.array([[[60] * 4, [HOLD] * 4, [62] * 4, [REST] * 4]])
    moved = np.array([[[61] * 4, [HOLD] * 4, [62] * 4, [70] * 4]])
    found = latent_space.kept(before, moved)
    assert found["rhythm"][0] == pytest.approx(2 * 2 / (2 + 3)) and found["notes"][0] == pytest.approx(2 * 1 / (2 + 3))
    assert latent_space.kept(before, before)["notes"][0] == 1
    assert latent_space.kept(np.full((1, 4, 4), REST), np.full((1, 4, 4), REST))["rhythm"][0] == 0
