"""MusAE's networks and its training: equations (2) to (13) of paper 004."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config, variant
from ml_collections import ConfigDict

from musicfusion import priors
from musicfusion.codecs.melody import REST
from musicfusion.core.rows import numbered
from musicfusion.latent import vae
from musicfusion.systems.musae import adversarial, genre, lite, lstm, music_vae, nets
from musicfusion.systems.musae.windows import BAR

ROWS, LATENT = 6, 64
KEY = jax.random.key(0)
ENCODER = lite.Encoder(16, 1, LATENT, 2, 16)
MODELS = {
    "lite": lite.Autoencoder(2, width=16, depth=1, latent=LATENT, parts=2),
    "lstm": lstm.Autoencoder(2, hidden=16, latent=LATENT),
    "flat": music_vae.MusicVAE(ENCODER, 2, False, hidden=16, embedding=8, latent=LATENT),
    "hierarchical": music_vae.MusicVAE(ENCODER, 2, True, hidden=16, embedding=8, latent=LATENT),
}
each_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    tokens = np.where(rng.uniform(size=(ROWS, 2 * BAR, 4)) < 0.3, rng.integers(40, 80, (ROWS, 2 * BAR, 4)), REST - 1)
    tokens[:, 0] = REST
    return {"tracks": jnp.asarray(tokens, jnp.int32), "petal": jnp.arange(ROWS), "petals": jnp.full(ROWS, 8),
            "genre": jnp.arange(ROWS) - 1, "row_key": numbered(KEY, jnp.arange(ROWS))}


@functools.cache
def params(name: str):
    tokens = jnp.full((ROWS, 2 * BAR, 4), REST)
    return vae.init(MODELS[name], KEY, {"tracks": tokens})


def run(name, method, *args):
    return MODELS[name].apply({"params": params(name)}, *args, method=method)


@each_model
def test_a_window_goes_to_z_and_back_in_its_own_shape(name, batch):
    mean, std = run(name, "encode", batch)
    assert mean.shape == std.shape == (ROWS, LATENT) and np.all(std > 0)
    made = run(name, "decode", mean)["tracks"]
    assert made.shape == batch["tracks"].shape and made.dtype == jnp.int32
    terms = run(name, "losses", mean, batch, KEY, 1.0)
    assert len(terms) == 4 and all(x.shape == (ROWS,) and np.all(x > 0) for x in terms.values())
    np.testing.assert_allclose(sum(terms.values()) / (2 * BAR * 4), np.log(130), rtol=0.2)  # knows nothing yet


@each_model
def test_all_of_z_and_all_tracks_matter(name, batch):
    mean, _ = run(name, "encode", batch)

    def loss(z):
        return sum(jnp.sum(x) for x in run(name, "losses", z, batch, KEY, 1.0).values())

    assert np.all(np.any(np.asarray(jax.grad(loss)(mean)) != 0, 0))
    for k in range(4):
        other = {**batch, "tracks": batch["tracks"].at[:, 3, k].set(90)}
        assert np.any(np.asarray(run(name, "encode", other)[0]) != np.asarray(mean)), k


@pytest.mark.parametrize("name", ["flat", "hierarchical"])
def test_musicvae_s_decoder_writes_what_its_own_words_make_likeliest(name, batch):
    z = run(name, "encode", batch)[0]
    said = run(name, "decode", z)["tracks"]
    np.testing.assert_array_equal(jnp.argmax(run(name, "logits", z, said), -1), said)


@pytest.mark.parametrize(("name", "sees"), [("flat", [True, True]), ("hierarchical", [True, False])])
def test_a_step_depends_on_the_steps_before_it_in_a_hierarchy_on_those_of_its_bar(name, sees, batch):
    z = run(name, "encode", batch)[0]
    changed = batch["tracks"].at[:, 5].set(70)
    before, after = (np.asarray(run(name, "logits", z, tokens)) for tokens in (batch["tracks"], changed))
    differs = np.any(before != after, (0, 2, 3))
    assert not differs[:6].any(), "nothing is known before it is said"
    assert [bool(differs[6:BAR].all()), bool(differs[BAR:].any())] == sees


def test_in_a_hierarchy_each_track_is_written_apart(batch):
    z = run("hierarchical", "encode", batch)[0]
    changed = batch["tracks"].at[:, :, 1].set(70)
    before, after = (run("hierarchical", "logits", z, tokens) for tokens in (batch["tracks"], changed))
    differs = np.any(np.asarray(before != after), (0, 1, 3))
    assert differs.tolist() == [False, True, False, False]


def test_the_paper_preset_has_the_published_sizes():
    found = nets.modules(variant("musae", "paper"))
    count = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in found.items()}
    for bars in (2, 16):
        assert count[f"encoder_{bars}"] == pytest.approx(17_884_160, rel=1e-3)
        assert count[f"decoder_{bars}"] == pytest.approx(25_744_392, rel=1e-3)
        assert count[f"critic_{bars}"] == 542_209


# Training -----------------------------------------------------------------------------------------------------------

GROUP = ConfigDict({
    "steps": 100, "beta": 1.0, "beta_every": 1, "penalty": 10.0, "critic_updates": 3, "critic_rate": 1.0,
    "optimizer": {"rate": 1e-3, "schedule": "constant", "warmup": 0, "clip": 0.0}})


def task(prior="flower", **changes):
    group = GROUP.copy_and_resolve_references()
    group.update(changes)
    return adversarial.task(MODELS["lite"], adversarial.Critic(32), prior, group, nets.counts)


def stepped(batch, step=50, **changes):
    """The state before and after one step in which beta has risen, and the metrics."""
    own = task(**changes)
    state = own.init(KEY, batch) | {"step": jnp.int32(step)}
    after, metrics = jax.jit(own.step)(state, batch, KEY)
    return state, after, metrics


def moved(before, after, part):
    pairs = zip(jax.tree.leaves(before["params"][part]), jax.tree.leaves(after["params"][part]), strict=True)
    return any(bool(np.any(a != b)) for a, b in pairs)


def test_critic_and_autoencoder_learn_in_turn_with_losses_of_their_own(batch):
    before, after, metrics = stepped(batch)
    assert moved(before, after, "critic") and moved(before, after, "autoencoder")
    assert after["step"] == 51 and np.isfinite(metrics["loss"])
    _, alone, _ = stepped(batch, beta=0.0)
    assert not moved(before, alone, "critic"), "without it nobody asks the critic"


def test_the_adversarial_term_draws_the_encoder_and_does_not_cancel(batch):
    """The public code's flaw: the same step with and without the critic must differ in the encoder."""
    _, with_critic, _ = stepped(batch)
    _, without, _ = stepped(batch, beta=0.0)
    encoders = [jax.tree.leaves(state["params"]["autoencoder"]["encoder"]) for state in (with_critic, without)]
    assert any(np.any(a != b) for a, b in zip(*encoders, strict=True))


