"""The lite VAE, on soprano lines of real chorales."""

import jax
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.systems.connective_fusion.lite import TONICS, MelodyVAE

KEY = jax.random.key(3)
MODEL = MelodyVAE(width=32, depth=1, latent=32)


@pytest.fixture(scope="module")
def learned(learn):
    return learn(MODEL, 150)


def test_z_tells_the_decoder_which_side_it_was_and_actor_and_critic_what_it_decodes_to(learned, sides):
    batch = {"melody": sides["left"]}
    z, _ = MODEL.apply({"params": learned}, batch, method="encode")

    def nats(z):
        return np.mean(MODEL.apply({"params": learned}, z, batch, KEY, 1.0, method="losses")["symbols"])

    assert nats(z) < 40 and nats(np.roll(z, 1, 0)) > nats(z) + 20, "64 symbols of 32 are 222 nats"
    decoded = MODEL.apply({"params": learned}, z, method="decode")["melody"]
    assert np.mean(decoded == batch["melody"]) > 0.95
    tokens = melody.from_symbols(decoded)
    onset = tokens < melody.HOLD
    features = MODEL.apply({"params": learned}, z, method="decoded_features")["lead_onsets"]
    assert np.mean((np.sum(features, -1) > 0.5) == onset) > 0.95
    assert np.mean(np.argmax(np.asarray(features)[onset], -1) == tokens[onset] % 12) > 0.95


def test_posteriors_have_a_spread_and_the_size_that_is_asked_for(learned, sides):
    mean, std = MODEL.apply({"params": learned}, {"melody": sides["right"]}, method="encode")
    assert mean.shape == std.shape == (len(sides["right"]), 32) and np.all(std > 0)


def test_a_melody_counted_from_beside_its_tonic_is_the_same_music(sides):
    offset = np.arange(len(sides["left"])) % 12 - 6
    model = MODEL.bind({})
    moved, degrees = model._relative({"melody": sides["left"], "tonic_offset": offset})
    own, canonical = model._relative({"melody": sides["left"]})
    np.testing.assert_array_equal(moved - own, offset)
    np.testing.assert_array_equal(TONICS.absolute(degrees, moved), sides["left"])
    assert np.mean(np.any(degrees != canonical, 1)) > 0.8
