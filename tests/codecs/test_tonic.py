"""Melodies relative to their tonic, on soprano lines of real chorales."""

import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody, tonic

TONICS = tonic.Tonics(melody.LOWEST, melody.PITCHES)
WIDE = tonic.Tonics(0, melody.HOLD)  # every pitch that MIDI has
SIDE = 64


@pytest.fixture(scope="module")
def many(corpus) -> dict[str, np.ndarray]:
    """Both halves of eight bars, every fifth of them that has notes in either: symbols [n, 64] each."""
    tokens = corpus.arrays["melody"]
    starts = np.arange(0, len(tokens) - 2 * SIDE, 5 * SIDE)
    halves = melody.without_carry(tokens[starts[:, None] + np.arange(2 * SIDE)].reshape(-1, 2, SIDE))
    halves = halves[np.all(np.sum(halves < melody.HOLD, 2) > 4, 1)]
    return {name: melody.symbols(halves[:, side]) for side, name in enumerate(("left", "right"))}


def symbols(*pitches: int) -> np.ndarray:
    """A row of four quarters a bar, after it a rest."""
    held = [symbol for pitch in pitches for symbol in (pitch - melody.LOWEST, *[melody.PITCHES] * 3)]
    return np.array([held + [melody.PITCHES + 1] * 4])


def pitch_of_tonic(row: np.ndarray) -> int:
    return int(TONICS.find(row)[0]) + TONICS.first


def test_there_and_back_again(many):
    found = TONICS.find(many["left"])
    degrees = TONICS.relative(many["left"], found)
    assert degrees.min() >= 0 and degrees.max() < tonic.SYMBOLS
    np.testing.assert_array_equal(TONICS.absolute(degrees, found), many["left"])


@pytest.mark.parametrize("shift", [-5, -1, 2, 7])
def test_a_melody_in_another_key_looks_the_same_from_there(many, shift):
    row = many["left"]
    onset = row < melody.PITCHES
    inside = np.all(~onset | ((row + shift >= 0) & (row + shift < melody.PITCHES)), 1)
    assert inside.sum() > 20
    here, there = row[inside], np.where(onset, row + shift, row)[inside]
    own, moved = TONICS.find(here), TONICS.find(there)
    np.testing.assert_array_equal(moved - own, shift)
    np.testing.assert_array_equal(TONICS.relative(there, moved), TONICS.relative(here, own))


@pytest.mark.parametrize(("pitches", "pitch"), [
    ((60, 62, 64, 65, 67, 64, 62, 60), 60), ((72, 76, 79, 77, 74, 72), 72), ((67, 71, 74, 72, 69, 66, 67), 67),
    ((62, 66, 69, 67, 64, 61, 62), 62)])
def test_it_is_the_tonic_of_the_scale_near_the_notes(pitches, pitch):
    assert pitch_of_tonic(symbols(*pitches)) == pitch


def test_neighbouring_sides_of_a_song_mostly_share_their_tonic(many):
    distance = (np.asarray(TONICS.find(many["left"])) - np.asarray(TONICS.find(many["right"]))) % 12
    assert np.mean(distance == 0) > 0.5 and np.mean(np.isin(distance, (0, 5, 7))) > 0.7


def test_silence_has_a_tonic_too_and_what_leaves_the_range_comes_back_by_octaves():
    silence = np.full((1, 8), melody.PITCHES + 1)
    found = TONICS.find(silence)
    np.testing.assert_array_equal(TONICS.absolute(TONICS.relative(silence, found), found), silence)
    degrees = TONICS.relative(symbols(83), jnp.array([0]))
    assert int(degrees[0, 0]) == (83 - TONICS.first) % 12 + 12 + tonic.REACH
    assert int(TONICS.absolute(np.array([[tonic.REACH + 24]]), jnp.array([TONICS.count - 1]))[0, 0]) == 78 - 55


def test_tokens_of_any_pitch_are_counted_likewise_and_a_step_over_f_sharp_is_a_step(many):
    tokens = melody.from_symbols(many["left"])
    own, higher = WIDE.find(tokens), WIDE.find(melody.transpose(tokens, 1))
    np.testing.assert_array_equal(higher - own, 1)  # wherever the tonic lies
    np.testing.assert_array_equal(WIDE.absolute(WIDE.relative(tokens, own), own + 1), melody.transpose(tokens, 1))


@pytest.mark.parametrize(("pitch_class", "total", "count", "pitch"), [
    (6, 60, 1, 66), (7, 60, 1, 55), (0, 60, 1, 60), (11, 240, 4, 59), (6, 66 * 3, 3, 66), (7, 66 * 3, 3, 67)])
def test_of_a_class_the_nearest_pitch_is_taken(pitch_class, total, count, pitch):
    assert int(tonic.nearest(np.array(pitch_class), np.array(total), np.array(count))) == pitch
