"""The paper's generator and discriminator: what they are made of."""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.systems.connective_fusion import actor_critic, pairs

KEY = jax.random.key(3)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def test_both_have_five_layers_and_read_all_that_they_are_given():
    z, style = jnp.ones((2, 128)), jnp.ones((2, 4))
    parts = pairs.parts(64)
    actor = jax.eval_shape(actor_critic.Actor(parts).init, KEY, z, style)["params"]
    critic = jax.eval_shape(actor_critic.Critic(parts).init, KEY, z)["params"]
    hidden = 1024
    between = 3 * (hidden**2 + hidden)
    assert count(actor) == (132 * hidden + hidden) + between + (hidden * 256 + 256), "gate and change of 128 each"
    assert count(critic) == (128 * hidden + hidden) + between + (hidden + 1)
    matrices = [leaf for leaf in jax.tree.leaves(actor) if leaf.ndim == 2]
    assert sum(leaf.shape[1] for leaf in matrices) == 4 * hidden + 256


def test_they_read_z_itself():
    z = jnp.ones((2, 128))
    assert actor_critic.features({}, z) is z
