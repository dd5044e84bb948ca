from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion import losses
from musicfusion.core import optimizers
from musicfusion.latent import actor_critic
from musicfusion.latent.space import distances
from musicfusion.systems.collagenet.actor_critic import Actor, Critic
from musicfusion.systems.collagenet.dataset import Latents, Segments
from musicfusion.systems.collagenet.objective import ASPECTS, control_loss

ASPECT_SIZES = {"pitch": 3, "rhythm": 3, "chord": 4, "texture": 6}
SIZE, MELODY_SIZE = 16, 6
KEY = jax.random.key(0)
RATE = 1e-3
LATENTS = Latents(segments=Segments(melody_onsets=2, accompaniment_onsets=8, seed=0), train=100, validation=40,
                  transpositions=3)


@pytest.fixture(scope="module")
def table(corpus):
    """The table of a few hundred latents, how many are for training, and the song of each."""
    entries, train = LATENTS.table(corpus)
    return entries, train, np.searchsorted(corpus.first_beat, entries["start"], "right") - 1


@pytest.fixture(scope="module")
def numbered(table):
    """Arrays in which every latent is its own number in the table, without any spread."""
    entries, train, _ = table
    total = len(entries["start"])
    number = np.repeat(np.arange(total, dtype=np.float32)[:, None], SIZE, 1)
    return {"mean": number, "std": np.zeros_like(number), "low": entries["low"], "high": entries["high"],
            "bounds": np.array([0, train, total], np.int32)}


@pytest.fixture(scope="module")
def examples():
    return jax.jit(partial(actor_critic.examples, cut=MELODY_SIZE, controls=len(ASPECTS)), static_argnums=3)


def test_an_unrelated_partner_is_of_another_song_and_of_the_same_split(table, numbered, examples):
    _, train, song = table
    total = len(song)
    for training, index in ((True, np.arange(train)), (False, np.arange(train, total))):
        partners = []
        for seed in range(10):
            batch = examples(numbered, index, jax.random.split(jax.random.key(seed), len(index)), training)
            np.testing.assert_array_equal(batch["real"], numbered["mean"][index])
            lead, partner = np.split(np.asarray(batch["unrelated"]), [MELODY_SIZE], 1)
            np.testing.assert_array_equal(lead, numbered["mean"][index, :MELODY_SIZE])
            assert (partner == partner[:, :1]).all()
            partners.append(partner[:, 0].astype(int))
            assert not (song[partners[-1]] == song[index]).any()
        partners = np.concatenate(partners)
        assert partners.min() >= index[0] and partners.max() <= index[-1]
        assert len(set(partners.tolist())) > 0.95 * len(index)  # everybody's turn comes


def test_training_draws_from_the_posterior_and_validation_takes_its_mean(numbered, examples):
    arrays = numbered | {"mean": np.full_like(numbered["mean"], 2.0), "std": np.full_like(numbered["mean"], 0.5)}
    index = np.arange(300)
    keys = jax.random.split(KEY, 300)
    batch = examples(arrays, index, keys, True)
    for name in ("real", "unrelated"):
        np.testing.assert_allclose(np.mean(batch[name]), 2.0, atol=0.03)
        np.testing.assert_allclose(np.std(batch[name]), 0.5, atol=0.03)
    # The partner's noise is its own; the melody of a pair is one and the same in both pairs.
    np.testing.assert_array_equal(batch["real"][:, :MELODY_SIZE], batch["unrelated"][:, :MELODY_SIZE])
    assert (batch["real"] != batch["unrelated"])[:, MELODY_SIZE:].all()
    np.testing.assert_allclose([np.mean(batch["prior"]), np.std(batch["prior"])], [0, 1], atol=0.06)
    controls = np.asarray(batch["controls"])
    assert controls.shape == (300, 4) and controls.min() >= 0 and controls.max() <= 1
    np.testing.assert_allclose(controls.mean(0), 0.5, atol=0.06)
    assert not np.any(controls == batch["others"])
    still = examples(arrays, index, keys, False)
    assert (still["real"] == 2).all() and (still["unrelated"] == 2).all()


def test_without_noise_training_takes_the_mean_too(numbered):
    arrays = numbered | {"std": np.ones_like(numbered["std"])}
    index = np.arange(20)
    batch = actor_critic.examples(arrays, index, jax.random.split(KEY, 20), True, cut=MELODY_SIZE, controls=2,
                                  noise=0.0)
    np.testing.assert_array_equal(batch["real"], numbered["mean"][:20])
    assert batch["controls"].shape == (20, 2)


