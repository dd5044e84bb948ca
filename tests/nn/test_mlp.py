from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.nn.mlp import DropoutMLP, Gate, dropout_masks

ROWS, SIZE, HIDDEN = 8, 12, 256
KEYS = jax.random.split(jax.random.key(2), ROWS)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (ROWS, SIZE))


@pytest.fixture(scope="module")
def run(x):
    """run(rate, x, keys) with one set of parameters for all rates."""
    params = jax.jit(DropoutMLP(HIDDEN, 3).init)(KEY, x)

    @partial(jax.jit, static_argnums=(0, 3))
    def run(rate, x, keys=None, layers=3):
        return DropoutMLP(HIDDEN, layers, rate).apply(params, x, keys)

    return run


def test_without_keys_nothing_is_dropped(run, x):
    np.testing.assert_array_equal(run(0.3, x), run(0.0, x))
    np.testing.assert_array_equal(run(0.3, x), run(0.0, x, KEYS))


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_the_rate_is_the_share_of_units_dropped_and_the_others_make_up_for_it(run, rate):
    many = jnp.ones((2000, SIZE))
    keys = jax.random.split(KEY, 2000)
    whole, dropped = run(rate, many[:1], None, 1), run(rate, many, keys, 1)
    alive = np.flatnonzero(whole[0])
    kept = dropped[:, alive] != 0
    assert abs(1 - kept.mean() - rate) < 0.005
    np.testing.assert_allclose(dropped[:, alive].mean(), whole[0, alive].mean(), rtol=0.01)
    np.testing.assert_allclose(kept.mean(0), 1 - rate, atol=0.06)  # no unit is favoured


def test_the_same_units_drop_however_the_batch_is_spread(run, x):
    whole = run(0.5, x, KEYS)
    for parts in (2, 8):
        spread = [run(0.5, *part) for part in zip(np.split(x, parts), jnp.split(KEYS, parts), strict=True)]
        np.testing.assert_allclose(np.concatenate(spread), whole, rtol=1e-4, atol=1e-5)


def test_rows_layers_and_keys_drop_different_units(run):
    same = jnp.ones((ROWS, SIZE))
    dropped = np.asarray(run(0.5, same, KEYS, 1)) == 0
    assert len({row.tobytes() for row in dropped}) == ROWS
    others = run(0.5, same, jax.random.split(KEY, ROWS), 1) == 0
    assert (others != dropped).any(1).all()


def test_layers_may_differ_in_width(x):
    mlp = DropoutMLP((64, 32, 7), rate=0.5)
    params = jax.jit(mlp.init)(KEY, x)
    widths = [params["params"][f"layer_{i}"]["bias"].shape for i in range(3)]
    assert widths == [(64,), (32,), (7,)]
    assert mlp.apply(params, x).shape == (ROWS, 7)
    assert len({row.tobytes() for row in np.asarray(mlp.apply(params, np.ones((ROWS, SIZE)), KEYS))}) > ROWS / 2


def test_one_width_for_all_layers_is_the_same_as_that_width_for_each(run, x):
    params = jax.jit(DropoutMLP(HIDDEN, 3).init)(KEY, x)
    each = jax.jit(DropoutMLP((HIDDEN,) * 3, rate=0.3).apply)(params, x, KEYS)
    np.testing.assert_array_equal(each, run(0.3, x, KEYS))


def test_masks_drop_the_share_and_keep_the_mean():
    masks = np.asarray(dropout_masks(jax.random.split(KEY, 3000), (5, 4), 0.25))
    assert masks.shape == (3000, 5, 4)
    assert sorted(set(masks.ravel().tolist())) == [0.0, pytest.approx(4 / 3)]
    np.testing.assert_allclose(masks.mean(0), 1, atol=0.05)
    assert dropout_masks(None, (5,), 0.25) is None and dropout_masks(KEYS, (5,), 0.0) is None


def test_an_untrained_gate_leaves_nearly_everything_alone(x):
    z = jax.random.normal(KEY, (ROWS, 40))
    gate = Gate()
    moved = gate.apply(gate.init(KEY, x, z), x, z)
    share = np.linalg.norm(moved - z, axis=1) / np.linalg.norm(z, axis=1)
    assert (share < 0.05).all() and (share > 0.01).all()


def test_the_gate_mixes_the_latent_and_the_change(x):
    z = jax.random.normal(KEY, (ROWS, 3))
    gate = Gate()
    shapes = jax.eval_shape(lambda: gate.init(KEY, x, z))["params"]["gate_and_change"]
    kernel = np.zeros(shapes["kernel"].shape, np.float32)
    bias = np.array([-100.0, 0.0, 100.0, 7.0, 7.0, 7.0], np.float32)  # closed, half open, open; to 7
    moved = gate.apply({"params": {"gate_and_change": {"kernel": kernel, "bias": bias}}}, x, z)
    np.testing.assert_allclose(moved, np.stack([z[:, 0], (z[:, 1] + 7) / 2, np.full(ROWS, 7)], 1), rtol=1e-5)
