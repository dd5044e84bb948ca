"""Arrangement's listening test: clips for grades, and what is made of them."""

import numpy as np
import pytest
from listeners import answered, save

from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import listening as said
from musicfusion.render import sheet
from musicfusion.systems.arrangement import listening

OWN = "CycleGAN"


def features(crops):
    return crops.reshape(len(crops), -1)[:, :40:5] + np.linspace(0, 1, len(crops))[:, None]


@pytest.fixture(scope="module")
def test(crops, recordings):
    return listening.test(
        recordings, crops, {OWN: lambda sources, density: [mels[:, ::-1] for mels in sources]}, best=OWN,
        features=features, split="test", songs=6, seconds=3.0, clips=2, iterations=2, preset="quick")


def test_the_same_clips_are_heard_of_every_method_with_the_source_alone_beside_them(test):
    (section,) = test.sections
    assert section.forms == 1 and [question.name for question in section.questions] == [*listening.QUESTIONS]
    assert all(list(question.answers) == [str(k) for k in range(1, 11)] for question in section.questions)
    methods = ["the target of another song", "a steady beat at the source's tempo", OWN, "real drums"]
    assert [screen.methods[0] for screen in section.screens] == 2 * methods
    items = [screen.clips[0].item for screen in section.screens]
    assert len(set(items)) == 2 and items[:4] == [items[0]] * 4
    for screen in section.screens:
        assert screen.references[0].label == "The bass alone"
        assert len(screen.clips[0].facts["predictors"]) == 32 + 1
        assert screen.clips[0].sound.seconds == pytest.approx(screen.references[0].sound.seconds)
    assert test.sections[0].screens[0].references[0].sound.seconds == pytest.approx(3, abs=0.8), "whole crops"


def test_clips_are_compared_with_the_true_target_and_others_wait_for_the_regression(test):
    for screen in test.sections[0].screens:
        if screen.methods[0] == "real drums":
            assert set(screen.clips[0].facts["predictors"][:-1]) <= {0.0, 1.0}, "each band with itself"
    ungraded = test.facts["ungraded"]
    assert 0 < len(ungraded) <= listening.UNGRADED and all(len(own) == 32 + 1 for own in ungraded)


def test_nothing_trained_is_refused(crops, recordings):
    with pytest.raises(MusicFusionError, match="no translator is trained"):
        listening.test(recordings, crops, {}, best="", features=None, split="test", songs=6, seconds=3.0, clips=2,
                       iterations=2, preset="quick")


def test_grades_become_means_verdicts_and_agreement(test, tmp_path):
    sheet.write(test, tmp_path / "sheet")
    grade = {OWN: 7, "real drums": 9, "the target of another song": 4}
    for listener in ("1", "2"):
        def say(section, question, clip):
            own = grade.get(clip["method"], 2) - (question == "time")
            return str(own + (clip["item"] == first if clip["method"] == OWN else 0))

        first = test.sections[0].screens[0].clips[0].item
        save(answered(tmp_path / "sheet", listener, trained=listener == "1", say=say), tmp_path / "said")
    found = listening.report(said.read(str(tmp_path / "said"), str(tmp_path / "sheet"), "arrangement"))
    tables = {table.name: {row.name: row.values for row in table.rows} for table in found.tables}
    graded = tables["listening"][OWN]
    assert graded["quality"].mean == 7.5 and graded["time"].mean == 6.5 and graded["grade"].mean == 7.25
    assert graded["grade_trained"].low is None, "of one listener"
    verdicts = tables["grades"]
    assert verdicts[OWN]["good"].mean == 1 and verdicts[OWN]["ungraded"].paper == 2 / 3
    assert 0 <= verdicts[OWN]["ungraded"].mean <= 1 and "ungraded" not in verdicts["real drums"]
    spread = tables["distribution"]
    assert sum(x.mean for x in spread[OWN].values()) == 2 and spread["real drums"]["9"].mean == 2
    assert found.figures["grades.png"](tmp_path / "g.png").read_bytes()[:4] == b"\x89PNG"
    assert verdicts["the target of another song"]["good"].mean == 0
    assert verdicts["real drums"]["clips"].mean == 2 and verdicts["real drums"]["good"].paper is None
    assert tables["agreement"]["1"]["2"].mean == pytest.approx(1)
    assert found.figures["listening.png"](tmp_path / "l.png").read_bytes()[:4] == b"\x89PNG"
