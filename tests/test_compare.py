"""Several reports in one picture."""

import json

import pytest

from musicfusion import compare, launch
from musicfusion.core.evaluation import Evaluation, Measure, Overview, Table, row

MEASURES = {"kept": Measure(label="notes"), "fits": Measure(label="passes a judge")}
ROWS = (row("real", {"kept": 1.0, "fits": 0.9}), row("drone", {"kept": 0.2, "fits": (0.1, 0.05, 0.2)}),
        row("ours, controls 0", {"kept": 0.5, "fits": 0.8}), row("ours, controls 1", {"kept": 0.9, "fits": 0.7}),
        row("unmeasured", {"kept": 0.9, "fits": None}))


def evaluation(**changes) -> Evaluation:
    overview = Overview(table="one", kept="kept", fits="fits", kinds={
        "real": "real", "drone": "fool", "ours, controls 0": "ours", "ours, controls 1": "ours", "unmeasured": "ours"},
        lines={"ours": ("ours, controls 0", "ours, controls 1"), "alone": ("real",)})
    table = Table(name="one", title="One", measures=MEASURES, rows=ROWS)
    settings = {"system": "own", "preset": "lite", "title": "Own", "about": "", "data": {}, "tables": (table,),
                "overview": overview}
    return Evaluation(**settings | changes)


@pytest.fixture
def workdir(tmp_path):
    """With a report."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(evaluation().to_json()))
    return folder


def test_a_panel_holds_what_the_overview_names(workdir):
    found = compare.panel(compare.read(workdir / "report.json"), workdir)
    assert found.points == {"real": (1.0, 0.9), "drone": (0.2, 0.1), "ours, controls 0": (0.5, 0.8),
                            "ours, controls 1": (0.9, 0.7)}
    assert found.lines == [["ours, controls 0", "ours, controls 1"]]
    assert (found.title, found.xlabel, found.ylabel) == ("Own", "kept: notes", "fits: passes a judge")


def test_reports_and_workdirs_make_one_picture(workdir, tmp_path, capsys):
    out = tmp_path / "new" / "house.png"
    assert launch.main(["musicfusion", "--mode=compare", f"--reports={workdir},{workdir / 'report.json'}",
                        f"--out={out}"]) == 0
    assert capsys.readouterr().out == f"open:\n  {out}\n"
    assert out.stat().st_size > 20_000


@pytest.mark.parametrize(("content", "told"), [
    (None, "cannot be read"), ("{", "cannot be read"), ("[1]", "is no report"), ('{"schema": "other"}', "is no report"),
    (json.dumps(evaluation(overview=None).to_json()), "has no overview")])
def test_what_is_no_report_is_refused_in_one_line_and_nothing_is_written(content, told, tmp_path, capsys):
    path, out = tmp_path / "report.json", tmp_path / "out.png"
    if content is not None:
        path.write_text(content)
    assert launch.main(["musicfusion", "--mode=compare", f"--reports={path}", f"--out={out}"]) == 2
    said = capsys.readouterr().err
    assert told in said and str(path) in said and said.count("\n") == 1
    assert not out.exists()


def test_without_reports_it_says_what_it_needs(capsys):
    assert launch.main(["musicfusion", "--mode=compare"]) == 2
    assert "--mode=compare needs --reports" in capsys.readouterr().err
