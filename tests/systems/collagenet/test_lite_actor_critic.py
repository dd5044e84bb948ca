import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.latent import soft_decode
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import dataset, lite_actor_critic
from musicfusion.systems.collagenet.lite_actor_critic import Actor, Critic

EXAMPLES = 16
KEY = jax.random.key(2)
SURE = 40.0  # a logit that leaves no doubt
ASPECTS = {"pitch": 16, "rhythm": 8, "chord": 16, "texture": 24}
Z = jax.random.normal(KEY, (EXAMPLES, 64))


@pytest.fixture(scope="module")
def batch(corpus):
    starts, _ = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0).windows(corpus, "train")
    starts = starts[:: len(starts) // EXAMPLES][:EXAMPLES]
    return jax.device_get(dataset.cut(corpus.arrays, starts, np.zeros_like(starts)))


@jax.jit
def decoded(batch):
    """The decoded features of this very music, from decoders that have no doubt."""
    root = batch["chords"][..., 0]
    shift = jnp.repeat(jnp.where(root > 6, root - 12, root), 4, 1)[..., None]
    pitch = polyphony.transpose(batch["pitch"], batch["duration"], -shift)
    matrix = polyphony.duration_matrix(pitch, batch["duration"], jnp)
    vectors = chords.vectors(batch["chords"], jnp)
    tokens = jax.nn.one_hot(batch["melody"], melody.VOCABULARY)
    return {**soft_decode.melody(SURE * (2 * tokens - 1)),
            **lite_actor_critic.accompaniment(SURE * (2 * (matrix > 0) - 1), SURE * (2 * vectors - 1)),
            "z": Z[: len(tokens)]}


def transposed(batch, by):
    return {
        "melody": melody.transpose(batch["melody"], by),
        "pitch": polyphony.transpose(batch["pitch"], batch["duration"], by), "duration": batch["duration"],
        "chords": chords.transpose(batch["chords"], by),
    }


def initialised(model, *inputs):
    """Its parameters, and its compiled apply."""
    return jax.jit(model.init)(KEY, *inputs), jax.jit(model.apply)


def test_features_of_sure_decoders_are_the_notes_that_they_write(batch):
    features = jax.device_get(decoded(batch))
    np.testing.assert_allclose(np.sum(features["lead_onsets"], 1), statistics.melody_pitch_classes(batch["melody"]),
                               atol=1e-4)
    np.testing.assert_allclose(np.sum(features["back"], 1), statistics.pitch_classes(batch["pitch"], batch["duration"]),
                               atol=1e-4)
    states = np.asarray(statistics.melody_states(batch["melody"]))
    sounding = np.sum(features["lead"], -1)
    np.testing.assert_allclose(sounding, states != statistics.REST, atol=1e-4)  # held until a rest, no longer
    np.testing.assert_array_equal(np.argmax(features["root"], -1), batch["chords"][..., 0])


def test_intervals_are_counted_upward_and_are_the_same_in_every_key(batch):
    c_e_g, e = np.eye(12)[[0, 4, 7]].sum(0), np.eye(12)[4]
    assert np.flatnonzero(soft_decode.intervals(e, c_e_g)).tolist() == [0, 3, 8]  # E, G a third above, C a sixth above
    here, there = decoded(batch), decoded(transposed(batch, 5))
    np.testing.assert_allclose(soft_decode.intervals(here["lead"], here["back"]),
                               soft_decode.intervals(there["lead"], there["back"]), atol=1e-4)
    assert np.abs(here["lead"] - there["lead"]).max() > 0.5


def test_the_critics_logit_is_the_same_in_every_key_but_not_when_the_melody_moves_alone(batch):
    params, apply = initialised(Critic(ASPECTS, 16, 1), decoded(batch))
    logits = apply(params, decoded(batch))
    assert logits.shape == (EXAMPLES,)
    np.testing.assert_allclose(apply(params, decoded(transposed(batch, 3))), logits, rtol=1e-3, atol=1e-4)
    alone = batch | {"melody": melody.transpose(batch["melody"], 1)}
    assert np.abs(apply(params, decoded(alone)) - logits).max() > 1e-3


def test_each_beat_gets_its_own_part_of_every_aspect():
    z = np.arange(64.0)[None]
    beats = lite_actor_critic.by_beat(jnp.asarray(z), ASPECTS)
    assert beats.shape == (1, 8, 8)
    # the second beat: 2 of 16 pitch, 1 of 8 rhythm, 2 of 16 chord, 3 of 24 texture
    assert beats[0, 1].tolist() == [2, 3, 17, 26, 27, 43, 44, 45]
    np.testing.assert_array_equal(lite_actor_critic.from_beats(beats, ASPECTS), z)


def test_an_untrained_actor_reads_everything_and_moves_little(batch):
    features, controls = decoded(batch), jnp.full((EXAMPLES, 4), 0.5)
    params, apply = initialised(Actor(ASPECTS, 16, 1), features, controls)
    moved = apply(params, features, controls)
    assert 0 < np.linalg.norm(moved - features["z"]) < 0.2 * np.linalg.norm(features["z"])

    def influence(features, controls):
        return jnp.sum(jnp.abs(apply(params, features, controls)[:, :2]))  # the first beat's pitch

    by_features, by_controls = jax.jit(jax.grad(influence, (0, 1)))(features, controls)
    assert np.all(np.abs(by_controls) > 0)
    for name, slope in by_features.items():
        assert np.any(slope[:, -1] != 0), name  # of what lies at the end, too


def test_actor_and_critic_treat_each_example_by_itself(batch):
    features, controls = decoded(batch), jnp.full((EXAMPLES, 4), 0.5)
    second = jax.tree.map(lambda x: x[1:2], features)
    for model, more in ((Actor(ASPECTS, 16, 1), (controls,)), (Critic(ASPECTS, 16, 1), ())):
        params, apply = initialised(model, features, *more)
        alone = apply(params, second, *(x[1:2] for x in more))
        np.testing.assert_allclose(alone, apply(params, features, *more)[1:2], rtol=1e-3, atol=1e-5)


def test_music_without_decoded_chords_is_judged_too(batch):
    features = {name: x for name, x in decoded(batch).items() if name not in ("root", "bass", "tones")}
    params, apply = initialised(Critic(ASPECTS, 16, 1), features)
    logits = apply(params, features)
    assert logits.shape == (EXAMPLES,) and np.isfinite(logits).all()
