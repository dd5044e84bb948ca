"""FusionGAN's listening test: qualification, fusion recognition, musicality; and Table II."""

import numpy as np
import pytest
from listeners import answered, save

from musicfusion.codecs.audio import Audio
from musicfusion.codecs.melody import HOLD
from musicfusion.data.corpus import concatenate, joined
from musicfusion.metrics import listening as said
from musicfusion.render import sheet
from musicfusion.systems.fusion_gan import evaluation, listening
from musicfusion.systems.fusion_gan.dataset import Dataset

RNG = np.random.default_rng(0)


def melodies(genre, every):
    """Forty songs of eight bars in C, a note on every so many steps."""
    songs = []
    for number in range(40):
        tokens = np.full(128, HOLD, np.uint8)
        tokens[::every] = RNG.choice([60, 62, 64, 65, 67, 69, 71, 72], 128 // every)
        songs.append((f"{genre} {number}", {"melody": tokens}))
    return concatenate(songs, {}, genre)


@pytest.fixture(scope="module")
def test():
    """Of a run in which nothing was trained: the two methods that learn nothing, and real melodies."""
    data, corpus = Dataset(mode="both", grid=16, seed=0), joined(
        [melodies("fiddle", 2), melodies("chorales", 4)], ("fiddle", "chorales"))
    models = evaluation.Models(generator=None, generators={}, critic=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet, "play", lambda score: Audio(np.resize(score.tracks[0].notes[:, 2] / 127, 400)))
        yield listening.test(corpus, models, data=data, split="test", clips=2, preset="quick")


def test_a_listener_qualifies_and_hears_as_many_melodies_of_each_method(test):
    qualification, fusion = test.sections
    assert qualification.forms == fusion.forms == listening.FORMS
    assert [question.name for question in fusion.questions] == ["genre", "composer"]
    assert list(fusion.questions[0].answers.values()) == [
        "pure fiddle", "pure chorales", "mixture of fiddle and chorales", "neither"]
    for form in range(listening.FORMS):
        heard = [screen.methods[0] for screen in fusion.of_form(form)]
        assert {method: heard.count(method) for method in heard} == {
            "random mixing (RM)": 2, "Monte Carlo (MC)": 2, "real: fiddle": 2, "real: chorales": 2}
        assert len(qualification.of_form(form)) == 2 * listening.QUALIFYING
    assert test.facts == {"genres": ["fiddle", "chorales"]}


def test_table_ii_counts_those_who_told_the_genres_right(test, tmp_path):
    truth = {"real: fiddle": "first", "real: chorales": "second"}

    def expert(section, question, clip):
        if section == "qualification":
            return truth[clip["method"]]
        return "robot" if question == "composer" else truth.get(clip["method"], "mixture")

    def guesser(section, question, clip):
        return {"composer": "expert"}.get(question, "neither")

    sheet.write(test, tmp_path / "sheet")
    for listener, say in (("1", expert), ("2", expert), ("3", guesser)):
        save(answered(tmp_path / "sheet", listener, say=say), tmp_path / "said")
    found = listening.report(said.read(str(tmp_path / "said"), str(tmp_path / "sheet"), "fusion_gan"))
    qualification, table = found.tables
    (row,) = qualification.rows
    assert row.values["qualified"].mean == 2 and row.values["right"].mean == pytest.approx(2 / 3)
    assert row.values["right"].paper == 0.665 and "By the 2 of 3 listeners" in table.note
    rows = {row.name: row.values for row in table.rows}
    assert rows["random mixing (RM)"]["mixture"].mean == 1 and rows["random mixing (RM)"]["level"].mean == 1
    assert rows["random mixing (RM)"]["level"].paper == 0.575 and rows["Monte Carlo (MC)"]["robot"].mean == 1
    assert rows["real: fiddle"]["first"].mean == 1 and rows["real: fiddle"]["level"].mean == 0
    assert rows["real: fiddle"]["level"].paper is None


def test_where_nobody_qualifies_all_answers_are_counted(test, tmp_path):
    sheet.write(test, tmp_path / "sheet")
    save(answered(tmp_path / "sheet", "1", say=lambda section, question, clip: {"genre": "neither"}.get(question)),
         tmp_path / "said")
    _, table = listening.report(said.read(str(tmp_path / "said"), str(tmp_path / "sheet"))).tables
    assert "so all answers are counted" in table.note and table.rows[0].values["neither"].mean == 1
