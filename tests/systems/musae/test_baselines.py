"""The rules that learn nothing."""

import numpy as np

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.data.corpus import concatenate
from musicfusion.systems.musae import baselines


def test_the_majority_token_is_each_track_s_own():
    bar = np.stack([[36, HOLD] * 8, [40, REST, REST, REST] * 4, [HOLD] * 16, [60] * 16], 1)
    bar[0, 2] = 50  # a hold needs a note
    songs = [(f"song {k}", {"tracks": np.tile(bar, (4, 1)).astype(np.uint8), "tags": np.zeros(16, np.uint32)})
             for k in range(30)]
    corpus = concatenate(songs, {}, "made up", instrumentation="band")
    found = baselines.majority_tokens(corpus, seed=0, bars=2, encoding="onsets")
    assert found.tolist() == [36, REST, HOLD, 60]


def test_a_mixture_takes_from_the_other_window_what_a_smaller_share_took_and_more():
    one, other = np.zeros((20, 32, 4), int), np.ones((20, 32, 4), int)
    some, more = (baselines.mixed(one, other, share, 3) for share in (0.3, 0.6))
    assert abs(some.mean() - 0.3) < 0.05 and abs(more.mean() - 0.6) < 0.05 and np.all(more >= some)
    np.testing.assert_array_equal(baselines.mixed(one, other, 0.0, 3), one)
    np.testing.assert_array_equal(baselines.mixed(one, other, 1.0, 3), other)
