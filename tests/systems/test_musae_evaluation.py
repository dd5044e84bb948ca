"""How MusAE is measured: each number by a case whose answer is known."""

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.musae import evaluation, nets, published, sampling, space, tables
from musicfusion.systems.musae.evaluation import Inputs

RNG = np.random.default_rng(0)
TOKENS = np.where(RNG.uniform(size=(40, 32, 4)) < 0.3, RNG.integers(40, 80, (40, 32, 4)), HOLD)
INPUTS = Inputs(TOKENS, np.arange(40) % 4, np.arange(40) % 4, np.arange(40) // 4)


def test_accuracy_counts_holds_and_onsets_apart():
    made = np.where(TOKENS < HOLD, TOKENS + 1, TOKENS)  # every hold right, every onset wrong
    made[..., 3] = TOKENS[..., 3]
    row = evaluation._reconstruction(nets.KINDS[0], 2, INPUTS, made)
    assert row["onsets"] == [0, 0, 0, 1] and row["onsets_mean"] == pytest.approx(0.25)
    np.testing.assert_allclose(row["accuracy"], [*(TOKENS == HOLD).mean((0, 1))[:3], 1.0])
    assert row["ci"]["mean"][0] <= row["mean"] <= row["ci"]["mean"][1]


def test_a_track_without_notes_has_no_onsets_to_be_right_about():
    silent = TOKENS.copy()
    silent[..., 2] = REST
    row = evaluation._reconstruction(nets.KINDS[0], 2, INPUTS._replace(tokens=silent), silent)
    assert row["onsets"] == [1, 1, None, 1] and row["accuracy"][2] == 1 and row["onsets_mean"] == 1


def test_mixing_in_data_space_goes_from_nothing_to_what_differs_in_a_straight_line():
    curve = evaluation.in_data_space(INPUTS, 0)
    one, other = evaluation.pairs(40, 0)
    assert np.all(one != other) and curve[0] == 0
    assert curve[-1] == pytest.approx(np.mean(TOKENS[one] != TOKENS[other]))
    np.testing.assert_allclose(curve, np.linspace(0, curve[-1], 11), atol=0.02)


def test_interpolation_in_the_latent_space_begins_and_ends_at_the_two():
    def decode(z):
        return np.where(z[:, None, :4] < 0.5, 60, 72) + np.zeros((1, 32, 1), int)

    net = space.Space(decode, decode, [], 4, "band", 2)
    z = np.repeat(np.arange(40)[:, None] % 2, 8, 1).astype(np.float32)
    inputs = INPUTS._replace(tokens=net.decode(z))
    curve = evaluation.interpolated(net, inputs, z, 0)
    one, other = evaluation.pairs(40, 0)
    assert curve[0] == 0 and curve[-1] == pytest.approx(np.mean(one % 2 != other % 2))
    assert np.all(np.diff(curve) >= 0)


def test_the_sliced_distance_of_two_samples_of_one_law_is_small_and_grows_with_a_shift():
    one, other = RNG.normal(size=(2, 2000, 10))
    near, far = evaluation.sliced(one, other, 0), evaluation.sliced(one, other + 1.0, 0)
    shifts = np.random.default_rng(0).normal(size=(10, evaluation.DIRECTIONS))
    expected = np.mean(np.abs((shifts / np.linalg.norm(shifts, axis=0)).sum(0)))
    assert near < 0.06 and far == pytest.approx(expected, rel=0.05)


def test_neighbours_on_the_circle_that_are_alike_have_a_high_rank_correlation():
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rows = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert evaluation.around(rows) > 0.99
    assert abs(evaluation.around(rows[np.random.default_rng(1).permutation(16)])) < 0.4
    assert evaluation.around(rows[:3]) is None


def test_equal_numbers_share_their_rank():
    np.testing.assert_array_equal(evaluation.ranks(np.array([5, 1, 5, 9])), [2.5, 1, 2.5, 4])


def test_a_line_parts_what_lies_apart_and_guesses_where_nothing_differs():
    label, half = np.tile([1.0, -1.0], 50), np.arange(100) < 50
    noise = RNG.normal(size=(100, 3))
    assert evaluation.parted(noise + 6 * label[:, None], label, half) == 1
    assert 0.3 < evaluation.parted(noise, label, half) < 0.7


def test_principal_components_hold_most_of_the_spread():
    x = RNG.normal(size=(200, 5)) * [1, 9, 0.1, 4, 0.1]
    plane = evaluation.principal(x)
    np.testing.assert_allclose(plane.var(0), [x[:, 1].var(), x[:, 3].var()], rtol=0.05)


def test_what_survives_is_counted_both_ways():
    before = np.array([[[60] * 4, [HOLD] * 4, [62] * 4, [REST] * 4]])
    moved = np.array([[[61] * 4, [HOLD] * 4, [62] * 4, [70] * 4]])
    found = sampling.survives(before, moved)
    assert found["rhythm"][0] == pytest.approx(2 * 2 / (2 + 3)) and found["notes"][0] == pytest.approx(2 * 1 / (2 + 3))
    assert sampling.survives(before, before)["notes"][0] == 1
    assert sampling.survives(np.full((1, 4, 4), REST), np.full((1, 4, 4), REST))["rhythm"][0] == 0


def test_the_papers_numbers_stand_beside_ours():
    averages = published.TABLE1["flower", 16]
    mean = np.mean([averages[name] for name in ("drums", "bass", "guitar", "strings")])
    assert mean == pytest.approx(averages["mean"], abs=1e-3)
    row = evaluation._reconstruction(nets.KINDS[0], 16, INPUTS, TOKENS)
    text = tables._table1({"tracks": ["drums", "bass", "guitar", "strings"], "table1": [row]})
    assert "mean 85.3" in text and "100.0 / 100.0" in text
