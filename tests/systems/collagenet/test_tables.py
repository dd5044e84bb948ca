import numpy as np
import pytest

from musicfusion.core.evaluation import Evaluation
from musicfusion.render.tables import of_values
from musicfusion.systems.collagenet import baselines, published, tables
from musicfusion.systems.collagenet.objective import ASPECTS


def means(**values):
    """Means with an interval of no width."""
    return {name: (value, value, value) for name, value in values.items()}


STEERED = {f"controls {c}": means(intervals_kept=kept, harmony_rate=rate, judge_rate=rate - 0.2)
           for c, kept, rate in ((0, 0.5, 0.9), (0.5, 0.7, 0.7), (1, 0.9, 0.3))}
PASSES = {"harmonic pairs": 0.9, "own pitches shuffled": 0.8, "disharmonic pairs": 0.1,
          **dict.fromkeys(tables.FOOLED_BY, 0.05)}


@pytest.mark.parametrize("rule", tables.FOOLED_BY)
def test_a_judge_that_any_of_the_cheapest_rules_pleases_is_none_and_a_line_says_so(rule):
    line = tables.fooled("second_judge", PASSES | {rule: 0.314}, 0.15)
    assert line.startswith("second_judge is no judge, and its rates are left out")
    assert f'"{rule}" passes in 31 %' in line and "at most 15 % may" in line and "\n" not in line


def test_a_judge_that_no_rule_pleases_stays_whatever_else_does():
    assert tables.fooled("judge", PASSES, 0.15) == ""
    assert tables.fooled("judge", PASSES | {tables.FOOLED_BY[1]: 0.15}, 0.15) == "", "so many may"
    assert tables.fooled("judge", {"harmonic pairs": 0.9}, 0.15) == "", "none was measured"
    assert set(tables.FOOLED_BY) == {*baselines.FOOLS, *baselines.ACCOMPANIMENT_FOOLS}


def test_what_a_judge_takes_for_real_stands_in_its_row():
    table = tables.judges({"judge": PASSES, "second_judge": PASSES | {"drone on the root": 0.5}})
    assert [row.name for row in table.rows] == ["judge", "second_judge"] and list(table.measures) == list(PASSES)
    assert table.rows[1].values["drone on the root"].mean == 0.5
    better = {name: measure.better for name, measure in table.measures.items()}
    assert better.pop("harmonic pairs") == "higher" and set(better.values()) == {"lower"}


def test_table_1_shows_our_numbers_beside_the_papers():
    methods = {"CollageNet, lambda 1": means(harmony_rate=0.9, intervals_kept=0.4, rho_melody=0.5, pch_oa=0.3)}
    table = tables.harmony(methods, distance=1.0)
    (row,) = table.rows
    assert list(row.values) == ["harmony_rate", "intervals_kept", "rho_melody"], "what it costs stands beside it"
    assert row.values["harmony_rate"].paper == 0.8956 and row.values["rho_melody"].paper == 0.66
    assert "rho_accompaniment" not in row.values
    text = of_values(table)
    assert "90.0 [90.0, 90.0]" in text and "89.6" in text and "40.0 [" in text and "0.50 [" in text


def test_the_papers_rows_stand_beside_our_own_names():
    known = published.beside(published.TABLE2, 0.5)
    assert known["CollageNet, lambda 0.5"]["pch_oa"] == 0.588
    assert known["data-driven, 100 iterations"]["pch_oa"] == 0.397
    assert set(known) - {"CollageNet, lambda 0.5", "data-driven, 100 iterations"} == {
        "harmonic pairs", "disharmonic pairs", "rule-based"}


def test_every_published_row_is_a_method_that_we_measure():
    names = {"harmonic pairs", "disharmonic pairs", "test set", "VAE prior", "data-driven", "rule-based",
             "CollageNet", "CollageNet-vanilla", *(f"CollageNet, lambda {x:g}" for x in (0.1, 0.5, 1, 2))}
    for rows in (published.TABLE1, published.TABLE2, published.TABLE3):
        assert set(rows) <= names
    assert 100 in baselines.DESCENTS


def test_a_distance_falls_only_if_every_step_of_it_does():
    assert tables.falls([3, 2, 1]) and not tables.falls([3, 2, 2]) and not tables.falls([1, 2, 1])


def test_the_control_response_names_the_aspects_that_fall_with_their_own_control():
    response = {control: {aspect: [1.0, 0.5] if control == aspect != "chord" else [1.0, 1.0] for aspect in ASPECTS}
                for control in ASPECTS}
    table = tables.control_response((0.0, 1.0), response)
    assert "pitch, rhythm, texture." in table.note
    assert [row.name for row in table.rows][:3] == ["pitch 0", "pitch 1", "rhythm 0"]


