"""CycleGAN's pools, losses and step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.systems.arrangement import objective

KEY = jax.random.key(0)


def test_a_pool_fills_and_then_gives_earlier_examples_for_every_other_new_one():
    pool = objective.empty_pool((1, 1, 1))
    mels = jnp.arange(1.0, 1 + objective.POOL)[:, None, None, None]
    pool, out = objective.exchange(pool, mels, jax.random.split(KEY, objective.POOL))
    np.testing.assert_array_equal(out, mels)
    assert int(pool.filled) == objective.POOL
    new = jnp.arange(1000.0, 1400)[:, None, None, None]
    after, out = objective.exchange(pool, new, jax.random.split(jax.random.key(1), 400))
    earlier = np.asarray(out[:, 0, 0, 0]) != np.asarray(new[:, 0, 0, 0])
    assert 0.4 < earlier.mean() < 0.6
    kept, given = set(np.asarray(after.mels).ravel()), set(np.asarray(out)[earlier].ravel())
    assert len(kept) == objective.POOL and not kept & given, "what went out is no longer in"


def test_the_level_is_0_for_silence_and_1_for_the_loudest():
    assert float(objective.levels(jnp.full((1, 4, 4, 1), -1.0))[0]) == 0
    assert float(objective.levels(jnp.full((1, 4, 4, 1), 1.0))[0]) == 1


def test_the_density_is_the_share_of_examples_with_a_lower_level():
    quantiles = jnp.array([0.1, 0.2, 0.4])
    found = objective.densities(jnp.array([0.0, 0.1, 0.2, 0.3, 0.4, 1.0]), quantiles)
    np.testing.assert_allclose(found, [0, 0, 0.5, 0.75, 1, 1], atol=1e-6)


def test_translating_there_and_back_comes_to_restore_the_input_and_the_target_domain_to_stay(trained):
    *_, found = trained
    for name in ("cycle", "identity"):
        assert np.mean([row[name] for row in found[-10:]]) < 0.6 * found[0][name], name
    assert np.mean([row["level"] for row in found[-10:]]) < found[0]["level"]


def test_all_four_networks_learn(trained):
    _, start, state, _ = trained
    for group in ("generators", "discriminators"):
        for domain in "ab":
            moved = jax.tree.map(lambda x, y: float(jnp.max(jnp.abs(x - y))), start["params"][group][domain],
                                 state["params"][group][domain])
            assert max(jax.tree.leaves(moved)) > 1e-3
    assert int(state["pool"]["a"].filled) == objective.POOL and int(state["step"]) == 60


def test_the_discriminator_s_loss_is_that_of_least_squares():
    assert float(objective.least_squares(jnp.array([1.0, 0.0]), 1.0)) == 0.5
    assert float(objective.least_squares(jnp.array([0.0, 2.0]), 0.0)) == 2.0


def test_a_continued_stage_begins_with_the_parameters_of_the_earlier_one(trained, cyclegan, optimizer, batch, frozen):
    name, _, earlier, _ = trained
    task = objective.task(cyclegan(name), optimizer, continued=True)
    state = jax.jit(task.init)(KEY, batch(), frozen | {"params": earlier["params"]})
    for own, theirs in zip(*map(jax.tree.leaves, (state["params"], earlier["params"])), strict=True):
        np.testing.assert_array_equal(own, theirs)
    assert int(state["step"]) == 0 and int(state["pool"]["a"].filled) == 0


def test_only_the_generator_of_the_target_is_conditioned_and_only_with_a_weight(cyclegan, batch):
    def layers(model):
        params = jax.eval_shape(model.init, KEY, batch()["a"])["generators"]
        return len(params["a"]), len(params["b"])

    plain, conditioned = layers(cyclegan(density=0.0)), layers(cyclegan())
    assert plain[0] == plain[1] == conditioned[0] < conditioned[1]


def test_validation_compares_the_translated_source_with_its_own_target(trained, cyclegan, optimizer, batch, frozen):
    name, _, state, _ = trained
    task = objective.task(cyclegan(name), optimizer)
    found = jax.jit(task.validate)(state, batch(), frozen, KEY)
    made = jax.jit(task.generate)(state["params"], batch(), frozen, KEY)
    assert float(found["mel_l1"]) == pytest.approx(float(jnp.mean(jnp.abs(made["translated"] - made["target"]))),
                                                   rel=1e-4)
    np.testing.assert_array_equal(made["source"], batch()["a"])
