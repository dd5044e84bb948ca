"""Answers of listeners: FusionGAN's table II."""

import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import listening


def test_the_level_is_lowered_by_one_sided_and_by_lost_answers():
    assert listening.fusion_level(0, 0, 10, 0) == 1 and listening.fusion_level(10, 0, 0, 0) == 0
    assert listening.fusion_level(5, 5, 0, 0) == 1 and listening.fusion_level(0, 0, 0, 3) == 0
    assert listening.fusion_level(30, 10, 40, 20) == pytest.approx(0.6)


def test_a_table_of_counts_is_read(tmp_path):
    path = tmp_path / "said.csv"
    path.write_text("method,first,second,mixture,neither\nours,10,8,30,2\nMLE,25,3,10,12\n")
    found = listening.read(path)
    assert list(found) == ["ours", "MLE"] and found["ours"]["mixture"] == 30
    assert listening.fusion_level(**found["ours"]) > listening.fusion_level(**found["MLE"])


@pytest.mark.parametrize("text", ["method,first\nours,1\n", "method,first,second,mixture,neither\nours,a,2,3,4\n",
                                  "method,first,second,mixture,neither\nours,-1,2,3,4\n"])
def test_what_is_no_such_table_is_refused(tmp_path, text):
    path = tmp_path / "said.csv"
    path.write_text(text)
    with pytest.raises(MusicFusionError, match=r"said\.csv: accepted is a CSV with the columns method, first"):
        listening.read(path)
    with pytest.raises(MusicFusionError, match="accepted is a CSV"):
        listening.read(tmp_path / "none.csv")