def test_so_many_controls_as_asked_are_0_or_1_and_either_as_often(numbered):
    keys = jax.random.split(KEY, 2000)

    def drawn(ends):
        batch = actor_critic.examples(numbered, np.arange(2000) % 100, keys, True, cut=MELODY_SIZE, controls=4,
                                      ends=ends)
        return np.asarray(batch["controls"]), np.asarray(batch["others"])

    for plain, at_ends in zip(drawn(0.0), drawn(0.5), strict=True):
        assert not np.isin(plain, (0, 1)).any()
        for end in (0.0, 1.0):
            np.testing.assert_allclose((at_ends == end).mean(0), 0.25, atol=0.04)
        between = ~np.isin(at_ends, (0, 1))
        np.testing.assert_array_equal(at_ends[between], plain[between])
        assert abs(np.corrcoef(np.isin(at_ends, (0, 1)).T) - np.eye(4)).max() < 0.1  # each by itself


def test_latents_are_stored_in_half_the_bytes_but_used_with_sbar_in_float32(corpus, examples, table):
    entries, train, _ = table
    total = len(entries["start"])
    sbar = np.full(SIZE, 0.0123, np.float32)
    stored = {"mean": np.ones((total, SIZE), np.float16), "std": np.zeros((total, SIZE), np.float16)}
    resident = LATENTS.encoded(corpus, latents=stored, sbar=sbar, vaes={})
    assert (resident.train, resident.validation) == (train, total - train)
    batch = examples(resident.arrays, np.arange(8), jax.random.split(KEY, 8), True)
    assert {batch[name].dtype for name in ("real", "unrelated", "prior")} == {jnp.dtype("float32")}
    np.testing.assert_array_equal(resident.frozen["sbar"], sbar)
    assert resident.frozen["sbar"].dtype == np.float32


# The two updates -----------------------------------------------------------------------------------------------------


ACTOR, CRITIC = Actor(ASPECT_SIZES, 32, 2, 0.0), Critic(ASPECT_SIZES, 32, 2, 0.0)


FROZEN = {"sbar": np.full(SIZE, 0.3, np.float32), "vaes": {}}


def features(vaes, z):
    """What actor and critic read: here z, but louder."""
    del vaes
    return 2.0 * z


def task(rate=RATE, actor_rate=1.0, **changes):
    settings = {"prior": 1.0, "distance": 0.7, "loss_weights": (0.5, 1 / 11, 10 / 11)} | changes
    settings["loss_weights"] = dict(zip(("real", "raw", "fake"), settings["loss_weights"], strict=True))
    adam = partial(optimizers.create, schedule="constant", clip=0.0, beta1=0.0, beta2=0.9, steps=100)
    return actor_critic.task(
        actor=ACTOR, critic=CRITIC, features=features, decode=lambda vaes, z: {"z": z}, cost=control_loss,
        optimizer={"actor": adam(rate=rate * actor_rate), "critic": adam(rate=rate)}, **settings)


def pairs(rng, rows=32):
    """Real pairs whose halves agree, and negatives whose halves do not."""
    def pair(second):
        return np.concatenate([first, second], 1).astype(np.float32)

    first, other = rng.normal(size=(2, rows, MELODY_SIZE))
    long = np.zeros((rows, SIZE - 2 * MELODY_SIZE))
    return {
        "real": pair(np.concatenate([first, long], 1)), "unrelated": pair(np.concatenate([other, long], 1)),
        "prior": rng.normal(size=(rows, SIZE)).astype(np.float32),
        "controls": rng.uniform(size=(rows, 4)).astype(np.float32), "example_key": jax.random.split(KEY, rows),
    }


@pytest.fixture(scope="module")
def batch():
    return pairs(np.random.default_rng(0))


@pytest.fixture(scope="module")
def start(batch):
    """The state at step 0, its actor shaken so that it moves something."""
    state = jax.jit(task().init)(KEY, batch, FROZEN)
    rng = np.random.default_rng(1)
    shaken = jax.tree.map(lambda x: x + rng.normal(0, 0.1, x.shape).astype(np.float32), state["params"]["actor"])
    return jax.device_get(state | {"params": state["params"] | {"actor": shaken}})


def same(a, b):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))


@cache
def step_of(**changes):
    return jax.jit(task(**changes).step)


def run(state, batch, steps, **changes):
    """The states after each of `steps` steps, and the last metrics."""
    step, states, metrics = step_of(**changes), [jax.device_get(state)], {}
    for _ in range(steps):
        state, metrics = step(state, batch, FROZEN, KEY)
        states.append(jax.device_get(state))
    return states, metrics


