"""The harmony of windows, by music whose notes are known."""

import jax.numpy as jnp
import numpy as np

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.musae.harmony import MIDDLE, SPREAD, harmony_of, no_harmony

PITCHED = jnp.array([False, True, True, True])
BARS, PARTS = 2, 4  # half a bar in each part


def window():
    """A C in the bass for three beats, an E above it for one; drums all along."""
    tokens = np.full((1, 32, 4), REST)
    tokens[0, :, 0] = 36
    tokens[0, :12, 1] = HOLD
    tokens[0, 0, 1] = 48
    tokens[0, 4:8, 2] = HOLD
    tokens[0, 4, 2] = 64
    return tokens


def read(tokens):
    """Pitch classes by beat, [8, 12]; heights by part [4, 4]; the last number of each part."""
    found = np.asarray(harmony_of(jnp.asarray(tokens), PITCHED, PARTS))[0]
    return found[:, :24].reshape(8, 12), found[:, 24:28], found[:, 28]


def test_pitch_classes_are_those_that_sound_in_each_beat_and_drums_have_none():
    classes, *_ = read(window())
    assert [np.flatnonzero(beat).tolist() for beat in classes] == [[0], [0, 4], [0], [], [], [], [], []]


def test_heights_are_the_mean_pitches_of_the_tracks_that_sound():
    _, height, _ = read(window())
    expected = np.zeros((4, 4))
    expected[:2, 1], expected[0, 2] = (48 - MIDDLE) / SPREAD, (64 - MIDDLE) / SPREAD
    np.testing.assert_allclose(height, expected, atol=1e-6)


def test_the_rhythm_of_notes_that_sound_on_makes_no_difference():
    again = window()
    again[0, [2, 5, 7], 1] = 48
    np.testing.assert_array_equal(harmony_of(jnp.asarray(again), PITCHED, PARTS),
                                  harmony_of(jnp.asarray(window()), PITCHED, PARTS))


def test_silence_is_a_harmony_but_none_is_another_thing():
    silent = np.asarray(harmony_of(jnp.full((3, 32, 4), REST), PITCHED, PARTS))
    none = no_harmony(3, BARS, PARTS)
    assert silent.shape == none.shape == (3, PARTS, 29)
    assert not none.any() and np.all(silent[..., -1] == 1) and not silent[..., :-1].any()
