"""Partners come from other songs."""

import jax
import numpy as np

from musicfusion.latent import negatives


def test_song_bounds_are_those_of_the_run_of_one_song():
    low, high = negatives.song_bounds(np.array([7, 7, 7, 2, 5, 5]))
    assert low.tolist() == [0, 0, 0, 3, 4, 4] and high.tolist() == [3, 3, 3, 4, 6, 6]
    low, high = negatives.song_bounds(np.array([3]))
    assert (low.tolist(), high.tolist()) == ([0], [1])


def test_elsewhere_is_drawn_evenly_from_all_but_the_song_s_own():
    rows = 4000
    for low, high, outside in ((10, 13, [13, 14, 15, 16]), (12, 14, [10, 11, 14, 15, 16]), (15, 17, range(10, 15))):
        keys = jax.random.split(jax.random.key(low), rows)
        drawn = np.asarray(negatives.sample_negative(keys, np.full(rows, low), np.full(rows, high), 10, 17))
        counts = np.bincount(drawn, minlength=17)
        assert set(drawn.tolist()) == set(outside)
        np.testing.assert_allclose(counts[list(outside)] / rows, 1 / len(outside), atol=0.03)


def test_elsewhere_stays_in_range_where_there_is_no_other_song():
    keys = jax.random.split(jax.random.key(0), 50)
    drawn = negatives.sample_negative(keys, np.full(50, 4), np.full(50, 9), 4, 9)
    np.testing.assert_array_equal(drawn, 8)
