"""Mel-spectrograms against librosa's, and the way back to sound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import mel
from musicfusion.codecs.score import Score, from_notes
from musicfusion.render import audio

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def music():
    """Eight seconds of a chord progression with drums, float32 [n]."""
    chords = [(4 * k, 4, pitch) for k, root in enumerate((48, 53, 55, 48)) for pitch in (root, root + 7, root + 16)]
    drums = [(2 * k, 1, 36 if k % 2 == 0 else 42) for k in range(16)]
    piano = from_notes("piano", 0, np.array([(4 * a, 4 * b, p) for a, b, p in chords]))
    kit = from_notes("drums", 0, np.array([(2 * a, 2 * b, p) for a, b, p in drums]))
    kit = type(kit)("drums", 0, True, kit.notes)
    score = Score((piano, kit), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "music")
    return audio.synthesise(score, mel.RATE).samples[: 8 * mel.RATE // mel.HOP * mel.HOP]


@pytest.mark.parametrize("bands", [128, 256])
def test_filters_are_librosa_s(bands):
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=mel.RATE, n_fft=mel.WINDOW, n_mels=bands, htk=True, norm=None).T
    np.testing.assert_allclose(mel.filterbank(bands), theirs, atol=2e-5)


def test_spectra_are_librosa_s(music):
    librosa = pytest.importorskip("librosa")
    theirs = librosa.stft(music, n_fft=mel.WINDOW, hop_length=mel.HOP, pad_mode="constant").T
    ours = mel.stft(jnp.asarray(music))
    assert ours.shape == theirs.shape == (mel.frames(len(music)), mel.BINS)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    power = librosa.feature.melspectrogram(y=music, sr=mel.RATE, n_fft=mel.WINDOW, hop_length=mel.HOP, n_mels=128,
                                           htk=True, norm=None, pad_mode="constant").T
    decibels = np.clip(10 * np.log10(np.maximum(power, 1e-10)), mel.LOW, mel.HIGH)
    shown = (np.asarray(mel.spectrogram(jnp.asarray(music), 128)) + 1) / 2 * (mel.HIGH - mel.LOW) + mel.LOW
    np.testing.assert_allclose(shown, decibels, atol=0.05)


def test_the_inverse_transform_restores_the_sound(music):
    np.testing.assert_allclose(mel.istft(mel.stft(jnp.asarray(music))), music, atol=1e-4)
    noise = RNG.normal(size=20 * mel.HOP).astype(np.float32)
    np.testing.assert_allclose(mel.istft(mel.stft(jnp.asarray(noise))), noise, atol=1e-3)


def test_an_inverted_filterbank_gives_a_spectrum_with_that_mel_power(music):
    power = jnp.abs(mel.stft(jnp.asarray(music))) ** 2
    wanted = power @ mel.filterbank(128)
    found = mel.invert_filterbank(wanted)
    assert float(found.min()) >= 0
    audible = wanted > 1e-4
    error = 10 * jnp.abs(jnp.log10(jnp.maximum(found @ mel.filterbank(128), 1e-10) / jnp.maximum(wanted, 1e-10)))
    assert float(jnp.mean(error[audible])) < 0.3


@pytest.mark.parametrize("bands", [128, 256])
def test_a_mel_spectrogram_turned_into_sound_and_back_is_within_1_5_db(music, bands):
    shown = mel.spectrogram(jnp.asarray(music), bands)
    again = mel.spectrogram(mel.reconstruct(shown, jax.random.key(0)), bands)
    difference = jnp.abs(again - shown) / 2 * (mel.HIGH - mel.LOW)
    assert float(jnp.mean(difference)) < 1.5


def test_silence_stays_silence():
    quiet = mel.spectrogram(jnp.zeros(40 * mel.HOP), 128)
    assert float(quiet.max()) == -1
    assert float(jnp.max(jnp.abs(mel.reconstruct(quiet, jax.random.key(0))))) == 0


def test_quantising_costs_half_a_step_at_most(music):
    shown = np.asarray(mel.spectrogram(jnp.asarray(music), 128))
    kept = mel.quantised(shown)
    assert kept.dtype == np.uint8 and kept.max() > 200 and kept.min() == 0
    np.testing.assert_allclose(mel.restored(kept), shown, atol=0.5 / 127.5 + 1e-6)
