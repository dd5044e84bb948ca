"""Configs are found, changed and compared; whatever is wrong with one is a line that says what would be accepted."""

import json
from pathlib import Path

import pytest

from musicfusion.core import config as configs
from musicfusion.core.errors import MusicFusionError

OWN = '''
from ml_collections import ConfigDict

def get_config(variant="small"):
    if variant != "small":
        raise ValueError("variant is unknown: use small\\nor nothing")
    return ConfigDict({"system": "own", "preset": variant, "seed": 0, "net": {"width": 4, "rate": 0.1, "on": True},
                       "data": {"root": "", "split": "test"}, "sample": {"hop": 4}, "words": ("a", "b")})
'''


@pytest.fixture
def own(tmp_path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_a_config_is_found_by_its_path_and_in_the_package_from_anywhere(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configs.load(str(own)).net.width == 4
    assert configs.load("configs/collagenet.py:quick").preset == "quick"
    assert "configs/collagenet.py" in configs.names() and "configs/common.py" not in configs.names()


@pytest.mark.parametrize(("path", "words"), [
    ("configs/nothing.py", "no such config file; there are configs/"),
    ("{own}:large", "own.py:large: variant is unknown: use small$"),
    ("configs/collagenet.py:tiny", "variant 'tiny' is unknown: use one of"),
])
def test_what_cannot_be_loaded_is_one_line(own, path, words):
    with pytest.raises(MusicFusionError, match=words) as refused:
        configs.load(path.format(own=own))
    assert "\n" not in str(refused.value)


def test_values_may_be_text_or_python(own):
    before = configs.load(str(own))
    for changes in ([("net.width", "8"), ("net.on", "false"), ("words", "('c',)")],
                    {"net.width": 8, "net.on": False, "words": ("c",)}):
        after = configs.override(before, changes)
        assert (after.net.width, after.net.on, tuple(after.words)) == (8, False, ("c",))
    assert before.net.width == 4, "the config itself stays as it was"


@pytest.mark.parametrize(("key", "value", "words"), [
    ("net.widht", "8", "no key 'net.widht': did you mean net.width"),
    ("xyz", "8", "no key 'xyz': --print_config lists"),
    ("net.width", "eight", "net.width"),
    ("net.width", "0", "out of range: accepted is a number from 1"),
    ("net.rate", "-1", "out of range"),
    ("net.width", "eight words\nand a line", "net.width"),
    ("net.width", 0, "out of range: accepted is a number from 1"),
    ("net.width", None, "width"),
])
def test_a_change_that_does_not_fit_is_refused_in_one_line(own, key, value, words):
    config = configs.load(str(own))
    if value is None:
        value = [1, 2]
    with pytest.raises(MusicFusionError, match=words) as refused:
        configs.override(config, {key: value})
    assert "\n" not in str(refused.value)


def test_what_was_learned_is_compared_and_the_rest_is_free(own):
    one = configs.load(str(own))
    configs.check_same(configs.override(one, {"data.root": "songs", "sample.hop": 2, "data.split": "all"}),
                       one.to_dict(), "it is", "do otherwise")
    with pytest.raises(MusicFusionError, match=r"it is of another config \(net.width was 4, is 8\): do otherwise"):
        configs.check_same(configs.override(one, {"net.width": 8}), one.to_dict(), "it is", "do otherwise")
    configs.check_same(configs.override(one, {"net.width": 8}), one.to_dict(), "it is", "do otherwise", ["net.width"])


def test_the_differences_from_a_published_config_name_no_folder_of_this_machine(tmp_path):
    config = configs.load("configs/collagenet.py:quick")
    changed = configs.override(config, {"data.root": str(tmp_path / "songs"), "fusion.steps": 7, "sample.hop": 1})
    assert configs.differences(changed) == [("data.root", "songs"), ("fusion.steps", 7)]
    assert configs.differences(config) == []


def test_a_stored_config_gets_keys_that_came_later_and_loses_those_that_are_no_more():
    stored = configs.load("configs/collagenet.py:quick").to_dict()
    del stored["evaluate"]["sheet"]
    stored["evaluate"] |= {"segments": 77, "gone": "x"}
    stored["fusion"]["steps"] = 12
    found = configs.completed(stored)
    assert found.evaluate.sheet == "" and found.evaluate.segments == 77 and "gone" not in found.evaluate
    assert found.fusion.steps == 12, "what was learned stays"
    assert configs.override(found, [("evaluate.clips", "2")]).evaluate.clips == 2
    with pytest.raises(MusicFusionError, match="from 1"):
        configs.override(found, [("evaluate.clips", "0")])


def test_a_stored_config_gets_groups_that_came_later_and_is_the_same_still():
    stored = configs.load("configs/arrangement.py:quick").to_dict()
    del stored["synchrony"]
    found = configs.completed(stored)
    assert found.synchrony.weight == 0
    configs.check_same(found, stored, "it is", "do otherwise")
    with pytest.raises(MusicFusionError, match=r"synchrony.weight was 0.0, is 2.0"):
        configs.check_same(configs.override(found, {"synchrony.weight": 2.0}), stored, "it is", "do otherwise")


def test_a_stored_config_of_a_system_elsewhere_stays_as_it_is():
    assert configs.completed({"system": "elsewhere", "preset": "x"}).to_dict() == {"system": "elsewhere", "preset": "x"}


def test_what_was_a_tuple_can_be_overridden_after_the_way_through_json():
    stored = json.loads(json.dumps(configs.load("configs/musae.py").to_dict()))
    assert isinstance(stored["lengths"], list)
    found = configs.override(configs.completed(stored), {"data.shares": "(.5,.5)"})
    assert found.data.shares == (0.5, 0.5) and found.lengths == (2, 16)
