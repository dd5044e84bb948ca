import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.systems.collagenet.actor_critic import Actor, Critic

SMALL = {"pitch": 4, "rhythm": 3, "chord": 5, "texture": 6}
WHOLE = {"melody": 7, "accompaniment": 11}  # of VAEs that do not tell aspects apart
KEY = jax.random.key(0)
RNG = np.random.default_rng(1)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


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


@pytest.mark.parametrize("aspects, columns", [(SMALL, 4), (WHOLE, 0)], ids=["controls", "none"])
def test_examples_do_not_influence_each_other_and_every_input_counts(aspects, columns):
    actor, critic = Actor(aspects, 32, 2, 0.5), Critic(aspects, 32, 2, 0.5)
    z, controls = RNG.normal(size=(4, 18)).astype(np.float32), RNG.uniform(size=(4, columns)).astype(np.float32)
    keys = jax.random.split(KEY, 4)
    shapes = jax.eval_shape(lambda: (actor.init(KEY, z, controls), critic.init(KEY, z)))
    params = jax.tree.map(lambda s: RNG.normal(0, 0.3, s.shape).astype(np.float32), shapes)

    @jax.jit
    def run(z, controls):
        return actor.apply(params[0], z, controls, keys), critic.apply(params[1], z, keys)

    before = run(z, controls)
    assert before[0].shape == (4, 18) and before[1].shape == (4,)
    for column in range(18 + columns):
        inputs = np.concatenate([z, controls], 1)
        inputs[0, column] += 1
        after = run(inputs[:, :18], inputs[:, 18:])
        for old, new, depends in zip(before, after, (True, column < 18), strict=True):
            assert (np.abs(new[0] - old[0]).max() > 1e-6) == depends
            np.testing.assert_allclose(new[1:], old[1:], rtol=1e-5, atol=1e-6)
