"""The network that rewards being in time, the vector of noise, and that without them nothing changes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core import optimizers
from musicfusion.systems.arrangement import objective, synchrony, translation
from musicfusion.systems.arrangement.synchrony import Scorer, Synchrony

KEY = jax.random.key(0)
LENGTH, BANDS = 96, 16


def rhythms(count, seed, length=LENGTH + 32):
    """Onsets at random, about one in eight frames: bool [count, length]."""
    return np.random.default_rng(seed).random((count, length)) < 0.12


def sound(onsets, band, first=16):
    """Decaying sounds in a band and the next: [n, LENGTH, BANDS, 1], frames first .. first + LENGTH of the onsets."""
    level = np.zeros((*onsets.shape, BANDS))
    for later in range(4):
        rolled = np.roll(onsets, later, 1)
        level[..., band : band + 2] = np.maximum(level[..., band : band + 2], rolled[..., None] * (1.4 - 0.3 * later))
    return jnp.asarray(level[:, first : first + LENGTH, :, None] - 1, jnp.float32)


def pairs(seed, count=8):
    """The target has the source's onsets and as many of its own."""
    own, other = rhythms(count, seed), rhythms(count, seed + 1000)
    return {"a": sound(own, 2), "pair": sound(own | other, 10), "b": sound(rhythms(count, seed + 2000), 10),
            "example_key": jax.random.split(jax.random.key(seed), count)}


@pytest.fixture(scope="module")
def model():
    return Synchrony(scorer=Scorer(32, 16, 24), noise=0.1)


@pytest.fixture(scope="module")
def learned(model):
    """The scorer's parameters after 150 steps."""
    optimizer = optimizers.create(rate=3e-3, schedule="constant", steps=150)
    task = synchrony.task(model, optimizer, steps=150)
    state = task.init(KEY, pairs(0), {})
    step = jax.jit(lambda state, batch: task.step(state, batch, {}, KEY))
    for k in range(150):
        state, _ = step(state, pairs(k))
    return state["params"]


def test_it_learns_to_tell_a_target_that_is_in_time_from_the_same_one_earlier_or_later(model, learned):
    scored = synchrony.judge(model, learned)
    batch = pairs(5000, 40)
    in_time, right = scored(np.asarray(batch["a"][..., 0]), np.asarray(batch["pair"][..., 0]))
    assert right.mean() > 0.9
    other, by_chance = scored(np.asarray(batch["a"][..., 0]), np.asarray(batch["b"][..., 0]))
    assert by_chance.mean() < 0.4 and other.mean() < in_time.mean() - 1
    late, _ = scored(np.asarray(batch["a"][..., 0]), np.roll(np.asarray(batch["pair"][..., 0]), 5, 1))
    assert late.mean() < in_time.mean() - 1


def test_a_frame_s_place_in_the_crop_tells_it_nothing(model):
    params = model.init(KEY, pairs(0)["a"])
    steady = jnp.full((2, LENGTH, BANDS, 1), 0.3)
    found = model.log_probabilities(params, steady, steady)
    np.testing.assert_allclose(found, -np.log(found.shape[1]), atol=1e-3)
    assert found.shape == (2, len(synchrony.lags(24))) and synchrony.lags(7) == [0, 3, 5, 7, -3, -5, -7]


def test_eighths_do_not_please_it_and_a_copy_of_the_source_is_worth_no_more_than_the_true_target(model, learned):
    batch = pairs(6000, 40)
    steady = np.zeros((40, LENGTH + 32), bool)
    steady[:, ::6] = True
    copy = sound(rhythms(40, 6000), 10)
    lacking = {name: float(model.shortfall(learned, batch, mels)) for name, mels in {
        "true": batch["pair"], "copy": copy, "steady": sound(steady, 10), "silence": jnp.full_like(copy, -1),
        "another": batch["b"]}.items()}
    assert lacking["true"] == 0 and lacking["copy"] < 0.3
    assert min(lacking[name] for name in ("steady", "silence", "another")) > 1


