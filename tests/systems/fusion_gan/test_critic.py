"""FusionGAN's critic: its convolutions and the gradient penalty."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import variant

from musicfusion.systems.fusion_gan.critic import Critic, gradient_penalty

KEY = jax.random.key(0)
LENGTH, SYMBOLS = 8, 5
CRITIC = Critic((1, 2, 3), (8, 8, 8), 4, SYMBOLS)


def test_filters_are_convolutions():
    critic = Critic((3,), (4,), 2, SYMBOLS)
    symbols = jax.random.randint(KEY, (2, LENGTH), 0, SYMBOLS)
    params = critic.init(KEY, symbols)["params"]
    embedded = np.asarray(params["embedding"])[np.asarray(symbols)]
    kernel = np.asarray(params["layers_0"]["kernel"]).reshape(3, 2, 4)
    by_hand = np.stack([np.einsum("bje,jef->bf", embedded[:, t : t + 3], kernel) for t in range(LENGTH - 2)], 1)
    x = np.maximum(by_hand, 0).max(1)
    gate = 1 / (1 + np.exp(-x @ np.asarray(params["gate"]["kernel"])))
    x = gate * np.maximum(x @ np.asarray(params["change"]["kernel"]), 0) + (1 - gate) * x
    np.testing.assert_allclose(critic.apply({"params": params}, symbols), (x @ params["score"]["kernel"])[:, 0],
                               rtol=1e-4, atol=1e-5)


def test_the_gradient_penalty_of_a_flat_critic_is_one():
    symbols = jax.random.randint(KEY, (4, LENGTH), 0, SYMBOLS)
    params = CRITIC.init(KEY, symbols)["params"]
    flat = params | {"score": jax.tree.map(jnp.zeros_like, params["score"])}
    share = jnp.linspace(0, 1, 4)
    np.testing.assert_allclose(gradient_penalty(CRITIC, flat, symbols, symbols[::-1], share), 1.0, atol=1e-4)
    assert float(jnp.mean(gradient_penalty(CRITIC, params, symbols, symbols[::-1], share))) != pytest.approx(1.0)


def test_larger_embeddings_with_smaller_filters_have_the_same_penalty():
    """The same function of symbols, with larger embeddings and smaller filters, is as steep."""
    symbols = jax.random.randint(KEY, (4, LENGTH), 0, SYMBOLS)
    params = CRITIC.init(KEY, symbols)["params"]
    grown = params | {"embedding": 10 * params["embedding"]} | {
        f"layers_{k}": params[f"layers_{k}"] | {"kernel": params[f"layers_{k}"]["kernel"] / 10} for k in range(3)}
    share = jnp.linspace(0, 1, 4)
    np.testing.assert_allclose(CRITIC.apply({"params": params}, symbols), CRITIC.apply({"params": grown}, symbols),
                               rtol=1e-4)
    np.testing.assert_allclose(gradient_penalty(CRITIC, params, symbols, symbols[::-1], share),
                               gradient_penalty(CRITIC, grown, symbols, symbols[::-1], share), rtol=1e-3)


def test_the_published_size():
    """6.73 million numbers with 100 symbols; the public code's two classes are one score here."""
    size = variant("fusion_gan", "paper").critic
    critic = Critic(size.widths, size.filters, size.embedding, 100)
    shapes = jax.eval_shape(critic.init, KEY, jnp.zeros((1, 36), jnp.int32))["params"]
    assert sum(x.size for x in jax.tree.leaves(shapes)) == pytest.approx(6_731_802, rel=1e-3)
