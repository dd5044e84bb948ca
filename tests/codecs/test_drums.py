"""Drums on a grid: what is kept of them, there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicfusion.codecs import drums
from musicfusion.codecs.drums import FINEST, INSTRUMENTS, STEPS

KICK, SNARE, HAT = (INSTRUMENTS.index(name) for name in ("kick", "snare", "closed hat"))


def notes(*rows):
    """Rows (onset in quarters, key, velocity)."""
    return np.array([(onset, 0.1, key, velocity) for onset, key, velocity in rows], float)


def played(steps, jitter=0.0, seed=0):
    """Hats at these steps of each of eight beats, a little off."""
    onsets = (np.arange(8)[:, None] * STEPS + np.asarray(steps)).reshape(-1)
    away = np.random.default_rng(seed).normal(0, jitter, len(onsets))
    return onsets, notes(*(((on + off) / STEPS, 42, 80) for on, off in zip(onsets, away, strict=True)))


def test_a_hit_has_its_instrument_step_and_velocity():
    found = drums.encode(notes((0, 36, 100), (1.25, 38, 60), (1 + 1 / 3, 42, 30), (1 + 2 / 3, 42, 31)), 0.0, 4)
    assert found.velocity.shape == (48, 9) and np.count_nonzero(found.velocity) == 4
    assert found.velocity[0, KICK] == 100 and found.velocity[16, HAT] == 30 and found.velocity[20, HAT] == 31
    assert not found.offset[0].any()


@pytest.mark.parametrize("steps", [(0, 3, 6, 9), (0, 6), (0, 4, 8), (0, 8), (0, 4, 6, 10), (0,)])
def test_human_hits_are_taken_for_the_steps_that_they_mean(steps):
    onsets, given = played(steps, jitter=0.4)
    found = drums.encode(given, 0.0, 8)
    right = np.isin(np.flatnonzero(found.velocity[:, HAT]), onsets)
    assert np.mean(right) > 0.95 and len(right) >= 0.97 * len(onsets)


def test_what_lies_off_the_grid_is_the_offset():
    found = drums.encode(notes((0.03, 36, 90), (0.99, 38, 90), (2.2, 38, 90)), 0.0, 4)
    assert found.offset[0, KICK] == round(0.03 * STEPS * FINEST)
    assert found.velocity[12, SNARE] == 90 and found.offset[12, SNARE] == round(-0.01 * STEPS * FINEST)
    back = drums.notes(found)
    np.testing.assert_allclose(back[:, 0], [0.03, 0.99, 2.2], atol=0.5 / FINEST / STEPS + 1e-9)


def test_a_hit_just_before_the_grid_belongs_to_its_first_step():
    found = drums.encode(notes((3.98, 36, 90), (3.0, 38, 90), (8.5, 38, 90)), 4.0, 4)
    assert found.velocity[0, KICK] == 90 and found.offset[0, KICK] < 0 and np.count_nonzero(found.velocity) == 1
    assert drums.notes(found)[0, 0] == 0, "nothing is played before 0"
    assert drums.notes(found, 4.0)[0, 0] == pytest.approx(3.98, abs=0.001)


def test_of_several_hits_in_one_step_the_loudest_counts_and_strange_keys_are_left_out():
    found = drums.encode(notes((0, 36, 50), (0, 35, 90), (0.01, 36, 20), (1, 90, 100), (2, 38, 0)), 0.0, 4)
    assert found.velocity[0, KICK] == 90 and np.count_nonzero(found.velocity) == 1


def test_each_instrument_comes_back_under_its_first_key_and_every_key_has_one_instrument():
    keys = [key for own in drums.KEYS for key in own]
    assert len(keys) == len(set(keys)) and len(drums.KEYS) == len(INSTRUMENTS)
    found = drums.encode(notes(*((k, own[-1], 70) for k, own in enumerate(drums.KEYS))), 0.0, 9)
    np.testing.assert_array_equal(drums.notes(found)[:, 2], [own[0] for own in drums.KEYS])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 47), st.integers(0, 8), st.integers(1, 127)), max_size=20))
def test_what_is_on_the_grid_of_16ths_survives_the_way_there_and_back(rows):
    pattern = drums.hits_of(np.zeros((48, 9)))
    for step, kind, velocity in rows:
        pattern.velocity[step // 3 * 3, kind] = velocity
    again = drums.encode(drums.notes(pattern), 0.0, 4)
    np.testing.assert_array_equal(again.velocity, pattern.velocity)
    np.testing.assert_array_equal(again.offset, pattern.offset)


def test_no_notes_are_no_hits():
    assert not drums.encode(np.zeros((0, 4)), 0.0, 4).velocity.any()
    assert drums.notes(drums.hits_of(np.zeros((12, 9)))).shape == (0, 4)
