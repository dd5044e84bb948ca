import math

import numpy as np
import pytest

from musicfusion.core.evaluation import Evaluation
from musicfusion.render.tables import of_values
from musicfusion.systems.collagenet import baselines, published, tables
from musicfusion.systems.collagenet.objective import ASPECTS


def means(**values):
    """Means with an interval of no width."""
    return {name: (value, value, value) for name, value in values.items()}


STEERED = {f"controls {c}": means(changed=changed, harmony_rate=rate, harmony_rate_key_matched=rate - 0.2)
           for c, changed, rate in ((0, 0.5, 0.9), (0.5, 0.3, 0.7), (1, 0.1, 0.3))}


@pytest.mark.parametrize(
    "changed, expected", [(0.1, (0.3, 0.1)), (0.2, (0.5, 0.3)), (0.6, ()), (0.05, ()), (math.nan, ())])
def test_methods_are_compared_with_collagenet_at_equal_change(changed, expected):
    found = tables.at_equal_change(STEERED, means(changed=changed))
    assert list(found.values()) == pytest.approx(list(expected))
    assert set(found) <= set(tables.AT_EQUAL_CHANGE)


def test_where_no_evaluator_is_trained_there_is_nothing_to_compare_at_equal_change():
    steered = {name: means(changed=values["changed"][0]) for name, values in STEERED.items()}
    assert tables.at_equal_change(steered, means(changed=0.2)) == {}


def test_table_1_shows_our_numbers_beside_the_papers():
    methods = {"CollageNet, lambda 1": means(changed=0.2, harmony_rate=0.9, rho_melody=0.5)}
    table = tables.harmony(methods, STEERED, distance=1.0)
    (row,) = table.rows
    assert row.values["harmony_rate"].paper == 0.8956 and row.values["rho_melody"].paper == 0.66
    assert "rho_accompaniment" not in row.values
    text = of_values(table)
    assert "90.0 [90.0, 90.0]" in text and "89.6" in text and "50.0" in text


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
    for columns in (tables.RATES, tables.RHO, tables.AT_EQUAL_CHANGE, tables.KEPT, tables.EVALUATORS, tables.TABLE2,
                    tables.TABLE3, tables.RECONSTRUCTION):
        assert not any("|" in measure.label for measure in columns.values())


def test_figures_are_drawn_from_what_they_are_given(tmp_path):
    methods = {"rule-based": means(changed=0.3, harmony_rate=0.6, harmony_rate_key_matched=0.4),
               "silent": means(changed=np.nan, harmony_rate=0.0, harmony_rate_key_matched=0.0)}
    assert tables.draw_harmony(tmp_path / "harmony.png", methods=methods, steered=STEERED).stat().st_size > 10_000
    response = {control: {aspect: [1.0, 0.5] for aspect in ASPECTS} for control in ASPECTS}
    assert tables.draw_controls(tmp_path / "controls.png", values=(0, 1), response=response).stat().st_size > 10_000


def test_the_same_key_never_stands_for_two_tables():
    built = [tables.harmony({}, STEERED, 1.0), tables.kept({}), tables.evaluators({}), tables.pairs({}, 1.0),
             tables.parts({}, 1.0), tables.controls_alike({}), tables.control_response((), {}),
             tables.reconstruction({})]
    evaluation = Evaluation(system="collagenet", preset="quick", title="", about="", data={}, tables=tuple(built))
    assert len(evaluation.to_json()["tables"]) == len(built)