@pytest.mark.parametrize("prior", adversarial.PRIORS)
def test_an_encoder_that_only_pleases_its_critic_comes_nearer_to_the_prior(prior, batch):
    """Nothing to reconstruct (a weight of nothing is not to be had, so beta is large): z moves toward its petal."""
    own = task(prior, beta=300.0, steps=400, critic_updates=5, beta_every=1)

    def distance(state):
        mean, _ = MODELS["lite"].apply({"params": state["params"]["autoencoder"]}, batch, method="encode")
        angle = 2 * np.pi * np.asarray(batch["petal"]) / 8
        centre = np.stack([np.cos(angle), np.sin(angle)], 1) if prior == "flower" else np.zeros((ROWS, 2))
        return float(np.mean(np.sum((np.asarray(mean)[:, :2] - centre) ** 2, 1)))

    def many(state, keys):
        return jax.lax.scan(lambda s, key: (own.step(s, batch | {"row_key": numbered(key, jnp.arange(ROWS))}, key)[0],
                                            None), state, keys)[0]

    state = own.init(KEY, batch) | {"step": jnp.int32(50)}
    start = distance(state)
    after = jax.jit(many)(state, jax.random.split(KEY, 150))
    if prior == "flower":
        assert distance(after) < 0.6 * start
    else:
        assert distance(after) < 4.0


def test_beta_rises_in_ten_stairs():
    group = ConfigDict({"beta": 2.0, "beta_every": 10})
    values = [float(adversarial.ramp(jnp.int32(step), group)) for step in (0, 9, 10, 55, 100, 10_000)]
    np.testing.assert_allclose(values, [0, 0, 0.2, 1.0, 2.0, 2.0])


