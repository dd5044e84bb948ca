import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config
from optax import sgd

from musicfusion import losses
from musicfusion.codecs import melody, polyphony
from musicfusion.latent import negatives
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import dataset, judges, system
from musicfusion.train import Programs

SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
KEY = jax.random.key(0)
EXAMPLES = 24
MODELS = {
    "lite": judges.LiteHarmony(16, 1, 0.5),
    "harmony": judges.Harmony(melody=8, embedding=8, notes=8, time=8, hidden=32),
}
RUN = {name: jax.jit(model.apply) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def resident(corpus):
    return SEGMENTS.resident(corpus)


@pytest.fixture(scope="module")
def examples():
    return jax.jit(judges.examples, static_argnums=3)


@pytest.fixture(scope="module")
def batch(resident, examples):
    """Training examples of both kinds."""
    index = np.linspace(0, resident.train - 1, EXAMPLES).astype(int)
    return jax.device_get(examples(resident.arrays, index, jax.random.split(KEY, EXAMPLES), True, 0.5))


@pytest.fixture(scope="module")
def params(batch):
    """Of each model, all of them away from 0."""
    rng = np.random.default_rng(0)

    def shaken(model):
        started = jax.jit(model.init)(KEY, batch)["params"]
        return jax.tree.map(lambda x: np.asarray(x) + rng.normal(0, 0.1, x.shape).astype(np.float32), started)

    return {name: shaken(model) for name, model in MODELS.items()}


def logits(name, params, batch, example_keys=None):
    read = {part: batch[part] for part in ("melody", "pitch", "duration")}
    return np.asarray(RUN[name]({"params": params[name]}, read, example_keys))


# Pairs ---------------------------------------------------------------------------------------------------------------


def test_a_negative_is_a_melody_of_another_song_of_the_same_split(corpus, resident, examples):
    """Each song's melody is its number, said every second beat in rests and onsets, which stay in every key."""
    bits = np.arange(2 * dataset.PER_BEAT)
    starts = resident.arrays["starts"]
    song = np.searchsorted(corpus.first_beat, starts, "right") - 1
    even = (starts - corpus.first_beat[song]) % 2 == 0
    train = int(even[: resident.train].sum())
    song, starts = song[even], starts[even]
    codes = np.where(np.arange(len(corpus.songs))[:, None] >> bits & 1, 60, melody.REST).astype(np.uint8)
    numbered = np.concatenate([np.tile(code, beats // 2) for code, beats in
                               zip(codes, np.diff(corpus.first_beat), strict=True)])
    low, high = negatives.song_bounds(song)
    arrays = {"corpus": dict(corpus.arrays) | {"melody": numbered}, "starts": starts, "low": low, "high": high,
              "bounds": np.array([0, train, len(song)], np.int32)}

    def number(tokens):
        return (np.asarray(tokens)[:, : len(bits)] < melody.HOLD) @ (1 << bits)

    for training, part in ((True, np.arange(train)), (False, np.arange(train, len(song)))):
        index = part[np.linspace(0, len(part) - 1, 200).astype(int)]
        drawn = examples(arrays, index, jax.random.split(KEY, 200), training, 0.5)
        np.testing.assert_array_equal(number(drawn["melody"]), song[index])
        for kind in (*judges.KINDS, "negative"):
            partner = number(drawn[kind])
            assert not (partner == song[index]).any()
            assert set(partner) <= set(song[part])
            assert len(set(partner)) > len(set(song[part])) // 2


def test_a_key_matched_negative_lies_in_the_best_of_all_keys(batch):
    slots = batch["pitch"], batch["duration"]

    def overlap(tokens):
        return np.asarray(statistics.of_pair(tokens, *slots)["pch_oa"])

    found = overlap(batch["key_matched"])
    for shift in range(-6, 6):
        assert (overlap(melody.transpose(batch["key_matched"], shift)) <= found + 1e-6).all()
    assert found.mean() > overlap(batch["random"]).mean() + 0.1
    # The same melody, in another key.
    np.testing.assert_array_equal(melody.rhythm(batch["key_matched"]), melody.rhythm(batch["random"]))
    onset = batch["random"] < melody.HOLD
    apart = [set((a - b)[o].tolist()) for a, b, o in zip(batch["key_matched"], batch["random"], onset, strict=True)]
    assert all(len(distances) == 1 for distances in apart) and len(set.union(*apart)) > 4


def test_the_negative_is_one_of_the_two_kinds_in_the_share_that_is_asked_for(resident, examples):
    index, example_keys = np.arange(400) * 3, jax.random.split(KEY, 400)
    for share, low, high in ((0.0, 0, 0), (0.5, 0.4, 0.6), (1.0, 1, 1)):
        drawn = jax.device_get(examples(resident.arrays, index, example_keys, True, share))
        assert low <= drawn["matched"].mean() <= high
        expected = np.where(drawn["matched"][:, None], drawn["key_matched"], drawn["random"])
        np.testing.assert_array_equal(drawn["negative"], expected)


def test_training_transposes_a_pair_as_one_and_a_random_melody_by_itself(corpus, resident, examples):
    index, example_keys = np.arange(300) * 3, jax.random.split(KEY, 300)
    plain = dataset.examples(resident.arrays, index, example_keys, True)
    drawn = examples(resident.arrays, index, example_keys, True, 0.5)
    for name in plain:
        assert jnp.array_equal(plain[name], drawn[name])
    held_out = np.arange(resident.train, resident.train + resident.validation)
    still = examples(resident.arrays, held_out, jax.random.split(KEY, len(held_out)), False, 0.5)
    starts = resident.arrays["starts"]
    windows = jax.jit(dataset.cut)(dict(corpus.arrays), starts, np.zeros_like(starts))
    known = {row.tobytes() for row in np.asarray(windows["melody"])}
    for name, least, most in (("melody", 1, 1), ("random", 1, 1), ("key_matched", 0, 0.5)):
        as_written = np.mean([row.tobytes() in known for row in np.asarray(still[name])])
        assert least <= as_written <= most, name
    as_written = np.mean([row.tobytes() in known for row in np.asarray(drawn["random"])])
    assert as_written < 0.3  # one key in twelve is its own, and some melodies occur in two keys


# Models --------------------------------------------------------------------------------------------------------------


def test_the_paper_s_evaluator_has_the_published_size():
    shapes = jax.eval_shape(judges.Harmony().init, KEY, dataset.silence(1))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == pytest.approx(7_462_785, rel=1e-3)


def test_the_lite_evaluator_is_small_enough_to_ship():
    shapes = jax.eval_shape(judges.LiteHarmony().init, KEY, dataset.silence(1))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) < 800_000


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_counts(name, params, batch):
    model = MODELS[name]

    @jax.jit
    @jax.grad
    def slope(params):
        return jnp.sum(model.apply({"params": params}, batch) ** 2)

    for path, leaf in jax.tree.leaves_with_path(slope(params[name])):
        assert np.abs(leaf).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", MODELS)
def test_dropout_depends_on_the_example_alone(name, params, batch):
    example_keys = jax.random.split(KEY, EXAMPLES)
    whole = logits(name, params, batch, example_keys)
    for part in np.split(np.arange(EXAMPLES), 2):
        some = logits(name, params, {k: x[part] for k, x in batch.items()}, example_keys[part])
        np.testing.assert_allclose(some, whole[part], rtol=1e-4, atol=1e-5)
    assert (whole != logits(name, params, batch, jax.random.split(jax.random.key(1), EXAMPLES))).mean() > 0.8
    assert (whole != logits(name, params, batch)).all()


@pytest.mark.parametrize("name", MODELS)
def test_silence_and_whatever_a_decoder_may_write_get_a_number(name, params, batch):
    silence = dataset.silence(EXAMPLES)
    strange = {"melody": jnp.full((EXAMPLES, 32), melody.HOLD)}
    for segments in (silence, silence | strange, batch | strange, batch | {"melody": silence["melody"]},
                  silence | {"melody": batch["melody"]}):
        assert np.isfinite(logits(name, params, segments)).all()


def transposed(batch, shift, parts=("melody", "accompaniment")):
    moved = {name: batch[name] for name in ("melody", "pitch", "duration")}
    if "melody" in parts:
        moved["melody"] = melody.transpose(batch["melody"], shift)
    if "accompaniment" in parts:
        moved["pitch"] = polyphony.transpose(batch["pitch"], batch["duration"], shift)
    return moved


def test_the_lite_evaluator_gives_the_same_logit_in_every_key(params, batch):
    here = logits("lite", params, transposed(batch, 0))
    assert here.std() > 0.1
    for shift in range(-6, 6):
        np.testing.assert_allclose(logits("lite", params, transposed(batch, shift)), here, rtol=1e-4, atol=1e-4)
    for part in dataset.PARTS:
        assert np.abs(logits("lite", params, transposed(batch, 1, (part,))) - here).mean() > 0.05


# Learning ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_validation_scores_both_kinds_but_the_loss_follows_the_stage_s_mix(
        name, share, params, resident, examples):
    index = np.arange(resident.train, resident.train + 40)
    held_out = examples(resident.arrays, index, jax.random.split(KEY, 40), False, share)
    task = judges.task(MODELS[name], optimizer=sgd(0.1), steps=1)
    said = {metric: float(value) for metric, value in
            jax.jit(task.validate)({"params": params[name]}, held_out, {}, KEY).items()}
    scores = {kind: np.asarray(judges.score(MODELS[name], params[name], {
        "melody": held_out[kind], "pitch": held_out["pitch"], "duration": held_out["duration"]}))
        for kind in ("melody", "random", "key_matched", "negative")}
    assert said["pass_real"] == pytest.approx(np.mean(scores["melody"] > 0))
    for kind in judges.KINDS:
        assert said[f"pass_{kind}"] == pytest.approx(np.mean(scores[kind] > 0))
        accuracy = (said["pass_real"] + 1 - said[f"pass_{kind}"]) / 2
        assert said[f"accuracy_{kind}"] == pytest.approx(accuracy)

    def loss(negative):
        return float(np.mean(losses.binary_cross_entropy(scores["melody"], 1.0))
                     + np.mean(losses.binary_cross_entropy(scores[negative], 0.0))) / 2

    assert said["loss"] == pytest.approx(loss("negative"), rel=1e-5)
    assert (loss("negative") == loss("random")) == (share == 0)


