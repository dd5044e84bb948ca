"""What weights say of themselves, their licence above all, and how they come from a Hub: --pretrained=hf:OWNER/NAME."""

import dataclasses
import hashlib
import json
import sys
import types
from pathlib import Path

import pytest
import yaml
from ml_collections import ConfigDict
from weights import FILES, QUIET, main, refused

from musicfusion import systems
from musicfusion.core.results import read_config
from musicfusion.data import cache
from musicfusion.pretrained import Pretrained, export


def test_the_card_tells_data_licence_command_figures_and_hash(weights, micro_run):
    card = (weights / "README.md").read_text()
    content = (weights / "model.safetensors").read_bytes()
    command = next(line for line in card.splitlines() if "--config=" in line)
    assert command.startswith("    python -m musicfusion.launch --config=configs/collagenet.py:quick ")
    assert "--config.fusion.actor.width=32" in command and "--config.data.songs=40" in command
    assert "--config.sample" not in command and "--config.seed" not in command
    for words in (
        "# tiny", "Bach chorales of music21", "public domain", "of them for training", "collagenet, preset quick",
        hashlib.sha256(content).hexdigest(), f"{len(content):,} bytes", "| fusion ", "| actor ", "before rounding",
        "## Limits",
        "--pretrained=tiny --inputs=melody=FILE,accompaniment=FILE", 'musicfusion.load("tiny").sample(melody="FILE"',
    ):  # fmt: skip
        assert words in card
    measured = (micro_run / "report.md").read_text().splitlines()
    assert f"##{measured[0]}" in card and measured[0].startswith("# ")
    assert all(row in card for row in measured if row.startswith("|"))


def test_a_card_says_what_a_hub_asks_for(weights):
    card = (weights / "README.md").read_text()
    _, front, rest = card.split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["license"] == "other" and said["library_name"] == "musicfusion" and "collagenet" in said["tags"]
    assert said["datasets"] == [Pretrained(weights).source]
    assert rest.lstrip().startswith("# tiny")


def test_a_card_has_the_headlines_of_the_report_for_a_hub(micro_run):
    report = json.loads((micro_run / "report.json").read_text())
    headlines = [("table1", row, "judge_rate") for row in ("harmonic pairs", "disharmonic pairs", "nothing")]
    for number, row in enumerate(report["tables"]["table1"]["rows"]):  # in so short a run the judges are none
        row["values"]["judge_rate"] = {"mean": number / 100}
    front = export.front_matter("tiny", "collagenet", "songs", "MIT", report | {"headlines": headlines})
    (result,) = yaml.safe_load(front.strip("-\n"))["model-index"][0]["results"]
    places = [row["name"] for row in report["tables"]["table1"]["rows"]]
    assert [one["value"] for one in result["metrics"]] == [
        pytest.approx(places.index(row), abs=0.1) for row in ("harmonic pairs", "disharmonic pairs")]
    assert [one["name"] for one in result["metrics"]] == ["harmonic pairs: judge", "disharmonic pairs: judge"]
    assert "model-index" not in export.front_matter("tiny", "collagenet", "songs", "MIT", report | {"headlines": []})


def test_a_licence_is_what_the_corpus_carries_and_never_a_guess(micro_run, tmp_path):
    """A user's own folder called my-grooves is nobody's but the user's."""
    corpus = cache.load("", limit=40)
    system = systems.declarations()["collagenet"].load()
    config = ConfigDict(read_config(micro_run))
    for licence, expected in (("MIT", "MIT"), ("", export.UNKNOWN)):
        out = tmp_path / (licence or "none")
        export.export(system, config, micro_run,
                      dataclasses.replace(corpus, source="my-grooves of POP909", licence=licence), out, "train")
        assert Pretrained(out).licence == expected and expected in (out / "README.md").read_text()
    assert "license: mit" in (tmp_path / "MIT" / "README.md").read_text()


@pytest.fixture
def hub(weights, monkeypatch) -> dict:
    """A Hub that has one repository, in a folder here; and what it was asked for."""
    asked: dict = {}

    def snapshot_download(repository, revision=None, allow_patterns=None):
        asked.update(repository=repository, revision=revision, files=sorted(allow_patterns))
        if repository == "nobody/empty":
            return str(weights.parent)
        if repository != "somebody/tiny":
            raise OSError(f"404 Client Error: {repository} is not there\nRequest ID: 1")
        return str(weights)

    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_weights_come_from_a_hub_by_owner_and_name(hub, weights, pair, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert main("--mode=sample", "--pretrained=hf:somebody/tiny@v1", pair, "--out=song", QUIET) == 0
    assert hub == {"repository": "somebody/tiny", "revision": "v1", "files": sorted(FILES)}
    about = json.loads(Path("song/metadata.json").read_text())
    assert about["weights"] == {"name": "hf:somebody/tiny@v1", "sha256": Pretrained(weights).sha256}


@pytest.mark.parametrize(("name", "words"), [
    ("hf:somebody", "accepted is hf:OWNER/NAME"), ("hf:somebody/a/b", "accepted is hf:OWNER/NAME"),
    ("hf:nobody/tiny", "cannot be downloaded (404 Client Error"), ("hf:nobody/empty", "holds no manifest.json"),
])
def test_what_a_hub_does_not_have_is_one_line(hub, pair, capfd, name, words):
    assert words in refused(capfd, "--mode=sample", f"--pretrained={name}", pair)


def test_without_the_hubs_library_there_is_a_line_that_says_so(pair, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "huggingface_hub is not installed" in refused(capfd, "--mode=sample", "--pretrained=hf:a/b", pair)
