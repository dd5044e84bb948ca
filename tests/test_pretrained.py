"""Weights that travel: --mode=export writes them, --pretrained reads them, and nothing damaged passes."""

import configparser
import dataclasses
import fnmatch
import hashlib
import json
import pickle
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import traverse_util
from micro import ROOT, micro_config
from safetensors.numpy import load_file, save
from weights import FILES, QUIET, main, refused

from musicfusion import pretrained, systems
from musicfusion.codecs import midi
from musicfusion.core import config as configs
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Results
from musicfusion.data import cache
from musicfusion.pretrained import Pretrained, export

NEEDED = ["melody_vae", "accompaniment_vae", "latents", "fusion", "chord_model", "edit_critic_1"]
JUDGES = ["harmony_evaluator", "judge", "second_judge"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copied(weights, tmp_path, monkeypatch) -> Path:
    """The exported weights, to be spoilt, in an empty folder in which the user works."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(weights, tmp_path / "tiny")


@pytest.fixture
def shipped(weights, tmp_path, monkeypatch) -> Path:
    """As if the micro run were what musicfusion ships; the user works in an empty folder."""
    shutil.copytree(weights, tmp_path / "package" / "collagenet-lite")
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "package")
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


# What an export holds ------------------------------------------------------------------------------------------------


def test_an_export_is_four_files_and_holds_no_pickle_and_no_critic(weights):
    assert sorted(path.name for path in weights.iterdir()) == FILES
    arrays = load_file(weights / "model.safetensors")
    assert set(NEEDED) <= {name.split("/")[0] for name in arrays}
    assert {name.split("/")[1] for name in arrays if name.startswith("fusion/")} == {"actor"}
    large = [array for array in arrays.values() if array.size >= export.SMALL]
    small = [array for array in arrays.values() if array.size < export.SMALL]
    assert large and {array.dtype for array in large} == {np.dtype(np.float16)}
    assert small and {array.dtype for array in small} == {np.dtype(np.float32)}


def test_every_number_comes_back_within_half_precision_and_small_arrays_bit_equal(weights, micro_run):
    results, opened = Results(micro_run), Pretrained(weights)
    rounded = 0
    for stage in NEEDED:
        known = results(stage)
        known = traverse_util.flatten_dict(known if stage != "fusion" else {"actor": known["actor"]})
        leaves = traverse_util.flatten_dict(opened(stage))
        assert leaves.keys() == known.keys()
        for path, leaf in leaves.items():
            assert leaf.dtype == known[path].dtype == np.float32
            if leaf.size < export.SMALL:
                np.testing.assert_array_equal(leaf, known[path])
            else:
                np.testing.assert_allclose(leaf, known[path], rtol=2**-11, atol=2**-25)
                rounded += np.any(leaf != known[path])
    assert rounded


def test_weights_are_read_like_a_run(weights, micro_run):
    opened, results = Pretrained(weights), Results(micro_run)
    for stage in NEEDED:
        assert opened.has(stage) and results.has(stage)
        assert opened.step(stage) == results.step(stage) > 0
    assert not opened.has("dance") and not results.has("dance")
    assert opened.origin()["steps"] == results.origin()["steps"]
    assert Pretrained(weights).origin()["steps"] == {}
    for asked in (("dance",), ("latents", "latents")):
        with pytest.raises(MusicFusionError, match=f"tiny hold no .* of {asked[0]}"):
            opened(*asked)


def test_an_export_names_no_place_on_this_machine_and_is_the_same_again(micro_run, weights, tmp_path):
    cache.save(cache.load("", limit=40), tmp_path / "corpus.npz")
    out = tmp_path / "tiny"
    flags = ("--mode=export", f"--workdir={micro_run}", f"--out={out}")
    assert main(*flags, f"--config.data.root={tmp_path / 'corpus.npz'}") == 0
    for name in ("README.md", "config.json", "manifest.json"):
        text = (out / name).read_text()
        assert str(tmp_path) not in text and str(micro_run.parent) not in text and str(ROOT) not in text
    assert "--config.data.root=corpus.npz" in (out / "README.md").read_text()
    assert (out / "model.safetensors").read_bytes() == (weights / "model.safetensors").read_bytes()
    assert main(*flags) == 0, "over an earlier export"
    assert contents(out) == contents(weights)


def test_what_table_1_compares_travels_where_it_was_trained_but_for_vanilla():
    config = micro_config(train__baselines=True)
    shipped = export.parts(systems.declarations()["collagenet"].load(), config)
    assert list(shipped) == [*NEEDED, *JUDGES,
                             "fusion_0.1", "fusion_0.5", "fusion_2.0", "baseline_critic"]  # fmt: skip
    assert [name for name, part in shipped.items() if part.required] == NEEDED
    assert shipped["fusion_0.5"].groups == ("actor",) and shipped["baseline_critic"].groups == ("critic",)


def test_numbers_that_half_precision_cannot_hold_are_not_rounded(tmp_path):
    large = np.full(export.SMALL, 0.1, np.float32)
    assert export.half(large, "a").dtype == np.float16
    for kept in (large[1:], large * 1e-6, large.astype(np.int32)):
        assert export.half(kept, "a") is kept
    assert export.half(large[:1] * 1e6, "a") == np.float32(1e5)
    for wrong in (large * 1e6, large * np.nan, large * np.inf, large[:3] * np.nan):
        with pytest.raises(MusicFusionError, match=r"^fusion/actor/kernel holds .* half precision"):
            export.half(wrong, "fusion/actor/kernel")


def test_package_data_covers_every_file_of_an_export(weights):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    globs = setup["options.package_data"]["musicfusion.pretrained"].split()
    for path in weights.iterdir():
        assert any(fnmatch.fnmatch(f"tiny/{path.name}", glob) for glob in globs), path.name


@pytest.mark.parametrize("declaration", systems.declarations().values(), ids=systems.declarations())
def test_the_weights_that_a_system_names_are_shipped_and_whole(declaration):
    if declaration.pretrained not in pretrained.names():
        pytest.skip(f"{declaration.pretrained} is not shipped yet")
    opened = Pretrained(declaration.pretrained)
    assert opened.config["system"] == declaration.name and opened.config["data"]["root"] == ""
    shipped = export.parts(declaration.load(), configs.completed(opened.config))
    assert all(opened.has(stage) for stage, part in shipped.items() if part.required)
    card = (opened.folder / "README.md").read_text()
    assert opened.sha256 in card and opened.licence in card and export.UNKNOWN not in card


# What cannot be exported ----------------------------------------------------------------------------------------------


def test_a_run_without_a_required_stage_is_refused_and_one_without_judges_is_not(micro_run, tmp_path, capfd):
    run = shutil.copytree(micro_run, tmp_path / "run")
    for stage in JUDGES:
        shutil.rmtree(run / stage, ignore_errors=True)
    assert main("--mode=export", f"--workdir={run}", f"--out={tmp_path / 'whole'}") == 0
    assert list(Pretrained(tmp_path / "whole").stages) == NEEDED
    shutil.rmtree(run / "fusion")
    line = refused(capfd, "--mode=export", f"--workdir={run}", f"--out={tmp_path / 'half'}")
    assert "no checkpoint" in line and "train fusion first" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "whole"]


@pytest.mark.parametrize("what", ["a number too large", "a disk that is full"])
def test_an_export_that_fails_leaves_nothing_behind(micro_run, tmp_path, monkeypatch, capfd, what):
    if what == "a number too large":
        read = Results.__call__
        monkeypatch.setattr(Results, "__call__", lambda *asked: jax.tree.map(lambda leaf: leaf * 1e9, read(*asked)))
    else:
        write = export.atomic_write

        def full_disk(path, data):
            if path.name == "manifest.json":
                raise MusicFusionError(f"cannot write {path}: No space left on device")
            return write(path, data)

        monkeypatch.setattr(export, "atomic_write", full_disk)
    line = refused(capfd, "--mode=export", f"--workdir={micro_run}", f"--out={tmp_path / 'new' / 'tiny'}")
    assert "half precision" in line or "No space" in line
    assert not list(tmp_path.iterdir())


def test_an_export_never_goes_into_a_folder_with_other_files(micro_run, tmp_path, capfd):
    for name in ("README.md", "manifest.json"):
        (tmp_path / name).write_text("mine")
    line = refused(capfd, "--mode=export", f"--workdir={micro_run}", f"--out={tmp_path}")
    assert "holds other files" in line and "--out" in line
    assert contents(tmp_path) == {"README.md": b"mine", "manifest.json": b"mine"}


# Sampling -------------------------------------------------------------------------------------------------------------


def test_a_song_from_weights_is_that_of_the_run_with_its_parameters_rounded(
    micro_run, weights, pair, tmp_path, monkeypatch
):
    def sample(*flags: str) -> Path:
        assert main("--mode=sample", *flags, pair, QUIET, "--seed=3") == 0
        return Path(flags[-1].removeprefix("--out="))

    ours = sample(f"--pretrained={weights}", f"--out={tmp_path / 'ours'}")
    exact = sample(f"--workdir={micro_run}", f"--out={tmp_path / 'exact'}")
    read = Results.__call__

    def rounded(*asked):
        return jax.tree.map(lambda leaf: pretrained.full(export.half(leaf, "")), read(*asked))

    monkeypatch.setattr(Results, "__call__", rounded)
    same = sample(f"--workdir={micro_run}", f"--out={tmp_path / 'same'}")
    assert (ours / "fused.mid").read_bytes() == (same / "fused.mid").read_bytes()
    first, second, third = (json.loads((out / "metadata.json").read_text()) for out in (ours, exact, same))
    assert first["edits"] == third["edits"] and first["kept"] == third["kept"]
    assert first["kept"].keys() == second["kept"].keys()
    assert first["steps"] == second["steps"] and first["weights"]["name"] == "tiny"


def test_a_sample_needs_inputs_and_nothing_else(shipped, pair, capfd):
    assert main("--mode=sample", pair, "--out=song", QUIET) == 0
    said = capfd.readouterr()
    assert said.err == "" and "weights: collagenet-lite" in said.out
    assert midi.read(Path("song/fused.mid")).tracks
    about = json.loads(Path("song/metadata.json").read_text())
    assert about["weights"] == {"name": "collagenet-lite", "sha256": Pretrained("collagenet-lite").sha256}
    assert "workdir" not in about and about["config"]["sample"]["audio"] is False
    assert [path.name for path in shipped.iterdir()] == ["song"]


def test_a_song_goes_to_fused_unless_other_things_are_kept_there(shipped, pair, capfd):
    Path("fused").mkdir()
    Path("fused/mine.txt").write_text("notes of my own")
    line = refused(capfd, "--mode=sample", "--pretrained=collagenet-lite", pair, QUIET)
    assert "fused holds other files" in line and "--out" in line
    assert contents(shipped) == {"fused/mine.txt": b"notes of my own"}
    Path("fused/mine.txt").unlink()
    for seed in (1, 2):  # a new song takes the place of the last
        assert main("--mode=sample", pair, QUIET, f"--seed={seed}") == 0
        assert json.loads(Path("fused/metadata.json").read_text())["seed"] == seed


def test_systems_that_take_the_same_inputs_must_be_told_apart(shipped, pair, capfd, monkeypatch):
    known = systems.declarations()["collagenet"]
    both = {"collagenet": known, "twin": dataclasses.replace(known, name="twin")}
    monkeypatch.setattr(systems, "declarations", lambda: both)
    line = refused(capfd, "--mode=sample", pair)
    for words in ("collagenet and twin", "--pretrained", "--config"):
        assert words in line
    assert main("--mode=sample", pair, "--pretrained=collagenet-lite", QUIET) == 0
    monkeypatch.setattr(systems, "declarations", lambda: {"collagenet": dataclasses.replace(known, pretrained="")})
    assert "ships no weights" in refused(capfd, "--mode=sample", pair)


def test_inputs_of_weights_are_checked_like_those_of_a_run(shipped, capfd):
    assert "did you mean melody" in refused(capfd, "--mode=sample", "--inputs=melodie=a.mid")
    assert "no such file" in refused(capfd, "--mode=sample", "--inputs=melody=a.mid,accompaniment=a.mid")
    assert not list(shipped.iterdir())


# Evaluation and description -------------------------------------------------------------------------------------------


def test_weights_are_evaluated_into_a_folder_of_their_own(weights, micro_run, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    before = contents(weights)
    assert main("--mode=evaluate", f"--pretrained={weights}") == 0
    assert "runs/tiny-evaluation/report.md" in capfd.readouterr().out
    report = json.loads(Path("runs/tiny-evaluation/report.json").read_text())
    assert report["weights"] == {"name": "tiny", "sha256": Pretrained(weights).sha256}
    own = json.loads((micro_run / "report.json").read_text())
    ours, exact = ({row["name"]: row["values"] for row in of["tables"]["reconstruction"]["rows"]}
                   for of in (report, own))
    assert ours.keys() == exact.keys()
    for name, values in exact.items():
        for measure, value in values.items():
            assert ours[name][measure]["mean"] == pytest.approx(value["mean"], abs=0.02), (name, measure)
    assert contents(weights) == before


def test_a_report_of_weights_never_replaces_that_of_a_run(weights, micro_run, capfd):
    before = contents(micro_run)
    line = refused(capfd, "--mode=evaluate", f"--pretrained={weights}", f"--workdir={micro_run}")
    assert "holds a run" in line and "--workdir" in line
    assert contents(micro_run) == before


def test_weights_describe_themselves_as_their_run_does(weights, micro_run, capfd):
    said = []
    for source in (f"--pretrained={weights}", f"--workdir={micro_run}"):
        assert main("--mode=describe", "--format=json", source) == 0
        said.append(json.loads(capfd.readouterr().out))
    assert said[0] == said[1] and said[0]["preset"] == "quick"
    assert main("--mode=describe", f"--pretrained={weights}") == 0
    assert "data: Bach chorales of music21" in capfd.readouterr().out


def test_weights_take_no_other_config_but_the_keys_that_may_change(weights, pair, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for other in ("--config.fusion.actor.width=16", f"--config={ROOT / 'configs' / 'collagenet.py'}:lite"):
        line = refused(capfd, "--mode=sample", f"--pretrained={weights}", pair, other)
        assert "tiny are the weights of another config" in line and "give no other --config" in line
    assert not list(tmp_path.iterdir())
    assert main(f"--pretrained={weights}", "--config.sample.hop=8", "--print_config") == 0
    assert "hop: 8" in capfd.readouterr().out


# Damage ---------------------------------------------------------------------------------------------------------------


def rewrite(folder: Path, **changes) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def sealed(folder: Path, content: bytes) -> None:
    """Other weights with a manifest that vouches for them."""
    (folder / "model.safetensors").write_bytes(content)
    sha256 = json.loads((folder / "manifest.json").read_text())["sha256"]
    rewrite(folder, sha256=sha256 | {"model.safetensors": hashlib.sha256(content).hexdigest()})


def flip(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def truncate(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


def pickled(folder: Path) -> None:
    sealed(folder, pickle.dumps({"fusion/actor": Trap()}))


def header(folder: Path, text: str, data: bytes = b"") -> None:
    """Weights whose header is this text."""
    sealed(folder, len(text).to_bytes(8, "little") + text.encode() + data)


def bomb(folder: Path) -> None:
    """A header that says that it is far longer than the file."""
    sealed(folder, (2**62).to_bytes(8, "little") + b"{}")


def claim(folder: Path) -> None:
    """An array whose header says that it is far larger than what follows."""
    header(folder, json.dumps({"fusion/actor": {"dtype": "F32", "shape": [2**50], "data_offsets": [0, 2**52]}}))


DAMAGE = {
    "a flipped bit": (flip, "model.safetensors is not what was exported"),
    "half a file": (truncate, "model.safetensors is not what was exported"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json"),
    "another config": (lambda folder: (folder / "config.json").write_text("{}"), "config.json is not what was"),
    "torn manifest": (lambda folder: (folder / "manifest.json").write_text('{"format"'), "damaged"),
    "another format": (lambda folder: rewrite(folder, format="weights 9"), "format"),
    "a list for a manifest": (lambda folder: (folder / "manifest.json").write_text("[]"), "format"),
    "another system": (lambda folder: rewrite(folder, system="musae"), "is of musae"),
    "other stages": (lambda folder: rewrite(folder, stages={"fusion": 3}), "different stages"),
    "a pickle": (pickled, "damaged"),
    "a header without an end": (bomb, "damaged"),
    "an empty promise": (claim, "damaged"),
    "no weights at all": (lambda folder: sealed(folder, b"music"), "damaged"),
    "a kind of number that is unknown": (
        lambda folder: header(folder, json.dumps({"a": {"dtype": "F3", "shape": [1], "data_offsets": [0, 1]}}), b"1"),
        "damaged"),
    "arrays of no stage": (lambda folder: sealed(folder, save({"dance/step": np.zeros(3, np.float32)})), "different"),
}


@pytest.mark.parametrize("damage, words", DAMAGE.values(), ids=DAMAGE)
def test_damaged_weights_are_refused_in_one_line(copied, pair, capfd, damage, words):
    damage(copied)
    before = contents(copied.parent)
    line = refused(capfd, "--mode=sample", f"--pretrained={copied}", pair, "--out=out")
    assert str(copied) in line and words in line
    assert "unpickled" not in capfd.readouterr().out
    assert contents(copied.parent) == before


def test_a_name_that_is_not_shipped_is_answered_with_those_that_are(shipped, pair, capfd):
    for name in ("collagenet-light", "../collagenet", str(shipped)):
        line = refused(capfd, "--mode=sample", f"--pretrained={name}", pair)
        assert repr(name) in line and "shipped are collagenet-lite" in line
