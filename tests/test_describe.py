"""--mode=describe: what a system is made of, known without making it."""

import json
import time

import jax
import pytest
from micro import CONFIG, CONFIGS, SYSTEMS

from musicfusion import launch


def describe(capfd, *flags: str) -> str:
    assert launch.main(["musicfusion", "--mode=describe", *flags]) == 0
    return capfd.readouterr().out


def described(capfd, variant: str, *flags: str) -> dict:
    return json.loads(describe(capfd, f"--config={CONFIG}:{variant}", "--format=json", *flags))


PRESETS = [(system, variant) for system in SYSTEMS for variant in ("quick", "lite", "paper")]


@pytest.mark.parametrize("system, variant", PRESETS)
def test_json_tells_stages_modules_inputs_and_controls(capfd, system, variant):
    about = json.loads(describe(capfd, f"--config={CONFIGS[system]}:{variant}", "--format=json"))
    assert list(about) == ["system", "preset", "stages", "parameters", "inputs", "input_sets", "controls"]
    assert (about["system"], about["preset"]) == (system, variant)
    names = [stage["name"] for stage in about["stages"]]
    assert len(set(names)) == len(names)
    for k, stage in enumerate(about["stages"]):
        assert set(stage) == {"name", "needs", "steps"}
        assert set(stage["needs"]) <= set(names[:k]), "a stage needs only what is trained before it"
        assert stage["steps"] is None or stage["steps"] > 0
    assert all(isinstance(count, int) and count > 0 for count in about["parameters"].values())
    assert {name for chosen in about["input_sets"] for name in chosen} == set(about["inputs"])
    assert all(given["kinds"] and set(given["kinds"]) <= {"notes", "sound"} and given["about"]
               for given in about["inputs"].values())
    for control in about["controls"].values():
        assert control["about"]
        assert isinstance(control["default"], str) or control["low"] <= control["default"] <= control["high"]
    assert not set(about["inputs"]) & set(about["controls"]), "both are given by name"


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_trained_for_comparison_comes_on_top(capfd, system):
    preset = "cyclegan" if system == "arrangement" else "lite"  # whose grid is compared with rules alone
    flags = (f"--config={CONFIGS[system]}:{preset}", "--format=json")
    own, all_of_them = (
        [stage["name"] for stage in json.loads(describe(capfd, *flags, f"--config.train.baselines={on}"))["stages"]]
        for on in ("false", "true"))
    assert set(own) < set(all_of_them)


def test_overrides_count(capfd):
    before = described(capfd, "quick")
    after = described(capfd, "quick", "--config.fusion.actor.width=32", "--config.fusion.steps=9")
    assert after["parameters"]["actor"] < before["parameters"]["actor"]
    assert after["parameters"]["critic"] == before["parameters"]["critic"]
    assert {"name": "fusion", "steps": 9, "needs": ["melody_vae", "accompaniment_vae", "latents"]} in after["stages"]


def test_nothing_is_allocated_or_written(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sum(array.nbytes for array in jax.live_arrays())
    began = time.perf_counter()
    described(capfd, "paper")
    assert time.perf_counter() - began < 60  # seconds in truth; initialising 230 million parameters takes minutes
    assert sum(array.nbytes for array in jax.live_arrays()) - before < 2**20
    assert not list(tmp_path.iterdir())


def test_the_text_says_the_same_for_people(capfd):
    about, text = described(capfd, "lite"), describe(capfd, f"--config={CONFIG}")
    assert "the embedded Bach chorales" in text
    for name, count in about["parameters"].items():
        assert name in text and f"{count:,}" in text
    for stage in about["stages"]:
        assert stage["name"] in text and ("one pass" if stage["steps"] is None else f"{stage['steps']:,} steps") in text
    for name, control in about["controls"].items():
        assert f"{name}" in text and control["about"] in text
    assert all(given["about"] in text for given in about["inputs"].values())


def test_a_trained_run_describes_itself(micro_run, capfd):
    about = json.loads(describe(capfd, f"--workdir={micro_run}", "--format=json"))
    assert about["preset"] == "quick"
    config = json.loads((micro_run / "config.json").read_text())
    assert {stage["name"]: stage["steps"] for stage in about["stages"]}["fusion"] == config["fusion"]["steps"]


