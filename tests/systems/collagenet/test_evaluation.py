import json

import jax
import numpy as np
import pytest
from micro import micro_config

from musicfusion.core.evaluation import means
from musicfusion.metrics import bootstrap
from musicfusion.render.tables import report
from musicfusion.systems.collagenet import baselines, dataset, evaluation, system, tables
from musicfusion.systems.collagenet.objective import ASPECTS

SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)


@pytest.fixture(scope="module")
def pairs(corpus):
    return evaluation.read(corpus, SEGMENTS, split="all", count=100, batch=50, seed=0)


def numbers(music, old):
    return {name: np.asarray(x) for name, x in evaluation._numbers({}, music, old).items()}


def test_an_unrelated_accompaniment_is_another_songs_and_stays_whole(pairs):
    assert len(pairs.songs) == 100 and np.all(pairs.songs[pairs.partner] != pairs.songs)
    np.testing.assert_array_equal(pairs.unrelated["melody"], pairs.real["melody"])
    for name in ("pitch", "duration", "chords"):
        np.testing.assert_array_equal(pairs.unrelated[name], pairs.real[name][pairs.partner])


def test_partners_come_from_the_seed_and_never_from_the_same_song():
    songs = np.repeat([0, 1], [98, 2])  # hard: nearly everything is one song
    partner = evaluation.unrelated(songs, 3)
    assert np.all(songs[partner] != songs)
    np.testing.assert_array_equal(partner, evaluation.unrelated(songs, 3))
    assert np.any(partner != evaluation.unrelated(songs, 4))


def test_what_is_not_changed_is_all_kept_and_differs_in_nothing(pairs):
    own, same = numbers(pairs.real, pairs.real), numbers(pairs.unrelated, pairs.unrelated)
    for name in ("onsets_kept", "pitches_kept", "notes_kept", "chords_kept"):
        assert np.all(same[name] == 1)
    assert np.all(same["changed"] == 0)
    for name, x in evaluation._differences(same, pairs, own).items():
        np.testing.assert_allclose(x[~np.isnan(x)], 0, atol=1e-6, err_msg=name)
        assert np.mean(np.isnan(x)) < 0.2


def test_another_songs_accompaniment_keeps_no_more_than_chance_and_fits_worse(pairs):
    own = numbers(pairs.real, pairs.real)
    other = numbers(pairs.unrelated, pairs.real)
    assert np.all(other["pitches_kept"] == 1) and np.mean(other["notes_kept"]) < 0.3
    assert 0.35 < np.mean(other["changed"]) < 0.51  # all of one part, none of the other
    assert np.mean(other["pch_kld"]) > 1.5 * np.mean(own["pch_kld"])
    assert np.mean(other["pch_oa"]) < np.mean(own["pch_oa"])


def test_a_mean_has_an_interval_around_it_and_there_is_none_where_nothing_was_measured(pairs):
    own = numbers(pairs.real, pairs.real)

    def interval(values):
        return bootstrap.interval(values, pairs.songs)

    found = evaluation._means(own | {"rho_melody": np.full(100, np.nan)}, interval)
    assert found["notes_kept"] == (1, 1, 1) and np.isnan(found["rho_melody"]).all()
    for name in tables.TABLE2:
        mean, low, high = found[name]
        assert low < mean < high


def test_an_evaluator_is_right_where_real_pairs_pass_and_others_do_not():
    found = evaluation._accuracy(np.array([1, 1, 1, 0.0]), np.array([0, 0, 0, 1.0]), np.array([1, 1, 0, 0.0]))
    assert found["accuracy_random"] == 0.75 and found["accuracy_key_matched"] == 0.625