def test_the_reward_s_gradient_moves_a_target_into_time(model, learned):
    batch = pairs(7000, 4)
    gradient = jax.jit(jax.grad(lambda mels: model.shortfall(learned, batch, mels)))
    mels = start = batch["b"]
    for _ in range(15):
        slope = gradient(mels)
        mels = jnp.clip(mels - 0.05 * slope / jnp.maximum(jnp.abs(slope).max(), 1e-9), -1, 1)
    assert model.shortfall(learned, batch, mels) < model.shortfall(learned, batch, start) - 0.5


# In CycleGAN ----------------------------------------------------------------------------------------------------------


def test_without_weights_the_loss_is_that_of_the_paper_to_the_last_bit(cyclegan, batch, frozen):
    model, given = cyclegan(), batch()
    params = model.init(KEY, given["a"])
    assert jax.tree.structure(params) == jax.tree.structure(
        dataclasses.replace(model, synchrony=0.0, diversity=0.0, latent=0).init(KEY, given["a"]))
    found, (_, metrics) = model.generator_loss(params, given, frozen)
    generators, a, b = params["generators"], given["a"], given["b"]
    wanted = objective.densities(objective.levels(b), frozen["level_quantiles"])

    def to_b(mels, density):
        return model.generator.apply({"params": generators["b"]}, mels, 4 * density[:, None] - 2)

    def to_a(mels):
        return model.generator.apply({"params": generators["a"]}, mels, None)

    def judged(domain, mels):
        return jnp.mean((model.discriminator.apply({"params": params["discriminators"][domain]}, mels) - 1) ** 2)

    new_b, same_b = jnp.split(to_b(jnp.concatenate([a, b]), jnp.tile(wanted, 2)), 2)
    new_a, same_a = jnp.split(to_a(jnp.concatenate([b, a])), 2)
    noisy = [model._noisy(mels, given["example_key"], salt) for mels, salt in ((new_b, 50), (new_a, 51))]
    cycle = objective.l1(to_a(noisy[0]), a) + objective.l1(to_b(noisy[1], wanted), b)
    identity = objective.l1(same_a, a) + objective.l1(same_b, b)
    level = objective.l1(objective.levels(new_b), objective.levels(b))
    expected = judged("a", new_a) + judged("b", new_b) + 10.0 * (cycle + 0.5 * identity) + 5.0 * level
    assert float(found) == float(expected)
    assert not {"synchrony", "diversity"} & {*metrics}


def test_the_reward_counts_with_its_weight_and_takes_the_true_target(cyclegan, model):
    given = {name: x[:2] for name, x in pairs(3).items()}
    frozen = {"level_quantiles": jnp.linspace(0.0, 0.5, 21), "scorer": model.init(KEY, given["a"])}
    plain, rewarded = cyclegan(), cyclegan(scorer=model, synchrony=3.0)
    params = plain.init(KEY, given["a"])
    without, (translated, _) = plain.generator_loss(params, given, frozen)
    found, (_, metrics) = rewarded.generator_loss(params, given, frozen)
    assert metrics["synchrony"] == model.shortfall(frozen["scorer"], given, translated["b"])
    assert float(found) == pytest.approx(float(without) + 3.0 * float(metrics["synchrony"]))


def test_with_a_vector_of_noise_two_seeds_come_to_differ_and_one_stays(cyclegan, optimizer, train, batch):
    model = cyclegan(latent=4, diversity=2.0)
    _, state, _ = train(objective.task(model, optimizer), 60)
    translate = translation.translator(model.generator, state["params"]["generators"]["b"], length=32, overlap=8,
                                       conditional=True, latent=4)
    song = np.asarray(batch()["a"][0, ..., 0])
    one, other, again = (translate([song], 0.5, [seed])[0] for seed in (1, 2, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).mean() > 0.01
    alone = translate([song, song], 0.5, [5, 1])[1]
    np.testing.assert_allclose(alone, one, atol=1e-5)
