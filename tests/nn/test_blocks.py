import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.nn.blocks import Blocks, Expansion, Summary

ROWS, STEPS, WIDTH = 4, 8, 16
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (ROWS, STEPS, 5))


@pytest.fixture(scope="module")
def blocks(x):
    """run(x) of untrained blocks, compiled."""
    model = Blocks(WIDTH, 2)
    params = jax.jit(model.init)(KEY, x)
    return jax.jit(lambda x: model.apply(params, x))


def test_rows_do_not_hear_of_each_other(x, blocks):
    y = blocks(x)
    assert y.shape == (ROWS, STEPS, WIDTH)
    changed = blocks(x.at[0].add(1.0))
    np.testing.assert_allclose(changed[1:], y[1:], rtol=1e-5, atol=1e-6)
    assert np.abs(changed[0] - y[0]).max() > 0.01


def test_every_step_hears_of_every_other(x, blocks):
    y, x = np.asarray(blocks(x)), np.asarray(x)
    for step in range(STEPS):
        changed = x.copy()
        changed[:, step] += 1
        assert np.abs(blocks(changed) - y).max((0, 2)).min() > 1e-5


def test_steps_know_where_they_are(blocks):
    same = jnp.ones((1, STEPS, 5))
    y = blocks(same)[0]
    assert np.abs(y - y[:1]).max(1)[1:].min() > 1e-3


def test_depth_and_width_are_as_asked(x):
    params = jax.eval_shape(lambda: Blocks(32, 3).init(KEY, x))["params"]
    assert sum(name.startswith("block_") for name in params) == 3
    assert params["block_0"]["wide"]["kernel"].shape == (32, 64)
    assert params["positions"].shape == (STEPS, 32)


def test_bfloat16_products_give_nearly_the_same_float32_results(x, blocks):
    model = Blocks(WIDTH, 2, jnp.bfloat16)
    rough = jax.jit(lambda x: model.apply(model.init(KEY, x), x))(x)
    assert rough.dtype == jnp.float32
    difference = np.abs(rough - blocks(x))
    assert 0 < difference.max() < 0.1


def test_a_posterior_starts_narrow_and_its_std_stays_in_bounds(x):
    model = Summary(6, 2)
    params = jax.jit(model.init)(KEY, x)
    run = jax.jit(lambda x: model.apply(params, x))
    mean, std = run(x)
    assert mean.shape == std.shape == (ROWS, 6)
    np.testing.assert_allclose(std, np.exp(-2), rtol=0.2)
    for factor in (1e6, -1e6):
        _, std = run(x * factor)
        assert np.exp(-7) * 0.999 <= std.min() and std.max() <= np.exp(2) * 1.001


def test_a_latent_lies_in_time_on_the_way_in_and_on_the_way_out(x):
    """The first half of z is of the first half of the steps alone, and makes those alone."""
    summary, expansion = Summary(6, 2), Expansion(STEPS, 2, narrow=3)
    later = x.at[:, STEPS // 2 :].add(1.0)
    params = summary.init(KEY, x)
    (mean, std), (moved, moved_std) = summary.apply(params, x), summary.apply(params, later)
    np.testing.assert_array_equal(mean[:, :3], moved[:, :3])
    np.testing.assert_array_equal(std[:, :3], moved_std[:, :3])
    assert np.all(np.abs(mean[:, 3:] - moved[:, 3:]).max(0) > 1e-3)
    params = expansion.init(KEY, mean)
    y, changed = expansion.apply(params, mean), expansion.apply(params, moved)
    np.testing.assert_array_equal(y[:, : STEPS // 2], changed[:, : STEPS // 2])
    assert np.all(np.abs(y - changed)[:, STEPS // 2 :].max((0, 2)) > 1e-3)


def test_a_latent_expands_to_one_vector_a_step(x):
    model = Expansion(STEPS, 2, narrow=3)
    z = jax.random.normal(KEY, (ROWS, 6))
    params = model.init(KEY, z)
    y = model.apply(params, z)
    assert y.shape == (ROWS, STEPS, 3)
    np.testing.assert_allclose(model.apply(params, z[2:3]), y[2:3], rtol=1e-5, atol=1e-6)
