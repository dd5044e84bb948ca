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
    parts = {"declaration": SimpleNamespace(name="example"), "evaluate": lambda config, corpus, trained: MEASURED,
             "listening": Listening(test=lambda config, corpus, trained: example(), report=report)}
    return SimpleNamespace(**(parts | changes))


def config(**group):
    return ConfigDict({"seed": 3, "data": {"root": ""}, "evaluate": {"sheet": "", "answers": "", "clips": 1} | group})


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
