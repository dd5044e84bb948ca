import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import CONFIG, micro_config

from musicfusion import launch
from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.latent import soft
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import hearing, nets, segments

ROWS = 16
KEY = jax.random.key(2)
SURE = 40.0  # a logit that leaves no doubt
ASPECTS = {"pitch": 16, "rhythm": 8, "chord": 16, "texture": 24}
Z = jax.random.normal(KEY, (ROWS, 64))


@pytest.fixture(scope="module")
def batch(corpus):
    starts, _ = segments.windows(corpus, micro_config(), "train", nets.SIDES)
    starts = starts[:: len(starts) // ROWS][:ROWS]
    return jax.device_get(segments.cut(corpus.arrays, starts, np.zeros_like(starts)))


@jax.jit
def heard(batch):
    """What sure decoders of this very music would let the critic hear."""
    root = batch["chords"][..., 0]
    shift = jnp.repeat(jnp.where(root > 6, root - 12, root), 4, 1)[..., None]
    pitch = polyphony.transpose(batch["pitch"], batch["duration"], -shift)
    matrix = polyphony.duration_matrix(pitch, batch["duration"], jnp)
    vectors = chords.vectors(batch["chords"], jnp)
    tokens = jax.nn.one_hot(batch["melody"], melody.VOCABULARY)
    return {**soft.melody(SURE * (2 * tokens - 1)),
            **hearing.back(SURE * (2 * (matrix > 0) - 1), SURE * (2 * vectors - 1)),
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


def test_sure_decoders_are_heard_as_the_notes_that_they_write(batch):
    sound = jax.device_get(heard(batch))
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
    assert np.flatnonzero(soft.intervals(e, c_e_g)).tolist() == [0, 3, 8]  # E, G a third above, C a sixth above
    here, there = heard(batch), heard(transposed(batch, 5))
    np.testing.assert_allclose(soft.intervals(here["lead"], here["back"]),
                               soft.intervals(there["lead"], there["back"]), atol=1e-4)
    assert np.abs(here["lead"] - there["lead"]).max() > 0.5


def test_the_critic_says_the_same_in_every_key_and_hears_a_melody_move_alone(batch):
    params, apply = initialised(hearing.Critic(ASPECTS, 16, 1), heard(batch))
    logits = apply(params, heard(batch))
    assert logits.shape == (ROWS,)
    np.testing.assert_allclose(apply(params, heard(transposed(batch, 3))), logits, rtol=1e-3, atol=1e-4)
    alone = batch | {"melody": melody.transpose(batch["melody"], 1)}
    assert np.abs(apply(params, heard(alone)) - logits).max() > 1e-3


def test_each_beat_gets_its_own_part_of_every_aspect():
    z = np.arange(64.0)[None]
    beats = hearing.by_beat(jnp.asarray(z), ASPECTS)
    assert beats.shape == (1, 8, 8)
    # the second beat: 2 of 16 pitch, 1 of 8 rhythm, 2 of 16 chord, 3 of 24 texture
    assert beats[0, 1].tolist() == [2, 3, 17, 26, 27, 43, 44, 45]
    np.testing.assert_array_equal(hearing.from_beats(beats, ASPECTS), z)


def test_an_untrained_actor_hears_everything_and_moves_little(batch):
    sound, controls = heard(batch), jnp.full((ROWS, 4), 0.5)
    params, apply = initialised(hearing.Actor(ASPECTS, 16, 1), sound, controls)
    moved = apply(params, sound, controls)
    assert 0 < np.linalg.norm(moved - sound["z"]) < 0.2 * np.linalg.norm(sound["z"])

    def influence(sound, controls):
        return jnp.sum(jnp.abs(apply(params, sound, controls)[:, :2]))  # the first beat's pitch

    by_sound, by_controls = jax.jit(jax.grad(influence, (0, 1)))(sound, controls)
    assert np.all(np.abs(by_controls) > 0)
    for name, slope in by_sound.items():
        assert np.any(slope[:, -1] != 0), name  # of what lies at the end, too


def test_actor_and_critic_judge_each_row_by_itself(batch):
    sound, controls = heard(batch), jnp.full((ROWS, 4), 0.5)
    second = jax.tree.map(lambda x: x[1:2], sound)
    for model, more in ((hearing.Actor(ASPECTS, 16, 1), (controls,)), (hearing.Critic(ASPECTS, 16, 1), ())):
        params, apply = initialised(model, sound, *more)
        alone = apply(params, second, *(x[1:2] for x in more))
        np.testing.assert_allclose(alone, apply(params, sound, *more)[1:2], rtol=1e-3, atol=1e-5)


def test_music_without_chords_is_heard_too(batch):
    sound = {name: x for name, x in heard(batch).items() if name not in ("root", "bass", "tones")}
    params, apply = initialised(hearing.Critic(ASPECTS, 16, 1), sound)
    logits = apply(params, sound)
    assert logits.shape == (ROWS,) and np.isfinite(logits).all()


def test_vaes_that_cannot_be_heard_are_refused():
    config = launch._load(f"{CONFIG}:paper")
    config.fusion.model = "lite"
    with pytest.raises(MusicFusionError, match="'ec2vae' cannot: use perceptron"):
        nets.hear(config, nets.models(config))
