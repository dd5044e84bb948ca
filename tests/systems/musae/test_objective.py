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
from musicfusion.systems.musae.dataset import UNTAGGED

BAR = 16  # steps
BATCH, LATENT = 6, 64
SPREAD = priors.OTHER_VARIANCE**0.5
KEY = jax.random.key(0)
MODEL = lite.Autoencoder(2, width=16, depth=1, embedding=8, latent=LATENT, parts=2, spread=SPREAD, flower=True)
ADAM = {"rate": 1e-3, "schedule": "constant", "clip": 0.0}
SETTINGS = {"prior": "flower", "whiten": True, "beta": 1.0, "beta_every": 1, "penalty": 10.0, "critic_updates": 3,
            "plane": 0.0}


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
        MODEL, objective.Critic(32, reads_norm=settings["whiten"]), optimizer=optimizers.create(**ADAM, steps=100),
        critic_optimizer=optimizers.create(**ADAM, beta1=0.5, beta2=0.9, steps=100, updates=settings["critic_updates"]),
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


@pytest.fixture(scope="module")
def one_step(batch):
    """The state before a step, after it, after one without a critic; and the metrics of the first."""
    before, after, metrics = stepped(batch)
    return before, after, stepped(batch, beta=0.0)[1], metrics


def test_critic_and_autoencoder_learn_in_turn_with_losses_of_their_own(one_step):
    before, after, alone, metrics = one_step
    assert moved(before, after, "critic") and moved(before, after, "autoencoder")
    assert after["step"] == 51 and np.isfinite(metrics["loss"])
    assert not moved(before, alone, "critic"), "without beta the critic is not trained"


def test_the_adversarial_term_draws_the_encoder_and_does_not_cancel(one_step):
    """The public code's flaw: the same step with and without the critic must differ in the encoder."""
    encoders = [jax.tree.leaves(state["params"]["autoencoder"]["encoder"]) for state in one_step[1:3]]
    assert any(np.any(a != b) for a, b in zip(*encoders, strict=True))


@pytest.mark.parametrize("prior", objective.PRIORS)
def test_with_a_large_beta_codes_move_toward_the_prior(prior, batch):
    own = task(prior=prior, beta=3.0, critic_updates=5)

    def distance(state):
        """How much farther from the middle of the prior codes lie than draws do, in deviations of the prior."""
        mean, _ = MODEL.apply({"params": state["params"]["autoencoder"]}, batch, method="encode")
        return float(np.mean(np.abs(objective.norm(objective.whitened(prior, mean, batch)))))

    def many(state, keys):
        def one(state, key):
            drawn = batch | {"example_key": numbered(key, jnp.arange(BATCH))}
            return own.step(state, drawn, {}, key)[0], None

        return jax.lax.scan(one, state, keys)[0]

    state = own.init(KEY, batch, {}) | {"step": jnp.int32(50)}
    assert distance(jax.jit(many)(state, jax.random.split(KEY, 150))) < 0.6 * distance(state)


def test_the_plane_s_own_term_draws_codes_to_the_middle_of_their_component(batch):
    some = batch | {"component": batch["component"].at[0].set(UNTAGGED)}
    _, _, metrics = stepped(some, plane=2.0, beta=0.0)
    middle = np.asarray(objective.middle(some))
    assert np.all(middle[0] == 0) and np.hypot(*middle[1:].T) == pytest.approx(np.ones(BATCH - 1), rel=1e-5)
    params = task().init(KEY, some, {})["params"]["autoencoder"]
    mean = np.asarray(MODEL.apply({"params": params}, some, method="encode")[0])
    assert float(metrics["plane"]) == pytest.approx(np.mean(np.sum((mean[:, :2] - middle) ** 2, 1)), rel=1e-4)
    assert float(metrics["loss"]) == pytest.approx(float(metrics["reconstruction"] + 2 * metrics["plane"]), rel=1e-4)
    assert "plane" not in stepped(some, plane=2.0, beta=0.0, prior="gaussian")[2]


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


