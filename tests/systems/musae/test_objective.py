"""MusAE's training: equations (2) to (6)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion import priors
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.core import optimizers
from musicfusion.core.example_keys import numbered
from musicfusion.systems.musae import autoencoder, lite, objective
from musicfusion.systems.musae.dataset import BAR

BATCH, LATENT = 6, 64
KEY = jax.random.key(0)
MODEL = lite.Autoencoder(2, width=16, depth=1, latent=LATENT, parts=2)
ADAM = {"rate": 1e-3, "schedule": "constant", "clip": 0.0}
SETTINGS = {"prior": "flower", "beta": 1.0, "beta_every": 1, "penalty": 10.0, "critic_updates": 3}


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    tokens = np.where(rng.uniform(size=(BATCH, 2 * BAR, 4)) < 0.3, rng.integers(40, 80, (BATCH, 2 * BAR, 4)), HOLD)
    tokens[:, 0] = REST
    return {"tracks": jnp.asarray(tokens, jnp.int32), "component": jnp.arange(BATCH), "components": jnp.full(BATCH, 8),
            "example_key": numbered(KEY, jnp.arange(BATCH))}


def task(**changes):
    settings = SETTINGS | changes
    return objective.task(
        MODEL, objective.Critic(32), optimizer=optimizers.create(**ADAM, steps=100),
        critic_optimizer=optimizers.create(**ADAM, beta1=0.5, beta2=0.9, steps=100 * settings["critic_updates"]),
        counts=autoencoder.reconstruction_counts, **settings)


def stepped(batch, step=50, **changes):
    """The state before and after one step in which beta has risen, and the metrics."""
    own = task(**changes)
    state = own.init(KEY, batch, {}) | {"step": jnp.int32(step)}
    after, metrics = jax.jit(own.step)(state, batch, {}, KEY)
    return state, after, metrics


def moved(before, after, part):
    pairs = zip(jax.tree.leaves(before["params"][part]), jax.tree.leaves(after["params"][part]), strict=True)
    return any(bool(np.any(a != b)) for a, b in pairs)


def test_critic_and_autoencoder_learn_in_turn_with_losses_of_their_own(batch):
    before, after, metrics = stepped(batch)
    assert moved(before, after, "critic") and moved(before, after, "autoencoder")
    assert after["step"] == 51 and np.isfinite(metrics["loss"])
    _, alone, _ = stepped(batch, beta=0.0)
    assert not moved(before, alone, "critic"), "without beta the critic is not trained"


def test_the_adversarial_term_draws_the_encoder_and_does_not_cancel(batch):
    """The public code's flaw: the same step with and without the critic must differ in the encoder."""
    _, with_critic, _ = stepped(batch)
    _, without, _ = stepped(batch, beta=0.0)
    encoders = [jax.tree.leaves(state["params"]["autoencoder"]["encoder"]) for state in (with_critic, without)]
    assert any(np.any(a != b) for a, b in zip(*encoders, strict=True))


@pytest.mark.parametrize("prior", objective.PRIORS)
def test_with_a_large_beta_codes_move_toward_the_prior(prior, batch):
    own = task(prior=prior, beta=300.0, critic_updates=5)

    def distance(state):
        mean, _ = MODEL.apply({"params": state["params"]["autoencoder"]}, batch, method="encode")
        angle = 2 * np.pi * np.asarray(batch["component"]) / 8
        centre = np.stack([np.cos(angle), np.sin(angle)], 1) if prior == "flower" else np.zeros((BATCH, 2))
        return float(np.mean(np.sum((np.asarray(mean)[:, :2] - centre) ** 2, 1)))

    def many(state, keys):
        def one(state, key):
            drawn = batch | {"example_key": numbered(key, jnp.arange(BATCH))}
            return own.step(state, drawn, {}, key)[0], None

        return jax.lax.scan(one, state, keys)[0]

    state = own.init(KEY, batch, {}) | {"step": jnp.int32(50)}
    start = distance(state)
    after = jax.jit(many)(state, jax.random.split(KEY, 150))
    if prior == "flower":
        assert distance(after) < 0.6 * start
    else:
        assert distance(after) < 4.0


