"""Distances and densities of Gaussians whose values are known."""

import numpy as np
import pytest

from musicfusion.metrics import frechet

RNG = np.random.default_rng(0)


def test_features_are_at_distance_0_of_themselves_and_a_shift_counts_squared():
    cloud = RNG.normal(size=(400, 5)) * [1, 2, 3, 4, 5]
    one = frechet.fit(cloud)
    assert frechet.distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet.distance(one, frechet.fit(cloud + [3, 0, 0, 4, 0])) == pytest.approx(25, rel=1e-6)


def test_of_equal_means_it_is_the_squared_difference_of_standard_deviations():
    one, other = frechet.Gaussian(np.zeros(2), np.diag([1.0, 4.0])), frechet.Gaussian(np.zeros(2), np.diag([9.0, 4.0]))
    assert frechet.distance(one, other) == pytest.approx((3 - 1) ** 2)
    assert frechet.distance(other, one) == pytest.approx(4)


def test_the_density_is_scipy_s():
    stats = pytest.importorskip("scipy.stats")
    cloud = RNG.normal(size=(300, 3)) @ RNG.normal(size=(3, 3))
    gaussian = frechet.fit(cloud)
    theirs = stats.multivariate_normal(gaussian.mean, gaussian.covariance).logpdf(cloud)
    np.testing.assert_allclose(frechet.log_density(cloud, gaussian), theirs, rtol=1e-6)


def test_fewer_points_than_dimensions_still_have_a_density():
    gaussian = frechet.fit(RNG.normal(size=(4, 16)))
    assert np.isfinite(frechet.log_density(RNG.normal(size=(2, 16)), gaussian)).all()
