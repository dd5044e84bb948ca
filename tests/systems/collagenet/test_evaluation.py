import json

import jax
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.core.evaluation import KINDS
from musicfusion.metrics import bootstrap, retained
from musicfusion.render.tables import report
from musicfusion.systems.collagenet import baselines, dataset, evaluation, reharmony, system, tables
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
    for name in tables.KEPT:
        share = same[name]
        assert np.all(share[~np.isnan(share)] == 1) and np.mean(np.isnan(share)) < 0.05
    for name, x in evaluation._differences(same, pairs, own).items():
        np.testing.assert_allclose(x[~np.isnan(x)], 0, atol=1e-6, err_msg=name)
        assert np.mean(np.isnan(x)) < 0.2


def test_another_songs_accompaniment_keeps_no_more_than_chance_and_fits_worse(pairs):
    own = numbers(pairs.real, pairs.real)
    other = numbers(pairs.unrelated, pairs.real)
    assert np.all(other["pitches_kept"] == 1) and np.mean(other["notes_kept"]) < 0.3
    assert np.all(other["intervals_kept"] == 1) and np.mean(other["chords_kept"]) < 0.3
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


def test_a_part_that_says_by_how_much_it_was_moved_as_a_whole_loses_nothing(pairs):
    up = np.full(100, 2)
    moved = pairs.real | {"melody": np.asarray(melody.transpose(pairs.real["melody"], 2))}
    assert np.mean(numbers(moved, pairs.real)["pitches_kept"]) == 0
    found = numbers(moved | {"melody_shift": up, "accompaniment_shift": 0 * up}, pairs.real)
    for name in tables.KEPT:
        np.testing.assert_array_equal(found[name], numbers(pairs.real, pairs.real)[name])


def test_what_is_kept_by_chance_is_measured_against_another_songs_pair(pairs):
    chance = evaluation._chance(pairs).run(pairs.real, np.arange(100))
    for name, x in pairs.real.items():
        np.testing.assert_array_equal(chance[name], x[pairs.partner])
    index = np.array([3, 8])
    some = evaluation._chance(pairs).run({name: x[index] for name, x in pairs.real.items()}, index)
    np.testing.assert_array_equal(some["melody"], pairs.real["melody"][pairs.partner[index]])
    found = numbers(chance, pairs.real)
    assert 0 < np.nanmean(found["intervals_kept"]) < 0.6
    expected = retained.of_melody(chance["melody"], pairs.real["melody"])["intervals_kept"]
    np.testing.assert_allclose(found["intervals_kept"], expected, rtol=1e-6)


def test_own_rules_spoil_the_melody_over_its_own_accompaniment_by_the_pairs_number(pairs):
    index = np.arange(100)
    shuffled, moved = evaluation._own_rules(0)
    assert (shuffled.name, moved.name) == (evaluation.SHUFFLED, evaluation.MOVED)
    for method in (shuffled, moved):
        whole = method.run(pairs.real, index)
        assert np.mean(np.any(whole["melody"] != pairs.real["melody"], 1)) > 0.9
        np.testing.assert_array_equal(whole["pitch"], pairs.real["pitch"])
        some = method.run({name: x[50:] for name, x in pairs.real.items()}, index[50:])
        np.testing.assert_array_equal(some["melody"], whole["melody"][50:])
    made = shuffled.run(pairs.real, index)["melody"]
    np.testing.assert_array_equal(np.sort(made, 1), np.sort(pairs.real["melody"], 1))


def test_silence_never_passes_whatever_a_judge_says(pairs):
    judges = {"judge_rate": lambda music: np.ones(len(music["melody"]))}
    silent = pairs.real | {"melody": np.where(np.arange(100)[:, None] < 50, melody.REST, pairs.real["melody"])}
    np.testing.assert_array_equal(evaluation._numbers(judges, silent, pairs.real)["judge_rate"], [0] * 50 + [1] * 50)


def test_what_is_heard_of_a_control_is_measured_with_the_others_at_one_half(pairs):
    asked = []

    def make(controls):
        asked.append(dict(controls))
        return baselines.Method("made", lambda music, index: music)

    def measure(method, music):
        assert method.most == 20 and music is pairs.unrelated
        level = asked[-1]
        return {"intervals_kept": np.array([level["pitch"], np.nan]), "onsets_kept": np.array([level["rhythm"]]),
                "chords_kept": np.array([level["chord"]]), "notes_kept": np.array([level["texture"]])}

    found = evaluation.retention_response(make, pairs, measure, 20)
    assert list(found) == list(ASPECTS) and len(asked) == len(ASPECTS) * len(baselines.CONTROLS)
    for control, curves in found.items():
        for name, curve in curves.items():
            own = tables.RETENTION[control] == name
            assert curve == (list(baselines.CONTROLS) if own else [0.5] * len(baselines.CONTROLS))


