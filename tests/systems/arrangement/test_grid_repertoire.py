"""Drums of other songs, found by their basses."""

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.arrangement import grid_repertoire
from musicfusion.systems.arrangement.grid_repertoire import NONE

QUARTERS, EIGHTHS, OFF_BEATS = range(3)


@pytest.fixture
def basses():
    """Short notes on quarters, on eighths, and on off-beats."""
    tokens = np.full((3, 192), REST)
    tokens[QUARTERS, ::12] = tokens[EIGHTHS, ::6] = tokens[OFF_BEATS, 6::12] = 40
    return tokens


@pytest.fixture
def known(basses):
    """Windows with these basses."""
    hits = np.random.default_rng(0).uniform(size=(3, 192, 9)) < 0.1
    return grid_repertoire.of(hits, basses, np.array([1, 2, 2], np.uint32))


def test_the_most_similar_bass_comes_first(basses, known):
    asked = basses[[EIGHTHS, QUARTERS]]
    asked[1, 0] = REST
    found = grid_repertoire.similar(asked, known, 3)
    np.testing.assert_array_equal(found, [[EIGHTHS, QUARTERS, OFF_BEATS], [QUARTERS, EIGHTHS, OFF_BEATS]])


def test_of_basses_with_the_same_onsets_that_comes_first_whose_notes_are_as_long(basses):
    held = np.where(basses[[QUARTERS]] == REST, HOLD, basses[[QUARTERS]])
    own = grid_repertoire.of(np.zeros((2, 192, 9), bool), np.concatenate([basses[[QUARTERS]], held]),
                             np.zeros(2, np.uint32))
    np.testing.assert_array_equal(grid_repertoire.similar(held, own, 2, sounding=0.5), [[1, 0]])
    np.testing.assert_array_equal(grid_repertoire.similar(basses[[QUARTERS]], own, 2, sounding=0.5), [[0, 1]])
    np.testing.assert_array_equal(grid_repertoire.similar(held, own, 2), [[0, 1]], err_msg="onsets alone")


def test_a_style_can_be_asked_for_and_one_that_nothing_has_is_no_bar(basses, known):
    np.testing.assert_array_equal(grid_repertoire.similar(basses[:1], known, 3, tag=2), [[1, 2, NONE]])
    np.testing.assert_array_equal(grid_repertoire.similar(basses[:1], known, 1, tag=8), [[0]])


def test_the_same_group_is_left_out_and_a_silent_bass_is_like_none(basses, known):
    groups = np.array([5, 5]), np.array([5, 6, 7])
    asked = np.stack([basses[0], np.full(192, REST)])
    np.testing.assert_array_equal(grid_repertoire.similar(asked, known, 2, groups=groups), [[1, 2], [NONE, NONE]])


def test_of_each_group_a_few_are_kept_that_have_a_bass(known):
    many = grid_repertoire.only(known, np.repeat([0, 1, 2], [40, 3, 2]))
    many.onsets[43:] = False
    kept = grid_repertoire.collected(many, np.repeat([7, 8, 9], [40, 3, 2]))
    assert len(kept) == grid_repertoire.EACH + 3 and kept.max() < 43 and {0, 39} <= set(kept.tolist())


def test_packed_it_is_an_eighth_of_the_size_and_comes_back(known):
    arrays = grid_repertoire.packed(known)
    assert arrays["hits"].nbytes == known.hits.nbytes / 8
    for own, again in zip(known, grid_repertoire.unpacked(arrays), strict=True):
        np.testing.assert_array_equal(own, again)


def test_what_was_packed_without_where_basses_sound_is_found_by_onsets(basses, known):
    arrays = grid_repertoire.packed(known)
    del arrays["sounding"]
    again = grid_repertoire.unpacked(arrays)
    assert not again.sounding.any()
    np.testing.assert_array_equal(grid_repertoire.similar(basses, again, 3), grid_repertoire.similar(basses, known, 3))
