"""What the config means: stages, networks, corpora."""

import numpy as np
import pytest
import soundfile
from micro import micro_config, variant

from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache
from musicfusion.systems.arrangement.dataset import kinds
from musicfusion.systems.arrangement.system import SYSTEM


@pytest.mark.parametrize(("changes", "names"), [
    ({}, ["cyclegan", "part_classifier"]),
    ({"train__baselines": True}, ["cyclegan", "pix2pix", "part_classifier"]),
    ({"finetune__steps": 5}, ["cyclegan", "finetune", "part_classifier"]),
    ({"synchrony__weight": 1.0}, ["synchrony", "cyclegan", "part_classifier"]),
])
def test_a_config_asks_for_fine_tuning_and_baselines(changes, names):
    stages = SYSTEM.stages(micro_config("arrangement", **changes))
    assert [stage.name for stage in stages] == names
    needs = {"finetune": ("cyclegan",), "cyclegan": ("synchrony",) if names[0] == "synchrony" else ()}
    assert [stage.needs for stage in stages] == [needs.get(name, ()) for name in names]


@pytest.mark.parametrize("name", ["quick", "cyclegan", "paper"])
def test_no_published_variant_rewards_synchrony(name):
    config = variant("arrangement", name)
    assert config.synchrony.weight == config.synchrony.diversity == 0


@pytest.mark.parametrize("name", ["quick", "cyclegan", "paper"])
def test_every_variant_has_its_networks_and_the_paper_s_have_their_published_sizes(name):
    modules = SYSTEM.modules(variant("arrangement", name))
    assert set(modules) == {"generator_a", "generator_b", "discriminator_a", "discriminator_b", "part_classifier"}
    if name == "paper":
        sizes = {key: sum(np.prod(x.shape) for layer in tree.values() for x in layer.values())
                 for key, tree in modules.items()}
        assert sizes["generator_a"] == sizes["generator_b"] == 11_365_633 and sizes["discriminator_a"] == 2_762_689


@pytest.mark.parametrize("name", ["quick", "cyclegan", "paper"])
def test_pix2pix_and_cyclegan_see_as_many_crops_at_the_same_rate(name):
    config = variant("arrangement", name)
    for key in ("steps", "batch"):
        assert config.pix2pix[key] == config.cyclegan[key]
    assert config.pix2pix.optimizer == config.cyclegan.optimizer


@pytest.mark.parametrize(("changes", "words"), [
    ({"data__source": "piano"}, "accepted are two of bass, drums, vocals, mix"),
    ({"data__target": "bass"}, "accepted are two of"), ({"data__root": "/nowhere"}, "no such folder"),
])
def test_parts_and_data_roots_that_do_not_exist_are_refused(changes, words):
    with pytest.raises(MusicFusionError, match=words):
        SYSTEM.corpus(micro_config("arrangement", **changes))


def test_unknown_networks_are_refused():
    with pytest.raises(MusicFusionError, match="accepted are frames, images"):
        SYSTEM.stages(micro_config("arrangement", networks="piano"))


def test_recordings_among_rendered_songs_are_known_and_fine_tuning_learns_from_them(tmp_path):
    wave = 0.3 * np.sin(2 * np.pi * 110 * np.arange(2 * 22050) / 22050)
    for number in range(12):
        (tmp_path / f"song {number}").mkdir()
        for part in ("bass", "drums"):
            soundfile.write(tmp_path / f"song {number}" / f"{part}.wav", wave, 22050)
    rendered = SYSTEM.corpus(micro_config("arrangement", data__songs=12))
    real = SYSTEM.corpus(micro_config("arrangement", data__root=f"{tmp_path},"))
    assert not real.tags and len(real.songs) == 12
    cache.save(rendered, tmp_path / "chorales.npz")
    config = micro_config("arrangement", data__root=f"{tmp_path},{tmp_path / 'chorales.npz'}", finetune__steps=5)
    both = SYSTEM.corpus(config)
    assert both.songs == real.songs + rendered.songs and kinds(both).tolist() == [1] * 12 + [0] * len(rendered.songs)
    cyclegan, finetune, _ = SYSTEM.stages(config)
    first, second = (stage.data(both, lambda stage: {"generators": stage}) for stage in (cyclegan, finetune))
    assert second.arrays["start"].max() < real.beats <= first.arrays["start"].min()
    assert second.frozen["params"] == {"generators": "cyclegan"} and "params" not in first.frozen