def test_the_gradient_penalty_by_hand():
    slope = jnp.array([3.0, 4.0])
    real, made = jnp.zeros((2, 2)), jnp.ones((2, 2))
    share = jnp.array([0.25, 0.75])
    found = adversarial.gradient_penalty(lambda z: z @ slope, real, made, share)
    np.testing.assert_allclose(found, [16.0, 16.0], rtol=1e-5)
    np.testing.assert_allclose(adversarial.gradient_penalty(lambda z: 0.5 * jnp.sum(z**2, -1), real, made, share),
                               (np.sqrt(2) * np.array([0.25, 0.75]) - 1) ** 2, rtol=1e-4)  # between, as share says


def test_the_critic_of_the_flower_is_told_the_petal(batch):
    critic, z = adversarial.Critic(16), jnp.ones((ROWS, LATENT))
    learned = critic.init(KEY, z, batch["petal"])
    scores = np.asarray(critic.apply(learned, z, batch["petal"]))
    assert len(np.unique(scores)) == ROWS


def test_a_critic_that_reads_z_as_the_prior_s_sees_all_petals_alike():
    critic, petals = adversarial.Critic(16, "flower"), jnp.full(8, 8)
    here, there = jnp.full(8, 2), jnp.arange(8)
    z = priors.flower(numbered(KEY, jnp.arange(8)), priors.angle(here, petals), LATENT)
    learned = critic.init(KEY, z, here, petals)
    weights = learned["params"]["layer_0"]["kernel"]
    learned["params"]["layer_0"]["kernel"] = weights.at[LATENT:].set(0.0)  # which petal it is: no matter
    moved = priors.turned(z, priors.angle(there, petals) - priors.angle(here, petals))
    scores = critic.apply(learned, z, here, petals), critic.apply(learned, moved, there, petals)
    np.testing.assert_allclose(*scores, atol=1e-5)
    plain = adversarial.Critic(16)
    assert np.ptp(np.asarray(plain.apply(learned, moved, there) - plain.apply(learned, z, here))) > 1e-3


@pytest.mark.parametrize("prior", adversarial.PRIORS)
def test_the_spread_of_a_prior_is_that_of_its_draws(prior, batch):
    keys = numbered(KEY, jnp.arange(4000))
    wide = {"petal": jnp.zeros(4000, jnp.int32), "petals": jnp.full(4000, 8)}
    drawn = np.asarray(adversarial.draw(prior, keys, wide, LATENT)).std(0)
    said = np.asarray(adversarial.spread(prior, LATENT))
    np.testing.assert_allclose(drawn[2:], said[2:], rtol=0.1)
    assert np.prod(drawn[:2]) == pytest.approx(np.prod(said[:2]), rel=0.1)


def test_what_is_drawn_is_of_the_rows_own_petal(batch):
    z = np.asarray(adversarial.draw("flower", batch["row_key"], batch, LATENT))
    angle = 2 * np.pi * np.asarray(batch["petal"]) / 8
    sideways = -np.sin(angle) * z[:, 0] + np.cos(angle) * z[:, 1]
    assert np.all(np.abs(sideways) < 0.15) and np.abs(z[:, 2:]).max() < 0.2


def test_windows_without_a_genre_teach_the_classifier_nothing(batch):
    model = genre.Genre(width=16, depth=1)
    own = genre.task(model, ConfigDict({"steps": 10, "optimizer": GROUP.optimizer}))
    state = own.init(KEY, batch)
    known = {name: x[1:] for name, x in batch.items()}
    all_of_them, some = (own.evaluate(state, part, KEY) for part in (batch, known))
    assert float(all_of_them["loss"]) == pytest.approx(float(some["loss"]), rel=1e-5)


def test_counts_tell_steps_from_onsets(batch):
    made = batch["tracks"].at[:, :, 0].set(REST - 1)
    found = {name: float(right / whole) for name, (right, whole) in nets.counts(batch, {"tracks": made}).items()}
    assert found["onsets_0"] == 0 and 0.5 < found["accuracy_0"] < 0.8 and found["accuracy_1"] == found["onsets_1"] == 1


@pytest.mark.parametrize("kind", nets.KINDS, ids=lambda kind: kind.name)
def test_every_row_of_the_table_is_a_stage(kind):
    system = importlib.import_module("musicfusion.systems.musae.system").SYSTEM
    config = micro_config("musae", evaluate__compare=True)
    assert f"{kind.name}_2" in [stage.name for stage in system.stages(config)]
