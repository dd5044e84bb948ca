"""Figures 3 and 5, and changes of genre: each number by a case whose answer is known."""

import numpy as np
import pytest

from musicfusion.systems.musae import genre_evaluation
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.genre_evaluation import DRAWS, Examples
from musicfusion.systems.musae.genre_means import GenreMeans
from musicfusion.systems.musae.latent_space import LatentSpace

RNG = np.random.default_rng(0)
GENRES = ("rock", "swing", "samba", "tango")


def test_neighbours_on_the_circle_that_are_alike_have_a_high_rank_correlation():
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    features = np.stack([np.cos(angle), np.sin(angle)], 1)
    assert genre_evaluation.circle_correlation(features) > 0.99
    assert abs(genre_evaluation.circle_correlation(features[np.random.default_rng(1).permutation(16)])) < 0.4
    assert genre_evaluation.circle_correlation(features[:3]) is None


def test_equal_numbers_share_their_rank():
    np.testing.assert_array_equal(genre_evaluation.ranks(np.array([5, 1, 5, 9])), [2.5, 1, 2.5, 4])


def test_a_line_separates_what_lies_apart_and_guesses_where_nothing_differs():
    sign, half = np.tile([1.0, -1.0], 200), np.arange(400) < 200
    noise = RNG.normal(size=(400, 3))
    assert genre_evaluation.line_accuracy(noise + 6 * sign[:, None], sign, half) == 1
    assert 0.4 < genre_evaluation.line_accuracy(noise, sign, half) < 0.6


def test_principal_components_hold_most_of_the_spread():
    x = RNG.normal(size=(200, 5)) * [1, 9, 0.1, 4, 0.1]
    plane = genre_evaluation.principal(x)
    np.testing.assert_allclose(plane.var(0), [x[:, 1].var(), x[:, 3].var()], rtol=0.05)


def test_features_are_relative_to_the_mean_over_components():
    tokens = np.full((2 * DRAWS, 32, 4), 129)
    tokens[:, 0] = 60
    tokens[DRAWS:, 4] = 62  # the second component's windows have twice as many notes
    found = genre_evaluation.relative_features(tokens, 2)
    np.testing.assert_allclose(found["notes"], [[-1 / 3] * 4, [1 / 3] * 4])


@pytest.fixture(scope="module")
def world():
    """Four genres whose code is their component, twelve songs of each; and a space in which a genre is a pitch."""
    components = Components(component=np.array([2, 0, 3, 1, *range(4, 32)]), count=4, genres=GENRES,
                            instrumentation="band")
    genre = np.arange(96) % 4
    component = components.component[genre]
    z = np.eye(4)[component] + 0.01 * RNG.normal(size=(96, 4))

    def decode(codes):
        tokens = np.full((len(codes), 32, 4), 128)
        tokens[:, 0] = 60 + np.argmax(codes, 1)[:, None]
        return tokens

    def classifier(tokens):
        return np.eye(32)[np.argsort(components.component[:4])[np.minimum(tokens[:, 0, 0] - 60, 3)]]

    means = GenreMeans.fit(z.astype(np.float32), component)
    space = LatentSpace(encode=lambda tokens: z, decode=decode, components=components, bars=2, means=means)
    examples = Examples(tokens=decode(z), genre=genre, component=component, song=np.arange(96) // 8)
    return space, examples, z, classifier


def test_moving_by_the_difference_of_the_means_changes_the_genre(world):
    space, examples, z, classifier = world
    found = {(one.way, one.amount): one for one in genre_evaluation.transferred(space, examples, z, classifier, 0)}
    assert found["means", 0.0].source == 1 and found["means", 0.0].target == 0 and found["means", 0.0].notes == 1
    assert found["means", 1.0].target == 1 and found["means", 1.0].source == 0
    assert found["means", 1.0].rhythm == 1 and found["means", 1.0].notes == 0
    assert {way for way, _ in found} == {"around", "straight", "means"}


def test_t_sne_gives_each_code_a_point():
    pytest.importorskip("sklearn")
    assert genre_evaluation.embedded(RNG.normal(size=(12, 5)), 0).shape == (12, 2)


def test_draws_and_real_windows_are_classified(world, monkeypatch):
    monkeypatch.setattr(genre_evaluation, "embedded", lambda x, seed: x[:, :2])
    space, examples, z, classifier = world
    found = genre_evaluation.measure(space, examples, z, classifier, 0)
    assert found.real == 1 and set(found.from_means) == set(genre_evaluation.SPREADS)
    assert min(found.from_means.values()) == 1 and 0 <= found.draws <= 1
    assert found.genre_pairs == 6 and found.in_plane == 1 and found.in_space == 1 and len(found.planes) == 6
    without = genre_evaluation.measure(space, examples, z, None, 0)
    assert without.draws is None and without.transfer == () and without.in_plane == 1
