import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.core.results import Results
from musicfusion.systems.collagenet import dataset, system
from musicfusion.systems.collagenet.dataset import PARTS
from musicfusion.train import Programs

SIZES = {"width": 16, "depth": 1}


def settings(**changes):
    config = micro_config(latents__segments=60, latents__validation=20, latents__batch=64)
    for part in PARTS:
        config[f"{part}_vae"].size.update(SIZES)
    config.latents.update(changes)
    return config


@pytest.fixture(scope="module")
def vaes():
    """Random parameters of both VAEs."""
    rng = np.random.default_rng(0)
    modules = system.modules(settings())
    shapes = {part: modules[f"{part}_vae"] for part in PARTS}
    return jax.tree.map(lambda s: rng.normal(0, 0.2, s.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def direct(corpus, vaes):
    """Every entry of the table, encoded in one batch: mean, std float64 [entries, d]."""
    config = settings()
    space = system.build_space(config)
    table, _ = system.build_latents(config).table(corpus)
    arrays = jax.tree.map(jnp.asarray, dict(corpus.arrays))

    @jax.jit
    def encode(start, shift):
        return space.encode(vaes, dataset.cut(arrays, start, shift))

    return [np.asarray(x, np.float64) for x in encode(table["start"], table["shift"])]


@pytest.fixture(scope="module")
def run(corpus, vaes):
    """run(**changes) -> the state at the end of the stage, and the stage's programs."""

    def run(**changes):
        config = settings(**changes)
        stage = system.stages(config)[2]
        assert stage.name == "latents"
        resident = stage.data(corpus, lambda name: vaes[name.removesuffix("_vae")])
        programs = Programs(stage, config, resident)
        state = programs.devices.replicate(programs.init())
        for step in range(0, programs.steps, 2):
            block = min(2, programs.steps - step)
            state, _ = programs.advance(state, step, block)
        return programs.devices.get(state), programs

    return run


@pytest.fixture(scope="module")
def wrapped(run):
    """200 entries in 4 batches of 64: the last batch begins anew."""
    return run()


def check(state, direct, floor):
    mean, std = direct
    train = 180
    assert state["seen"].all() and state["sums"]["count"] == train
    sbar = np.maximum(std[:train].mean(0), floor)
    np.testing.assert_allclose(state["params"]["sbar"], sbar, rtol=1e-4)
    assert state["params"]["sbar"].dtype == np.float32
    np.testing.assert_allclose(state["params"]["mean"], mean[:train].mean(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(state["params"]["scale"], mean[:train].std(0), rtol=5e-3, atol=1e-3)


def test_entries_are_encoded_as_a_direct_encoding_does(wrapped, direct):
    state, _ = wrapped
    for name, expected in zip(("mean", "std"), direct, strict=True):
        stored = state["latents"][name]
        assert stored.dtype == np.float16 and stored.shape == (200, 640)
        np.testing.assert_allclose(stored, expected, rtol=2e-3, atol=2e-3)


def test_every_training_entry_counts_once_though_the_last_batch_begins_anew(wrapped, direct):
    state, programs = wrapped
    assert programs.steps == 4 and programs.resident.train == 200
    check(state, direct, settings().latents.floor)


def test_a_batch_larger_than_the_corpus_counts_every_entry_once(run, direct):
    state, programs = run(batch=450)
    assert programs.steps == 1
    check(state, direct, settings().latents.floor)


def test_sbar_is_floored(run, direct):
    floor = float(np.median(direct[1][:180].mean(0)))
    state, _ = run(floor=floor)
    check(state, direct, floor)
    assert 0.3 < (state["params"]["sbar"] == np.float32(floor)).mean() < 0.7


def test_the_table_groups_entries_by_song_training_first_in_neighbouring_keys(corpus):
    table, train = system.build_latents(settings()).table(corpus)
    total = len(table["start"])
    assert (train, total) == (180, 200)
    np.testing.assert_array_equal(table["shift"][:train].reshape(-1, 3), [[-6, -5, -4]] * 60)
    assert not table["shift"][train:].any()
    song = np.searchsorted(corpus.first_beat, table["start"], "right") - 1
    for entry in range(total):
        part = np.arange(train) if entry < train else np.arange(train, total)
        same = part[song[part] == song[entry]]
        np.testing.assert_array_equal(same, np.arange(table["low"][entry], table["high"][entry]))
    assert not set(song[:train]) & set(song[train:])
    assert len(set(song[:train])) > 20


def test_the_result_is_what_later_stages_read(wrapped, tmp_path):
    state, _ = wrapped
    results = Results(tmp_path)
    with results.checkpoints("latents") as checkpoints:
        checkpoints.save(4, jax.tree.map(jnp.asarray, state), {"finished": True}, None)
    np.testing.assert_array_equal(results("latents")["sbar"], state["params"]["sbar"])
    np.testing.assert_array_equal(results("latents", "latents")["std"], state["latents"]["std"])


def test_actor_and_critic_get_half_precision_latents_and_frozen_vaes(corpus):
    latents = system.build_latents(settings())
    table, train = latents.table(corpus)
    stored = np.ones((len(table["start"]), 4), np.float16)
    resident = latents.encoded(corpus, latents={"mean": stored, "std": stored}, sbar=np.ones(4), vaes={"melody": 1})
    assert (resident.train, resident.validation) == (train, len(stored) - train)
    assert resident.arrays["mean"].dtype == np.float16
    np.testing.assert_array_equal(resident.arrays["low"], table["low"])
    assert set(resident.frozen) == {"sbar", "vaes"} and resident.frozen["vaes"] == {"melody": 1}
