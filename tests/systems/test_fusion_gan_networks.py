"""FusionGAN's generators, critics and objective: section III of paper 003."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import variant
from ml_collections import ConfigDict

from musicfusion.systems.fusion_gan import adversarial, nets
from musicfusion.systems.fusion_gan.critic import Critic, gradient_penalty
from musicfusion.systems.fusion_gan.generator import Generator, pick
from musicfusion.systems.fusion_gan.melodies import SYMBOLS

KEY = jax.random.key(0)
ROWS, LENGTH, SMALL = 16, 8, 5
GENERATOR = Generator(hidden=12, embedding=6, vocabulary=SMALL)
CRITIC = Critic((1, 2, 3), (8, 8, 8), 4, SMALL)


def player(seed=0, scale=1.0, **changes):
    generator = Generator(**({"hidden": 12, "embedding": 6, "vocabulary": SMALL} | changes))
    params = generator.init(jax.random.key(seed))["params"]
    return adversarial.play(generator, jax.tree.map(lambda x: scale * x, params))


def numbers(*shape, seed=1):
    return jax.random.uniform(jax.random.key(seed), shape)


# Generators -----------------------------------------------------------------------------------------------------------


def test_a_symbol_is_picked_as_often_as_it_is_likely():
    logits = jnp.log(jnp.array([0.1, 0.6, 0.3]))
    picked = np.asarray(pick(jnp.broadcast_to(logits, (5000, 3)), numbers(5000)))
    np.testing.assert_allclose(np.bincount(picked) / 5000, [0.1, 0.6, 0.3], atol=0.02)
    assert pick(logits[None], jnp.array([1.0]))[0] == 2, "the last one, where rounding leaves a rest"


def test_melodies_are_played_as_often_as_they_are_likely():
    """Every melody of three symbols, its likelihood against how often it is played."""
    loud, many = player(scale=4.0), 20_000
    half = jnp.full(SMALL**3, 0.5)
    every = jnp.array(list(itertools.product(range(SMALL), repeat=3)))
    said = jnp.take_along_axis(loud.log_likelihood(every, half), every[..., None], -1)[..., 0].sum(1)
    assert float(jnp.sum(jnp.exp(said))) == pytest.approx(1, abs=1e-4)
    made = np.asarray(loud.sample(numbers(3, many), jnp.full(many, 0.5)))
    often = np.bincount(made @ np.array([SMALL**2, SMALL, 1]), minlength=SMALL**3) / many
    np.testing.assert_allclose(often, np.exp(said), atol=0.012)


def test_going_on_from_a_prompt_is_going_on():
    lucky, ratio = numbers(LENGTH, ROWS), jnp.linspace(0, 1, ROWS)
    whole = player().sample(lucky, ratio)
    rest = player().go_on(whole[:, :3], lucky[3:], ratio)
    np.testing.assert_array_equal(rest, whole[:, 3:])
    np.testing.assert_array_equal(player().go_on(whole[:, :0], lucky, ratio), whole)


@pytest.mark.parametrize("length", [7, 8])
def test_every_prefix_is_gone_on_with_to_the_end(length):
    play = player()
    melody = play.sample(numbers(length, ROWS), jnp.full(ROWS, 0.5))
    ways = np.asarray(play.rollouts(melody, numbers(length, length // 2, 3, ROWS, seed=2), jnp.full(ROWS, 0.5)))
    assert ways.shape == (length - 1, 3, ROWS, length)
    for kept in range(1, length):
        np.testing.assert_array_equal(ways[kept - 1, :, :, :kept], np.broadcast_to(
            np.asarray(melody)[:, :kept], (3, ROWS, kept)))
    assert len(np.unique(ways[0, :, 0, 1:], axis=0)) > 1, "ways differ"


def test_ways_on_are_likely_ones():
    """What follows a prefix of one symbol, against its likelihood; and of two, which shares a row with another one."""
    play, many = player(scale=4.0), 4000
    melody = jnp.tile(jnp.array([[1, 3, 0, 2]]), (1, 1))
    ways = np.asarray(play.rollouts(melody, numbers(4, 2, many, 1, seed=3), jnp.full(1, 0.5)))[:, :, 0]
    for kept in (1, 2, 3):
        prefix = melody[:, :kept]
        padded = jnp.concatenate([prefix, jnp.zeros((1, 1), jnp.int32)], 1)
        next_one = np.exp(np.asarray(play.log_likelihood(padded, jnp.full(1, 0.5)))[0, kept])
        often = np.bincount(ways[kept - 1, :, kept], minlength=SMALL) / many
        np.testing.assert_allclose(often, next_one, atol=0.03)


def test_a_blended_generator_is_told_the_share_and_the_paper_s_is_not():
    generator = Generator(hidden=12, embedding=6, vocabulary=SMALL)
    params = generator.init(KEY)["params"]
    params["blend"] = jax.random.normal(KEY, params["blend"].shape)
    melody = jnp.zeros((2, LENGTH), jnp.int32)
    found = adversarial.play(generator, params).log_likelihood(melody, jnp.array([0.0, 1.0]))
    assert float(jnp.max(jnp.abs(found[0] - found[1]))) > 0.01
    assert "blend" not in Generator(blended=False).init(KEY)["params"]


def test_the_published_sizes():
    """Of 100 symbols: 14,820 numbers in G, 6.73 million in D (whose two classes are a score here)."""
    assert sum(x.size for x in jax.tree.leaves(Generator(32, 32, 100, False).init(KEY)["params"])) == 14_820
    size = variant("fusion_gan", "paper").critic
    critic = Critic(size.widths, size.filters, size.embedding, 100)
    shapes = jax.eval_shape(critic.init, KEY, jnp.zeros((1, 36), jnp.int32))["params"]
    assert sum(x.size for x in jax.tree.leaves(shapes)) == pytest.approx(6_731_802, rel=1e-3)


# Critics --------------------------------------------------------------------------------------------------------------


def test_the_critic_s_filters_are_convolutions():
    critic = Critic((3,), (4,), 2, SMALL)
    symbols = jax.random.randint(KEY, (2, LENGTH), 0, SMALL)
    params = critic.init(KEY, symbols)["params"]
    embedded = np.asarray(params["embedding"])[np.asarray(symbols)]
    kernel = np.asarray(params["layers_0"]["kernel"]).reshape(3, 2, 4)
    by_hand = np.stack([np.einsum("bje,jef->bf", embedded[:, t : t + 3], kernel) for t in range(LENGTH - 2)], 1)
    x = np.maximum(by_hand, 0).max(1)
    through = 1 / (1 + np.exp(-x @ np.asarray(params["gate"]["kernel"])))
    x = through * np.maximum(x @ np.asarray(params["change"]["kernel"]), 0) + (1 - through) * x
    np.testing.assert_allclose(critic.apply({"params": params}, symbols), (x @ params["score"]["kernel"])[:, 0],
                               rtol=1e-4, atol=1e-5)


def test_the_gradient_penalty_of_a_critic_that_is_flat_is_one():
    symbols = jax.random.randint(KEY, (4, LENGTH), 0, SMALL)
    params = CRITIC.init(KEY, symbols)["params"]
    flat = params | {"score": jax.tree.map(jnp.zeros_like, params["score"])}
    share = jnp.linspace(0, 1, 4)
    np.testing.assert_allclose(gradient_penalty(CRITIC, flat, symbols, symbols[::-1], share), 1.0, atol=1e-4)
    assert float(jnp.mean(gradient_penalty(CRITIC, params, symbols, symbols[::-1], share))) != pytest.approx(1.0)


# The objective --------------------------------------------------------------------------------------------------------


def scores(**of):
    """Scores of every kind, 0 but for those given as CRITIC_WHOM."""
    found = {name: {whom: jnp.zeros(3) for whom in ("x_a", "x_b", "g_a", "g_b", "g_f")} for name in adversarial.NAMES}
    for name, value in of.items():
        critic, _, whom = name.partition("__")
        found[critic][whom] = jnp.full(3, value)
    return found


def test_balance_is_nothing_where_all_is_even_and_in_order():
    assert all(float(x) == 0 for x in adversarial.balance(scores()).values())
    fine = adversarial.balance(scores(a__x_a=2.0, a__g_f=1.0, a__x_b=0.0, b__x_b=2.0, b__g_f=1.0, b__x_a=-1.0))
    assert all(float(x) == 0 for x in fine.values())


def test_balance_grows_with_what_is_uneven_or_out_of_order():
    found = adversarial.balance(scores(f__g_a=3.0, f__x_b=1.0))
    assert float(found["f"]) == pytest.approx(4.0)
    assert float(adversarial.balance(scores(a__g_f=2.5, a__x_a=2.0))["a"]) == pytest.approx(0.5)
    assert float(adversarial.balance(scores(b__x_a=1.0, b__x_b=1.0))["b"]) == pytest.approx(1.0)


GROUP = ConfigDict({
    "steps": 200, "batch": ROWS, "rollouts": 4, "critic_updates": 1, "generator_start": 0, "genres_every": 1,
    "penalty": 10.0, "balance": 1.0, "likelihood": 0.0, "entropy": 0.0, "even": 0.0,
    "common": 0.0,
    "optimizer": {"rate": 1e-2, "schedule": "constant", "warmup": 0, "clip": 1.0},
    "critic_optimizer": {"rate": 1e-3, "schedule": "constant", "warmup": 0, "clip": 0.0},
})


@pytest.fixture(scope="module")
def batch():
    """One genre plays symbols 0 and 1, the other one 2 and 3."""
    low = jax.random.randint(jax.random.key(4), (ROWS, LENGTH), 0, 2)
    before = {"generators": {name: GENERATOR.init(jax.random.key(k))["params"] for k, name in enumerate("abf")}}
    return {"a": low, "b": low + 2, "before": before, "row_key": jax.random.split(KEY, ROWS)}


def task(plan="fusion", **changes):
    group = GROUP.copy_and_resolve_references()
    group.update(changes)
    return adversarial.task(adversarial.PLANS[plan], GENERATOR, CRITIC, group)


def trained(own, batch, steps):
    def body(state, key):
        state, metrics = own.step(state, batch | {"row_key": jax.random.split(key, ROWS)}, key)
        return state, metrics

    return jax.jit(lambda state: jax.lax.scan(body, state, jax.random.split(KEY, steps)))(own.init(KEY, batch))


def test_critics_widen_their_gaps_and_generators_wait(batch):
    state, metrics = trained(task(generator_start=10**6), batch, 150)
    for name in adversarial.NAMES:
        first, last = float(jnp.mean(metrics[f"gap_{name}"][:10])), float(jnp.mean(metrics[f"gap_{name}"][-10:]))
        assert last > first if name != "f" else np.isfinite(last)
    assert float(jnp.mean(metrics["gap_a"][-10:])) > 0.3
    for mine, theirs in zip(jax.tree.leaves(state["params"]["generators"]),
                            jax.tree.leaves(batch["before"]["generators"]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_generator_comes_to_play_what_its_critic_likes(batch):
    """G_A against the critic of a genre of two symbols: it plays them more and more; nothing else teaches it."""
    state, _ = trained(task("gan", critic_updates=3), batch, 150)
    share = {}
    for name, own in (("a", (0, 1)), ("b", (2, 3))):
        made = adversarial.play(GENERATOR, state["params"]["generators"][name]).sample(
            numbers(LENGTH, 400), jnp.full(400, 0.5))
        share[name] = float(jnp.mean((made == own[0]) | (made == own[1])))
    assert share["a"] > 0.75 and share["b"] > 0.75, share


def test_only_who_is_in_the_plan_learns(batch):
    for plan, learning in (("mixture", ("f",)), ("exchanged", ("a", "b")), ("gan", ("a", "b"))):
        own = task(plan)
        before = own.init(KEY, batch)
        after, _ = jax.jit(own.step)(before, batch, KEY)
        for name in adversarial.NAMES:
            same = all(bool(jnp.all(x == y)) for x, y in zip(
                jax.tree.leaves(before["params"]["generators"][name]),
                jax.tree.leaves(after["params"]["generators"][name]), strict=True))
            assert same == (name not in learning), (plan, name)


def test_validation_tells_the_distances_of_equation_one(batch):
    own = task()
    found = jax.jit(own.evaluate)(own.init(KEY, batch), batch, KEY)
    assert float(found["loss"]) == pytest.approx(
        sum(float(found[f"distance_{name}"]) for name in adversarial.NAMES), abs=1e-5)
    assert {"uneven_a", "uneven_b", "uneven_f", "genres_apart"} <= set(found)


def test_likelihood_is_learned_from_each_genre_and_the_mixture(batch):
    own = adversarial.pretraining(GENERATOR, ConfigDict({"steps": 100, "optimizer": GROUP.optimizer}))

    def body(state, key):
        return own.step(state, batch | {"row_key": jax.random.split(key, ROWS)}, key)

    state, _ = jax.jit(lambda state: jax.lax.scan(body, state, jax.random.split(KEY, 150)))(own.init(KEY, batch))
    for name, ratio, symbols in (("a", 0.5, (0, 1)), ("b", 0.5, (2, 3)), ("f", 1.0, (0, 1)), ("f", 0.0, (2, 3))):
        made = adversarial.play(GENERATOR, state["params"][name]).sample(numbers(LENGTH, 300), jnp.full(300, ratio))
        assert float(jnp.mean((made == symbols[0]) | (made == symbols[1]))) > 0.85, (name, ratio)


def test_every_module_is_described():
    found = nets.modules(variant("fusion_gan", "lite"))
    assert set(found) == {*(f"{kind}_{name}" for kind in ("generator", "critic") for name in "abf"), "genre"}
    assert found["generator_f"]["embedding"].shape[0] == SYMBOLS


# Between --------------------------------------------------------------------------------------------------------------


def test_a_place_is_one_where_pieces_of_the_first_genre_lie_and_zero_where_those_of_the_second_do():
    real = {"a": {"a": jnp.array([2.0, 4.0]), "b": jnp.array([-1.0, 0.0])},
            "b": {"a": jnp.array([0.0, 0.0]), "b": jnp.array([5.0, 5.0])}}
    found = [float(adversarial.place({own: jnp.mean(real[own][who]) for own in "ab"}, real)) for who in "ab"]
    assert found == pytest.approx([1.0, 0.0])
    middle = {own: (jnp.mean(real[own]["a"]) + jnp.mean(real[own]["b"])) / 2 for own in "ab"}
    assert float(adversarial.place(middle, real)) == pytest.approx(0.5)


def test_a_fusion_is_worth_most_at_the_place_that_it_is_asked_for_and_a_genre_s_melody_does_not_care():
    real = {"a": {"a": jnp.ones(4), "b": -jnp.ones(4)}, "b": {"a": -jnp.ones(4), "b": jnp.ones(4)}}
    along = jnp.linspace(-1, 1, 9)  # from the second genre's pieces to the first's
    said = {"a": along, "b": -along}
    for ratio, best in ((0.5, 4), (0.25, 2), (1.0, 8)):
        worth = adversarial.reward(said, real, jnp.full(9, ratio), even=20.0)
        assert int(jnp.argmax(worth)) == best
    flat = adversarial.reward(said, real, jnp.full(9, 0.5), even=0.0)
    np.testing.assert_allclose(flat, flat[0], atol=1e-6, err_msg="the paper's sum alone does not tell")
    own = adversarial.reward({"a": along}, {"a": real["a"]}, None, even=20.0)
    assert np.all(np.diff(own) > 0)


def test_the_common_ground_is_what_both_genres_play_and_at_the_ends_it_is_one_of_them():
    first, second = (jnp.log(jnp.array([[p]])) for p in ([0.8, 0.01, 0.19], [0.01, 0.8, 0.19]))
    for ratio, expected in ((1.0, first), (0.0, second)):
        np.testing.assert_allclose(adversarial.common_ground(first, second, jnp.array([ratio])), expected, atol=1e-5)
    half = jnp.exp(adversarial.common_ground(first, second, jnp.array([0.5])))[0, 0]
    assert int(jnp.argmax(half)) == 2 and float(half[0]) == pytest.approx(float(half[1]))
    rng = np.random.default_rng(0)
    nearest = adversarial.common_ground(first, second, jnp.array([0.3]))

    def far(log_p):
        return float(jnp.sum(0.3 * adversarial.apart(log_p, first) + 0.7 * adversarial.apart(log_p, second)))

    for other in rng.dirichlet(np.ones(3), 50):
        assert far(nearest) <= far(jnp.log(jnp.asarray(other)[None, None])) + 1e-6


def test_a_fusion_that_seeks_common_ground_plays_what_both_play(batch):
    """Both genres also play symbol 4; a fusion of the two plays it more than either does."""
    coin = jax.random.bernoulli(jax.random.key(9), 0.4, (ROWS, LENGTH))
    shared = batch | {"a": jnp.where(coin, 4, batch["a"]), "b": jnp.where(coin, 4, batch["b"])}
    state, _ = trained(task(common=1.0, likelihood=1.0), shared, 250)
    made = {name: adversarial.play(GENERATOR, params).sample(numbers(LENGTH, 400), jnp.full(400, 0.5))
            for name, params in state["params"]["generators"].items()}
    often = {name: float(jnp.mean(x == 4)) for name, x in made.items()}
    assert often["f"] > max(often["a"], often["b"]) + 0.1, often


def test_a_fusion_takes_as_much_of_the_first_genre_as_it_is_told(batch):
    state, _ = trained(task(even=10.0, entropy=0.1), batch, 200)
    play = adversarial.play(GENERATOR, state["params"]["generators"]["f"])

    def share(ratio):
        made = play.sample(numbers(LENGTH, 400), jnp.full(400, ratio))
        return float(jnp.sum(made < 2) / jnp.sum(made < 4))

    assert share(0.9) > share(0.5) + 0.1 > share(0.1) + 0.2


def test_no_embedding_grows_out_of_the_penalty_s_reach():
    """The same function of symbols, with larger embeddings and smaller filters, is as steep."""
    symbols = jax.random.randint(KEY, (4, LENGTH), 0, SMALL)
    params = CRITIC.init(KEY, symbols)["params"]
    grown = params | {"embedding": 10 * params["embedding"]} | {
        f"layers_{k}": params[f"layers_{k}"] | {"kernel": params[f"layers_{k}"]["kernel"] / 10} for k in range(3)}
    share = jnp.linspace(0, 1, 4)
    np.testing.assert_allclose(CRITIC.apply({"params": params}, symbols), CRITIC.apply({"params": grown}, symbols),
                               rtol=1e-4)
    np.testing.assert_allclose(gradient_penalty(CRITIC, params, symbols, symbols[::-1], share),
                               gradient_penalty(CRITIC, grown, symbols, symbols[::-1], share), rtol=1e-3)
