"""Evaluation of a system that is nothing but its listening test: the sheet, and the report with what listeners say."""

import json
from types import SimpleNamespace

import pytest
from listeners import answered, example, save
from ml_collections import ConfigDict

from musicfusion import evaluate
from musicfusion.core.contracts import Listening
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation, Measure, Table, row
from musicfusion.core.listening import Findings
from musicfusion.core.results import write_config
from musicfusion.metrics import listening
from musicfusion.render.figures import curves

MEASURED = Evaluation(
    system="example", preset="lite", title="Example", about="", data={}, remarks=("Own.",),
    tables=(Table(name="own", title="Own", measures={"x": Measure(label="x")}, rows=(row("a", {"x": 1.0}),)),))


def report(answers):
    means = {method: listening.mean(own) for method, own in answers.by_method("rated", "quality").items()}
    table = Table(name="said", title="What they said", measures={"quality": Measure(label="quality")},
                  rows=tuple(row(method, {"quality": mean}) for method, mean in means.items()))
    return Findings(tables=(table,), remarks=("Theirs.",),
                    figures={"said.png": lambda path: curves(path, [0, 1], {"": [0, 1]})})


def system(**changes):
    parts = {"declaration": SimpleNamespace(name="example", judges={"judge": "judge"}),
             "evaluate": lambda config, corpus, trained: MEASURED,
             "listening": Listening(test=lambda config, corpus, trained: example(), report=report)}
    return SimpleNamespace(**(parts | changes))


def config(**group):
    return ConfigDict({"seed": 3, "data": {"root": ""},
                       "evaluate": {"sheet": "", "answers": "", "judges": "", "clips": 1} | group})


@pytest.fixture
def corpus():
    return SimpleNamespace(skipped={}, versions={})


def test_a_sheet_is_made_and_the_report_tells_what_was_answered_beside_what_was_measured(tmp_path, corpus, capsys):
    folder = str(tmp_path / "sheet")
    files = evaluate.listening_sheet(system(), config(sheet=folder), tmp_path / "run", corpus)
    assert [path.name for path in files] == ["index.html", "key.json"] and "minutes for a listener" in (
        capsys.readouterr().out)
    assert json.loads(files[1].read_text())["made"]["seed"] == 3
    for listener in ("1", "2"):
        save(answered(tmp_path / "sheet", listener, trained=listener == "1"), tmp_path / "said")
    files = evaluate.evaluate(system(), config(sheet=folder, answers=str(tmp_path / "said")), tmp_path / "run", corpus)
    assert [path.name for path in files] == ["report.md", "said.png"]
    found = json.loads((tmp_path / "run" / "report.json").read_text())
    assert list(found["tables"]) == ["own", "listeners", "said"] and found["remarks"] == ["Own.", "Theirs."]
    assert found["details"]["listening"] | {"sheet": ""} == {"sheet": "", "listeners": 2, "answers": 18}
    assert [values["name"] for values in found["tables"]["said"]["rows"]] == ["machine", "rule", "human"]


def test_a_system_without_a_listening_test_says_so_before_anything_is_read(tmp_path):
    none = system(listening=None)
    for run, group in ((evaluate.listening_sheet, {"sheet": "x"}), (evaluate.evaluate, {"answers": "x"})):
        with pytest.raises(MusicFusionError, match="example has no listening test"):
            run(none, config(**group), tmp_path)


def test_answers_are_checked_before_anything_is_measured(tmp_path):
    with pytest.raises(MusicFusionError, match="no such answers"):
        evaluate.evaluate(system(evaluate=None), config(answers=str(tmp_path / "none")), tmp_path)


# Judges of another run ----------------------------------------------------------------------------------------------


@pytest.fixture
def judging(tmp_path):
    """A run of the same system, whose judge is another one, and the run that it is to judge."""
    folder = tmp_path / "judging"
    write_config({"system": "example", "preset": "lite", "judge": {"width": 7}}, folder)
    return folder


class Own:
    """A run that holds a judge and a model."""

    def __call__(self, stage, subtree="params"):
        return f"own {stage}"

    def has(self, stage):
        return True

    def step(self, stage):
        return 1

    def origin(self):
        return {"workdir": "own"}


def test_judges_of_another_run_measure_with_their_own_networks_and_the_report_says_so(judging, corpus):
    seen = {}

    def measure(config, corpus, trained):
        seen.update(config=config, judge=trained.has("judge"), model=trained("model"), origin=trained.origin())
        return MEASURED

    own = config()
    own.judge = {"width": 3}
    found = evaluate.measured(system(evaluate=measure), own, corpus, Own())
    assert seen["judge"] and seen["config"].judge.width == 3 and found.remarks == MEASURED.remarks

    own.evaluate.judges = str(judging)
    found = evaluate.measured(system(evaluate=measure), own, corpus, Own())
    assert not seen["judge"], "there it was never trained"
    assert (seen["model"], seen["config"].judge.width, own.judge.width) == ("own model", 7, 3)
    assert seen["origin"]["judges"]["workdir"] == str(judging)
    assert found.remarks == ("The judges are those of judging.", *MEASURED.remarks)


@pytest.mark.parametrize("stored, judges, problem", [
    ({"system": "other", "judge": {}}, {"judge": "judge"}, "they are those of other"),
    ({"system": "example"}, {"judge": "judge"}, "has no judge"),
    ({"system": "example", "judge": {}}, {}, "take none but a run's own"),
])
def test_judges_that_do_not_fit_are_refused(stored, judges, problem, tmp_path, corpus):
    write_config(stored, tmp_path)
    made = system(declaration=SimpleNamespace(name="example", judges=judges), evaluate=None)
    with pytest.raises(MusicFusionError, match=problem):
        evaluate.measured(made, config(judges=str(tmp_path)), corpus, Own())


def test_judges_that_are_not_there_are_refused(tmp_path, corpus):
    with pytest.raises(MusicFusionError, match="no such weights or workdir"):
        evaluate.measured(system(evaluate=None), config(judges=str(tmp_path / "none")), corpus, Own())