def test_a_slow_method_is_measured_on_some_pairs_evenly_chosen_and_no_number_is_lost_or_moved():
    music = {"melody": np.arange(12)[:, None]}

    def numbers(new, old):
        return {"pair": 1.0 * old["melody"][:, 0], "made": 1.0 * new["melody"][:, 0]}

    def run(block, index):
        np.testing.assert_array_equal(block["melody"][:, 0], index)
        return {"melody": block["melody"] + 100}

    found = evaluation._measure(baselines.Method("all", run), music, numbers, 3)
    np.testing.assert_array_equal(found["made"], np.arange(12) + 100)
    for most, expected in ((6, [0, 2, 4, 6, 8, 10]), (5, [0, 4, 8]), (2, [0, 6]), (100, range(12))):
        found = evaluation._measure(baselines.Method("slow", run, most), music, numbers, 3)
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(found["pair"])), expected)
        np.testing.assert_array_equal(found["pair"][list(expected)], expected)


# The whole -----------------------------------------------------------------------------------------------------------

TINY = {f"{where}{part}_vae__size__{name}": value for where in ("", "vanilla__") for part in dataset.PARTS
        for name, value in (("width", 16), ("depth", 1))}
TINY |= {"fusion__actor__width": 16, "fusion__critic__width": 16, "fusion__actor__depth": 1, "fusion__critic__depth": 1,
         "data__split": "all", "evaluate__segments": 20, "evaluate__batch": 10, "evaluate__edited": 10,
         "train__lambdas": (2.0,)}


class Drawn:
    """Random parameters in place of trained ones; `there` says which stages have any."""

    def __init__(self, config, there):
        rng, modules = np.random.default_rng(1), system.modules(config)
        drawn = jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), modules)
        self.stages = {"latents": {"sbar": np.full(640, 0.1, np.float32)}}
        self.stages |= {name: tree for name, tree in drawn.items() if name.endswith("_vae")}
        self.stages |= {name: {"actor": drawn["actor"], "critic": drawn["critic"]}
                        for name in ("fusion", "fusion_2.0", "baseline_critic")}
        self.stages |= {name: drawn[name] for name in evaluation.RATES.values()}
        kinds = len(reharmony.NEW) + 1
        self.stages |= {"edit_critic_1": drawn["edit_critic"], "chord_model": {
            "transitions": np.zeros((kinds, 12, kinds)), "melody": np.zeros((kinds, 12))}}
        self.there = there

    def __call__(self, stage, subtree="params"):
        assert subtree == "params" and self.has(stage)
        return self.stages[stage]

    def has(self, stage):
        return stage in self.there


NEEDED = {"melody_vae", "accompaniment_vae", "latents", "fusion"}
EDITS = {"chord_model", "edit_critic_1"}
FIRST = ["disharmonic pairs", "transposition", baselines.FIVE_NOTES, *baselines.FOOLS,
         *baselines.ACCOMPANIMENT_FOOLS, "rule-based"]
EDITED = [baselines.UNTRAINED, "edits, random controls",
          *(f"edits, controls {value:g}" for value in baselines.CONTROLS), baselines.MELODY_HELD,
          baselines.ACCOMPANIMENT_HELD]


@pytest.fixture
def small(monkeypatch):
    """Few of everything."""
    monkeypatch.setattr(evaluation, "MAJORITY_FROM", 20)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("more, methods, edits", [
    (set(), [], []),
    ({"chord_model", "judge"}, [], []),  # edits need their critics too
    ({"fusion_2.0", *evaluation.RATES.values(), "baseline_critic", *EDITS},
     [*(f"data-driven, {n} iterations" for n in baselines.DESCENTS), "CollageNet, lambda 2"], EDITED)])
