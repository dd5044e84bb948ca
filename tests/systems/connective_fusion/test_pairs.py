"""Pairs of sides and their latent, for every VAE and every actor that goes with it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config, variant

from musicfusion.latent import vae
from musicfusion.systems.connective_fusion import system

COUNT = 16
KEY = jax.random.key(3)


@pytest.mark.parametrize("preset, players", [("quick", "lite"), ("quick", "perceptron"), ("paper", "perceptron")])
def test_eight_bars_go_to_z_and_back_left_and_right_in_their_places(preset, players, sides):
    config = micro_config("connective_fusion")
    if preset == "paper":
        config.melody_vae = variant("connective_fusion", "paper").melody_vae
        config.melody_vae.size.hidden = 32
    if players == "perceptron":
        config.fusion = variant("connective_fusion", "paper").fusion
    networks = system.build(config)
    pair_vae, actor, critic = networks.pair_vae, networks.actor, networks.critic
    params = vae.init(pair_vae.side, KEY, {"melody": sides["left"]})
    mean, std = pair_vae.encode(params, sides)
    assert mean.shape == std.shape == (COUNT, 128) and pair_vae.latent == 64
    again, _ = pair_vae.encode(params, {"left": sides["right"], "right": sides["left"]})
    np.testing.assert_allclose(np.roll(again, 64, 1), mean, rtol=1e-4, atol=1e-5)
    decoded, swapped = pair_vae.decode(params, mean), pair_vae.decode(params, again)
    np.testing.assert_array_equal(decoded["left"], swapped["right"])
    read = networks.features(params, mean)
    style = jnp.full((COUNT, config.fusion.style), 0.5)
    moved = actor.apply(actor.init(KEY, read, style), read, style)
    assert moved.shape == mean.shape and critic.apply(critic.init(KEY, read), read).shape == (COUNT,)
