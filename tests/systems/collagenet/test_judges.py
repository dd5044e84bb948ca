import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config
from optax import sgd

from musicfusion import losses
from musicfusion.codecs import melody, polyphony
from musicfusion.latent.negatives import song_bounds
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import dataset, judges, rules, system
from musicfusion.systems.collagenet.negatives import KINDS, MELODIES
from musicfusion.train import Programs

SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
KEY = jax.random.key(0)
EXAMPLES = 24
SMALL = {"melody": 8, "embedding": 8, "notes": 8, "time": 8, "hidden": 32}
MODELS = {
    "lite": judges.LiteHarmony(16, 1, 0.5),
    "recurrent": judges.RecurrentHarmony(16, 8, 0.5),
    "harmony": judges.Harmony(**SMALL),
    "harmony in one key": judges.Harmony(**SMALL, one_key=True),
}
FOREIGN = ("random", "key_matched", "snapped", "drone", "fitted")  # melodies of other songs
RUN = {name: jax.jit(model.apply) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def resident(corpus):
    return SEGMENTS.resident(corpus)


@pytest.fixture(scope="module")
def examples():
    """(arrays, index, keys, training, kinds)."""
    return jax.jit(judges.examples, static_argnums=(3, 4))


@pytest.fixture(scope="module")
def batch(resident, examples):
    """Training examples of all kinds."""
    index = np.linspace(0, resident.train - 1, EXAMPLES).astype(int)
    return jax.device_get(examples(resident.arrays, index, jax.random.split(KEY, EXAMPLES), True, KINDS))


@pytest.fixture(scope="module")
def many(resident, examples):
    """400 training examples of all kinds."""
    return jax.device_get(examples(resident.arrays, np.arange(400), jax.random.split(KEY, 400), True, KINDS))


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
    low, high = song_bounds(song)
    arrays = {"corpus": dict(corpus.arrays) | {"melody": numbered}, "starts": starts, "low": low, "high": high,
              "bounds": np.array([0, train, len(song)], np.int32)}

    def number(tokens):
        return (np.asarray(tokens)[:, : len(bits)] < melody.HOLD) @ (1 << bits)

    for training, part in ((True, np.arange(train)), (False, np.arange(train, len(song)))):
        index = part[np.linspace(0, len(part) - 1, 200).astype(int)]
        drawn = examples(arrays, index, jax.random.split(KEY, 200), training, FOREIGN)
        np.testing.assert_array_equal(number(drawn["melody"]), song[index])
        for kind in set(KINDS) - set(FOREIGN):
            np.testing.assert_array_equal(drawn[kind] < melody.HOLD, drawn["melody"] < melody.HOLD)
        for kind in (*FOREIGN, "negative"):
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


def test_chord_tones_and_drones_are_made_of_the_same_foreign_melodies_in_either_key(many):
    chosen = []
    for source in ("key_matched", "random"):
        drones = [(many["drone"] == rules.drone(many[source], many["chords"], tone)).all(1) for tone in range(3)]
        assert all(0.1 < np.mean(own) < 0.3 for own in drones)
        chosen.append((many["snapped"] == rules.snapped(many[source], many["chords"])).all(1) & sum(drones, False))
    matched, foreign = chosen
    assert (matched | foreign).all()
    for share in (matched, foreign):
        assert 0.4 < np.mean(share) < 0.65  # half, and some that are the same in both keys
    np.testing.assert_array_equal(melody.rhythm(many["drone"]), melody.rhythm(many["random"]))


def test_a_segments_own_pitches_are_shuffled_and_some_of_its_notes_moved(many):
    own = many["melody"]
    for kind in ("shuffled", "moved", "displaced"):
        np.testing.assert_array_equal(melody.rhythm(many[kind]), melody.rhythm(own))
    np.testing.assert_array_equal(np.sort(many["shuffled"], 1), np.sort(own, 1))
    assert (many["shuffled"] != own).any(1).mean() > 0.9
    apart = np.abs(many["moved"] - own)
    assert (apart <= 2).all() and apart.any(1).all()
    np.testing.assert_array_equal(many["displaced"], own)


def test_a_displaced_negative_has_its_own_melody_over_an_accompaniment_that_is_not(many):
    moved = (many["displaced_pitch"] != many["pitch"]).reshape(400, 4, -1).any(2)  # half bars
    assert moved.sum(1).min() >= 0 and moved.any(1).mean() > 0.95 and not moved.all(1).all()
    assert not many["displaced_pitch"][many["duration"] == 0].any()


def test_a_fitted_negative_is_an_accompaniment_on_notes_of_the_other_song_s_melody(many):
    there = many["duration"] > 0
    left = []
    for i in range(0, 400, 20):
        of_melody = set((many["fitted"][i][many["fitted"][i] < melody.HOLD] % 12).tolist())
        classes = set((many["fitted_pitch"][i][there[i]] % 12).tolist())
        assert classes <= of_melody
        left.append(len(classes))
    assert left.count(1) > 3 and max(left) > 3  # a pedal point, or all of them
    either = [(many["fitted"] == many[name]).all(1) for name in ("random", "key_matched")]
    assert np.logical_or(*either).all() and all(0.4 < np.mean(share) < 0.65 for share in either)
    assert not many["fitted_pitch"][~there].any()


@pytest.mark.parametrize("kinds", [("random",), ("drone", "displaced"), MELODIES, KINDS])
def test_the_negative_is_of_the_kinds_that_are_asked_for_in_equal_parts(resident, examples, many, kinds):
    drawn = jax.device_get(examples(resident.arrays, np.arange(400), jax.random.split(KEY, 400), True, kinds))
    for name in (*dataset.silence(1), *KINDS, "displaced_pitch", "fitted_pitch"):
        np.testing.assert_array_equal(drawn[name], many[name])  # whatever is asked for
    of = {kind: (drawn["negative"] == drawn[kind]).all(1)
          & (drawn["negative_pitch"] == drawn.get(f"{kind}_pitch", drawn["pitch"])).all((1, 2)) for kind in kinds}
    lone = sum(x.astype(int) for x in of.values()) == 1  # some melodies are the same under two rules
    assert sum(of.values()).all() and lone.mean() > 0.75
    for kind, there in of.items():
        assert there[lone].mean() == pytest.approx(1 / len(kinds), abs=0.07), kind


def test_training_transposes_a_pair_as_one_and_a_random_melody_by_itself(corpus, resident, examples):
    index, example_keys = np.arange(300), jax.random.split(KEY, 300)
    plain = dataset.examples(resident.arrays, index, example_keys, True)
    drawn = examples(resident.arrays, index, example_keys, True, KINDS)
    for name in plain:
        assert jnp.array_equal(plain[name], drawn[name])
    held_out = np.arange(resident.train, resident.train + resident.validation)
    still = examples(resident.arrays, held_out, jax.random.split(KEY, len(held_out)), False, KINDS)
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


@pytest.mark.parametrize("name", ["harmony in one key", "recurrent"])
def test_what_moves_everything_to_one_key_gives_the_same_logit_in_every_key(name, params, batch):
    notes = np.concatenate([batch["pitch"][batch["duration"] > 0], batch["melody"][batch["melody"] < melody.HOLD]])
    assert notes.min() > 20 and notes.max() < 108  # so nothing is folded
    here = logits(name, params, transposed(batch, 0))

    def way(shift):
        return np.asarray(MODELS[name].apply({"params": params[name]}, transposed(batch, shift),
                                             method="accompaniment")["shift"])

    assert set(way(0)) <= set(range(-5, 7)) and len(set(way(0))) > 3
    for shift in range(-3, 4):
        moved, longer = logits(name, params, transposed(batch, shift)), way(shift) - (way(0) - shift)
        assert set(longer) <= {-12, 0, 12} and np.mean(longer == 0) > 0.4  # an octave, where the way there turns round
        np.testing.assert_allclose(moved[longer == 0], here[longer == 0], atol=1e-4)
    for part in dataset.PARTS:
        assert np.abs(logits(name, params, transposed(batch, 1, (part,))) - here).mean() > 0.001


def test_the_papers_evaluator_hears_the_key(params, batch):
    plain = [logits("harmony", params, transposed(batch, shift)) for shift in (0, 1)]
    assert np.mean(np.abs(plain[0] - plain[1]) < 1e-4) < 0.2
    code = MODELS["harmony"].apply({"params": params["harmony"]}, batch, method="accompaniment")
    assert set(code) == {"code", "shift"} and not np.any(code["shift"])


# Learning ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kinds", [("random",), ("drone", "displaced")])
def test_validation_scores_all_kinds_but_the_loss_follows_the_stage_s_mix(name, kinds, params, resident, examples):
    index = np.arange(resident.train, resident.train + 40)
    held_out = examples(resident.arrays, index, jax.random.split(KEY, 40), False, kinds)
    task = judges.task(MODELS[name], optimizer=sgd(0.1), steps=1)
    said = {metric: float(value) for metric, value in
            jax.jit(task.validate)({"params": params[name]}, held_out, {}, KEY).items()}
    scores = {kind: np.asarray(judges.score(MODELS[name], params[name], {
        "melody": held_out[kind], "pitch": held_out.get(f"{kind}_pitch", held_out["pitch"]),
        "duration": held_out["duration"]})) for kind in ("melody", *KINDS, "negative")}
    assert said["pass_real"] == pytest.approx(np.mean(scores["melody"] > 0))
    assert set(said) == {"loss", "pass_real", *(f"pass_{kind}" for kind in KINDS)}
    for kind in KINDS:
        assert said[f"pass_{kind}"] == pytest.approx(np.mean(scores[kind] > 0))

    def loss(negative):
        return float(np.mean(losses.binary_cross_entropy(scores["melody"], 1.0))
                     + np.mean(losses.binary_cross_entropy(scores[negative], 0.0))) / 2

    assert said["loss"] == pytest.approx(loss("negative"), rel=1e-5)
    assert [kind for kind in KINDS if loss(kind) == loss("negative")] == list(kinds if len(kinds) == 1 else ())


def test_the_loss_hears_a_displaced_accompaniment(params, resident, examples):
    """Example by example: a negative's logit is that of its melody over its own accompaniment."""
    drawn = examples(resident.arrays, np.arange(40), jax.random.split(KEY, 40), True, ("displaced",))
    task = judges.task(judges.LiteHarmony(16, 1, 0.0), optimizer=sgd(0.1), steps=1)
    state = jax.jit(task.init)(KEY, drawn, {}) | {"params": params["lite"]}
    _, metrics = jax.jit(task.step)(state, drawn, {}, KEY)
    real, negative = (logits("lite", params, drawn | {"pitch": drawn[name]}) for name in ("pitch", "displaced_pitch"))
    expected = np.mean(losses.binary_cross_entropy(real, 1.0)) + np.mean(losses.binary_cross_entropy(negative, 0.0))
    assert float(metrics["loss"]) == pytest.approx(float(expected) / 2, rel=1e-5)
    assert np.abs(real - negative).mean() > 0.05


def test_seven_stages_that_need_nothing_follow_the_fusion(corpus):
    config = micro_config(edit_critic__members=2, second_edit_critic__members=1)
    stages = system.stages(config)
    names = [stage.name for stage in stages]
    judging = ["edit_critic_1", "edit_critic_2", "second_edit_critic_1", "harmony_evaluator", "judge", "second_judge"]
    assert names[names.index("fusion") + 1 :] == ["chord_model", *judging]
    kinds = dict(zip(judging, (KINDS, KINDS, (*KINDS, "fitted"), ("random",), KINDS, (*KINDS, "fitted")), strict=True))
    for name in judging:
        stage = stages[names.index(name)]
        assert stage.needs == () and stage.best == ("loss" if "critic" in name else "")
        assert stage.examples.keywords == {"kinds": kinds[name]}
        split = "train" if "critic" in name else "judges"
        arrays = stage.data(corpus, None).arrays
        np.testing.assert_array_equal(arrays["starts"], SEGMENTS.resident(corpus, split=split).arrays["starts"])


def test_it_learns_to_tell_real_pairs_of_held_out_songs_from_negatives(corpus):
    config = micro_config(judge__steps=160, judge__optimizer__rate=3e-3)
    stage = next(stage for stage in system.stages(config) if stage.name == "judge")
    programs = Programs(stage, config, stage.data(corpus, None))
    state = programs.devices.replicate(programs.init())
    for first in range(0, stage.steps, 20):
        state, _ = programs.advance(state, first, 20)
    said = [programs.devices.get(programs.validate(state, programs.arrays, programs.frozen, index))
            for index in programs.validation_index(4)]
    found = {name: np.mean([part[name] for part in said]) for name in said[0]}
    for kind, least in (("random", 0.4), ("drone", 0.4), ("key_matched", 0.15), ("snapped", 0.15)):
        assert found[f"pass_{kind}"] < found["pass_real"] - least, (kind, found)
    assert found["loss"] < 0.65  # chance: .69


# Many critics, any number of pairs -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def critics(params):
    """Parameters of three critics of one model."""
    return [jax.tree.map(lambda x, by=by: x * by, params["lite"]) for by in (1.0, 0.9, -1.1)]


def test_the_mean_score_is_the_mean_over_critics_of_any_make(params, critics, batch):
    pairs = {name: batch[name] for name in ("melody", "pitch", "duration")}
    every = [*[(MODELS["lite"], one) for one in critics], (MODELS["recurrent"], params["recurrent"])]
    each = [judges.score(*one, pairs) for one in every]
    for count in (1, 3, 4):
        found = judges.mean_score(*zip(*every[:count], strict=True), pairs)
        np.testing.assert_allclose(found, np.mean(each[:count], 0), atol=1e-5)
    assert np.abs(np.mean(each, 0) - np.mean(each[:3], 0)).max() > 0.01


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 17, 24, 25, 41, 60])
def test_any_number_of_pairs_gets_the_scores_that_each_has_alone(critics, many, monkeypatch, count):
    monkeypatch.setattr(judges, "BLOCKS", (16, 8))
    names = {"tokens": "melody", "pitch": "pitch", "duration": "duration"}
    score = judges.scorer([(MODELS["lite"], one) for one in critics])
    found = score(**{name: many[own][:count] for name, own in names.items()})
    pairs = {name: many[name][:60] for name in names.values()}
    expected = np.asarray(judges.mean_score((MODELS["lite"],) * len(critics), critics, pairs))
    assert found.shape == (count,) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected[:count], atol=1e-4)
    assert expected.std() > 0.1


def test_large_and_small_blocks_serve_every_number_with_two_programs(critics, many, monkeypatch):
    monkeypatch.setattr(judges, "BLOCKS", (16, 8))
    sizes = []

    def seen(model, given, batch):
        sizes.append(len(batch["melody"]))
        return np.zeros(sizes[-1])

    monkeypatch.setattr(judges, "mean_score", seen)
    run = judges.scorer([(MODELS["lite"], one) for one in critics])
    for count in range(1, 60):
        run(*(many[name][:count] for name in ("melody", "pitch", "duration")))
    assert set(sizes) == {16, 8}
