"""Connective Fusion: which stages, inputs and controls it has, and how large it is."""

import json

import numpy as np
import pytest
from micro import CONFIGS, micro_config
from micro import variant as published

from musicfusion import launch
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.connective_fusion import system
from musicfusion.systems.connective_fusion.dataset import STEPS


def described(capfd, variant: str, *flags: str) -> dict:
    command = ["", "--mode=describe", f"--config={CONFIGS['connective_fusion']}:{variant}", "--format=json", *flags]
    assert launch.main(command) == 0
    return json.loads(capfd.readouterr().out)


@pytest.mark.parametrize("variant", ["quick", "lite", "paper"])
def test_it_has_a_vae_a_fusion_for_each_lambda_and_two_judges(capfd, variant):
    about = described(capfd, variant, "--config.train.baselines=true")
    names = [stage["name"] for stage in about["stages"]]
    assert names[:4] == ["melody_vae", "latents", "fusion", "reality_classifier"]
    assert names[-1] == "reality_classifier_1"
    config = published("connective_fusion", variant)
    others = sorted(set(config.train.lambdas) - {config.fusion.distance})
    assert names[4:-1] == [f"fusion_{distance}" for distance in others], "the sweep's other lambdas"
    assert list(about["inputs"]) == ["left", "right"] and list(about["controls"]) == ["iterations", "style", "grid"]
    if variant == "paper":  # five layers each, of 1024 (the paper tells no width)
        assert about["parameters"]["actor"] == 3_545_344 and about["parameters"]["critic"] == 3_281_921


def test_every_lambda_has_its_stage_in_order_and_the_configs_own_is_fusion():
    assert system.actors(0.5, (3.0, 0.1, 0.5)) == [(0.1, "fusion_0.1"), (0.5, "fusion"), (3.0, "fusion_3.0")]


def test_baselines_are_trained_where_they_are_asked_for():
    def names(**changes):
        return [stage.name for stage in system.stages(micro_config("connective_fusion", **changes))]

    own = ["melody_vae", "latents", "fusion", "reality_classifier"]
    assert names() == own
    asked = names(train__baselines=True, train__lambdas=(2.0, 0.1))
    assert asked == [*own, "fusion_0.1", "fusion_2.0", "reality_classifier_1"]


def test_a_model_that_nobody_knows_is_refused_in_one_line():
    with pytest.raises(MusicFusionError, match=r"melody_vae.model = 'gru' is unknown: use lite or lstm"):
        system.build(micro_config("connective_fusion", melody_vae__model="gru"))
    config = micro_config("connective_fusion")
    config.melody_vae = published("connective_fusion", "paper").melody_vae
    with pytest.raises(MusicFusionError, match=r"fusion.model = 'lite' needs a latent that lies in time"):
        system.build(config)
    with pytest.raises(MusicFusionError, match=r"fusion.model = 'none' is unknown: use lite or perceptron"):
        system.build(micro_config("connective_fusion", fusion__model="none"))


def test_sides_and_pairs_are_shown_as_scores(sides):
    shown = system.show_reconstruction({"melody": sides["left"][:2]}, {"melody": sides["right"][:2]})
    title, before, after = shown[1]
    assert title == "reconstruction_1" and len(before.tracks[0].notes) == np.sum(sides["left"][1] < 30)
    pair = {name: x[:2] for name, x in sides.items()}
    title, before, after = system.show_fusion({}, {"before": pair, "after": pair})[0]
    assert title == "fusion_0" and before.tracks[0].notes[-1, 0] >= STEPS / 4
    np.testing.assert_array_equal(before.tracks[0].notes, after.tracks[0].notes)
