import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from micro import variant

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.latent import soft_decode
from musicfusion.latent.actor_critic import critic_loss, negatives
from musicfusion.latent.space import distances, split
from musicfusion.systems.collagenet import lite_actor_critic, objective
from musicfusion.systems.collagenet.actor_critic import Actor, Critic
from musicfusion.systems.collagenet.objective import (
    ACCOMPANIMENT,
    ASPECTS,
    MELODY,
    control_loss,
    controlled,
    melody_size,
)

SMALL = {"pitch": 4, "rhythm": 3, "chord": 5, "texture": 6}
WHOLE = {"melody": 7, "accompaniment": 11}  # of VAEs that do not tell aspects apart
KEY = jax.random.key(0)
RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def moved_pair():
    """z' [8, 18], z, sbar [18], controls [8, 4]."""
    return (RNG.normal(size=(8, 18)), RNG.normal(size=(8, 18)), RNG.uniform(0.05, 0.5, 18),
            RNG.uniform(size=(8, 4)))


def test_z_is_pitch_rhythm_chord_texture_in_that_order():
    z = np.arange(18)[None]
    parts = split(z, SMALL)
    assert tuple(parts) == ASPECTS == MELODY + ACCOMPANIMENT
    np.testing.assert_array_equal(np.concatenate(list(parts.values()), 1), z)
    assert parts["chord"].tolist() == [[7, 8, 9, 10, 11]]
    assert melody_size(SMALL) == melody_size(WHOLE) == 7


def test_what_a_user_controls_are_the_four_aspects_of_the_paper_and_never_a_whole_side():
    assert controlled(SMALL) == ASPECTS
    assert controlled(dict(reversed(SMALL.items()))) == ASPECTS
    assert controlled(WHOLE) == ()


@pytest.mark.parametrize(
    "weights", [{"real": 1, "raw": 1, "fake": 1}, {"real": 0.5, "raw": 1 / 11, "fake": 10 / 11}], ids=["paper", "code"]
)
def test_the_critics_loss_is_equation_2(weights):
    real, raw, fake = RNG.normal(0, 2, 6), RNG.normal(0, 2, 12), RNG.normal(0, 2, 12)
    d_real, d_raw, d_fake = (1 / (1 + np.exp(-logits)) for logits in (real, raw, fake))
    expected = (weights["real"] * np.mean(-np.log(d_real))
                + weights["raw"] * np.mean(-np.log(1 - d_raw))
                + weights["fake"] * np.mean(-np.log(1 - d_fake)))
    np.testing.assert_allclose(critic_loss(real, raw, fake, weights=weights), expected, rtol=1e-5)


def test_the_paper_presets_weights_are_those_of_the_public_code_in_expectation():
    # It draws raw negatives once in eleven steps, and halves the real pairs' loss.
    weights = variant("collagenet", "paper").fusion.weights
    assert weights.to_dict() == {"real": 0.5, "raw": 1 / 11, "fake": 10 / 11}


def test_distances_are_rho_of_each_aspect_in_its_own_scale(moved_pair):
    moved, z, sbar, _ = moved_pair
    rho = distances(moved, z, sbar, SMALL)
    start = 0
    for name, size in SMALL.items():
        own = slice(start, start + size)
        expected = np.abs(np.log(1 + (moved[:, own] - z[:, own]) ** 2) / sbar[own] ** 2).sum(1) / size
        np.testing.assert_allclose(rho[name], expected, rtol=1e-5)
        start += size


def test_the_control_loss_is_equation_6(moved_pair):
    moved, z, sbar, controls = moved_pair
    rho = distances(moved, z, sbar, SMALL)
    c_mp, c_mr, c_ac, c_at = controls.T
    p, r, c, t = (np.asarray(rho[name]) for name in ("pitch", "rhythm", "chord", "texture"))
    expected = (c_mp * p + c_mr * r) + (c_ac * c + c_at * t)
    np.testing.assert_allclose(control_loss(rho, controls), expected, rtol=1e-5)


