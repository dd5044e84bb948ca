"""From a config to stages and modules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config, variant

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import numbered
from musicfusion.systems.musae import judges
from musicfusion.systems.musae.baselines import METHODS
from musicfusion.systems.musae.system import SYSTEM

OWN = ["components", "flower_2", "flower_16", "genre_means_2", "genre_means_16", "flow_2", "flow_16",
       "genre_classifier", "second_judge"]


def names(config):
    return [stage.name for stage in SYSTEM.stages(config)]


def test_the_stages_are_musaes_own_and_with_baselines_all_rows_of_the_table():
    assert names(variant("musae", "lite")) == OWN
    assert names(variant("musae", "quick")) == [name for name in OWN if not name.endswith("_16")]
    config = micro_config("musae", train__baselines=True)
    assert {f"{method.name}_2" for method in METHODS} <= set(names(config))


def test_exported_is_what_sampling_and_evaluation_read_of_musae_itself():
    assert set(SYSTEM.declaration.exported) == {"components", "flower_*", "genre_means_*", "flow_*",
                                                 "genre_classifier", "second_judge"}


@pytest.mark.parametrize(("change", "words"), [
    ({"lengths": (2, 4)}, "4 bars are not configured in this preset: accepted are 2"),
    ({"musae_2.begins_with": 1}, r"musae_2.begins_with = 1: lengths = \(2,\) does not hold it; 0 is accepted"),
    ({"music_vae_2.begins_with": 1, "train.baselines": True},
     r"music_vae_2.begins_with = 1: lengths = \(2,\) does not hold it; 0 is accepted"),
    ({"musae_2.model": "gru"}, "musae_2.model = 'gru' is unknown: use lite or lstm"),
])
def test_what_the_config_asks_for_in_vain_is_told_before_anything_is_trained(change, words):
    config = variant("musae", "quick")
    config.update_from_flattened_dict(change)
    with pytest.raises(MusicFusionError, match=words):
        SYSTEM.stages(config)


@pytest.mark.parametrize("name", ["flat", "hierarchical"])
def test_a_music_vae_of_16_bars_begins_with_all_parameters_of_that_of_2(name):
    config = variant("musae", "lite")
    config.train.baselines = True
    for bars in (2, 16):
        config[f"music_vae_{bars}"].encoder.hidden = config[f"music_vae_{bars}"].size.hidden = 8
    stages = {stage.name: stage for stage in SYSTEM.stages(config)}
    assert f"{name}_2" in stages[f"{name}_16"].needs
    windows = {bars: {"tracks": jnp.zeros((2, 16 * bars, 4), jnp.int32)} for bars in (2, 16)}
    short = stages[f"{name}_2"].task.init(jax.random.key(0), windows[2], {})["params"]
    long = stages[f"{name}_16"].task.init(jax.random.key(1), windows[16], short)["params"]
    drawn = stages[f"{name}_16"].task.init(jax.random.key(1), windows[16], {})["params"]
    same = jax.tree.map(lambda a, b: bool(jnp.all(a == b)), long, short)
    assert all(jax.tree.leaves(same))
    assert not all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), long, drawn)))


def test_an_unknown_encoding_is_refused():
    config = micro_config("musae", data__encoding="papers")
    with pytest.raises(MusicFusionError, match="encoding = 'papers' is unknown: use onsets or paper"):
        SYSTEM.corpus(config)


@pytest.mark.parametrize("encoding", ["onsets", "paper"])
def test_a_stage_sees_windows_in_the_configured_encoding(encoding):
    config = micro_config("musae", data__encoding=encoding)
    (stage,) = (stage for stage in SYSTEM.stages(config) if stage.name == "genre_classifier")
    tokens = np.full((16, 4), 60, np.uint8)  # a note repeated
    arrays = {"tracks": np.tile(tokens, (2, 1)), "tags": np.zeros(8, np.uint32), "starts": np.zeros(1, np.int32),
              "pitched": np.ones(4, bool), "component": np.arange(32), "components": np.int32(32),
              "instrumentation": np.int32(0)}
    keys = jax.random.split(jax.random.key(0), 1)
    seen = np.asarray(stage.examples(arrays, np.zeros(1, int), keys, False)["tracks"])
    assert (seen[0, 1, 0] == 60) == (encoding == "onsets") and seen.shape == (1, 32, 4)


def test_the_judges_read_two_bars_whatever_the_lengths_of_the_windows():
    config = variant("musae", "lite")
    config.lengths, config.musae_16.begins_with = (16,), 0
    assert SYSTEM.modules(config)["genre_classifier"]["body"]["positions"].shape[0] == 8  # beats
    whole = jnp.zeros((64, 4), jnp.int32)
    arrays = {"tracks": whole, "tags": jnp.zeros(16, jnp.uint32), "starts": jnp.zeros(1, jnp.int32),
              "pitched": jnp.ones(4, bool), "component": jnp.arange(32), "components": jnp.int32(32),
              "instrumentation": jnp.int32(0), "train": jnp.int32(1)}
    for stage in SYSTEM.stages(config):
        if stage.name in judges.SPLITS:
            seen = stage.examples(arrays, jnp.zeros(1, int), jax.random.split(jax.random.key(0), 1), True)
            assert seen["tracks"].shape == (1, 32, 4)


def test_only_autoencoders_learn_from_mixed_examples():
    arrays = {"tracks": jnp.full((64, 4), 60), "tags": jnp.ones(16, jnp.uint32), "starts": jnp.zeros(1, jnp.int32),
              "pitched": jnp.ones(4, bool), "component": jnp.arange(32), "components": jnp.int32(2),
              "instrumentation": jnp.int32(0), "train": jnp.int32(1)}
    keys = numbered(jax.random.key(0), jnp.arange(32))
    mixed = {}
    for stage in SYSTEM.stages(micro_config("musae", mixing__mixed=1.0)):
        if stage.name in ("flower_2", "genre_classifier", "second_judge"):
            seen = stage.examples(arrays, jnp.zeros(32, int), keys, True)
            mixed[stage.name] = set(np.asarray(seen["genre"]).tolist()) == {-1}
    assert mixed == {"flower_2": True, "genre_classifier": False, "second_judge": False}
