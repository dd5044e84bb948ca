import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion import losses

RNG = np.random.default_rng(3)
ROWS, SIZE = 6, 10


@pytest.fixture(scope="module")
def pair():
    """z', z [6, 10], sbar [10]."""
    return RNG.normal(size=(ROWS, SIZE)), RNG.normal(size=(ROWS, SIZE)), RNG.uniform(0.01, 0.5, SIZE)


def test_the_log_distance_is_the_papers_rho(pair):
    expected = [
        sum(np.log(1 + (a - b) ** 2) / s**2 for a, b, s in zip(moved, z, pair[2], strict=True)) / SIZE
        for moved, z in zip(*pair[:2], strict=True)
    ]
    np.testing.assert_allclose(losses.log_distance(*pair), expected, rtol=1e-5)


def test_the_squared_distance_is_what_the_public_code_logs(pair):
    moved, z, sbar = pair
    expected = (((moved - z) / sbar) ** 2).mean(1)
    np.testing.assert_allclose(losses.squared_distance(*pair), expected, rtol=1e-5)


def test_what_did_not_move_has_no_distance_and_no_gradient(pair):
    _, z, sbar = pair
    for distance in (losses.log_distance, losses.squared_distance):
        value, gradient = jax.value_and_grad(lambda moved: distance(moved, z, sbar).sum())(jnp.asarray(z))
        assert value == 0 and not np.any(gradient)


def test_small_moves_are_not_lost_to_rounding():
    z, step, sbar = np.zeros((1, 4), np.float32), np.float32(1e-4), np.full(4, 0.01, np.float32)
    np.testing.assert_allclose(losses.log_distance(z + step, z, sbar), (step / sbar[:1]) ** 2, rtol=1e-4)


def test_kl_is_that_of_a_gaussian_to_the_standard_normal():
    mean, std = RNG.normal(size=(ROWS, SIZE)), RNG.uniform(0.05, 2, (ROWS, SIZE))
    x = mean[..., None] + std[..., None] * np.linspace(-12, 12, 4001)
    log_q = -0.5 * ((x - mean[..., None]) / std[..., None]) ** 2 - np.log(std[..., None])
    integrand = np.exp(log_q) * (log_q + 0.5 * x**2) / np.sqrt(2 * np.pi)
    expected = np.trapezoid(integrand, x, axis=-1).sum(-1)
    np.testing.assert_allclose(losses.kl_to_standard_normal(mean, std), expected, rtol=1e-4)
    assert not losses.kl_to_standard_normal(jnp.zeros((1, 4)), jnp.ones((1, 4))).any()


@pytest.mark.parametrize("logit", [-50.0, -3.0, 0.0, 3.0, 50.0])
def test_cross_entropy_from_logits_is_exact_far_out(logit):
    real, fake = (losses.binary_cross_entropy(jnp.array([logit]), target) for target in (1.0, 0.0))
    np.testing.assert_allclose(real, np.log1p(np.exp(-logit)), rtol=1e-5, atol=1e-6)  # -log D
    np.testing.assert_allclose(fake, np.log1p(np.exp(logit)), rtol=1e-5, atol=1e-6)  # -log(1 - D)
    slope = jax.grad(lambda x: losses.binary_cross_entropy(x, 1.0))(logit)
    np.testing.assert_allclose(slope, -1 / (1 + np.exp(logit)), rtol=1e-5, atol=1e-6)


def borders(steps_left):
    """Of the durations 1..steps_left on a scale of log2, the last standing for every longer one."""
    length = np.arange(1, steps_left + 1)
    below = np.where(length == 1, -np.inf, np.log2(length - 0.5))
    above = np.where(length == steps_left, np.inf, np.log2(length + 0.5))
    return below.astype(np.float32), above.astype(np.float32)


@pytest.mark.parametrize("steps_left", [1, 2, 32])
@pytest.mark.parametrize("location", [-20.0, 0.0, 2.3, 30.0])
@pytest.mark.parametrize("log_scale", [-4.0, 0.0, 2.0])
def test_the_probabilities_of_all_durations_sum_to_one(location, log_scale, steps_left):
    nll = losses.interval_nll(location, log_scale, *borders(steps_left))
    assert (nll >= 0).all()
    np.testing.assert_allclose(np.exp(-nll).sum(), 1, rtol=1e-4)


def test_a_durations_likelihood_is_the_mass_of_the_logistic_distribution_in_its_interval():
    below, above = (border.astype(float) for border in borders(32))
    with np.errstate(over="ignore"):
        cdf = [1 / (1 + np.exp(-(border - 1.5) / np.exp(-0.7))) for border in (below, above)]
    expected = -np.log(cdf[1] - cdf[0])
    nll = losses.interval_nll(1.5, -0.7, below.astype(np.float32), above.astype(np.float32))
    np.testing.assert_allclose(nll, expected, rtol=1e-3)


def test_a_hopeless_guess_costs_much_but_finitely_and_its_gradient_points_home():
    below, above = borders(32)
    for location, sign in ((-40.0, -1), (40.0, 1)):
        nll, (by_location, by_scale) = jax.vmap(
            jax.value_and_grad(losses.interval_nll, (0, 1)), (None, None, 0, 0)
        )(location, -4.0, below[1:-1], above[1:-1])
        assert np.isfinite(nll).all() and np.isfinite(by_scale).all() and nll.min() > 1000
        assert (sign * by_location > 0).all()
