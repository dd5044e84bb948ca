"""pix2pix, which learns from pairs."""

import numpy as np
import pytest

from musicfusion.systems.arrangement import pix2pix


@pytest.mark.parametrize("networks", ["frames", "images"])
def test_from_pairs_a_translation_comes_close_to_the_true_target(networks, cyclegan, optimizer, train):
    networks = cyclegan(networks)
    model = pix2pix.Pix2pix(generator=networks.generator, discriminator=networks.discriminator, l1=100.0, density=5.0)
    _, state, found = train(pix2pix.task(model, optimizer), 60)
    assert np.mean([row["mel_l1"] for row in found[-10:]]) < 0.5 * found[0]["mel_l1"]
    assert set(state["params"]["generators"]) == set(state["params"]["discriminators"]) == {"b"}
    assert {"loss", "mel_l1", "generator_b", "discriminator_b"} == set(found[0])
