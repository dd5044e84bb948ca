"""Which examples a step sees."""

import numpy as np
import pytest

from musicfusion.data import batches


@pytest.mark.parametrize(("batch", "count"), [(4, 20), (7, 20), (20, 20), (64, 20), (3, 1)])
def test_every_epoch_shows_every_example_once(batch, count):
    steps = -(-3 * count // batch)
    drawn = np.concatenate([batches.indices(5, step, batch, count) for step in range(steps)])
    assert drawn.dtype == np.int32
    for epoch in range(3):
        shown = drawn[epoch * count : (epoch + 1) * count]
        assert sorted(shown.tolist()) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own():
    first, second = (batches.indices(1, step, 50, 50).tolist() for step in (0, 1))
    other = batches.indices(2, 0, 50, 50).tolist()
    assert first != second and first != other and first != sorted(first)


def test_a_step_sees_the_same_examples_whatever_was_asked_before():
    forwards = [batches.indices(3, step, 16, 40).tolist() for step in range(10)]
    backwards = [batches.indices(3, step, 16, 40).tolist() for step in reversed(range(10))]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize("count", [1, 5, 33, 100_000])
def test_a_block_is_its_steps(count):
    block = batches.block(9, 11, 6, 16, count)
    assert block.shape == (6, 16) and block.dtype == np.int32
    for row, step in enumerate(range(11, 17)):
        np.testing.assert_array_equal(block[row], batches.indices(9, step, 16, count))


def test_what_a_caller_does_to_a_batch_leaves_the_next_one_alone():
    expected = batches.indices(0, 0, 8, 8).copy()
    batches.indices(0, 0, 8, 8)[:] = -1
    np.testing.assert_array_equal(batches.indices(0, 0, 8, 8), expected)


def test_fixed_examples_are_spread_evenly():
    assert batches.fixed(100, 5).tolist() == [0, 20, 40, 60, 80]
    assert batches.fixed(3, 3).tolist() == [0, 1, 2]
    assert sorted(set(batches.fixed(3, 8).tolist())) == [0, 1, 2]
    assert batches.fixed(200_000, 65_536).max() < 200_000
    assert batches.fixed(10, 0).shape == (0,)


def test_there_is_nothing_to_draw_from_no_examples():
    with pytest.raises(ValueError, match="at least one"):
        batches.indices(0, 0, 4, 0)
    with pytest.raises(ValueError, match="at least one"):
        batches.fixed(0, 4)