def test_each_update_touches_only_its_own_parameters_and_optimiser(start, batch):
    (_, both), _ = run(start, batch, 1)
    (_, critic_only), _ = run(start, batch, 1, actor_start=3)
    for part in ("params", "optimizer"):
        assert same(both[part]["critic"], critic_only[part]["critic"])
        assert not same(both[part]["critic"], start[part]["critic"])
        assert same(critic_only[part]["actor"], start[part]["actor"])
        assert not same(both[part]["actor"], start[part]["actor"])


def test_the_actor_waits_for_its_start_and_then_moves_once_in_so_many_critic_updates(start, batch):
    for changes, expected in (
        ({"actor_start": 3}, [False] * 3 + [True] * 4),
        ({"actor_start": 1, "critic_updates": 3}, [False, False, False, True, False, False, True]),
    ):
        states, _ = run(start, batch, 7, **changes)
        params = [state["params"] for state in states]
        moved = [not same(a["actor"], b["actor"]) for a, b in pairwise(params)]
        assert moved == expected
        assert not any(same(a["critic"], b["critic"]) for a, b in pairwise(params))


def test_the_actor_follows_the_gradient_of_equation_5_through_the_critic_that_has_just_learned(start, batch):
    (_, after), metrics = run(start, batch, 1)
    z, controls = actor_critic.negatives(batch, 1.0), batch["controls"]

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def loss(actor):
        moved = ACTOR.apply({"params": actor}, features({}, z), controls)
        logits = CRITIC.apply({"params": after["params"]["critic"]}, features({}, moved))
        rho = distances(moved, z, FROZEN["sbar"], ASPECT_SIZES)
        adversarial = jnp.mean(losses.binary_cross_entropy(logits, 1.0))
        return adversarial + 0.7 * jnp.mean(control_loss(rho, controls)), (adversarial, rho)

    (value, (adversarial, rho)), gradient = loss(start["params"]["actor"])
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-4)
    np.testing.assert_allclose(metrics["adversarial"], adversarial, rtol=1e-4)
    for name in ASPECTS:
        np.testing.assert_allclose(metrics[f"rho_{name}"], np.mean(rho[name]), rtol=1e-4)
    # Adam's first step without momentum goes by the rate against the gradient's sign.
    first = jax.tree.map(lambda g: -RATE * g / (np.abs(g) + 1e-8), gradient)
    went = jax.tree.map(np.subtract, after["params"]["actor"], start["params"]["actor"])
    for expected, got, g in zip(*map(jax.tree.leaves, (first, went, gradient)), strict=True):
        clear = np.abs(g) > 1e-5
        np.testing.assert_allclose(got[clear], expected[clear], rtol=0.02)


def test_the_actors_own_rate_leaves_the_critic_alone(start, batch):
    (_, usual), _ = run(start, batch, 1)
    (_, slower), _ = run(start, batch, 1, actor_rate=0.1)
    assert same(usual["params"]["critic"], slower["params"]["critic"])
    way, slower_way = (jax.tree.map(np.subtract, after["params"]["actor"], start["params"]["actor"])
                       for after in (usual, slower))
    for a, b in zip(jax.tree.leaves(way), jax.tree.leaves(slower_way), strict=True):
        np.testing.assert_allclose(b, 0.1 * a, rtol=0.01, atol=1e-6)


def test_prior_pairs_are_drawn_as_often_as_they_are_weighted():
    unrelated, prior, keys = jnp.zeros((4000, 2)), jnp.ones((4000, 2)), jax.random.split(KEY, 4000)
    for weight, share in ((1.0, 0.5), (0.25, 0.2), (0.0, 0.0)):
        found = actor_critic.negatives({"unrelated": unrelated, "prior": prior, "example_key": keys}, weight)
        assert np.mean(found) == pytest.approx(share, abs=0.03)
        np.testing.assert_array_equal(found[:, 0], found[:, 1])
    assert actor_critic.negative_kinds(0.5) == ("unrelated", "prior")
    assert actor_critic.negative_kinds(0.0) == ("unrelated",)


def test_prior_pairs_that_count_nothing_are_not_there_at_all(start, batch):
    without = batch | {"prior": np.full_like(batch["prior"], np.nan)}
    (_, after), _ = run(start, without, 1, prior=0.0)
    assert not any("prior" in name for name in task(prior=0.0).validate(after, without, FROZEN, KEY))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(after["params"]))
    assert not same(after["params"]["actor"], start["params"]["actor"])


