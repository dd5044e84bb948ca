"""Figure 3, and what tells the genre: each number by a case whose answer is known."""

import dataclasses

import numpy as np
import pytest

from musicfusion.systems.musae import genre_evaluation, separability, transfer
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import UNTAGGED
from musicfusion.systems.musae.genre_evaluation import DRAWS

FLOW = "the same, 0.7 times as wide"
PRIOR = "draws from the prior, without the flow"
MEANS = [f"draws about the genre's mean, {spread} times as wide" for spread in genre_evaluation.SPREADS]


def test_neighbours_on_the_circle_that_are_alike_have_a_high_rank_correlation():
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    features = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert genre_evaluation.circle_correlation(features) > 0.99
    assert abs(genre_evaluation.circle_correlation(features[np.random.default_rng(1).permutation(16)])) < 0.4
    assert genre_evaluation.circle_correlation(features[:3]) is None


def test_equal_numbers_share_their_rank():
    np.testing.assert_array_equal(genre_evaluation.ranks(np.array([5, 1, 5, 9])), [2.5, 1, 2.5, 4])


def test_features_are_relative_to_the_mean_over_components():
    tokens = np.full((2 * DRAWS, 32, 4), 129)
    tokens[:, 0] = 60
    tokens[DRAWS:, 4] = 62  # the second component's windows have twice as many notes
    found = genre_evaluation.relative_features(tokens, 2, 4)
    np.testing.assert_allclose(found["notes"], [[-1 / 3] * 4, [1 / 3] * 4])


@pytest.fixture(scope="module")
def found(toy):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(separability, "embedded", lambda x, seed: x[:, :2])
        return genre_evaluation.measure(toy.space, toy.untrained, toy.examples, toy.z, toy.judges, 0)


def test_draws_and_real_windows_are_classified(found):
    assert list(found.recognised) == ["real windows", "draws from a component", FLOW, PRIOR, *MEANS]
    shares = {what: rates["judge"] for what, rates in found.recognised.items()}
    assert shares["real windows"] == (1, 1, 1) and min(shares[MEANS[0]], shares[MEANS[1]]) > 0.95
    assert 0.25 < shares["draws from a component"] < shares[FLOW] <= 1, "a rest is N(0, I), and wider than this genre"
    assert 0.1 < shares[PRIOR] < 0.4, "this decoder does not look at the plane"
    assert {rates["second judge"] for what, rates in found.recognised.items() if what != "real windows"} == {0.25}
    assert found.recognised["real windows"]["second judge"][0] == 0.25


def test_a_probe_finds_the_genre_in_codes_and_not_in_what_the_flow_leaves(found):
    assert found.chance == 0.25
    assert found.probes["all of z"] == found.probes["the plane"] == found.probes["z without the plane"] == 1
    for what in ("z less the mean of the genre nearest in the plane", "the flow's rest",
                 "the flow's rest, given the genre"):
        assert found.probes[what] < 0.4, what
    assert len(found.probes) == 6


def test_beside_the_correlation_of_neighbours_stands_what_means_nothing(found):
    assert list(found.correlations) == ["draws from components", "the same, components shuffled (95 %)",
                                        "an untrained decoder"]
    assert all(-1 <= x <= 1 for x in found.correlations.values())
    assert {x.shape for x in found.features.values()} == {(4, 4)}


def test_genres_that_differ_are_separable_and_what_is_moved_is_measured(found):
    assert found.genre_pairs == 6 and found.in_space == 1 > found.in_plane > 0.7 and len(found.planes) == 6
    assert {one.way for one in found.transfer} == {
        "plane", "means", "position", "position, harmony unknown", "position, drums", "position, drums+bass",
        *transfer.FOOLS}


def test_a_component_is_drawn_from_at_its_middle_by_the_flow_and_else_from_the_prior(toy):
    component = np.repeat(np.arange(4), 50)
    by_flow = genre_evaluation.drawn(toy.space, component, 0.5, 3)
    np.testing.assert_allclose(by_flow[:, :2], toy.space.position(component), atol=1e-6)
    assert by_flow[:, 6:].std() == pytest.approx(0.5, rel=0.15), "so much as wide"
    plain = dataclasses.replace(toy.space, rest=None, code=None, harmony=None)
    by_prior = genre_evaluation.drawn(plain, component, 0.5, 3)
    np.testing.assert_array_equal(by_prior, genre_evaluation.component_codes(component, 4, 8, 3))
    assert np.mean(plain.nearest(by_prior) == component) > 0.9


def test_without_flow_means_or_judges_what_is_left_is_measured(toy, monkeypatch):
    monkeypatch.setattr(separability, "embedded", lambda x, seed: None)
    plain = dataclasses.replace(toy.space, rest=None, code=None, harmony=None, means=None)
    found = genre_evaluation.measure(plain, toy.untrained, toy.examples, toy.z, toy.judges, 0)
    assert list(found.recognised) == ["real windows", "draws from a component", PRIOR]
    assert list(found.probes) == ["all of z", "the plane", "z without the plane"]
    silent = genre_evaluation.measure(plain, toy.untrained, toy.examples, toy.z, {}, 0)
    assert set(map(len, silent.recognised.values())) == {0} and silent.in_space == 1


def test_windows_without_a_genre_are_left_out(toy, monkeypatch):
    monkeypatch.setattr(separability, "embedded", lambda x, seed: None)
    some = np.arange(400) % 3 == 0
    examples = dataclasses.replace(toy.examples, genre=np.where(some, -1, toy.examples.genre),
                                   component=np.where(some, UNTAGGED, toy.examples.component))
    found = genre_evaluation.measure(toy.space, toy.untrained, examples, toy.z, toy.judges, 0)
    assert found.recognised["real windows"]["judge"][0] == found.probes["all of z"] == 1
    none = dataclasses.replace(examples, genre=np.full(400, -1), component=np.full(400, UNTAGGED))
    found = genre_evaluation.measure(toy.space, toy.untrained, none, toy.z, toy.judges, 0)
    assert found.probes == {} and found.chance is None and "real windows" not in found.recognised
    assert found.transfer and "draws from a component" in found.recognised


def test_without_genres_there_are_features_of_32_components_alone(toy):
    none = Components(component=np.arange(32), count=32, genres=(), instrumentation="band")
    plain = dataclasses.replace(toy.space, components=none, rest=None, code=None, harmony=None, means=None)
    examples = dataclasses.replace(toy.examples, genre=np.full(400, -1), component=np.full(400, UNTAGGED))
    found = genre_evaluation.measure(plain, plain, examples, toy.z, {}, 0)
    assert {x.shape for x in found.features.values()} == {(32, 4)} and len(found.correlations) == 3
    assert found.transfer == () and found.recognised == {} == found.probes