def test_beta_rises_in_ten_stairs():
    values = [float(objective.ramp(jnp.int32(step), beta=2.0, beta_every=10)) for step in (0, 9, 10, 55, 100, 10_000)]
    np.testing.assert_allclose(values, [0, 0, 0.2, 1.0, 2.0, 2.0])


def test_the_gradient_penalty_by_hand():
    slope = jnp.array([3.0, 4.0])
    real, generated = jnp.zeros((2, 2)), jnp.ones((2, 2))
    share = jnp.array([0.25, 0.75])
    found = objective.gradient_penalty(lambda z: z @ slope, real, generated, share)
    np.testing.assert_allclose(found, [16.0, 16.0], rtol=1e-5)
    between = objective.gradient_penalty(lambda z: 0.5 * jnp.sum(z**2, -1), real, generated, share)
    np.testing.assert_allclose(between, (np.sqrt(2) * np.array([0.25, 0.75]) - 1) ** 2, rtol=1e-4)


def test_the_critic_of_the_flower_knows_the_component(batch):
    critic, z = objective.Critic(16), jnp.ones((BATCH, LATENT))
    learned = critic.init(KEY, z, batch["component"])
    scores = np.asarray(critic.apply(learned, z, batch["component"]))
    assert len(np.unique(scores)) == BATCH


def test_a_critic_that_reads_z_in_units_of_the_prior_scores_all_components_alike():
    critic, components = objective.Critic(16, "flower"), jnp.full(8, 8)
    here, there = jnp.full(8, 2), jnp.arange(8)
    z = priors.flower(numbered(KEY, jnp.arange(8)), priors.angle(here, components), LATENT)
    learned = critic.init(KEY, z, here, components)
    weights = learned["params"]["layer_0"]["kernel"]
    learned["params"]["layer_0"]["kernel"] = weights.at[LATENT:].set(0.0)  # whatever the component is called
    rotated = priors.rotated(z, priors.angle(there, components) - priors.angle(here, components))
    scores = critic.apply(learned, z, here, components), critic.apply(learned, rotated, there, components)
    np.testing.assert_allclose(*scores, atol=1e-5)
    plain = objective.Critic(16)
    assert np.ptp(np.asarray(plain.apply(learned, rotated, there) - plain.apply(learned, z, here))) > 1e-3


@pytest.mark.parametrize("prior", objective.PRIORS)
def test_the_spread_of_a_prior_is_that_of_its_draws(prior):
    keys = numbered(KEY, jnp.arange(4000))
    wide = {"component": jnp.zeros(4000, jnp.int32), "components": jnp.full(4000, 8)}
    drawn = np.asarray(objective.draw(prior, keys, wide, LATENT)).std(0)
    expected = np.asarray(objective.spread(prior, LATENT))
    np.testing.assert_allclose(drawn[2:], expected[2:], rtol=0.1)
    assert np.prod(drawn[:2]) == pytest.approx(np.prod(expected[:2]), rel=0.1)


def test_a_draw_for_an_example_comes_from_its_own_component(batch):
    z = np.asarray(objective.draw("flower", batch["example_key"], batch, LATENT))
    angle = 2 * np.pi * np.asarray(batch["component"]) / 8
    sideways = -np.sin(angle) * z[:, 0] + np.cos(angle) * z[:, 1]
    assert np.all(np.abs(sideways) < 0.15) and np.abs(z[:, 2:]).max() < 0.2


def test_validation_measures_the_reconstruction_and_the_gap(batch):
    own = task()
    state = own.init(KEY, batch, {})
    found = own.validate(state, batch, {}, KEY)
    decoded = own.generate(state["params"], batch, {}, KEY)["tracks"]
    assert float(found["accuracy_1"]) == pytest.approx(np.mean(np.asarray(decoded == batch["tracks"])[..., 1]))
    assert {"loss", "gap", "recovered", "onsets_3"} <= set(found)
