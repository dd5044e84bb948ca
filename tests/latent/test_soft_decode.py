"""Decoded music that can be heard has a gradient, and sounds as the notes do."""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.latent import soft_decode

SURE = 20.0


def test_a_decoder_that_is_sure_still_has_a_gradient():
    logits = jnp.array([12.0, 0.0, 0.0])
    sharp = jax.grad(lambda x: jax.nn.softmax(x)[1])(logits)
    found, slope = jax.value_and_grad(lambda x: soft_decode.straight_through(jax.nn.softmax, x)[1])(logits)
    np.testing.assert_allclose(found, jax.nn.softmax(logits)[1], rtol=1e-3)
    assert slope[1] > 100 * sharp[1] and slope[0] < 0


def test_the_melody_s_leaps_are_those_of_its_notes():
    tokens = np.full((1, 32), melody.HOLD)
    tokens[0, [0, 4, 8, 20]] = 60, 67, melody.REST, 55
    sound = soft_decode.melody(SURE * (2 * jax.nn.one_hot(tokens, melody.VOCABULARY) - 1))
    leap = np.asarray(sound["lead_states"])[0, :, -1]
    np.testing.assert_allclose(leap[[4, 20]], [7 / 12, -1.0], atol=1e-4)  # across the rest, an octave down
    np.testing.assert_allclose(np.delete(leap, [4, 20]), 0, atol=1e-4)  # the first note leaps from nowhere
    np.testing.assert_allclose(sound["leaps"][0, [4, 20]], np.eye(12)[[7, 0]], atol=1e-4)


def test_pitches_fold_into_their_classes_wherever_they_begin():
    for lowest, count in ((0, 128), (55, 30), (60, 12)):
        pitches = np.arange(lowest, lowest + count)
        folded = soft_decode.fold(jnp.eye(count), lowest)
        np.testing.assert_array_equal(np.argmax(folded, -1), pitches % 12)
        np.testing.assert_array_equal(np.sum(folded, -1), 1)


def test_fewer_pitches_sound_the_same():
    tokens = np.full((1, 64), melody.HOLD)
    tokens[0, [0, 3, 8, 30, 50]] = 60, 67, melody.REST, 55, 84
    wide = SURE * (2 * jax.nn.one_hot(tokens, melody.VOCABULARY) - 1)
    narrow = wide[..., np.r_[55:85, melody.HOLD, melody.REST]]
    for name, heard in soft_decode.melody(narrow, 55, height=True).items():
        np.testing.assert_allclose(heard, soft_decode.melody(wide, height=True)[name], atol=1e-4, err_msg=name)


def test_a_melody_sounds_the_same_from_whatever_pitch_it_is_counted():
    tokens = np.full((2, 64), melody.HOLD)
    tokens[:, [0, 3, 8, 30, 50]] = 60, 67, melody.REST, 55, 84
    heard = soft_decode.melody(SURE * (2 * jax.nn.one_hot(tokens, melody.VOCABULARY) - 1), height=True)
    base = np.array([62, 57])
    seen = np.where(tokens < melody.HOLD, tokens - base[:, None] + 30, tokens - melody.HOLD + 61)  # from 30 below
    framed = soft_decode.tonic_relative_melody(SURE * (2 * jax.nn.one_hot(seen, 63) - 1), -30,
                                SURE * (2 * jax.nn.one_hot(base - 50, 20) - 1), 50)
    assert set(framed) == set(heard)
    for name, sound in framed.items():
        np.testing.assert_allclose(sound, heard[name], atol=1e-4, err_msg=name)


def test_a_frame_that_is_unsure_lets_every_note_be_heard_from_both():
    seen = SURE * (2 * jax.nn.one_hot(np.full((1, 4), 2), 7) - 1)  # the third of five pitches
    sound = soft_decode.tonic_relative_melody(seen, 0, jnp.array([[SURE, SURE, -SURE]]), 60)
    np.testing.assert_allclose(sound["lead"][0, 0, [2, 3]], 0.5, atol=1e-3)
    np.testing.assert_allclose(sound["height"][0, 0], [2.5 / 12, 1.0], atol=1e-3)
