"""Basses that are made up for drums without one."""

import dataclasses
import itertools

import numpy as np
import pytest
import sections

from musicfusion.codecs.drums import STEPS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.data.rhythm_sections import BASS, HUMAN
from musicfusion.systems.arrangement import grid_basses

BAR = 4 * STEPS


@pytest.fixture(scope="module")
def corpus():
    return sections.corpus()


def takes(corpus):
    """Where the people's takes are, as slices of steps."""
    kind, first = corpus.arrays["kind"], corpus.first_beat
    return [slice(begin * STEPS, end * STEPS) for begin, end in itertools.pairwise(first)
            if kind[begin] & HUMAN]


def rock(bars=64):
    kick = np.zeros(bars * BAR, bool)
    kick[::BAR] = kick[18::BAR] = kick[24::BAR] = True
    return kick


def test_what_people_played_gets_a_bass_and_what_has_one_keeps_it(corpus):
    found = grid_basses.with_basses(corpus, 0)
    own = takes(corpus)
    assert own and all((found.arrays["bass"][take] < HOLD).any() for take in own)
    songs = corpus.arrays["kind"] == BASS
    np.testing.assert_array_equal(found.arrays["kind"], np.where(songs, BASS, BASS | HUMAN))
    steps = np.repeat(songs, STEPS)
    np.testing.assert_array_equal(found.arrays["bass"][steps], corpus.arrays["bass"][steps])
    assert (corpus.arrays["bass"][~steps] == REST).all(), "the corpus itself stays as it is"
    assert found.arrays["velocity"] is corpus.arrays["velocity"]


def test_the_same_seed_makes_the_same_basses_and_another_others(corpus):
    first, again, other = (grid_basses.with_basses(corpus, seed).arrays["bass"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_bass_plays_with_most_kicks_and_hardly_where_there_are_none():
    kick, shares = rock(), []
    for seed in range(40):
        onset = grid_basses.made_up(kick, False, np.random.default_rng(seed)) < HOLD
        shares.append([onset[kick].mean(), np.mean(kick[onset])])
        assert onset[::BAR].mean() > 0.7, "the first beat of most bars"
        assert not onset[np.arange(len(kick)) % 6 != 0].any(), "kicks and eighths are all on eighths here"
    shares = np.array(shares)
    assert shares[:, 0].min() > 0.5 and 0.7 < shares[:, 0].mean() < 0.95
    assert 0.3 < (shares[:, 1] == 1).mean() < 0.9, "some basses play eighths besides"


def test_under_swing_a_bass_walks(corpus):
    kick = rock()
    onset = grid_basses.made_up(kick, True, np.random.default_rng(0)) < HOLD
    np.testing.assert_array_equal(np.flatnonzero(onset), np.arange(0, len(kick), STEPS))
    tags = corpus.arrays["tags"].copy()
    tags[corpus.arrays["kind"] == HUMAN] = 1 << corpus.tags.index("swing")
    for own, share in ((corpus, 0.0), (dataclasses.replace(corpus, arrays={**corpus.arrays, "tags": tags}), 0.8)):
        bass = grid_basses.with_basses(own, 0).arrays["bass"]
        walks = [(np.flatnonzero(bass[take] < HOLD) % STEPS == 0).all() and (bass[take][::STEPS] < HOLD).all()
                 for take in takes(corpus)]
        assert np.mean(walks) == pytest.approx(share, abs=0.25)


@pytest.mark.parametrize("walking", [False, True])
def test_pitches_are_a_basss_and_notes_follow_on_one_another(walking):
    for seed in range(20):
        tokens = grid_basses.made_up(rock(8), walking, np.random.default_rng(seed))
        pitch = tokens[tokens < HOLD]
        assert pitch.min() >= grid_basses.LOWEST and pitch.max() <= grid_basses.HIGHEST
        assert len(np.unique(pitch)) > 2
        assert set(np.unique(tokens[tokens >= HOLD])) <= {HOLD, REST}


def test_a_take_without_kicks_has_a_bass_on_first_beats_alone():
    tokens = grid_basses.made_up(np.zeros(8 * BAR, bool), False, np.random.default_rng(3))
    assert (np.flatnonzero(tokens < HOLD) % (STEPS // 2) == 0).all()
    short = grid_basses.made_up(np.zeros(STEPS, bool), False, np.random.default_rng(1))
    assert short.shape == (STEPS,)
