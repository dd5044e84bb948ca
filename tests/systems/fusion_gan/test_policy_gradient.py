"""How FusionGAN's generators are rewarded, and what each symbol gains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.systems.fusion_gan import policy_gradient
from musicfusion.systems.fusion_gan.generator import Generator, player


def test_the_position_is_one_at_pieces_of_the_first_genre_and_zero_at_those_of_the_second():
    real = {"a": {"a": jnp.array([2.0, 4.0]), "b": jnp.array([-1.0, 0.0])},
            "b": {"a": jnp.array([0.0, 0.0]), "b": jnp.array([5.0, 5.0])}}
    found = [float(policy_gradient.position({own: jnp.mean(real[own][who]) for own in "ab"}, real)) for who in "ab"]
    assert found == pytest.approx([1.0, 0.0])
    middle = {own: (jnp.mean(real[own]["a"]) + jnp.mean(real[own]["b"])) / 2 for own in "ab"}
    assert float(policy_gradient.position(middle, real)) == pytest.approx(0.5)


def test_a_fusion_is_worth_most_at_its_position_and_a_genre_s_melody_at_its_genre():
    real = {"a": {"a": jnp.ones(4), "b": -jnp.ones(4)}, "b": {"a": -jnp.ones(4), "b": jnp.ones(4)}}
    along = jnp.linspace(-1, 1, 9)  # from the second genre's pieces to the first's
    scores = {"a": along, "b": -along}
    for ratio, best in ((0.5, 4), (0.25, 2), (1.0, 8)):
        worth = policy_gradient.reward(scores, real, jnp.full(9, ratio), balance_weight=20.0)
        assert int(jnp.argmax(worth)) == best
    flat = policy_gradient.reward(scores, real, jnp.full(9, 0.5), balance_weight=0.0)
    np.testing.assert_allclose(flat, flat[0], atol=1e-6, err_msg="the paper's sum alone does not distinguish them")
    own = policy_gradient.reward({"a": along}, {"a": real["a"]}, None, balance_weight=20.0)
    assert np.all(np.diff(own) > 0)


def test_the_geometric_mean_is_what_both_genres_play_and_at_the_ends_it_is_one_of_them():
    first, second = (jnp.log(jnp.array([[p]])) for p in ([0.8, 0.01, 0.19], [0.01, 0.8, 0.19]))
    for ratio, expected in ((1.0, first), (0.0, second)):
        np.testing.assert_allclose(
            policy_gradient.geometric_mean(first, second, jnp.array([ratio])), expected, atol=1e-5)
    half = jnp.exp(policy_gradient.geometric_mean(first, second, jnp.array([0.5])))[0, 0]
    assert int(jnp.argmax(half)) == 2 and float(half[0]) == pytest.approx(float(half[1]))


def test_no_other_distribution_is_nearer_to_both_genres_than_their_geometric_mean():
    first, second = (jnp.log(jnp.array([[p]])) for p in ([0.8, 0.01, 0.19], [0.01, 0.8, 0.19]))
    nearest = policy_gradient.geometric_mean(first, second, jnp.array([0.3]))

    def distance(log_p):
        return float(jnp.sum(0.3 * policy_gradient.kl_divergence(log_p, first)
                             + 0.7 * policy_gradient.kl_divergence(log_p, second)))

    for other in np.random.default_rng(0).dirichlet(np.ones(3), 50):
        assert distance(nearest) <= distance(jnp.log(jnp.asarray(other)[None, None])) + 1e-6


def test_entropy_and_likelihood_of_a_uniform_player_are_log_v():
    generator = Generator(hidden=4, embedding=3, vocabulary=5)
    uniform = player(generator, jax.tree.map(jnp.zeros_like, generator.init(jax.random.key(0))["params"]))
    symbols, half = jnp.array([[0, 3, 2], [1, 1, 4]]), jnp.full(2, 0.5)
    np.testing.assert_allclose(policy_gradient.nats(uniform, symbols, half), np.log(5), rtol=1e-5)
    np.testing.assert_allclose(policy_gradient.entropy(uniform.log_likelihood(symbols, half)), np.log(5), rtol=1e-5)


def test_a_symbol_gains_by_what_it_changes_in_the_expected_reward():
    """The reward is the share of a symbol: playing it gains, playing another one loses; gains sum up to the reward."""
    generator = Generator(hidden=4, embedding=3, vocabulary=5)
    own = player(generator, generator.init(jax.random.key(0))["params"])
    symbols = jax.random.randint(jax.random.key(1), (6, 8), 0, 5)

    def value(x):
        return jnp.mean(jnp.mean(x == 2, -1), 0)

    gained = policy_gradient.advantage(own, symbols, jnp.full(6, 0.5), value=value, rollouts=200,
                                       example_keys=jax.random.split(jax.random.key(2), 6))
    assert float(gained[:, 1:][symbols[:, 1:] == 2].mean()) > 0.05
    assert float(gained[:, 1:][symbols[:, 1:] != 2].mean()) < 0
    totals = gained.sum(1) - value(symbols[None])
    np.testing.assert_allclose(totals, totals[0], atol=1e-5, err_msg="all begin with the batch's mean")


def test_the_target_takes_the_place_of_the_likelihood():
    generator = Generator(hidden=4, embedding=3, vocabulary=5)
    own = player(generator, generator.init(jax.random.key(0))["params"])
    symbols, half = jax.random.randint(jax.random.key(1), (6, 8), 0, 5), jnp.full(6, 0.5)
    settings = policy_gradient.PolicyGradient(
        rollouts=1, likelihood_weight=0.5, entropy_weight=0.0, balance_weight=0.0, geometric_mean_weight=2.0)
    log_p = own.log_likelihood(symbols, half)
    still = jnp.zeros((6, 8))
    likely = policy_gradient.loss(own, symbols, still, half, symbols, None, settings)
    assert float(likely) == pytest.approx(0.5 * float(policy_gradient.nats(own, symbols, half).mean()), rel=1e-5)
    drawn = policy_gradient.loss(own, symbols, still, half, symbols, log_p, settings)
    assert float(drawn) == pytest.approx(0, abs=1e-6)