def test_the_critic_learns_to_tell_real_pairs_and_the_actor_to_pass_for_one():
    rng = np.random.default_rng(5)
    data, held_out = [pairs(rng, 128) for _ in range(8)], pairs(rng, 512)

    validate = jax.jit(task().validate)

    def train(state, **changes):
        step = jax.jit(task(rate=3e-3, **changes).step)
        for i in range(150):
            state, _ = step(state, data[i % 8], FROZEN, KEY)
        return state, validate(state, held_out, FROZEN, KEY)

    state, before = train(jax.jit(task().init)(KEY, data[0], FROZEN), actor_start=1000)
    assert before["passes_real"] > 0.8 and before["passes_unrelated"] < 0.3
    assert before["passes_moved_unrelated"] < 0.3
    asleep = (0.0, 0.0, 0.0)  # the critic stays as it is, so that one can tell who wins
    _, free = train(state, loss_weights=asleep, distance=0.01)
    _, tied = train(state, loss_weights=asleep, distance=10.0)
    assert free["passes_moved_unrelated"] > 0.6 and free["passes_unrelated"] == before["passes_unrelated"]
    for name in ASPECTS:  # lambda ties the actor to its input
        assert tied[f"rho_{name}_unrelated"] < free[f"rho_{name}_unrelated"] / 2


def test_further_negatives_are_for_the_critic_alone(start, batch):
    wrong = jax.random.normal(jax.random.key(9), batch["real"].shape)
    batch = batch | {"wrong": wrong}
    told = {"wrong": lambda vaes, batch: batch["wrong"]}
    still = {"rate": 0.0}
    (_, after), metrics = run(start, batch, 1, **still)
    (_, told_after), told_metrics = run(start, batch, 1, **still, **told)
    logits = CRITIC.apply({"params": start["params"]["critic"]}, features({}, wrong))
    assert float(told_metrics["critic_wrong"]) == pytest.approx(float(np.mean(logits > 0)))
    raw = CRITIC.apply({"params": start["params"]["critic"]}, features({}, actor_critic.negatives(batch, 1.0)))
    bce = losses.binary_cross_entropy
    more = (np.mean(bce(np.concatenate([raw, logits]), 0.0)) - np.mean(bce(raw, 0.0))) / 11
    assert float(told_metrics["critic"] - metrics["critic"]) == pytest.approx(float(more), abs=1e-5)
    assert float(told_metrics["loss"]) == pytest.approx(float(metrics["loss"]), rel=1e-5)
    assert same(after["params"]["actor"], told_after["params"]["actor"])
    said = task(**told).validate(start, batch, FROZEN, KEY)
    assert float(said["passes_wrong"]) == pytest.approx(float(np.mean(logits > 0)))
    assert "passes_wrong" not in task().validate(start, batch, FROZEN, KEY)


def test_generating_shows_unrelated_pairs_before_and_after(start, batch):
    made = task().generate(start["params"], batch, FROZEN, KEY)
    np.testing.assert_array_equal(made["before"]["z"], batch["unrelated"])
    expected = ACTOR.apply({"params": start["params"]["actor"]}, features({}, batch["unrelated"]), batch["controls"])
    np.testing.assert_allclose(made["after"]["z"], expected, rtol=1e-5, atol=1e-6)


# Styles --------------------------------------------------------------------------------------------------------------


def test_outputs_nearer_than_their_controls_ask_for_cost_what_is_missing():
    rho = {"left": jnp.array([0.0, 0.2, 0.6, 3.0]), "right": jnp.array([0.0, 0.4, 0.6, 3.0])}
    controls, others = jnp.zeros((4, 2)), jnp.full((4, 2), 0.5)
    # 6 x margin x .25 = .75 are asked for; 0, .3, .6 and 3 are there
    cost = actor_critic.sameness(rho, controls, others, margin=0.5)
    np.testing.assert_allclose(cost, [0.75, 0.45, 0.15, 0.0], atol=1e-6)
    np.testing.assert_array_equal(actor_critic.sameness(rho, others, others, margin=0.5), 0.0)
    drawn = np.random.default_rng(0).uniform(size=(2, 20_000, 3)).astype(np.float32)
    nothing = {"left": jnp.zeros(20_000)}
    assert np.mean(actor_critic.sameness(nothing, *drawn, margin=0.5)) == pytest.approx(0.5, rel=0.02)


def test_where_diversity_counts_the_actor_learns_to_use_its_controls(batch):
    batch = batch | {"others": np.random.default_rng(3).uniform(size=batch["controls"].shape).astype(np.float32)}
    start = jax.device_get(jax.jit(task().init)(KEY, batch, FROZEN))

    def spread(state):
        z = batch["unrelated"]
        made = [ACTOR.apply({"params": state["params"]["actor"]}, features({}, z), batch[name])
                for name in ("controls", "others")]
        return float(np.mean(np.abs(made[0] - made[1])))

    (*_, without), metrics = run(start, batch, 60)
    (*_, with_it), _ = run(start, batch, 60, diversity=3.0, margin=1.0)
    assert "sameness" not in metrics
    assert spread(with_it) > 2 * spread(without)
