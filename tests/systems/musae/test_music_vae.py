"""MusicVAE: its own encoder, scheduled sampling, and what its validation reports (Roberts et al., 2018)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.core import optimizers
from musicfusion.core.example_keys import numbered
from musicfusion.latent import vae
from musicfusion.systems.musae import autoencoder, music_vae

BAR = 16  # steps
BATCH, BARS, LATENT = 8, 2, 32
KEY = jax.random.key(0)
each_decoder = pytest.mark.parametrize("hierarchical", [False, True], ids=["flat", "hierarchical"])


def model(hierarchical: bool, **fields) -> music_vae.MusicVAE:
    sizes = {"hidden": 48, "embedding": 16, "latent": LATENT, **fields}
    return music_vae.MusicVAE(music_vae.Encoder(32, LATENT, layers=1), BARS, hierarchical, **sizes)


@pytest.fixture(scope="module")
def batch():
    """Random notes that are held for a while."""
    rng = np.random.default_rng(0)
    shape = (BATCH, BARS * BAR, 4)
    tokens = np.where(rng.uniform(size=shape) < 0.3, rng.integers(40, 80, shape), HOLD)
    tokens[:, 0] = rng.integers(40, 80, (BATCH, 4))
    return {"tracks": jnp.asarray(tokens, jnp.int32), "example_key": numbered(KEY, jnp.arange(BATCH))}


@pytest.fixture(scope="module")
def repeated():
    """A figure of half a bar, another one in each window, again and again."""
    rng = np.random.default_rng(0)
    shape = (BATCH, BAR // 2, 4)
    tokens = np.where(rng.uniform(size=shape) < 0.4, rng.integers(60, 67, shape), HOLD)
    tokens[:, 0] = rng.integers(60, 67, (BATCH, 4))
    tokens = np.tile(tokens, (1, 2 * BARS, 1))
    return {"tracks": jnp.asarray(tokens, jnp.int32), "example_key": numbered(KEY, jnp.arange(BATCH))}


@functools.cache
def params(hierarchical: bool):
    return vae.init(model(hierarchical), KEY, {"tracks": jnp.full((BATCH, BARS * BAR, 4), REST)})


@pytest.fixture(scope="module")
def z():
    return jax.random.normal(jax.random.key(1), (BATCH, LATENT))


def run(hierarchical, method, *args, own=None):
    return model(hierarchical).apply({"params": own or params(hierarchical)}, *args, method=method)


@functools.cache
def sampled(hierarchical):
    return jax.jit(lambda own, z, batch, teacher: model(hierarchical).apply(
        {"params": own}, z, batch, KEY, teacher, method="losses"))


def losses(hierarchical, z, batch, teacher, own=None):
    found = sampled(hierarchical)(own or params(hierarchical), z, batch, jnp.float32(teacher))
    return np.stack([found[f"track_{k}"] for k in range(4)], -1)


def decided(hierarchical):
    """Parameters with which nearly all probability is on one token, so that a draw is the likeliest one."""
    found = params(hierarchical)
    return {name: jax.tree.map(lambda x: 1e8 * x, part) if name.startswith("heads") else part
            for name, part in found.items()}


@pytest.mark.parametrize("layers", [1, 2])
def test_the_encoder_reads_a_window_in_both_directions(layers, batch):
    encoder = music_vae.Encoder(8, LATENT, layers)
    own = encoder.init(KEY, batch["tracks"])["params"]
    mean, std = encoder.apply({"params": own}, batch["tracks"])
    assert mean.shape == std.shape == (BATCH, LATENT) and np.all(std > 0)
    assert sum(name.startswith("layer_") for name in own) == layers
    for step in (0, BARS * BAR - 1):
        other = encoder.apply({"params": own}, batch["tracks"].at[:, step].set(REST))[0]
        assert np.all(np.any(other != mean, 1)), step


@each_decoder
def test_where_all_of_the_truth_is_fed_the_losses_are_those_of_all_steps_at_once(hierarchical, batch, z):
    at_once = run(hierarchical, "losses", z, batch, KEY, 1.0)
    np.testing.assert_allclose(losses(hierarchical, z, batch, 1.0), np.stack([*at_once.values()], -1), rtol=1e-5)
    expected = autoencoder.cross_entropy(run(hierarchical, "logits", z, batch["tracks"]), batch["tracks"])
    np.testing.assert_allclose(np.stack([*at_once.values()]), np.stack([*expected.values()]), rtol=1e-6)


@each_decoder
def test_where_no_truth_is_fed_a_sure_decoder_is_fed_what_it_decodes(hierarchical, batch, z):
    own = decided(hierarchical)
    written = run(hierarchical, "decode", z, own=own)["tracks"]
    assert len(np.unique(written)) > 4, "the test needs something to be written"
    expected = autoencoder.cross_entropy(run(hierarchical, "logits", z, written, own=own), batch["tracks"])
    np.testing.assert_allclose(losses(hierarchical, z, batch, 0.0, own), np.stack([*expected.values()], -1), rtol=1e-3)


@each_decoder
def test_a_part_of_the_truth_is_fed(hierarchical, batch, z):
    all_of_it, half, none = (losses(hierarchical, z, batch, teacher) for teacher in (1.0, 0.5, 0.0))
    assert np.all(all_of_it != none)
    assert np.any(half != all_of_it) and np.any(half != none)


@each_decoder
def test_what_is_fed_to_an_example_does_not_depend_on_the_others(hierarchical, batch, z):
    together = losses(hierarchical, z, batch, 0.5)
    part = jax.tree.map(lambda x: x[3:6], batch)
    np.testing.assert_allclose(losses(hierarchical, z[3:6], part, 0.5), together[3:6], rtol=1e-4)
    other = {**batch, "example_key": numbered(jax.random.key(9), jnp.arange(BATCH))}
    assert np.all(losses(hierarchical, z, other, 0.5) != together)


@each_decoder
def test_gradients_reach_everything_though_own_tokens_are_fed(hierarchical, batch):
    def loss(own):
        mean, std = run(hierarchical, "encode", batch, own=own)
        terms = run(hierarchical, "losses", mean + std, batch, KEY, jnp.float32(0.5), own=own)
        return sum(jnp.sum(x) for x in terms.values())

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(params(hierarchical)))
    assert all(np.all(np.isfinite(x)) for x in gradients)
    assert all(np.any(x != 0) for x in gradients if x.shape[0] > 1)  # a conductor's weights of inputs: it has none


def test_symbols_are_drawn_as_often_as_they_are_likely():
    logits = jnp.log(jnp.asarray([0.5, 0.0, 0.2, 0.3]))
    uniforms = jnp.linspace(0, 1, 10_000, endpoint=False)
    found = music_vae.drawn(jnp.broadcast_to(logits, (10_000, 4)), uniforms)
    np.testing.assert_allclose(np.bincount(found, minlength=4) / 10_000, [0.5, 0, 0.2, 0.3], atol=2e-4)
    assert music_vae.drawn(logits, jnp.float32(np.nextafter(np.float32(1), 0))) == 3


def test_the_truth_gives_way_by_an_inverse_sigmoid_that_is_stretched_over_the_training():
    teacher = model(False, rate=2000.0).teacher
    assert float(teacher(0.0)) == pytest.approx(2000 / 2001)
    assert float(teacher(2000 * np.log(2000) / 50_000)) == pytest.approx(0.5, abs=1e-4)  # at step 15,202 of 50,000
    assert float(teacher(1.0)) < 1e-6
    assert model(False, rate=0.0).teacher(0.7) == 1.0


@each_decoder
def test_predictions_know_the_true_tokens_before_a_step(hierarchical, batch, z):
    found = run(hierarchical, "predicted", z, batch)["tracks"]
    assert found.dtype == jnp.int32 and found.shape == batch["tracks"].shape
    np.testing.assert_array_equal(found, np.argmax(run(hierarchical, "logits", z, batch["tracks"]), -1))


@pytest.mark.parametrize(("hierarchical", "rate"), [(False, 0.0), (True, 3600.0)],
                         ids=["flat", "hierarchical"])
def test_a_few_windows_are_learned_by_heart_and_written_without_the_truth(hierarchical, rate, repeated):
    steps = 350
    task = vae.task(model(hierarchical, hidden=96, layers=1, rate=rate), steps=steps, kl={"z": 0.0},
                    optimizer=optimizers.create(rate=5e-3, schedule="constant", steps=steps),
                    teacher_forced=True, counts=autoencoder.reconstruction_counts)
    state = task.init(KEY, repeated, None)

    @jax.jit
    def train(state):
        def step(i, state):
            keys = numbered(jax.random.fold_in(KEY, i), jnp.arange(BATCH))
            return task.step(state, {**repeated, "example_key": keys}, None, KEY)[0]

        return jax.lax.fori_loop(0, steps, step, state)

    found = jax.jit(task.validate)(train(state), repeated, None, KEY)
    for kind in ("accuracy", "onsets", "forced_accuracy", "forced_onsets"):
        assert np.mean([found[f"{kind}_{k}"] for k in range(4)]) > 0.95, kind
    assert found["kl_z"] > 10
