"""The paper's VAE, on soprano lines of real chorales."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.latent import vae
from musicfusion.systems.connective_fusion.lstm_vae import LSTMVAE, START

KEY = jax.random.key(3)
MODEL = LSTMVAE(hidden=64, latent=32)


@pytest.fixture(scope="module")
def learned(learn):
    return learn(MODEL, 250)


def test_z_tells_the_decoder_which_side_it_was(learned, sides):
    batch = {"melody": sides["left"]}
    z, _ = MODEL.apply({"params": learned}, batch, method="encode")

    def nats(z):
        return np.mean(MODEL.apply({"params": learned}, z, batch, KEY, 1.0, method="losses")["symbols"])

    assert nats(z) < 40 and nats(np.roll(z, 1, 0)) > nats(z) + 20, "64 symbols of 32 are 222 nats"


def test_posteriors_have_a_spread_and_the_size_that_is_asked_for(learned, sides):
    mean, std = MODEL.apply({"params": learned}, {"melody": sides["right"]}, method="encode")
    assert mean.shape == std.shape == (len(sides["right"]), 32) and np.all(std > 0)


def test_word_dropout_hides_what_is_fed_and_no_symbol_is_the_start(sides):
    batch = {"melody": sides["left"]}
    params = vae.init(MODEL, KEY, batch)
    z = jnp.zeros((len(sides["left"]), 32))

    def nats(shown):
        return np.asarray(MODEL.apply({"params": params}, z, batch, KEY, shown, method="losses")["symbols"])

    assert np.all(nats(1.0) != nats(0.0)) and np.all(nats(0.0) != nats(0.5))
    assert MODEL.teacher(0.0) == MODEL.teacher(1.0) == 0.7
    assert sides["left"].max() < START == melody.SYMBOLS


def test_a_symbol_that_is_shown_changes_what_is_said_of_those_behind_it_and_a_hidden_one_does_not(sides):
    params = vae.init(MODEL, KEY, {"melody": sides["left"]})
    z = jax.random.normal(KEY, (len(sides["left"]), 32))
    swapped = sides["left"].copy()
    swapped[:, 0] = (swapped[:, 0] + 1) % melody.PITCHES

    def behind(shown):
        """Nats of everything but the first symbol, with either first symbol."""
        run = jax.jit(lambda fed: MODEL.apply({"params": params}, z, fed, method=LSTMVAE._write))
        fed = [np.where(shown, x, START) for x in (sides["left"], swapped)]
        return [np.asarray(run(x))[:, 1:] for x in fed]

    assert np.abs(np.subtract(*behind(True))).max() > 1e-3
    assert np.abs(np.subtract(*behind(False))).max() == 0
