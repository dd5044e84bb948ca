"""FusionGAN: which stages, inputs and controls it has, and how large it is."""

import json

import pytest
from micro import CONFIGS

from musicfusion import launch


def described(capfd, variant: str, *flags: str) -> dict:
    command = ["", "--mode=describe", f"--config={CONFIGS['fusion_gan']}:{variant}", "--format=json", *flags]
    assert launch.main(command) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("variant", ["quick", "lite", "paper"])
def test_it_has_a_stage_for_each_part_of_the_algorithm_and_a_judge(capfd, variant):
    about = described(capfd, variant)
    assert [stage["name"] for stage in about["stages"]] == ["pretrain", "gan", "fusion", "genre_classifier"]
    assert list(about["inputs"]) == ["prompt"] and list(about["controls"]) == ["genre", "n", "ratio"]
    compared = described(capfd, variant, "--config.train.baselines=true")
    assert [stage["name"] for stage in compared["stages"]][3:5] == ["mixture", "exchanged"]
