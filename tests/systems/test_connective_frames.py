"""Melodies in the frame of their key, on soprano lines of real chorales."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.data import tunes
from musicfusion.systems.connective_fusion import frames, windows


@pytest.fixture(scope="module")
def sides() -> dict[str, np.ndarray]:
    corpus = tunes.read("chorales", limit=100)
    table = windows.windows(corpus, "train-1", 0)
    starts = table["start"][::5]
    found = windows.cut({"melody": jnp.asarray(corpus.arrays["melody"])}, starts, np.zeros_like(starts))
    return jax.device_get(found)


def symbols(*pitches: int) -> np.ndarray:
    """A row of four quarters a bar, after it a rest."""
    held = [symbol for pitch in pitches for symbol in (pitch - melody.LOWEST, *[melody.PITCHES] * 3)]
    return np.array([held + [melody.PITCHES + 1] * 4])


def found(row: np.ndarray) -> int:
    return int(frames.find(row)[0]) + frames.LOWEST


def test_there_and_back_again(sides):
    frame = frames.find(sides["left"])
    seen = frames.relative(sides["left"], frame)
    assert seen.min() >= 0 and seen.max() < frames.SYMBOLS
    np.testing.assert_array_equal(frames.absolute(seen, frame), sides["left"])


@pytest.mark.parametrize("shift", [-5, -1, 2, 7])
def test_a_melody_in_another_key_looks_the_same_from_there(sides, shift):
    row = sides["left"]
    onset = row < melody.PITCHES
    inside = np.all(~onset | ((row + shift >= 0) & (row + shift < melody.PITCHES)), 1)
    assert inside.sum() > 20
    here, there = row[inside], np.where(onset, row + shift, row)[inside]
    frame, moved = frames.find(here), frames.find(there)
    np.testing.assert_array_equal(moved - frame, shift)
    np.testing.assert_array_equal(frames.relative(there, moved), frames.relative(here, frame))


@pytest.mark.parametrize(("pitches", "frame"), [
    ((60, 62, 64, 65, 67, 64, 62, 60), 60), ((72, 76, 79, 77, 74, 72), 72), ((67, 71, 74, 72, 69, 66, 67), 67),
    ((62, 66, 69, 67, 64, 61, 62), 62)])
def test_the_frame_is_the_tonic_of_the_scale_near_the_notes(pitches, frame):
    assert found(symbols(*pitches)) == frame


def test_neighbouring_sides_of_a_song_mostly_share_their_tonic(sides):
    apart = (np.asarray(frames.find(sides["left"])) - np.asarray(frames.find(sides["right"]))) % 12
    assert np.mean(apart == 0) > 0.5 and np.mean(np.isin(apart, (0, 5, 7))) > 0.8


def test_silence_has_a_frame_too_and_what_leaves_the_range_comes_back_by_octaves():
    silence = np.full((1, 8), melody.PITCHES + 1)
    frame = frames.find(silence)
    np.testing.assert_array_equal(frames.absolute(frames.relative(silence, frame), frame), silence)
    seen = frames.relative(symbols(83), jnp.array([0]))
    assert int(seen[0, 0]) == (83 - frames.LOWEST) % 12 + 12 + frames.REACH
    assert int(frames.absolute(np.array([[frames.REACH + 24]]), jnp.array([frames.FRAMES - 1]))[0, 0]) == 78 - 55
