"""CycleGAN's pools, losses and step; whole songs without seams."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from musicfusion.nn.frames import FrameNet, FramePatchGAN
from musicfusion.nn.images import PatchGAN, ResNet
from musicfusion.systems.arrangement import cyclegan, songs
from musicfusion.systems.arrangement.ear import together

KEY = jax.random.key(0)
SIDE = 32
NETWORKS = {"images": (ResNet(4, 1), PatchGAN(4)), "frames": (FrameNet(32, 2), FramePatchGAN(8))}
GROUP = ConfigDict({
    "steps": 100, "batch": 2, "cycle": 10.0, "identity": 0.5, "density": 5.0, "noise": 0.05, "paired": 100.0,
    "optimizer": {"rate": 2e-3, "schedule": "constant", "warmup": 0, "clip": 0.0, "beta1": 0.5, "beta2": 0.999},
})


def pictures(seed, rows=2, dark=False):
    """Horizontal stripes (a) or vertical ones (b), here and there."""
    rng = np.random.default_rng(seed)
    found = np.full((rows, SIDE, SIDE, 1), -1.0, np.float32)
    for row in found:
        for place in rng.integers(0, SIDE - 2, 4):
            if dark:
                row[place : place + 2] = 0.5
            else:
                row[:, place : place + 2] = 0.5
    return jnp.asarray(found)


def batch(seed=0):
    return {"a": pictures(seed), "b": pictures(seed + 100, dark=True), "pair": pictures(seed, dark=True), "before": {},
            "levels": jnp.linspace(0.0, 0.5, 21), "row_key": jax.random.split(jax.random.key(seed), 2)}


def test_a_pool_fills_and_then_gives_old_pictures_for_every_other_new_one():
    pool = cyclegan.empty_pool((1, 1, 1))
    made = jnp.arange(1.0, 1 + cyclegan.POOL)[:, None, None, None]
    pool, out = cyclegan.exchanged(pool, made, jax.random.split(KEY, cyclegan.POOL))
    np.testing.assert_array_equal(out, made)
    assert int(pool.filled) == cyclegan.POOL
    new = jnp.arange(1000.0, 1400)[:, None, None, None]
    after, out = cyclegan.exchanged(pool, new, jax.random.split(jax.random.key(1), 400))
    older = np.asarray(out[:, 0, 0, 0]) != np.asarray(new[:, 0, 0, 0])
    assert 0.4 < older.mean() < 0.6
    kept, given = set(np.asarray(after.pictures).ravel()), set(np.asarray(out)[older].ravel())
    assert len(kept) == cyclegan.POOL and not kept & given, "what went out is no longer in"


def test_levels_are_what_is_lit():
    assert float(cyclegan.level(jnp.full((1, 4, 4, 1), -1.0))[0]) == 0
    assert float(cyclegan.level(jnp.full((1, 4, 4, 1), 1.0))[0]) == 1


def trained(task, steps):
    start = task.init(KEY, batch())
    step = jax.jit(task.step)
    state, found = start, []
    for k in range(steps):
        state, metrics = step(state, batch(k), KEY)
        found.append({name: float(x) for name, x in metrics.items()})
    return start, state, found


@pytest.fixture(scope="module", params=NETWORKS)
def unpaired(request):
    return request.param, *trained(cyclegan.task(*NETWORKS[request.param], GROUP), 60)


def test_what_went_there_and_back_becomes_what_it_was_and_what_is_there_stays(unpaired):
    *_, found = unpaired
    for name in ("cycle", "identity"):
        assert np.mean([row[name] for row in found[-10:]]) < 0.6 * found[0][name], name
    assert np.mean([row["level"] for row in found[-10:]]) < found[0]["level"]


def test_all_four_networks_learn(unpaired):
    _, start, state, _ = unpaired
    for part in ("generators", "discriminators"):
        for world in "ab":
            moved = jax.tree.map(lambda x, y: float(jnp.max(jnp.abs(x - y))), start["params"][part][world],
                                 state["params"][part][world])
            assert max(jax.tree.leaves(moved)) > 1e-3
    assert int(state["pool"]["a"].filled) == cyclegan.POOL and int(state["step"]) == 60


def test_the_discriminator_s_loss_is_that_of_least_squares():
    assert float(cyclegan.squares(jnp.array([1.0, 0.0]), 1.0)) == 0.5
    assert float(cyclegan.squares(jnp.array([0.0, 2.0]), 0.0)) == 2.0


@pytest.mark.parametrize("networks", NETWORKS)
def test_in_pairs_a_translation_comes_to_the_true_target(networks):
    _, state, found = trained(cyclegan.paired(*NETWORKS[networks], GROUP), 60)
    assert np.mean([row["apart"] for row in found[-10:]]) < 0.5 * found[0]["apart"]
    assert set(state["params"]["generators"]) == {"b"}


def config(networks, crop=SIDE, overlap=8):
    generator = NETWORKS[networks][0]
    return ConfigDict({
        "data": {"crop": crop, "overlap": overlap, "bands": SIDE}, "networks": networks,
        "generator": {"width": generator.width, "blocks": generator.blocks},
        "cyclegan": {"density": 5.0}, "run": {"precision": "float32"}})


@pytest.fixture(scope="module")
def learned(unpaired):
    """The config and the numbers of what was trained."""
    return config(unpaired[0]), unpaired[2]["params"]


@pytest.mark.parametrize("length", [5, SIDE, SIDE + 1, 150])
def test_a_song_of_any_length_is_translated_to_its_own_length(learned, length):
    picture = np.asarray(pictures(7, dark=True))[0, :, :, 0]
    song = np.resize(picture, (length, SIDE))
    made = songs.translated(*learned, song, 0.5)
    assert made.shape == song.shape and np.abs(made).max() <= 1


def test_crops_are_joined_without_seams(learned):
    """Where crops meet, a picture changes no more than elsewhere."""
    rng = np.random.default_rng(0)
    song = np.clip(rng.normal(-0.3, 0.4, (20 * 24 + 8, SIDE)), -1, 1).astype(np.float32)
    made = songs.translated(*learned, song, 0.5)
    jump = np.abs(np.diff(made.mean(1)))
    borders = np.zeros(len(jump), bool)
    for k in range(1, 20):
        borders[k * 24 - 1 : k * 24 + 9] = True
    assert jump[borders].mean() < 1.5 * jump[~borders].mean()
    whole, params = learned
    hard = songs.translated(config(whole.networks, overlap=0), params, song[:480], 0.5)
    cuts = np.abs(np.diff(hard.mean(1)))[SIDE - 1 :: SIDE]
    assert cuts.mean() > jump[borders].mean(), "which crops that do not overlap have"


def test_silence_for_a_whole_crop_stays_silence(learned):
    song = np.full((200, SIDE), -1.0, np.float32)
    song[:20] = 0.3
    made = songs.translated(*learned, song, 0.5)
    assert np.all(made[64:] == -1) and made[:20].max() > -1


def test_what_is_made_does_not_go_on_after_the_source(learned):
    song = np.full((60, SIDE), -1.0, np.float32)
    song[4:40] = 0.3
    made = songs.translated(*learned, song, 0.5)
    assert np.all(made[48:] == -1) and made[4:40].max() > -1, "eight frames, over which crops overlap"
    assert made[40:48].max() <= 1 - 2 / 8


def test_two_sounds_together_are_at_least_as_loud_as_either():
    one, other = jnp.full((1, 4, 4, 1), 0.2), jnp.full((1, 4, 4, 1), -1.0)
    np.testing.assert_allclose(together(one, other), one, atol=1e-5)
    assert float(together(one, one)[0, 0, 0, 0]) == pytest.approx(0.2 + 2 * 10 * np.log10(2) / 90, abs=1e-4)