def test_an_evaluation_holds_every_method_whose_stages_are_trained(corpus, monkeypatch, more, methods, edits):
    monkeypatch.setattr(evaluation, "PLEASED", 1.0)
    config = micro_config(**TINY)
    found = system.evaluate(config, corpus, Drawn(config, NEEDED | more))
    names = [row.name for row in found.table("table1").rows]
    real = ["harmonic pairs", "harmonic pairs through the VAEs", evaluation.SHUFFLED, evaluation.MOVED,
            evaluation.CHANCE]
    own = [*FIRST, *methods[:-1], "CollageNet, lambda 1", *methods[-1:], *edits]
    assert names == real + own == [row.name for row in found.table("table2").rows]
    assert names == [row.name for row in found.table("kept").rows]
    assert found.data == {"source": corpus.source, "split": "all", "songs": 20, "examples": 20}
    assert found.settings == {"lambda": 1.0} and (found.system, found.preset) == ("collagenet", "quick")
    trained = {rate: stage for rate, stage in evaluation.RATES.items() if stage in more}
    for rate in evaluation.RATES:
        judged = [row.name for row in found.table("table1").rows if rate in row.values]
        assert judged == (names if rate in trained else [])
    there = [table.name for table in found.tables]
    assert ("harmony.png" in found.figures) == ("judges" in there) == bool(trained)
    if trained:
        assert [row.name for row in found.table("judges").rows] == list(trained.values())
        shown = ["harmonic pairs", evaluation.SHUFFLED, evaluation.MOVED,
                 *(name for name in FIRST[:-1] if name != baselines.FIVE_NOTES)]
        assert list(found.table("judges").rows[0].values) == shown == list(found.table("judges").measures)
    assert any("No judge is trained" in remark for remark in found.remarks) != bool(trained)
    kept = {row.name: row.values for row in found.table("kept").rows}
    assert all(value.mean == 1 for name in ("harmonic pairs", "disharmonic pairs") for value in kept[name].values())
    assert kept["transposition"]["intervals_kept"].mean == 1 == kept["drone on the root"]["onsets_kept"].mean
    assert kept["drone on the root"]["intervals_kept"].mean < 1
    assert [row.name for row in found.table("table3").rows] == ["test set", "VAE prior", *own[1:]]
    assert [row.name for row in found.table("curve").rows] == [f"controls {c:g}" for c in baselines.CONTROLS]
    assert len(found.table("controls").rows) == len(ASPECTS) * len(baselines.CONTROLS)
    heard = [row.name for row in found.table("retention").rows]
    assert heard == [f"{method}, {control} {value:g}" for method in ("latent", *["edits"] * bool(edits))
                     for control in ASPECTS for value in baselines.CONTROLS]
    assert set(found.figures) - {"harmony.png"} == {"controls.png", "retention.png"}
    assert [row.name for row in found.table("reconstruction").rows] == ["ours", "majority", "all controls 1"]
    asked = [(row, rate) for _, row, rate in found.headlines]
    assert all(rate in ("judge_rate", "second_judge_rate") for _, rate in asked)
    assert ((baselines.HALF, "judge_rate") in asked) == bool(edits) and bool(asked) == bool(trained)
    for table, row, rate in found.headlines:
        assert rate in {one.name: one.values for one in found.table(table).rows}[row]
    judged = {"judge", "second_judge"} & set(more)
    assert (found.overview is not None) == bool(judged)
    if found.overview:
        kinds = found.overview.kinds
        assert list(kinds) == names and set(kinds.values()) <= set(KINDS)
        assert {kinds[name] for name in FIRST[3:-1]} == {"fool"}
        assert kinds["rule-based"] == kinds[baselines.FIVE_NOTES] == "baseline"
        assert kinds["harmonic pairs"] == "real" and kinds["CollageNet, lambda 1"] == "ours"
        assert set(sum(found.overview.lines.values(), ())) <= set(names)
    json.dumps(found.to_json())
    assert "Table 3" in report(found)


@pytest.mark.usefixtures("small")
def test_a_judge_that_a_cheap_rule_pleases_loses_its_column_and_a_remark_says_so_but_the_papers_evaluator_stays(
    corpus, monkeypatch
):
    """Two take everything for real, the second judge nothing."""
    config = micro_config(**TINY)

    def judge(config, trained, stage):
        if stage == "second_judge":
            return jax.tree_util.Partial(lambda music: -jax.numpy.ones(len(music["melody"])))
        return jax.tree_util.Partial(lambda music: jax.numpy.ones(len(music["melody"])))

    monkeypatch.setattr(system, "_judge", judge)
    found = system.evaluate(config, corpus, Drawn(config, NEEDED | set(evaluation.RATES.values())))
    for table in ("table1", "curve"):
        for row in found.table(table).rows:
            rates = {name: value.mean for name, value in row.values.items() if name in evaluation.RATES}
            assert set(rates) == {"harmony_rate", "second_judge_rate"}
            assert rates["second_judge_rate"] == 0 and rates["harmony_rate"] > 0.5
    remarks = [remark for remark in found.remarks if "no judge" in remark]
    assert len(remarks) == 1 and remarks[0].startswith("judge is no judge") and "passes in 100 %" in remarks[0]
    assert [row.name for row in found.table("judges").rows] == list(evaluation.RATES.values()), "the table shows why"
    assert {rate for _, _, rate in found.headlines} == {"second_judge_rate"}


def test_intervals_are_drawn_over_the_songs_of_both_parts_where_they_come_from_two(corpus, monkeypatch):
    """An unrelated pair belongs to two songs, a real one to one."""
    monkeypatch.setattr(evaluation, "MAJORITY_FROM", 20)
    seen, interval = set(), bootstrap.interval

    def spied(values, *, groups, seed, others=None):
        seen.add(others is not None)
        assert len(groups) == 20 and (others is None or np.all(np.asarray(groups) != others))
        return interval(values, groups, seed, 10, others=others)

    monkeypatch.setattr(bootstrap, "interval", spied)
    config = micro_config(**TINY)
    system.evaluate(config, corpus, Drawn(config, NEEDED))
    assert seen == {True, False}