def test_without_controls_the_distance_is_that_of_both_sides_as_in_equation_4(moved_pair):
    moved, z, sbar, _ = moved_pair
    melody, accompaniment = slice(None, 7), slice(7, None)
    expected = sum((np.log(1 + (moved[:, own] - z[:, own]) ** 2) / sbar[own] ** 2).mean(1)
                   for own in (melody, accompaniment))
    rho = distances(moved, z, sbar, WHOLE)
    np.testing.assert_allclose(control_loss(rho, np.zeros((8, 0))), expected, rtol=1e-5)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_a_control_weighs_its_own_aspect_only(moved_pair, aspect):
    moved, z, sbar, _ = moved_pair
    controls = np.tile([float(name == aspect) for name in ASPECTS], (8, 1))

    def loss(moved, controls):
        return jnp.mean(control_loss(distances(moved, z, sbar, SMALL), controls))

    gradient = jax.grad(loss)(jnp.asarray(moved), controls)
    for name, part in split(gradient, SMALL).items():
        assert bool((part != 0).all()) == (name == aspect)
        assert bool((part != 0).any()) == (name == aspect)
    assert loss(moved, np.zeros((8, 4))) == 0


@pytest.mark.parametrize("model", [
    Actor(SMALL, 16, 1, 0.0, gated=True), lite_actor_critic.Actor({"pitch": 8, "rhythm": 8, "chord": 8, "texture": 8},
                                                                  16, 1)], ids=["paper", "lite"])
def test_a_gated_actor_moves_an_aspect_by_what_its_control_leaves_free(model):
    size = sum(model.aspects.values())
    z = RNG.normal(size=(8, size)).astype(np.float32)
    read = z if isinstance(model, Actor) else {
        "z": z, **{name: np.abs(RNG.normal(size=(8, 32, n))).astype(np.float32) for name, n in
                   (("lead", 12), ("lead_onsets", 12), ("leaps", 12), ("lead_states", 4), ("back", 12),
                    ("density", 1))}}
    controls = RNG.choice([0.0, 0.25, 1.0], size=(8, 4)).astype(np.float32)
    params = model.init(KEY, read, controls)
    free = model.clone(gated=False).apply(params, read, controls)
    moved = model.apply(params, read, controls)
    for column, (name, part) in enumerate(split(moved, model.aspects).items()):
        before, after = (split(x, model.aspects)[name] for x in (z, free))
        np.testing.assert_allclose(part - before, (1 - controls[:, [column]]) * (after - before), atol=1e-5)
        held = controls[:, column] == 1
        assert held.any()
        np.testing.assert_array_equal(part[held], before[held])
    assert np.abs(free - z).max() > 1e-3
    np.testing.assert_array_equal(objective.held(z, free, controls[:, :0], WHOLE | {"accompaniment": size - 7}), free)


def test_the_intervals_that_are_lost_are_those_of_the_decoded_melody(corpus):
    tokens = melody.without_carry(corpus.arrays["melody"][: 32 * 40].reshape(-1, 32))
    tokens = tokens[np.sum(tokens < melody.HOLD, 1) > 3]
    sure = 40.0 * (2.0 * np.eye(melody.VOCABULARY, dtype=np.float32) - 1)

    def lost(after):
        before, after = (soft_decode.melody(jnp.asarray(sure[x])) for x in (tokens, after))
        return np.asarray(objective.intervals_lost(before, after))

    np.testing.assert_allclose(lost(tokens), 0, atol=1e-5)
    np.testing.assert_allclose(lost(melody.transpose(tokens, 3)), 0, atol=1e-5)  # one key for another
    np.testing.assert_allclose(lost(np.full_like(tokens, melody.REST)), 1, atol=1e-5)
    one_note = tokens.copy()
    for row in one_note:
        row[np.flatnonzero(row < melody.HOLD)[1]] += 1
    onsets = np.sum(tokens < melody.HOLD, 1)
    np.testing.assert_allclose(lost(one_note), 2 / (onsets - 1), atol=1e-5)  # it has an interval on either side


