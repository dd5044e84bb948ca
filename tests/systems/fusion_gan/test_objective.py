"""FusionGAN's objective: plans, balance, and what critics and generators learn from each other (section III)."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core import optimizers
from musicfusion.systems.fusion_gan import objective
from musicfusion.systems.fusion_gan.critic import Critic
from musicfusion.systems.fusion_gan.generator import Generator, player
from musicfusion.systems.fusion_gan.objective import NAMES, PLANS, Adversarial
from musicfusion.systems.fusion_gan.policy_gradient import PolicyGradient

KEY = jax.random.key(0)
EXAMPLES, LENGTH, SYMBOLS = 16, 8, 5
GENERATOR = Generator(hidden=12, embedding=6, vocabulary=SYMBOLS)
CRITIC = Critic((1, 2, 3), (8, 8, 8), 4, SYMBOLS)
CRITICS = {"critic_updates": 1, "generator_start": 0, "genres_every": 1, "gradient_penalty_weight": 10.0,
           "critic_balance_weight": 1.0}
POLICY = {"rollouts": 4, "likelihood_weight": 0.0, "entropy_weight": 0.0, "balance_weight": 0.0,
          "geometric_mean_weight": 0.0}


def scores(**of):
    """Scores of every kind, 0 but for those given as CRITIC__KIND."""
    found = {name: {kind: jnp.zeros(3) for kind in ("x_a", "x_b", "g_a", "g_b", "g_f")} for name in NAMES}
    for name, value in of.items():
        critic, _, kind = name.partition("__")
        found[critic][kind] = jnp.full(3, value)
    return found


def optimizer(rate):
    return optimizers.create(rate=rate, schedule="constant", steps=200, clip=1.0 if rate > 1e-3 else 0.0)


@pytest.fixture(scope="module")
def batch():
    """One genre plays symbols 0 and 1, the other one 2 and 3."""
    low = jax.random.randint(jax.random.key(4), (EXAMPLES, LENGTH), 0, 2)
    return {"a": low, "b": low + 2, "example_key": jax.random.split(KEY, EXAMPLES)}


FROZEN = {"generators": {name: GENERATOR.init(jax.random.key(k))["params"] for k, name in enumerate(NAMES)}}


def task(plan="fusion", **changes):
    critics, policy = ({name: changes.get(name, value) for name, value in group.items()} for group in (CRITICS, POLICY))
    return objective.adversarial(
        plan=PLANS[plan], generator=GENERATOR, critic=CRITIC, settings=Adversarial(**critics),
        policy=PolicyGradient(**policy), generator_optimizer=optimizer(1e-2), critic_optimizer=optimizer(1e-3))


def trained(own, batch, steps, frozen=FROZEN):
    def body(state, key):
        return own.step(state, batch | {"example_key": jax.random.split(key, EXAMPLES)}, frozen, key)

    state = jax.jit(own.init)(KEY, batch, frozen)
    return jax.jit(lambda state: jax.lax.scan(body, state, jax.random.split(KEY, steps)))(state)


def played(params, many=400, ratio=0.5):
    uniforms = jax.random.uniform(jax.random.key(1), (LENGTH, many))
    return player(GENERATOR, params).sample(uniforms, jnp.full(many, ratio))


# Balance --------------------------------------------------------------------------------------------------------------


def test_there_is_no_imbalance_where_all_is_even_and_in_order():
    assert all(float(x) == 0 for x in objective.imbalance(scores()).values())
    fine = objective.imbalance(scores(a__x_a=2.0, a__g_f=1.0, a__x_b=0.0, b__x_b=2.0, b__g_f=1.0, b__x_a=-1.0))
    assert all(float(x) == 0 for x in fine.values())


def test_imbalance_grows_with_what_is_uneven_or_out_of_order():
    found = objective.imbalance(scores(f__g_a=3.0, f__x_b=1.0))
    assert float(found["f"]) == pytest.approx(4.0)
    assert float(objective.imbalance(scores(a__g_f=2.5, a__x_a=2.0))["a"]) == pytest.approx(0.5)
    assert float(objective.imbalance(scores(b__x_a=1.0, b__x_b=1.0))["b"]) == pytest.approx(1.0)


def test_a_gap_counts_every_kind_of_melodies_alike():
    of = {"x_a": jnp.array([3.0, 1.0]), "x_b": jnp.array([0.0, 0.0]), "g_f": jnp.array([-1.0, -3.0])}
    assert float(objective.gap(of, ["x_a", "x_b"], ["g_f"])) == pytest.approx(3.0)


# Generators against critics -------------------------------------------------------------------------------------------


def test_critics_widen_their_gaps_and_generators_wait(batch):
    state, metrics = trained(task(generator_start=10**6), batch, 150)
    for name in NAMES:
        first, last = float(jnp.mean(metrics[f"gap_{name}"][:10])), float(jnp.mean(metrics[f"gap_{name}"][-10:]))
        assert last > first if name != "f" else np.isfinite(last)
    assert float(jnp.mean(metrics["gap_a"][-10:])) > 0.3
    for mine, theirs in zip(jax.tree.leaves(state["params"]["generators"]),
                            jax.tree.leaves(FROZEN["generators"]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_critics_that_learned_before_are_gone_on_with(batch):
    before = FROZEN | {"critics": {name: CRITIC.init(jax.random.key(9), batch["a"])["params"] for name in NAMES}}
    params = jax.jit(task().init)(KEY, batch, before)["params"]
    for mine, theirs in zip(jax.tree.leaves(params), jax.tree.leaves(before), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_generator_comes_to_play_what_its_critic_likes(batch):
    """G_A against the critic of a genre of two symbols: it plays them more and more; nothing else teaches it."""
    state, _ = trained(task("gan", critic_updates=3), batch, 150)
    share = {}
    for name, own in (("a", (0, 1)), ("b", (2, 3))):
        melodies = played(state["params"]["generators"][name])
        share[name] = float(jnp.mean((melodies == own[0]) | (melodies == own[1])))
    assert share["a"] > 0.75 and share["b"] > 0.75, share


def test_only_who_is_in_the_plan_learns(batch):
    for plan, learning in (("mixture", ("f",)), ("exchanged", ("a", "b")), ("gan", ("a", "b"))):
        own = task(plan)
        before = jax.jit(own.init)(KEY, batch, FROZEN)
        after, _ = jax.jit(own.step)(before, batch, FROZEN, KEY)
        for name in NAMES:
            same = all(bool(jnp.all(x == y)) for x, y in zip(
                jax.tree.leaves(before["params"]["generators"][name]),
                jax.tree.leaves(after["params"]["generators"][name]), strict=True))
            assert same == (name not in learning), (plan, name)


def test_the_genres_generators_learn_less_often_than_the_fusion_s_where_that_is_asked_for(batch):
    batch = batch | {"a": batch["a"][:, :4], "b": batch["b"][:, :4]}
    own = task(genres_every=2, rollouts=1)
    step = jax.jit(own.step)
    states = [jax.jit(own.init)(KEY, batch, FROZEN)]
    for _ in range(2):
        states.append(step(states[-1], batch, FROZEN, KEY)[0])

    def moved(name):
        return [not all(bool(jnp.all(x == y)) for x, y in zip(
            jax.tree.leaves(one["params"]["generators"][name]), jax.tree.leaves(other["params"]["generators"][name]),
            strict=True)) for one, other in itertools.pairwise(states)]

    assert (moved("a"), moved("f")) == ([True, False], [True, True])


def test_validation_gives_the_distances_of_equation_one(batch):
    own = task()
    found = jax.jit(own.validate)(jax.jit(own.init)(KEY, batch, FROZEN), batch, FROZEN, KEY)
    assert float(found["loss"]) == pytest.approx(
        sum(float(found[f"distance_{name}"]) for name in NAMES), abs=1e-5)
    assert {"imbalance_a", "imbalance_b", "imbalance_f", "genre_distance", "position_error"} <= set(found)


def test_what_a_task_generates_is_a_melody_for_each_example(batch):
    own = task()
    params = FROZEN
    melodies = own.generate(params, batch, FROZEN, KEY)
    assert melodies.shape == (EXAMPLES, LENGTH)
    pretraining = objective.pretraining(GENERATOR, optimizer(1e-2), steps=10)
    np.testing.assert_array_equal(pretraining.generate(params["generators"], batch, {}, KEY), melodies)


def test_a_fusion_drawn_to_the_geometric_mean_plays_what_both_genres_play(batch):
    """Both genres also play symbol 4; a fusion of the two plays it more than either does."""
    coin = jax.random.bernoulli(jax.random.key(9), 0.4, (EXAMPLES, LENGTH))
    shared = batch | {"a": jnp.where(coin, 4, batch["a"]), "b": jnp.where(coin, 4, batch["b"])}
    state, _ = trained(task(geometric_mean_weight=1.0, likelihood_weight=1.0), shared, 250)
    often = {name: float(jnp.mean(played(params) == 4)) for name, params in state["params"]["generators"].items()}
    assert often["f"] > max(often["a"], often["b"]) + 0.1, often


def test_a_fusion_takes_as_much_of_the_first_genre_as_it_is_told(batch):
    state, _ = trained(task(balance_weight=10.0, entropy_weight=0.1), batch, 200)

    def share(ratio):
        melodies = played(state["params"]["generators"]["f"], ratio=ratio)
        return float(jnp.sum(melodies < 2) / jnp.sum(melodies < 4))

    assert share(0.9) > share(0.5) + 0.1 > share(0.1) + 0.2


# Maximum likelihood ---------------------------------------------------------------------------------------------------


def test_pretraining_learns_each_genre_and_the_mixture(batch):
    own = objective.pretraining(GENERATOR, optimizer(1e-2), steps=100)
    state, _ = trained(own, batch, 150, frozen={})
    for name, ratio, symbols in (("a", 0.5, (0, 1)), ("b", 0.5, (2, 3)), ("f", 1.0, (0, 1)), ("f", 0.0, (2, 3))):
        melodies = played(state["params"][name], 300, ratio)
        assert float(jnp.mean((melodies == symbols[0]) | (melodies == symbols[1]))) > 0.85, (name, ratio)


def test_a_mixture_holds_as_many_windows_of_the_first_genre_as_the_ratio_says():
    many = 2000
    batch = {"a": jnp.zeros((many, 3), jnp.int32), "b": jnp.ones((many, 3), jnp.int32),
             "example_key": jax.random.split(KEY, many)}
    assert float(jnp.mean(objective.mixture(batch, jnp.full(many, 0.3)) == 0)) == pytest.approx(0.3, abs=0.03)
    ratios = objective.draw_ratios(batch["example_key"], blended=True)
    assert float(ratios.min()) < 0.05 and float(ratios.max()) > 0.95
    assert np.all(objective.draw_ratios(batch["example_key"], blended=False) == 0.5)
