"""What listeners answered: read, checked, counted."""

import json

import numpy as np
import pytest
from listeners import answered, example, save

from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import listening
from musicfusion.metrics.listening import KEY_FILE
from musicfusion.render import sheet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A sheet."""
    folder = tmp_path_factory.mktemp("sheet")
    sheet.write(example(), folder)
    return folder


def numbers(section, question, clip):
    """Machines are bad, rules middling, humans good; everybody knows who made what."""
    of = {"machine": "1", "rule": "3", "human": "5"}
    return {"quality": of.get(clip["method"]), "maker": "human" if clip["method"] == "human" else "machine",
            "difference": str(1 + int(clip["facts"].get("value", 0)))}[question]


def test_answers_are_joined_with_the_key_and_counted_by_method(folder, tmp_path):
    for listener, trained in (("1", True), ("2", False), ("3", False)):
        save(answered(folder, listener, trained=trained, say=numbers), tmp_path)
    found = listening.read(str(tmp_path), str(folder), "example")
    assert found.listeners == {"1": True, "2": False, "3": False} and found.facts == {"best": "machine"}
    assert len(found.given) == 3 * (3 * 2 + 3)
    assert found.minutes["1"] == pytest.approx(4 * 30 / 60)
    means = {method: listening.mean(own) for method, own in found.by_method("rated", "quality").items()}
    assert list(means) == ["machine", "rule", "human"], "in the order of the test"
    assert means == {"machine": (1, 1, 1), "rule": (3, 3, 3), "human": (5, 5, 5)}
    assert {one.facts["value"]: one.number for one in found.to("compared")} == {0: 1, 1: 2, 2: 3}
    makers = listening.shares(found.by_method("rated", "maker")["rule"], ("human", "machine"))
    assert makers["machine"][0] == 1 and makers["human"][0] == 0
    rows = {row.name: row.values for row in listening.table_of_listeners(found).rows}
    assert {name: values["listeners"].mean for name, values in rows.items()} == {
        "all": 3, "trained": 1, "not trained": 2}
    assert rows["not trained"]["answers"].mean == 18 and rows["all"]["minutes"].mean == 2


def test_intervals_are_drawn_over_listeners_and_one_listener_has_none(folder, tmp_path):
    for listener, grade in (("1", "1"), ("2", "5"), ("4", "5"), ("5", "5")):
        save(answered(folder, listener, trained=listener != "1",
                      say=lambda section, question, clip, grade=grade: {"quality": grade}.get(question)), tmp_path)
    found = listening.read(str(tmp_path), str(folder))
    of = listening.by_level(found.by_method("rated", "quality")["rule"], "quality")
    mean, low, high = of["quality"]
    assert mean == 4 and low < 3 and high == 5
    assert of["quality_trained"][0] == 5
    assert of["quality_not_trained"][0] == 1 and np.isnan(of["quality_not_trained"][1]), "of one listener"
    measures = listening.level_measures("quality", listening.Measure(label="quality"))
    assert measures.keys() == of.keys() and measures["quality_not_trained"].label == "quality, not trained"


def test_files_and_folders_may_be_mixed_and_the_key_may_lie_beside_them(folder, tmp_path):
    one = save(answered(folder, "1"), tmp_path / "a")
    save(answered(folder, "2"), tmp_path / "b")
    (tmp_path / "b" / KEY_FILE).write_text((folder / KEY_FILE).read_text())
    assert set(listening.read(f"{one}, {tmp_path / 'b'}").listeners) == {"1", "2"}
    with pytest.raises(MusicFusionError, match=r"a: there is no key\.json.*beside the answers, or give its folder"):
        listening.read(str(one))
    with pytest.raises(MusicFusionError, match="the key of a sheet of example; wanted are answers on musae"):
        listening.read(str(one), str(folder), "musae")


def broken(change):
    def made(answers):
        change(answers)
        return answers

    return made


BROKEN = {
    "no JSON": (lambda answers: "{", "cannot be read as answers: it is not JSON"),
    "another schema": (broken(lambda a: a.update(schema="x 2")), "its schema is 'x 2', accepted is 'musicfusion ans"),
    "a list": (lambda answers: [1], "its schema is None"),
    "another sheet": (broken(lambda a: a.update(sheet="abc")), "answers on sheet abc; the key is that of sheet"),
    "nobody": (broken(lambda a: a.update(listener=" ")), "names no listener"),
    "no background": (broken(lambda a: a["background"].pop("voice")), "about the listener, voice is not answered"),
    "an unknown form": (broken(lambda a: a["forms"].update(rated=7)), "form 7 of rated: there are 3"),
    "another form": (broken(lambda a: a["forms"].update(rated=0)), "its order holds other screens"),
    "one answer less": (broken(lambda a: a["answers"].pop()), r"incomplete: 1 of 9 answers are missing \(difference"),
    "one answer twice": (broken(lambda a: a["answers"].append(a["answers"][0])), "quality of clip c... twice"),
    "a clip of nobody": (broken(lambda a: a["answers"][0].update(clip="c999")), "clip c999 which was not asked"),
    "an answer of none": (broken(lambda a: a["answers"][0].update(answer="6")), "quality = '6': accepted are 1, 2, 3"),
    "no seconds": (broken(lambda a: a.pop("seconds")), "damaged answers"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_complete_answer_on_the_sheet_is_refused_in_one_line(folder, tmp_path, name):
    change, words = BROKEN[name]
    changed = change(answered(folder, "1"))
    path = tmp_path / "mine.json"
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(MusicFusionError, match=words) as refused:
        listening.read(str(path), str(folder))
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_nobody_is_counted_twice_and_an_empty_folder_is_refused(folder, tmp_path):
    save(answered(folder, "1"), tmp_path)
    (tmp_path / "again.json").write_text(json.dumps(answered(folder, "1")))
    with pytest.raises(MusicFusionError, match=r"listener 1 has answered in .*again\.json, too: keep one"):
        listening.read(str(tmp_path), str(folder))
    with pytest.raises(MusicFusionError, match="holds no answers"):
        listening.read(str(folder), str(folder))
    with pytest.raises(MusicFusionError, match="there are no such answers"):
        listening.read(str(tmp_path / "none"), str(folder))


def test_the_fusion_level_is_lowered_by_one_sided_and_by_lost_answers():
    counts = np.array([[0, 0, 10, 0], [10, 0, 0, 0], [5, 5, 0, 0], [0, 0, 0, 3], [30, 10, 40, 20]])
    np.testing.assert_allclose(listening.fusion_level(counts), [1, 0, 1, 0, 0.6])
    assert float(listening.fusion_level(counts[4])) == pytest.approx(0.6)


def test_a_statistic_of_choices_has_an_interval_over_listeners(folder, tmp_path):
    for listener, maker in (("1", "machine"), ("2", "human"), ("3", "human")):
        said = answered(folder, listener,
                        say=lambda section, question, clip, maker=maker: {"maker": maker}.get(question))
        save(said, tmp_path)
    found = listening.read(str(tmp_path), str(folder)).to("rated", "maker")
    value, low, high = listening.statistic(found, ("human", "machine"), lambda x: x[..., 0] / x.sum(-1))
    assert value == pytest.approx(2 / 3) and 0 <= low < value < high <= 1
    own = [one for one in found if one.listener == "1"]
    value, low, _ = listening.statistic(own, ("human", "machine"), lambda x: x[..., 0] / x.sum(-1))
    assert value == 0 and np.isnan(low)
