"""The fuzzing script: what it feeds is real, what it lets pass is only what may be, and mutants break nothing."""

import json
import subprocess
import sys

import fuzz
import numpy as np
import pytest
from safetensors.numpy import save

from musicfusion.core import config as configs
from musicfusion.core import results
from musicfusion.core.errors import MusicFusionError
from musicfusion.pretrained import Pretrained

each_target = pytest.mark.parametrize("target", fuzz.TARGETS)


@each_target
def test_a_target_reads_its_seeds_and_refuses_what_is_none_of_its_kind(target):
    seeds = fuzz.TARGETS[target].seeds()
    assert len(seeds) == len(set(seeds)) >= 2 and max(map(len, seeds)) <= fuzz.TARGETS[target].longest
    assert sum(fuzz.run_once(target, seed) for seed in seeds) >= len(seeds) / 2
    assert not fuzz.run_once(target, b"--\xff")


@pytest.mark.parametrize("target", ["chart", "config", "weights"])
def test_mutants_of_texts_and_weights_raise_nothing_else_and_end_soon(target):
    known, read = fuzz.TARGETS[target], 0
    seeds = known.seeds()
    for seed in seeds:
        for data in fuzz.mutants(seed, 100 // len(seeds) + 1, known.words):
            with fuzz.limited():
                read += fuzz.run_once(target, data)
    assert 0 < read < 100


# The script -----------------------------------------------------------------------------------------------------------


def told(error: Exception, hidden: Exception | None = None):
    """A reader that raises an error, from one that its last resort caught."""
    def read(data: bytes) -> None:
        try:
            if hidden:
                raise hidden
        except Exception:
            raise error from None
        raise error
    return fuzz.Target(read, lambda: [b""])


@pytest.mark.parametrize(("reader", "words"), [
    (told(ValueError("wrong")), "ValueError: wrong"),
    (told(MusicFusionError("two\nlines")), "several lines"),
    (told(MusicFusionError("no memory"), MemoryError()), "MemoryError"),
    (told(MusicFusionError("too deep"), RecursionError()), "RecursionError"),
])
def test_what_is_no_error_of_one_line_breaks_a_target(reader, words, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(fuzz.TARGETS, "chart", reader)
    with pytest.raises(fuzz.Broken, match=words):
        fuzz.run_once("chart", b"")
    (tmp_path / "again").write_bytes(b"")
    assert fuzz.main(["chart", str(tmp_path / "again")]) == 1 and words in capsys.readouterr().out


def test_a_refusal_of_what_another_library_could_not_read_breaks_nothing(monkeypatch):
    monkeypatch.setitem(fuzz.TARGETS, "chart", told(MusicFusionError("refused"), ValueError("of a library")))
    assert not fuzz.run_once("chart", b"")


def test_limits_tell_what_takes_too_long_or_too_much():
    with pytest.raises(fuzz.Broken, match="it takes"), fuzz.limited(seconds=0):
        sum(range(100_000))
    with pytest.raises(MemoryError), fuzz.limited(more=64):
        bytearray(2**28)
    bytearray(2**28)


def test_without_atheris_the_script_says_how_to_install_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert fuzz.main(["midi", f"--corpus={tmp_path}"]) == 2
    assert capsys.readouterr().err == "atheris is not installed: pip install 'musicfusion[fuzz]'\n"
    assert not list(tmp_path.iterdir())


def test_with_atheris_the_script_ends_in_time_and_keeps_what_reaches_new_code(tmp_path):
    pytest.importorskip("atheris")
    command = [sys.executable, fuzz.__file__, "chart", "--seconds=3", f"--corpus={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"chart: 0 new crashes, 0 in all, in {tmp_path / 'crashes'}\n"
    assert len(list((tmp_path / "seeds").iterdir())) == len(fuzz.TARGETS["chart"].seeds())


# What it has found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [
    {"system": "musae", "fusion.steps": 3}, {"system": "musae", "preset": "lite", "run": 3}, {"system": {"a": 1}},
    {"system": 7}])
def test_a_stored_config_that_makes_no_sense_is_refused_in_one_line(stored):
    with pytest.raises(MusicFusionError, match="a stored config makes no sense") as caught:
        configs.completed(stored)
    assert "\n" not in str(caught.value)


def test_a_stored_config_runs_no_file_but_those_that_are_known(tmp_path, monkeypatch):
    (tmp_path / "other.py").write_text("raise SystemExit('run')")
    stored = {"system": f"../{tmp_path.name}/other", "preset": "lite"}
    monkeypatch.chdir(tmp_path)
    assert configs.completed(stored).to_dict() == stored


def test_a_config_that_is_nested_too_deeply_is_no_run(tmp_path):
    (tmp_path / "config.json").write_text("[" * 200_000)
    with pytest.raises(MusicFusionError, match="is not the workdir of a run"):
        results.read_config(tmp_path)


@pytest.mark.parametrize("names", [["vae"], ["vae/"], ["vae/a", "vae/a/b"], ["vae//a"], ["/vae"]])
def test_weights_whose_names_are_no_tree_are_damaged(names, tmp_path):
    arrays = save({name: np.zeros(1, np.float32) for name in names})
    seed = fuzz.TARGETS["weights"].seeds()[0].split(fuzz.BETWEEN)
    manifest = json.loads(seed[0]) | {"stages": {"vae": 1}}
    data = fuzz.BETWEEN.join([json.dumps(manifest).encode(), seed[1], arrays])
    assert not fuzz.run_once("weights", data)
    with pytest.raises(MusicFusionError, match="these weights are damaged"):
        Pretrained(fuzz.scratch())