def test_a_slow_method_is_measured_on_some_pairs_evenly_chosen_and_no_number_is_lost_or_moved():
    music = {"melody": np.arange(12)[:, None]}

    def numbers(new, old):
        return {"pair": 1.0 * old["melody"][:, 0], "made": 1.0 * new["melody"][:, 0]}

    def run(block, index):
        np.testing.assert_array_equal(block["melody"][:, 0], index)
        return {"melody": block["melody"] + 100}

    found = evaluation._measure(baselines.Method("all", run), music, numbers, 3)
    np.testing.assert_array_equal(found["made"], np.arange(12) + 100)
    for most, expected in ((6, [0, 2, 4, 6, 8, 10]), (5, [0, 4, 8]), (2, [0, 4, 8]), (100, range(12))):
        found = evaluation._measure(baselines.Method("slow", run, most), music, numbers, 3)
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(found["pair"])), expected)
        np.testing.assert_array_equal(found["pair"][list(expected)], expected)


# The whole -----------------------------------------------------------------------------------------------------------

TINY = {f"{where}{part}_vae__size__{name}": value for where in ("", "vanilla__") for part in dataset.PARTS
        for name, value in (("width", 16), ("depth", 1))}
TINY |= {"fusion__actor__width": 16, "fusion__critic__width": 16, "fusion__actor__depth": 1, "fusion__critic__depth": 1,
         "data__split": "all", "evaluate__segments": 20, "evaluate__batch": 10, "train__lambdas": (2.0,)}


class Drawn:
    """Random parameters in place of trained ones; `there` says which stages have any."""

    def __init__(self, config, there):
        rng, modules = np.random.default_rng(1), system.modules(config)
        drawn = jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), modules)
        self.stages = {"latents": {"sbar": np.full(640, 0.1, np.float32)}}
        self.stages |= {name: tree for name, tree in drawn.items() if name.endswith("_vae")}
        self.stages |= {name: {"actor": drawn["actor"], "critic": drawn["critic"]}
                        for name in ("fusion", "fusion_2.0", "baseline_critic")}
        self.stages |= dict.fromkeys(("harmony_evaluator", "key_evaluator"), drawn["harmony_evaluator"])
        self.there = there

    def __call__(self, stage, subtree="params"):
        assert subtree == "params" and self.has(stage)
        return self.stages[stage]

    def has(self, stage):
        return stage in self.there


NEEDED = {"melody_vae", "accompaniment_vae", "latents", "fusion"}


@pytest.mark.parametrize("more, methods", [
    (set(), []),
    ({"fusion_2.0", "harmony_evaluator", "key_evaluator", "baseline_critic"},
     [*(f"data-driven, {n} iterations" for n in baselines.DESCENTS), "CollageNet, lambda 2"])])
def test_an_evaluation_holds_every_method_whose_stages_are_trained(corpus, monkeypatch, more, methods):
    monkeypatch.setattr(evaluation, "MAJORITY_FROM", 20)
    config = micro_config(**TINY)
    found = system.evaluate(config, corpus, Drawn(config, NEEDED | more))
    names = [row.name for row in found.table("table1").rows]
    expected = ["harmonic pairs", "harmonic pairs through the VAEs", "disharmonic pairs", "transposition", "rule-based",
                *methods[:-1], "CollageNet, lambda 1", *methods[-1:]]
    assert names == expected == [row.name for row in found.table("table2").rows]
    assert found.data == {"source": corpus.source, "split": "all", "songs": 20, "examples": 20}
    assert found.settings == {"lambda": 1.0} and (found.system, found.preset) == ("collagenet", "quick")
    judged = [row.name for row in found.table("table1").rows if "harmony_rate" in row.values]
    assert judged == (names if more else [])
    assert ("harmony.png" in found.figures) == ("evaluators" in [table.name for table in found.tables]) == bool(more)
    assert any("No harmony evaluator" in remark for remark in found.remarks) != bool(more)
    assert means(found.table("kept"), "changed", ["disharmonic pairs", "transposition"])[0] == 0
    assert [row.name for row in found.table("table3").rows][:2] == ["test set", "VAE prior"]
    assert [row.name for row in found.table("curve").rows] == [f"controls {c:g}" for c in evaluation.CONTROLS]
    assert len(found.table("controls").rows) == len(ASPECTS) * len(evaluation.CONTROLS)
    assert [row.name for row in found.table("reconstruction").rows] == ["ours", "majority", "all controls 1"]
    json.dumps(found.to_json())
    assert "Table 3" in report(found)