def test_a_critic_that_is_told_the_norm_can_tell_by_it_alone():
    critic, z = objective.Critic(16, reads_norm=True), jax.random.normal(KEY, (20, LATENT))
    learned = critic.init(KEY, z)
    weights = learned["params"]["layer_0"]["kernel"]
    assert weights.shape == (LATENT + 1, 16)
    learned["params"]["layer_0"]["kernel"] = weights.at[:LATENT].set(0.0)  # blind but for the norm
    turned, wide = z[:, ::-1], 2 * z
    np.testing.assert_allclose(critic.apply(learned, turned), critic.apply(learned, z), atol=1e-5)
    assert np.all(np.abs(critic.apply(learned, wide) - critic.apply(learned, z)) > 1e-3)
    assert objective.Critic(16).init(KEY, z)["params"]["layer_0"]["kernel"].shape == (LATENT, 16)


def test_the_norm_is_about_0_for_draws_and_its_slope_is_1_everywhere():
    z = 3 * jax.random.normal(KEY, (500, LATENT))
    assert abs(float(jnp.mean(objective.norm(z / 3)))) < 0.2 and float(jnp.mean(objective.norm(z))) > 15
    slope = jax.vmap(jax.grad(lambda z: objective.norm(z[None])[0]))(z)
    np.testing.assert_allclose(np.linalg.norm(slope, axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("prior", objective.PRIORS)
def test_whitened_draws_are_standard_normal_of_the_flower_without_a_genre_too(prior):
    count = 6000
    own = {"component": jnp.arange(count) % 9 + UNTAGGED, "components": jnp.full(count, 8)}
    assert UNTAGGED in own["component"]
    z = objective.draw(prior, numbered(KEY, jnp.arange(count)), own, 8)
    for which in (own["component"] == UNTAGGED, own["component"] != UNTAGGED):
        white = np.asarray(objective.whitened(prior, z, own))[np.asarray(which)]
        np.testing.assert_allclose(white.mean(0), np.zeros(8), atol=0.16)
        np.testing.assert_allclose(np.cov(white.T), np.eye(8), atol=0.16)


def test_the_narrow_prior_is_as_wide_as_a_component_of_the_flower_and_lies_in_the_middle(batch):
    drawn = np.asarray(objective.draw("narrow", numbered(KEY, jnp.arange(4000)), batch, 8))
    np.testing.assert_allclose(drawn.mean(0), np.zeros(8), atol=0.003)
    np.testing.assert_allclose(drawn.std(0), np.full(8, SPREAD), rtol=0.05)
    assert objective.condition("narrow", batch) == objective.condition("gaussian", batch) == ()


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
    assert float(found["reconstruction"]) == pytest.approx(np.log(130) * 4, rel=0.2), "knows nothing yet"


def test_what_validation_minimises_counts_the_gap_that_is_larger_the_critic_s_or_that_of_the_norms(batch):
    own = task(beta=0.7)
    state = own.init(KEY, batch, {})
    blind = own.validate(state, batch, {}, KEY)
    assert float(blind["witness"]) > abs(float(blind["gap"])), "an untrained critic finds less than the norms show"
    head = state["params"]["critic"]["score"]
    sharp = {**head, "kernel": head["kernel"] * 1000 * (1 if blind["gap"] > 0 else -1)}
    critic = {**state["params"]["critic"], "score": sharp}
    keen = own.validate({**state, "params": {**state["params"], "critic": critic}}, batch, {}, KEY)
    assert float(keen["gap"]) > float(keen["witness"]) == pytest.approx(float(blind["witness"]))
    for found, counted in ((blind, "witness"), (keen, "gap")):
        expected = float(found["reconstruction"]) + 0.7 * float(found[counted])
        assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)


def test_of_music_without_a_genre_validation_does_not_say_whether_its_component_was_recovered(batch):
    own = task()
    state = own.init(KEY, batch, {})
    tagged = own.validate(state, jax.tree.map(lambda x: x[1:], batch), {}, KEY)["recovered"]
    some = own.validate(state, batch | {"component": batch["component"].at[0].set(UNTAGGED)}, {}, KEY)["recovered"]
    assert float(tagged) == pytest.approx(float(some))
