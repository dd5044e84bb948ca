"""--mode=describe: what a system is made of, known without making it."""

import json
import time

import jax
import pytest
from micro import CONFIG, CONFIGS
from micro import variant as published

from musicfusion import launch

MODULES = ["melody_vae", "accompaniment_vae", "actor", "critic", "harmony_evaluator"]
PUBLISHED = {
    "paper": {
        "melody_vae": 82_463_365, "accompaniment_vae": 120_159_917, "actor": 16_006_656, "critic": 11_283_457,
        "harmony_evaluator": 7_462_785,
    },
    "paper_polydis": {
        "melody_vae": 82_463_365, "accompaniment_vae": 27_310_079, "actor": 12_858_880, "critic": 10_234_881,
        "harmony_evaluator": 7_462_785,
    },
}  # fmt: skip
STAGES = ["melody_vae", "accompaniment_vae", "latents", "fusion", "harmony_evaluator", "key_evaluator"]


def describe(capfd, *flags: str) -> str:
    assert launch.main(["musicfusion", "--mode=describe", *flags]) == 0
    return capfd.readouterr().out


def described(capfd, variant: str, *flags: str) -> dict:
    return json.loads(describe(capfd, f"--config={CONFIG}:{variant}", "--format=json", *flags))


@pytest.mark.parametrize("variant", ["quick", "lite", "paper", "paper_polydis"])
def test_json_tells_stages_modules_inputs_and_controls(capfd, variant):
    about = described(capfd, variant)
    assert list(about) == ["system", "preset", "stages", "parameters", "inputs", "controls"]
    assert (about["system"], about["preset"]) == ("collagenet", variant)
    assert [stage["name"] for stage in about["stages"]] == STAGES
    for k, stage in enumerate(about["stages"]):
        assert set(stage) == {"name", "needs", "steps"}
        assert set(stage["needs"]) <= set(STAGES[:k]), "a stage needs only what is trained before it"
        assert stage["steps"] > 0
    assert list(about["parameters"]) == MODULES
    assert all(isinstance(count, int) and count > 0 for count in about["parameters"].values())
    assert set(about["inputs"]) == {"melody", "accompaniment"}
    assert list(about["controls"]) == ["pitch", "rhythm", "chord", "texture"]
    for control in about["controls"].values():
        assert (control["low"], control["high"]) == (0.0, 1.0)
        assert 0.0 <= control["default"] <= 1.0


@pytest.mark.parametrize("variant", PUBLISHED)
def test_the_paper_presets_have_the_published_sizes(capfd, variant):
    for module, count in described(capfd, variant)["parameters"].items():
        assert count == pytest.approx(PUBLISHED[variant][module], rel=1e-3), module


def test_overrides_count(capfd):
    before = described(capfd, "quick")
    after = described(capfd, "quick", "--config.fusion.actor.width=32", "--config.fusion.steps=9")
    assert after["parameters"]["actor"] < before["parameters"]["actor"]
    assert after["parameters"]["critic"] == before["parameters"]["critic"]
    assert after["stages"][STAGES.index("fusion")]["steps"] == 9


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
        assert stage["name"] in text and f"{stage['steps']:,} steps" in text
    for name, control in about["controls"].items():
        assert f"{name}" in text and control["about"] in text
    assert all(words in text for words in about["inputs"].values())


def test_a_trained_run_describes_itself(micro_run, capfd):
    about = json.loads(describe(capfd, f"--workdir={micro_run}", "--format=json"))
    assert about["preset"] == "quick"
    config = json.loads((micro_run / "config.json").read_text())
    assert about["stages"][STAGES.index("fusion")]["steps"] == config["fusion"]["steps"]


@pytest.mark.parametrize("variant", ["quick", "lite", "paper"])
def test_musae_has_its_own_stages_inputs_and_controls(capfd, variant):
    flags = (f"--config={CONFIGS['musae']}:{variant}", "--format=json")
    lengths = published("musae", variant).lengths
    about = json.loads(describe(capfd, *flags))
    names = [stage["name"] for stage in about["stages"]]
    assert names == ["petals", *(f"{stage}_{bars}" for stage in ("flower", "styles") for bars in lengths), "genre"]
    assert list(about["inputs"]) == ["song", "start", "end"]
    assert list(about["controls"]) == ["steps", "genre", "n", "to", "amount", "spread"]
    compared = json.loads(describe(capfd, *flags, "--config.evaluate.compare=true"))
    assert len(compared["stages"]) == 2 + 6 * len(lengths)
    assert "  to " in describe(capfd, flags[0]) and "a word, default none" in describe(capfd, flags[0])


@pytest.mark.parametrize("variant", ["quick", "lite", "paper"])
def test_fusion_gan_has_its_own_stages_inputs_and_controls(capfd, variant):
    flags = (f"--config={CONFIGS['fusion_gan']}:{variant}", "--format=json")
    about = json.loads(describe(capfd, *flags))
    assert [stage["name"] for stage in about["stages"]] == ["likelihood", "gan", "fusion", "genre"]
    assert list(about["inputs"]) == ["prompt"] and list(about["controls"]) == ["genre", "n", "ratio"]
    compared = json.loads(describe(capfd, *flags, "--config.evaluate.compare=true"))
    assert [stage["name"] for stage in compared["stages"]][3:5] == ["mixture", "exchanged"]


@pytest.mark.parametrize("variant", ["quick", "lite", "paper"])
def test_connective_fusion_has_its_own_stages_inputs_and_controls(capfd, variant):
    flags = (f"--config={CONFIGS['connective_fusion']}:{variant}", "--format=json", "--config.evaluate.compare=true")
    about = json.loads(describe(capfd, *flags))
    names = [stage["name"] for stage in about["stages"]]
    assert names[:4] == ["melody_vae", "latents", "fusion", "reality"] and names[-1] == "reality_1"
    config = published("connective_fusion", variant)
    others = sorted(set(config.compare.lambdas) - {config.fusion.distance})
    assert names[4:-1] == [f"fusion_{distance}" for distance in others], "the sweep's other lambdas"
    assert list(about["inputs"]) == ["left", "right"] and list(about["controls"]) == ["iterations", "style"]
    if variant == "paper":  # five layers each, of 1024 (the paper tells no width)
        assert about["parameters"]["actor"] == 3_545_344 and about["parameters"]["critic"] == 3_281_921
