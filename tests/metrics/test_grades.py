"""Grades that listeners gave: read, compared, predicted."""

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import grades

RNG = np.random.default_rng(0)


def table(path, rows):
    path.write_text("\n".join([",".join(grades.COLUMNS), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_a_sheet_is_filled_in_and_read_back(tmp_path):
    path = tmp_path / "sheet.csv"
    grades.sheet(path, ["clip-001", "clip-002"])
    with pytest.raises(MusicFusionError, match="nobody has graded"):
        grades.read(path)
    path.write_text(path.read_text().replace("clip-001,,,,,", "clip-001,anna,7,8,6,9"))
    found = grades.read(path)
    assert list(found) == ["anna"] and found["anna"]["clip-001"].tolist() == [7, 8, 6, 9]
    assert grades.good(found) == {"clip-001": True}


@pytest.mark.parametrize(("row", "words"), [
    (("c", "anna", 0, 5, 5, 5), "line 2: grades must be"), (("c", "anna", 11, 5, 5, 5), "from 1 to 10"),
    (("c", "anna", "good", 5, 5, 5), "numbers"), (("c", "anna", 5, "", 5, 5), "one a question"),
])
def test_a_grade_that_is_none_is_refused(tmp_path, row, words):
    with pytest.raises(MusicFusionError, match=words):
        grades.read(table(tmp_path / "g.csv", [row]))


def test_a_table_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "g.csv"
    path.write_text("clip,annotator\nc,anna\n")
    with pytest.raises(MusicFusionError, match="no column quality"):
        grades.read(path)


def test_annotators_agree_as_their_means_correlate_over_shared_clips():
    given = {"anna": {str(k): np.full(4, k) for k in range(1, 9)},
             "ben": {str(k): np.full(4, 10 - k) for k in range(4, 9)}, "cleo": {"1": np.full(4, 5)}}
    names, matrix = grades.agreement(given)
    assert names == ["anna", "ben", "cleo"]
    assert matrix[0, 0] == pytest.approx(1) and matrix[0, 1] == pytest.approx(-1) and np.isnan(matrix[0, 2])


def test_a_clip_is_good_if_all_that_was_said_of_it_is_above_five():
    given = {"anna": {"x": np.array([4, 4, 4, 4]), "y": np.array([9, 9, 2, 2])}, "ben": {"x": np.array([7, 7, 7, 7])}}
    assert grades.good(given) == {"x": True, "y": True}
    assert grades.good({"anna": {"x": np.full(4, 5.0)}}) == {"x": False}


def test_grades_are_predicted_from_features_that_determine_them_and_not_from_others():
    features = RNG.normal(size=(300, 8))
    labels = features[:, 0] + 0.5 * features[:, 1] + 0.3 * RNG.normal(size=300) > 0
    assert grades.predicted(features, labels) > 0.88
    assert 0.35 < grades.predicted(RNG.normal(size=(300, 8)), labels) < 0.65
    assert np.isnan(grades.predicted(features, np.ones(300, bool)))


def test_the_regression_is_scikit_learn_s():
    linear_model = pytest.importorskip("sklearn.linear_model")
    features = RNG.normal(size=(200, 4)) * [1, 10, 0.1, 3] + 2
    labels = features[:, 0] + RNG.normal(size=200) > 2
    standard = (features - features.mean(0)) / features.std(0)
    theirs = linear_model.LogisticRegression(C=1.0, tol=1e-8).fit(standard, labels).predict_proba(standard)[:, 1]
    np.testing.assert_allclose(grades.Logistic(features, labels).probability(features), theirs, atol=1e-4)
