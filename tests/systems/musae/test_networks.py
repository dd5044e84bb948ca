"""The autoencoders of music in four tracks: MusAE's, equations (7) to (13), the lite one, and MusicVAE."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import variant

from musicfusion.codecs.melody import REST
from musicfusion.core.example_keys import numbered
from musicfusion.latent import vae
from musicfusion.systems.musae import autoencoder, lite, lstm, music_vae, system

BAR = 16  # steps
BATCH, LATENT = 6, 64
KEY = jax.random.key(0)
ENCODER = music_vae.Encoder(16, LATENT)
MODELS = {
    "lite": lite.Autoencoder(2, width=16, depth=1, embedding=8, latent=LATENT, parts=2),
    "lstm": lstm.Autoencoder(2, hidden=16, latent=LATENT),
    "flat": music_vae.MusicVAE(ENCODER, 2, False, hidden=16, embedding=8, latent=LATENT),
    "hierarchical": music_vae.MusicVAE(ENCODER, 2, True, hidden=16, embedding=8, latent=LATENT),
}
each_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    tokens = np.where(rng.uniform(size=(BATCH, 2 * BAR, 4)) < 0.3, rng.integers(40, 80, (BATCH, 2 * BAR, 4)), REST - 1)
    tokens[:, 0] = REST
    return {"tracks": jnp.asarray(tokens, jnp.int32), "example_key": numbered(KEY, jnp.arange(BATCH))}


@functools.cache
def params(name: str):
    tokens = jnp.full((BATCH, 2 * BAR, 4), REST)
    return vae.init(MODELS[name], KEY, {"tracks": tokens})


def run(name, method, *args):
    return MODELS[name].apply({"params": params(name)}, *args, method=method)


@each_model
def test_a_window_goes_to_z_and_back_in_its_own_shape(name, batch):
    mean, std = run(name, "encode", batch)
    assert mean.shape == std.shape == (BATCH, LATENT) and np.all(std > 0)
    decoded = run(name, "decode", mean)["tracks"]
    assert decoded.shape == batch["tracks"].shape and decoded.dtype == jnp.int32
    terms = run(name, "losses", mean, batch, KEY, 1.0)
    assert len(terms) == 4 and all(x.shape == (BATCH,) and np.all(x > 0) for x in terms.values())
    np.testing.assert_allclose(sum(terms.values()) / (2 * BAR * 4), np.log(130), rtol=0.2)  # knows nothing yet


def test_an_autoencoder_of_long_windows_begins_with_what_fits_of_one_of_short_ones():
    long = vae.init(lite.Autoencoder(4, width=16, depth=1, embedding=8, latent=2 * LATENT - 16, parts=4), KEY,
                    {"tracks": jnp.full((1, 4 * BAR, 4), REST)})
    short = params("lite")
    begun = autoencoder.beginning(long, short)
    for part in ("encoder", "decoder", "readout"):
        assert jax.tree.structure(begun[part]) == jax.tree.structure(long[part])
    np.testing.assert_array_equal(begun["encoder"]["body"]["block_0"]["qkv"]["kernel"],
                                  short["encoder"]["body"]["block_0"]["qkv"]["kernel"])
    np.testing.assert_array_equal(begun["decoder"]["positions"], jnp.tile(short["decoder"]["positions"], (2, 1)))
    np.testing.assert_array_equal(begun["in_time"]["steps"]["kernel"], long["in_time"]["steps"]["kernel"])
    nothing = autoencoder.beginning(long, {})
    assert all(np.array_equal(*both) for both in zip(jax.tree.leaves(nothing), jax.tree.leaves(long), strict=True))


@each_model
def test_all_of_z_and_all_tracks_matter(name, batch):
    mean, _ = run(name, "encode", batch)

    def loss(z):
        return sum(jnp.sum(x) for x in run(name, "losses", z, batch, KEY, 1.0).values())

    assert np.all(np.any(np.asarray(jax.grad(loss)(mean)) != 0, 0))
    for k in range(4):
        other = {**batch, "tracks": batch["tracks"].at[:, 3, k].set(90)}
        assert np.any(np.asarray(run(name, "encode", other)[0]) != np.asarray(mean)), k


def test_the_lite_networks_see_z_in_units_of_the_prior_s_spread(batch):
    """So a narrow prior is learned like N(0, I)."""
    for flower in (False, True):
        narrow = MODELS["lite"].clone(spread=0.03, flower=flower)
        (mean, std), (wide, wider) = (model.apply({"params": params("lite")}, batch, method="encode")
                                      for model in (narrow, MODELS["lite"]))
        units = np.full(LATENT, 0.03)
        units[:2] = 1 if flower else 0.03  # the flower's plane is as wide as its circle
        np.testing.assert_allclose(mean, wide * units, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(std, wider * units, rtol=1e-4)
        logits = [model.apply({"params": params("lite")}, z, method="logits")
                  for model, z in ((narrow, mean), (MODELS["lite"], wide))]
        np.testing.assert_allclose(*logits, atol=1e-3)


def test_what_sounds_in_a_part_of_a_window_is_told_by_the_numbers_of_the_whole_and_of_that_part(batch):
    model = MODELS["lite"]
    z = jax.random.normal(KEY, (1, LATENT))
    steps = model.apply({"params": params("lite")}, z, method=lambda model, z: model.in_time(z[:, model.shared :]))
    moved = z.at[:, model.shared + (LATENT - model.shared) // 2 :].set(0.0)  # the second part
    other = model.apply({"params": params("lite")}, moved, method=lambda model, z: model.in_time(z[:, model.shared :]))
    differs = np.any(np.asarray(steps != other), (0, 2))
    assert differs.tolist() == [False] * 4 + [True] * 4


def test_each_track_has_a_table_of_its_own(batch):
    tables = params("lite")["encoder"]["embedding"]["tables"]
    assert tables.shape == (4, 130, 8) and params("lite")["readout"]["tables"].shape == (4, 130, 8)
    embedded = lite.Embedding(8).apply({"params": {"tables": tables}}, batch["tracks"])
    assert embedded.shape == (BATCH, 8, 16 * 8)
    step, track = 6, 2  # the third step of the second beat
    expected = tables[track, batch["tracks"][:, step, track]]
    found = embedded.reshape(BATCH, 8, 4, 4, 8)[:, 1, 2, track]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["flat", "hierarchical"])
def test_musicvae_s_decoder_writes_the_likeliest_tokens_given_what_it_wrote(name, batch):
    z = run(name, "encode", batch)[0]
    written = run(name, "decode", z)["tracks"]
    np.testing.assert_array_equal(jnp.argmax(run(name, "logits", z, written), -1), written)


@pytest.mark.parametrize(("name", "sees"), [("flat", [True, True]), ("hierarchical", [True, False])])
def test_a_step_depends_on_the_steps_before_it_in_a_hierarchy_on_those_of_its_bar(name, sees, batch):
    z = run(name, "encode", batch)[0]
    changed = batch["tracks"].at[:, 5].set(70)
    before, after = (np.asarray(run(name, "logits", z, tokens)) for tokens in (batch["tracks"], changed))
    differs = np.any(before != after, (0, 2, 3))
    assert not differs[:6].any(), "a step is not known before it is written"
    assert [bool(differs[6:BAR].all()), bool(differs[BAR:].any())] == sees


def test_in_a_hierarchy_each_track_is_written_apart(batch):
    z = run("hierarchical", "encode", batch)[0]
    changed = batch["tracks"].at[:, :, 1].set(70)
    before, after = (run("hierarchical", "logits", z, tokens) for tokens in (batch["tracks"], changed))
    differs = np.any(np.asarray(before != after), (0, 1, 3))
    assert differs.tolist() == [False, True, False, False]


def test_the_paper_preset_has_the_published_sizes():
    found = system.modules(variant("musae", "paper"))
    count = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in found.items()}
    for bars in (2, 16):
        assert count[f"encoder_{bars}"] == pytest.approx(17_884_160, rel=1e-3)
        assert count[f"decoder_{bars}"] == pytest.approx(25_744_392, rel=1e-3)
        assert count[f"critic_{bars}"] == 542_209 + 512  # music without a genre is a 33rd component


def test_reconstruction_counts_keep_steps_and_onsets_apart(batch):
    decoded = batch["tracks"].at[:, :, 0].set(REST - 1)
    counts = autoencoder.reconstruction_counts(batch, {"tracks": decoded})
    found = {name: float(right / whole) for name, (right, whole) in counts.items()}
    assert found["onsets_0"] == 0 and 0.5 < found["accuracy_0"] < 0.8 and found["accuracy_1"] == found["onsets_1"] == 1