def test_the_price_of_intervals_hangs_on_the_control_of_pitch_and_lambda():
    rng, still = np.random.default_rng(3), optax.sgd(0.0)
    batch = {name: rng.normal(size=(32, 18)).astype(np.float32) for name in ("real", "unrelated", "prior")}
    batch |= {"controls": rng.uniform(size=(32, 4)).astype(np.float32), "example_key": jax.random.split(KEY, 32)}
    frozen = {"sbar": np.full(18, 0.3, np.float32), "vaes": 1.0}

    def features(vaes, z):
        return Leaping(z)

    metrics = []
    for intervals in (0.0, 2.0):
        task = objective.task(
            actor=Wrapped(Actor(SMALL, 16, 1, 0.0)), critic=Wrapped(Critic(SMALL, 16, 1, 0.0)), features=features,
            decode=lambda vaes, z: {"z": z}, loss_weights={"real": 1.0, "raw": 1.0, "fake": 1.0}, prior=0.0,
            distance=0.5, critic_updates=1, actor_start=0, intervals=intervals,
            optimizer={"actor": still, "critic": still})
        state = task.init(KEY, batch, frozen)
        metrics.append(jax.jit(task.step)(state, batch, frozen, KEY)[1])
    assert "lost" not in metrics[0]
    z = batch["unrelated"]
    moved = Actor(SMALL, 16, 1, 0.0).apply({"params": state["params"]["actor"]}, z, batch["controls"])
    expected = np.mean(2.0 * batch["controls"][:, 0] * objective.intervals_lost(Leaping(z), Leaping(moved)))
    assert float(metrics[1]["lost"]) == pytest.approx(float(expected), rel=1e-4) and expected > 0
    assert float(metrics[1]["loss"] - metrics[0]["loss"]) == pytest.approx(0.5 * float(expected), rel=1e-3)


class Leaping(dict):
    """z, and intervals that hang on it: the least that counting lost intervals needs."""

    def __init__(self, z):
        super().__init__(z=z, leaps=jax.nn.softmax(z[:, None, :12]))


jax.tree_util.register_pytree_node(Leaping, lambda x: ((x["z"],), None), lambda _, z: Leaping(z[0]))


class Wrapped:
    """A network on z that is given decoded features."""

    def __init__(self, model):
        self.model, self.aspects = model, model.aspects

    def init(self, key, read, *more):
        return self.model.init(key, read["z"], *more)

    def apply(self, params, read, *more):
        return self.model.apply(params, read["z"], *more)


def test_the_task_is_equation_2_for_the_critic_and_equation_5_with_6_for_the_actor():
    actor, critic, rng = Actor(SMALL, 16, 1, 0.0), Critic(SMALL, 16, 1, 0.0), np.random.default_rng(2)
    weights, prior, distance = {"real": 0.5, "raw": 2.0, "fake": 0.1}, 1.0, 0.7
    still = optax.sgd(0.0)  # neither network learns, so that the losses can be told from the parameters
    task = objective.task(
        actor=actor, critic=critic, features=lambda vaes, z: vaes * z, decode=lambda vaes, z: {"z": z},
        loss_weights=weights, prior=prior, distance=distance, critic_updates=1, actor_start=0,
        optimizer={"actor": still, "critic": still})
    batch = {name: rng.normal(size=(32, 18)).astype(np.float32) for name in ("real", "unrelated", "prior")}
    batch |= {"controls": rng.uniform(size=(32, 4)).astype(np.float32), "example_key": jax.random.split(KEY, 32)}
    frozen = {"sbar": np.full(18, 0.3, np.float32), "vaes": 2.0}
    state = task.init(KEY, batch, frozen)
    after, metrics = jax.jit(task.step)(state, batch, frozen, KEY)

    z = negatives(batch, prior)
    moved = actor.apply({"params": after["params"]["actor"]}, 2 * z, batch["controls"])
    real, raw, fake = (critic.apply({"params": after["params"]["critic"]}, 2 * x) for x in (batch["real"], z, moved))
    np.testing.assert_allclose(metrics["critic"], critic_loss(real, raw, fake, weights=weights), rtol=1e-4)
    cost = control_loss(distances(moved, z, frozen["sbar"], SMALL), batch["controls"])
    expected = jnp.mean(losses.binary_cross_entropy(fake, 1.0)) + distance * jnp.mean(cost)
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-4)
    shown = task.generate(state["params"], batch, frozen, KEY)
    np.testing.assert_array_equal(shown["before"]["z"], batch["unrelated"])
