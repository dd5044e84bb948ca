import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import CONFIG

from musicfusion import launch
from musicfusion.latent.fusion import critic_loss
from musicfusion.latent.space import distances, split
from musicfusion.systems.collagenet.actor_critic import (
    ACCOMPANIMENT,
    ASPECTS,
    MELODY,
    Actor,
    Critic,
    control_loss,
    controlled,
    melody_size,
)

SMALL = {"pitch": 4, "rhythm": 3, "chord": 5, "texture": 6}
WHOLE = {"melody": 7, "accompaniment": 11}  # of VAEs that do not tell aspects apart
KEY = jax.random.key(0)
RNG = np.random.default_rng(1)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


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
    np.testing.assert_allclose(critic_loss(real, raw, fake, weights), expected, rtol=1e-5)


def test_the_paper_presets_weights_are_those_of_the_public_code_in_expectation():
    # It draws raw negatives once in eleven steps, and halves the real pairs' loss.
    weights = launch._load(f"{CONFIG}:paper").fusion.weights
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


@pytest.mark.parametrize(
    ("z_acc", "actor", "critic"), [(1536, 16_006_656, 11_283_457), (512, 12_858_880, 10_234_881)]
)
def test_the_published_sizes_have_the_published_parameter_counts(z_acc, actor, critic):
    aspects = {"pitch": 128, "rhythm": 128, "chord": z_acc // 2, "texture": z_acc // 2}
    z, controls = jnp.zeros((1, 256 + z_acc)), jnp.zeros((1, 4))
    assert count(jax.eval_shape(Actor(aspects).init, KEY, z, controls)) == actor
    assert count(jax.eval_shape(Critic(aspects).init, KEY, z)) == critic


def test_an_untrained_actor_moves_a_latent_by_less_than_five_percent():
    model = Actor({"pitch": 128, "rhythm": 128, "chord": 512, "texture": 1024})
    z = jax.random.normal(jax.random.key(3), (16, sum(model.aspects.values())))
    controls = jax.random.uniform(jax.random.key(4), (16, 4))

    @jax.jit
    def move(key):
        moved = model.apply(model.init(key, z, controls), z, controls)
        return jnp.linalg.norm(moved - z, axis=1) / jnp.linalg.norm(z, axis=1)

    share = move(KEY)
    assert share.max() < 0.05
    assert share.min() > 0  # yet the gate is not shut: it can learn


@pytest.mark.parametrize("aspects, knobs", [(SMALL, 4), (WHOLE, 0)], ids=["controls", "none"])
def test_rows_of_actor_and_critic_do_not_hear_of_each_other_and_every_input_is_heard(aspects, knobs):
    actor, critic = Actor(aspects, 32, 2, 0.5), Critic(aspects, 32, 2, 0.5)
    z, controls = RNG.normal(size=(4, 18)).astype(np.float32), RNG.uniform(size=(4, knobs)).astype(np.float32)
    keys = jax.random.split(KEY, 4)
    shapes = jax.eval_shape(lambda: (actor.init(KEY, z, controls), critic.init(KEY, z)))
    params = jax.tree.map(lambda s: RNG.normal(0, 0.3, s.shape).astype(np.float32), shapes)

    @jax.jit
    def run(z, controls):
        return actor.apply(params[0], z, controls, keys), critic.apply(params[1], z, keys)

    before = run(z, controls)
    assert before[0].shape == (4, 18) and before[1].shape == (4,)
    for column in range(18 + knobs):
        inputs = np.concatenate([z, controls], 1)
        inputs[0, column] += 1
        after = run(inputs[:, :18], inputs[:, 18:])
        for old, new, hears in zip(before, after, (True, column < 18), strict=True):
            assert (np.abs(new[0] - old[0]).max() > 1e-6) == hears
            np.testing.assert_allclose(new[1:], old[1:], rtol=1e-5, atol=1e-6)
