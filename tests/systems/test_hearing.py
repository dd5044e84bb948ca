import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import hearing, nets, segments

ROWS = 16
KEY = jax.random.key(2)
SURE = 40.0  # a logit that leaves no doubt


@pytest.fixture(scope="module")
def batch(corpus):
    starts, _ = segments.windows(corpus, micro_config(), "train", nets.SIDES)
    starts = starts[:: len(starts) // ROWS][:ROWS]
    return jax.device_get(segments.cut(corpus.arrays, starts, np.zeros_like(starts)))


def heard(batch):
    """What sure decoders of this very music would let the critic hear."""
    root = batch["chords"][..., 0]
    shift = jnp.repeat(jnp.where(root > 6, root - 12, root), 4, 1)[..., None]
    pitch = polyphony.transpose(batch["pitch"], batch["duration"], -shift)
    matrix = polyphony.duration_matrix(pitch, batch["duration"], jnp)
    vectors = chords.vectors(batch["chords"], jnp)
    tokens = jax.nn.one_hot(batch["melody"], melody.VOCABULARY)
    return {**hearing.lead(SURE * (2 * tokens - 1)),
            **hearing.back(SURE * (2 * (matrix > 0) - 1), SURE * (2 * vectors - 1)),
            "z": jnp.zeros((len(tokens), 8, 4))}


def transposed(batch, by):
    return {
        "melody": melody.transpose(batch["melody"], by),
        "pitch": polyphony.transpose(batch["pitch"], batch["duration"], by), "duration": batch["duration"],
        "chords": chords.transpose(batch["chords"], by),
    }


def test_sure_decoders_are_heard_as_the_notes_that_they_write(batch):
    sound = jax.device_get(jax.jit(heard)(batch))
    np.testing.assert_allclose(np.sum(sound["lead_onsets"], 1), statistics.melody_pitch_classes(batch["melody"]),
                               atol=1e-4)
    np.testing.assert_allclose(np.sum(sound["back"], 1), statistics.pitch_classes(batch["pitch"], batch["duration"]),
                               atol=1e-4)
    states = np.asarray(statistics.melody_states(batch["melody"]))
    sounding = np.sum(sound["lead"], -1)
    np.testing.assert_allclose(sounding, states != statistics.REST, atol=1e-4)  # held until a rest, no longer
    np.testing.assert_array_equal(np.argmax(sound["root"], -1), batch["chords"][..., 0])


def test_intervals_are_counted_upward_and_are_the_same_in_every_key(batch):
    c_e_g, e = np.eye(12)[[0, 4, 7]].sum(0), np.eye(12)[4]
    assert np.flatnonzero(hearing.intervals(e, c_e_g)).tolist() == [0, 3, 8]  # E, G a third above, C a sixth above
    here, there = heard(batch), heard(transposed(batch, 5))
    np.testing.assert_allclose(hearing.intervals(here["lead"], here["back"]),
                               hearing.intervals(there["lead"], there["back"]), atol=1e-4)
    assert np.abs(here["lead"] - there["lead"]).max() > 0.5


def test_the_critic_says_the_same_in_every_key_and_hears_a_melody_move_alone(batch):
    critic = hearing.Critic(16, 1)
    params = critic.init(KEY, heard(batch))
    logits = critic.apply(params, heard(batch))
    assert logits.shape == (ROWS,)
    np.testing.assert_allclose(critic.apply(params, heard(transposed(batch, 3))), logits, rtol=1e-3, atol=1e-4)
    alone = batch | {"melody": melody.transpose(batch["melody"], 1)}
    assert np.abs(critic.apply(params, heard(alone)) - logits).max() > 1e-3


def test_a_decoder_that_is_sure_still_has_a_gradient():
    logits = jnp.array([12.0, 0.0, 0.0])
    sharp = jax.grad(lambda x: jax.nn.softmax(x)[1])(logits)
    found, slope = jax.value_and_grad(lambda x: hearing._likely(jax.nn.softmax, x)[1])(logits)
    np.testing.assert_allclose(found, jax.nn.softmax(logits)[1], rtol=1e-3)
    assert slope[1] > 100 * sharp[1] and slope[0] < 0
