"""Low-level features of tracks, counted by hand."""

import jax
import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.metrics import arrangement

EMPTY = [REST] * 16
LINE = [60, HOLD, HOLD, HOLD, 64, HOLD, REST, REST, 64, REST, 72, HOLD, REST, REST, REST, REST]


@pytest.fixture(scope="module")
def numbers():
    tokens = np.array([LINE, EMPTY, [36] * 16, LINE[::-1]]).T[None]
    return {name: np.asarray(x)[0] for name, x in jax.jit(arrangement.low_level)(tokens).items()}


def test_a_line_by_hand(numbers):
    assert {name: float(x[0]) for name, x in numbers.items()} == pytest.approx({
        "notes": 4, "pitch": 65, "duration": (4 + 2 + 1 + 2) / 4, "interval": (4 + 0 + 8) / 3, "classes": 2,
        "silence": 7 / 16, "offbeat": 1 / 4})
    assert set(numbers) == set(arrangement.NAMES)


def test_the_same_notes_have_the_same_numbers_on_a_finer_grid(numbers):
    fine = np.full((48, 1), HOLD)
    fine[::3, 0] = LINE
    fine = np.where(np.repeat(np.array(LINE) == REST, 3)[:, None], REST, fine)[None]
    found = {name: np.asarray(x)[0, 0] for name, x in arrangement.low_level(fine, 12).items()}
    assert found == pytest.approx({name: x[0] for name, x in numbers.items()})
    np.testing.assert_array_equal(np.flatnonzero(arrangement.profile(fine, 12)[0]),
                                  3 * np.flatnonzero(np.array(LINE) < HOLD))


def test_an_empty_track_has_no_pitch_and_no_note(numbers):
    assert numbers["notes"][1] == 0 and numbers["silence"][1] == 1 and numbers["classes"][1] == 0
    assert all(np.isnan(numbers[name][1]) for name in ("pitch", "duration", "interval", "offbeat"))


def test_repeated_notes_count_each(numbers):
    assert numbers["notes"][2] == 16 and numbers["interval"][2] == 0 and numbers["duration"][2] == 1
    assert numbers["offbeat"][2] == 0.75


def test_notes_are_counted_by_the_bar_and_by_where_in_it_they_begin():
    tokens = np.array([[*LINE, *EMPTY], [*LINE, *LINE]]).T[None]
    np.testing.assert_allclose(arrangement.low_level(tokens)["notes"][0], [2, 4])
    profile = np.asarray(arrangement.profile(tokens)).reshape(16, 2)
    np.testing.assert_allclose(profile[:, 1], np.array(LINE) < HOLD)
    np.testing.assert_allclose(profile[:, 0], (np.array(LINE) < HOLD) / 2)
