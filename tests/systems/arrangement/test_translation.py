"""Whole songs out of overlapping crops, and sound out of mel-spectrograms."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import mel
from musicfusion.systems.arrangement import translation

SIDE = 32  # as of the networks in conftest.py


@pytest.fixture(scope="module")
def translator(trained, cyclegan):
    """Overlap -> a translator of what was trained."""
    name, _, state, _ = trained

    def create(overlap=8):
        return translation.translator(cyclegan(name).generator, state["params"]["generators"]["b"], length=SIDE,
                                      overlap=overlap, conditional=True)

    return create


@pytest.fixture(scope="module")
def translate(translator):
    return translator()


def noise(frames, seed=0):
    return np.clip(np.random.default_rng(seed).normal(-0.3, 0.4, (frames, SIDE)), -1, 1).astype(np.float32)


@pytest.mark.parametrize("length", [5, SIDE, SIDE + 1, 150])
def test_a_song_of_any_length_is_translated_to_its_own_length(translate, length):
    (found,) = translate([noise(length)], 0.5)
    assert found.shape == (length, SIDE) and np.abs(found).max() <= 1


def test_crops_are_joined_without_seams(translate, translator):
    """Where crops meet, a mel-spectrogram changes no more than between."""
    song = noise(20 * 24 + 8)
    (found,) = translate([song], 0.5)
    jump = np.abs(np.diff(found.mean(1)))
    borders = np.zeros(len(jump), bool)
    for k in range(1, 20):
        borders[k * 24 - 1 : k * 24 + 9] = True
    assert jump[borders].mean() < 1.5 * jump[~borders].mean()
    (hard,) = translator(overlap=0)([song[:480]], 0.5)
    cuts = np.abs(np.diff(hard.mean(1)))[SIDE - 1 :: SIDE]
    assert cuts.mean() > jump[borders].mean(), "which crops that do not overlap have"


def test_silence_for_a_whole_crop_stays_silence(translate):
    song = np.full((200, SIDE), -1.0, np.float32)
    song[:20] = 0.3
    (found,) = translate([song], 0.5)
    assert np.all(found[64:] == -1) and found[:20].max() > -1


def test_the_target_ends_with_its_source(translate):
    song = np.full((60, SIDE), -1.0, np.float32)
    song[4:40] = 0.3
    (found,) = translate([song], 0.5)
    assert np.all(found[48:] == -1) and found[4:40].max() > -1, "eight frames, over which crops overlap"
    assert found[40:48].max() <= 1 - 2 / 8


def test_a_song_is_translated_alike_alone_and_among_others(translate):
    songs = [noise(length, seed) for seed, length in enumerate((300, 40, 150))]
    for song, found in zip(songs, translate(songs, 0.3), strict=True):
        np.testing.assert_allclose(found, translate([song], 0.3)[0], atol=1e-6)  # batches differ


def test_songs_of_all_lengths_and_densities_share_one_compiled_program():
    traced = []

    class Generator(nn.Module):
        @nn.compact
        def __call__(self, x, condition=None):
            traced.append(x.shape)
            return x * self.param("gain", nn.initializers.ones, ()) + 0 * jnp.sum(condition)

    translate = translation.translator(Generator(), {"gain": jnp.ones(())}, length=SIDE, overlap=8, conditional=True)
    for lengths, density in (((40,), 0.5), ((300, 20), 0.1)):
        translate([noise(length) for length in lengths], density)
    assert traced == [(translation.BATCH, SIDE, SIDE, 1)]


def test_a_reconstructed_sound_has_the_length_that_is_asked_for_and_phases_of_its_seed():
    mels = np.full((40, SIDE), -1.0, np.float32)
    mels[5:30, 4] = 0.4
    one, again, other = (translation.reconstruct(mels, samples=20_000, seed=seed, iterations=4) for seed in (1, 1, 2))
    assert one.dtype == np.float32 and one.shape == (20_000,)
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)
    assert not translation.reconstruct(mels, samples=10**6, seed=1, iterations=4)[40 * mel.HOP + mel.WINDOW :].any()