def test_two_stages_that_need_nothing_follow_the_fusion():
    stages = system.stages(micro_config())
    names = [stage.name for stage in stages]
    assert names[names.index("fusion") + 1 :][:2] == ["harmony_evaluator", "key_evaluator"]
    for name, share in (("harmony_evaluator", 0.0), ("key_evaluator", 0.5)):
        stage = stages[names.index(name)]
        assert stage.needs == () and stage.best == "loss"
        assert stage.examples.keywords == {"key_matched": share}


def test_it_learns_to_tell_real_pairs_of_held_out_songs_from_both_kinds_of_negatives(corpus):
    config = micro_config(evaluator__steps=120, evaluator__optimizer__rate=3e-3)
    stage = next(stage for stage in system.stages(config) if stage.name == "key_evaluator")
    programs = Programs(stage, config, stage.data(corpus, None))
    state = programs.devices.replicate(programs.init())
    for first in range(0, stage.steps, 20):
        state, _ = programs.advance(state, first, 20)
    said = [programs.devices.get(programs.validate(state, programs.arrays, programs.frozen, index))
            for index in programs.validation_index(4)]
    found = {name: np.mean([part[name] for part in said]) for name in said[0]}
    assert found["accuracy_random"] > 0.75
    assert found["accuracy_key_matched"] > 0.6
    assert found["loss"] < 0.6  # chance: .69
