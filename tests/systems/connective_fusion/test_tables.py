"""How what was measured is put into tables and figures."""

import numpy as np

from musicfusion.metrics import transitions
from musicfusion.render.tables import report
from musicfusion.systems.connective_fusion import tables
from musicfusion.systems.connective_fusion.tables import Point


def point(method, distance, value, setting="", iteration=0):
    values = dict.fromkeys(tables.CURVE, (value, value - 0.15, value + 0.15))
    return Point(method, setting, iteration, values | {"z_distance": (distance, distance, distance)})


def test_methods_are_compared_at_equal_z_distance():
    ours = [point("ours", 3.0, 0.9), point("ours", 1.0, 0.5)]
    theirs = [point("theirs", *x) for x in ((0.5, 0.1), (1.0, 0.4), (2.0, 0.6), (9.0, 0.8))]
    found = tables.equal_distance(tables.by_distance(ours, "ours"), tables.by_distance(theirs, "theirs"), "reality")
    assert found == (2, 0, 3), "the first is nearer than any of ours; .4 and .8 are surpassed, .6 is not"
    theirs[1] = point("theirs", 1.0, 0.15)
    assert tables.equal_distance(ours, theirs, "reality") == (2, 1, 3)


def test_points_are_named_by_method_setting_and_how_often():
    assert point("random pairs", 0, 0).name == "random pairs"
    assert point("Connective Fusion", 1, 0, "lambda 0.3", 5).name == "Connective Fusion, lambda 0.3 x 5"
    assert point("Connective Fusion", 1, 0, "lambda 0.3", 5).line == "Connective Fusion, lambda 0.3"


def evaluation(*others):
    curve = [point("random pairs", 0.0, 0.2), point("Connective Fusion", 1.0, 0.8, "lambda 0.3", 1), *others]
    shares = [0.5, 0.5]
    below = {f"{name}_below_{limit}": [0.1 * limit] for name in ("within", "across") for limit in tables.LIMITS}
    matrices = {"real pairs": {key: np.eye(count) for key, count in transitions.STATES.items()}}
    return tables.evaluation(
        preset="quick", data={"source": "made up", "split": "test", "songs": 3, "examples": 40},
        settings={"lambda": 0.3},
        classifier={"real": 0.8, "accuracy": 0.85, "shuffled": 0.2}, real=[point("real pairs", 0.0, 0.9)],
        curves={"test": curve, "prior": curve},
        style=dict.fromkeys(tables.STYLE, 0.1),
        histogram={"edges": [0.1, 1.0, 10.0], "within": shares, "across": shares} | below,
        reconstruction={"symbol_accuracy": 0.99, "onset_accuracy": 0.98, "kl": 70.0}, matrices=matrices)


def test_every_point_is_a_row_and_the_papers_two_numbers_stand_beside_ours():
    found = evaluation(point("Latent Perturb", 2.0, 0.4, "sigma 0.1", 10))
    rows = {row.name: row.values for row in found.table("test").rows}
    assert list(rows) == ["real pairs", "random pairs", "Connective Fusion, lambda 0.3 x 1",
                          "Latent Perturb, sigma 0.1 x 10"]
    value = rows["Latent Perturb, sigma 0.1 x 10"]["reality"]
    np.testing.assert_allclose((value.mean, value.low, value.high), (0.4, 0.25, 0.55))
    (classifier,) = found.table("reality_classifier").rows
    assert classifier.values["real"].paper == 0.959 and classifier.values["accuracy"].paper == 0.953
    assert classifier.values["shuffled"].paper is None
    compared = found.table("equal_distance").rows[0]
    assert {name: value.mean for name, value in compared.values.items()} == {"higher": 1, "separated": 1, "points": 1}
    assert found.details["histogram"]["edges"] == [0.1, 1.0, 10.0] and not found.remarks
    text = report(found)
    assert "0.953" in text and "pairs drawn from the prior, mean pitch" in text


def test_without_latent_perturb_a_remark_says_how_it_is_trained():
    found = evaluation()
    assert "equal_distance" not in [table.name for table in found.tables]
    assert "--config.train.baselines=true" in found.remarks[0]


def test_figures_are_drawn_from_what_they_hold(tmp_path):
    figures = evaluation().figures
    assert list(figures) == ["curves_test.png", "curves_prior.png", "matrices.png", "distances.png"]
    for name, draw in figures.items():
        assert draw(tmp_path / name).read_bytes()[:4] == b"\x89PNG"