def test_no_label_breaks_a_markdown_table():
    for columns in (tables.RATES, tables.RHO, tables.KEPT, tables.TABLE2, tables.TABLE3, tables.RECONSTRUCTION,
                    tables.judges({"judge": PASSES}).measures):
        assert not any("|" in measure.label for measure in columns.values())


RESPONSE = {method: {control: {"intervals_kept": [low, 0.9], "onsets_kept": [low, 1.0], "chords_kept": [low, 1.0],
                               "notes_kept": [low, 0.7]} for control in ASPECTS}
            for method, low in (("latent", 0.2), ("edits", 0.4))}


def test_each_control_has_its_own_measure_of_what_is_heard_of_it():
    assert list(tables.RETENTION) == list(ASPECTS) and len(set(tables.RETENTION.values())) == len(ASPECTS)
    table = tables.retention((0.0, 1.0), RESPONSE)
    assert [row.name for row in table.rows][:3] == ["latent, pitch 0", "latent, pitch 1", "latent, rhythm 0"]
    assert len(table.rows) == 16 and list(table.measures) == list(tables.RETENTION.values())
    last = table.rows[-1]
    assert last.name == "edits, texture 1" and last.values["notes_kept"].mean == 0.7


def drawn_lines(monkeypatch, draw, *args, **keywords):
    """What `draw` gives to figures.lines_grid: its panels."""
    panels = []
    monkeypatch.setattr(tables.figures, "lines_grid", lambda path, own, **_: panels.extend(own))
    draw(*args, **keywords)
    return panels


METHODS = {"rule-based": means(intervals_kept=0.3, harmony_rate=0.6, judge_rate=0.4),
           "edits, controls 0": means(intervals_kept=0.6, harmony_rate=0.8, judge_rate=0.7),
           "edits, controls 1": means(intervals_kept=1.0, harmony_rate=0.5, judge_rate=0.4),
           "silent": means(intervals_kept=np.nan, harmony_rate=0.0, judge_rate=0.0)}


KINDS = dict.fromkeys(METHODS, "ours") | {"rule-based": "baseline"}


def test_each_judge_that_has_rates_gets_a_panel_and_what_has_controls_is_a_line(monkeypatch):
    panels = []
    monkeypatch.setattr(tables.figures, "tradeoff", lambda path, own, **_: panels.extend(own))
    tables.draw_harmony(None, methods=METHODS, steered=STEERED, kinds=KINDS)
    assert [panel.title for panel in panels] == ["paper's evaluator", "judge"]
    points = panels[0].points
    assert points["rule-based"] == (0.3, 0.6) and "silent" not in points
    lines = [[points[name] for name in line] for line in panels[0].lines]
    assert lines == [[(0.6, 0.8), (1.0, 0.5)], [(0.5, 0.9), (0.7, 0.7), (0.9, 0.3)]]
    assert set(points) <= set(panels[0].kinds) and panels[0].kinds["rule-based"] == "baseline"
    assert {panels[0].kinds[name] for line in panels[0].lines for name in line} == {"ours"}


def test_each_control_s_panel_shows_what_is_kept_of_its_own_aspect(monkeypatch):
    panels = drawn_lines(monkeypatch, tables.draw_retention, None, values=(0, 1), retention=RESPONSE)
    assert panels[0] == ("control pitch: melodic intervals", (0, 1), {"latent": [0.2, 0.9], "edits": [0.4, 0.9]})


def test_figures_are_drawn_from_what_they_are_given(tmp_path):
    drawn = tables.draw_harmony(tmp_path / "harmony.png", methods=METHODS, steered=STEERED, kinds=KINDS)
    assert drawn.stat().st_size > 10_000
    response = {control: {aspect: [1.0, 0.5] for aspect in ASPECTS} for control in ASPECTS}
    assert tables.draw_controls(tmp_path / "controls.png", values=(0, 1), response=response).stat().st_size > 10_000
    assert tables.draw_retention(tmp_path / "retention.png", values=(0, 1), retention=RESPONSE).stat().st_size > 10_000


def test_the_same_key_never_stands_for_two_tables():
    built = [tables.judges({}), tables.harmony({}, 1.0), tables.kept({}), tables.pairs({}, 1.0),
             tables.parts({}, 1.0), tables.controls_alike({}), tables.retention((), {}),
             tables.control_response((), {}), tables.reconstruction({})]
    evaluation = Evaluation(system="collagenet", preset="quick", title="", about="", data={}, tables=tuple(built))
    assert len(evaluation.to_json()["tables"]) == len(built)
