"""An evaluation has one form for all systems: as JSON, and as Markdown."""

import json
import math

import numpy as np

from musicfusion.core.evaluation import SCHEMA, Evaluation, Measure, Table, means, row
from musicfusion.render import tables

MEASURES = {"rate": Measure(label="passes", unit="%", scale=100, digits=1, better="higher"),
            "distance": Measure(label="distance", digits=2), "never": Measure(label="not measured")}
TABLE = Table(name="table1", title="Table 1", measures=MEASURES, note="What it means.", rows=(
    row("real", {"rate": (0.9, 0.85, 0.95), "distance": float("nan")}),
    row("ours", {"rate": (np.float32(0.5), 0.4, 0.6), "distance": 1.234, "never": None}, {"rate": 0.61}),
))
EVALUATION = Evaluation(
    system="own", preset="lite", title="Own, preset lite", about="Two songs.", data={"songs": np.int64(2)},
    tables=(TABLE,), headlines=(("table1", "ours", "rate"),), remarks=("One remark.",),
    details={"curve": np.array([1.0, np.inf])})


def test_the_json_says_what_each_number_is():
    report = json.loads(json.dumps(EVALUATION.to_json(), allow_nan=False))
    assert report["schema"] == SCHEMA and report["data"] == {"songs": 2}
    table = report["tables"]["table1"]
    assert table["measures"]["rate"] == {"label": "passes", "unit": "%", "scale": 100, "digits": 1, "better": "higher"}
    real, ours = table["rows"]
    assert real == {"name": "real", "values": {"rate": {"mean": 0.9, "low": 0.85, "high": 0.95}}}
    assert ours["values"]["rate"]["paper"] == 0.61 and ours["values"]["distance"] == {"mean": 1.234}
    assert report["headlines"] == [["table1", "ours", "rate"]]
    assert report["details"]["curve"] == [1.0, None]


def test_the_markdown_shows_units_intervals_and_the_papers_numbers_beside_ours():
    text = tables.report(EVALUATION)
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert lines[0] == ["method", "passes, %", "paper", "distance"], "what no row has is left out"
    assert lines[2] == ["real", "90.0 [85.0, 95.0]", "-", "-"]
    assert lines[3] == ["ours", "50.0 [40.0, 60.0]", "61.0", "1.23"]
    for words in ("# Own, preset lite", "Two songs.", "## Table 1", "What it means.", "- One remark.", "95 %"):
        assert words in text


def test_rows_are_found_by_name():
    assert math.isclose(means(EVALUATION.table("table1"), "rate", ["ours"])[0], 0.5)
    assert means(TABLE, "rate") == [0.9, 0.5] and means(TABLE, "never") == []
