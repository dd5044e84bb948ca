"""Melodies relative to their tonic, on soprano lines of real chorales."""

import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.systems.connective_fusion import dataset, tonic


@pytest.fixture(scope="module")
def many(sopranos) -> dict[str, np.ndarray]:
    """Both sides of every fifth window."""
    starts = dataset.windows(sopranos, "train-1", 0)["start"][::5]
    found = dataset.cut({"melody": jnp.asarray(sopranos.arrays["melody"])}, starts, np.zeros_like(starts))
    return {name: np.asarray(x) for name, x in found.items()}


def symbols(*pitches: int) -> np.ndarray:
    """A row of four quarters a bar, after it a rest."""
    held = [symbol for pitch in pitches for symbol in (pitch - melody.LOWEST, *[melody.PITCHES] * 3)]
    return np.array([held + [melody.PITCHES + 1] * 4])


def pitch_of_tonic(row: np.ndarray) -> int:
    return int(tonic.find(row)[0]) + tonic.LOWEST


def test_there_and_back_again(many):
    found = tonic.find(many["left"])
    degrees = tonic.relative(many["left"], found)
    assert degrees.min() >= 0 and degrees.max() < tonic.SYMBOLS
    np.testing.assert_array_equal(tonic.absolute(degrees, found), many["left"])


@pytest.mark.parametrize("shift", [-5, -1, 2, 7])
def test_a_melody_in_another_key_looks_the_same_from_there(many, shift):
    row = many["left"]
    onset = row < melody.PITCHES
    inside = np.all(~onset | ((row + shift >= 0) & (row + shift < melody.PITCHES)), 1)
    assert inside.sum() > 20
    here, there = row[inside], np.where(onset, row + shift, row)[inside]
    own, moved = tonic.find(here), tonic.find(there)
    np.testing.assert_array_equal(moved - own, shift)
    np.testing.assert_array_equal(tonic.relative(there, moved), tonic.relative(here, own))


@pytest.mark.parametrize(("pitches", "pitch"), [
    ((60, 62, 64, 65, 67, 64, 62, 60), 60), ((72, 76, 79, 77, 74, 72), 72), ((67, 71, 74, 72, 69, 66, 67), 67),
    ((62, 66, 69, 67, 64, 61, 62), 62)])
def test_it_is_the_tonic_of_the_scale_near_the_notes(pitches, pitch):
    assert pitch_of_tonic(symbols(*pitches)) == pitch


def test_neighbouring_sides_of_a_song_mostly_share_their_tonic(many):
    distance = (np.asarray(tonic.find(many["left"])) - np.asarray(tonic.find(many["right"]))) % 12
    assert np.mean(distance == 0) > 0.5 and np.mean(np.isin(distance, (0, 5, 7))) > 0.8


def test_silence_has_a_tonic_too_and_what_leaves_the_range_comes_back_by_octaves():
    silence = np.full((1, 8), melody.PITCHES + 1)
    found = tonic.find(silence)
    np.testing.assert_array_equal(tonic.absolute(tonic.relative(silence, found), found), silence)
    degrees = tonic.relative(symbols(83), jnp.array([0]))
    assert int(degrees[0, 0]) == (83 - tonic.LOWEST) % 12 + 12 + tonic.REACH
    assert int(tonic.absolute(np.array([[tonic.REACH + 24]]), jnp.array([tonic.TONICS - 1]))[0, 0]) == 78 - 55
