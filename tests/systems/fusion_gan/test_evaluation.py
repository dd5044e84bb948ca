"""How FusionGAN is measured, by cases whose answers are known."""

import json

import jax
import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD
from musicfusion.metrics import histograms
from musicfusion.systems.fusion_gan import evaluation, objective
from musicfusion.systems.fusion_gan.critic import Critic
from musicfusion.systems.fusion_gan.dataset import LENGTH
from musicfusion.systems.fusion_gan.generator import Generator

RNG = np.random.default_rng(0)
FAST = np.where(np.arange(LENGTH) % 2, HOLD, RNG.choice([60, 62, 64, 67], (50, LENGTH))).astype(np.uint8)
SLOW = np.where(np.arange(LENGTH) % 4, HOLD, RNG.choice([60, 65, 69], (50, LENGTH))).astype(np.uint8)
REAL = {"a": FAST, "b": SLOW}


def test_a_half_half_mixture_lies_between():
    a, b, g = (histograms.counts(x) for x in (FAST, SLOW, np.concatenate([FAST, SLOW])))
    found = evaluation.distances(a, b, g)
    for of in found.values():
        assert of["eud_ratio"] == pytest.approx(1, abs=1e-6) and of["em_diff"] == pytest.approx(0, abs=1e-6)
    assert evaluation.distances(a, b, g, raw=True)["durations"]["eud_ratio"] > 1, "raw counts grow with their number"


def test_what_is_copied_and_what_is_new():
    known = evaluation.TrainingBars(REAL)
    assert known.shares(FAST) == (1.0, 1.0)
    higher = np.where(FAST < HOLD, FAST + 1, FAST).astype(np.uint8)
    assert known.shares(higher) == (0.0, 1.0), "new notes in known rhythms"
    odd = np.where(np.arange(LENGTH) % 3, HOLD, 71)[None].astype(np.uint8)
    assert known.shares(odd) == (0.0, 0.0)


def test_each_melody_is_measured_by_itself():
    known = evaluation.TrainingBars(REAL)

    def probability(tokens):
        return np.where(np.arange(len(tokens)) % 2, 0.5, 1.0)

    found = evaluation.detected(probability, known, FAST)
    assert (found["probability"], found["spread"], found["between"]) == (0.75, 0.25, 0.5)
    assert found["notes"] == LENGTH / 2 and found["distinct"] <= 1
    assert "probability" not in evaluation.detected(None, known, FAST)
    same = np.repeat(FAST[:1], 50, 0)
    assert evaluation.detected(probability, known, same)["distinct"] == pytest.approx(1 / 50)


@pytest.fixture(scope="module")
def models():
    generator, critic = Generator(hidden=8, embedding=4), Critic((1, 2), (4, 4), 4)
    keys = {name: jax.random.key(k) for k, name in enumerate(objective.NAMES)}
    generators = {name: generator.init(key)["params"] for name, key in keys.items()}
    critics = {name: critic.init(key, np.zeros((1, LENGTH), np.int32))["params"] for name, key in keys.items()}
    return evaluation.Models(generator=generator, critic=critic, critics=critics,
                             generators={"fusion": generators, "exchanged": generators})


def test_methods_play_as_many_melodies_as_are_asked_for_and_one_that_was_not_trained_plays_none(models):
    play = evaluation.playing(models.generator, seed=0)

    def by(method):
        return evaluation.by(method, models.generators, play, training=REAL, count=5, seed=0)

    assert by("pretrain") is None
    for method in ("random", "monte_carlo", "exchanged", "fusion"):
        assert by(method).shape == (5, LENGTH)
    own = models.generators["exchanged"]
    np.testing.assert_array_equal(by("exchanged"), np.concatenate([play(own["a"], 3), play(own["b"], 3)])[:5])


def test_critics_give_a_mean_score_to_every_kind_of_melodies_and_their_imbalance(models):
    found = evaluation.critics(models, REAL, evaluation.playing(models.generator, seed=0))
    for name in objective.NAMES:
        assert set(found[name]) == {"x_a", "x_b", "g_a", "g_b", "g_f", "imbalance"}
        assert np.isfinite(list(found[name].values())).all() and found[name]["imbalance"] >= 0


def test_ratios_are_measured_only_where_a_generator_is_told_them(models):
    known, play = evaluation.TrainingBars(REAL), evaluation.playing(models.generator, seed=0)
    assert list(evaluation.ratios(models, known, play, count=4)) == [0, 0.25, 0.5, 0.75, 1]
    untold = evaluation.Models(generator=Generator(hidden=8, embedding=4, blended=False), critic=models.critic,
                               generators=models.generators)
    assert evaluation.ratios(untold, known, play, count=4) == {}


def test_the_record_of_a_stage_gives_its_validation_by_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert evaluation.progress(path) == {}, "weights without their run have none"
    lines = [{"step": 10, "time": 1.0, "loss": 3.0}, {"step": 20, "time": 2.0, "validation/loss": 2.0},
             {"step": 40, "time": 3.0, "validation/loss": None}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[:2]))
    assert evaluation.progress(path) == {}, "one point is no curve"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert evaluation.progress(path) == {"step": [20, 40], "loss": [2.0, None]}
