"""Three generators against three critics (paper 003, section III): GAN on each genre, then the fusion of both.

What the paper's equations mean, where print and code go astray (FACTS of its public code): every critic widens its gap,
positives' mean above negatives' mean, under a gradient penalty; terms that balance are made smaller, not larger; a
generator is rewarded by what critics say of it (equation 4), each symbol by what becomes of many ways on from it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion import losses
from musicfusion.core import optimizers, parallel
from musicfusion.core.rows import folded
from musicfusion.core.task import Task
from musicfusion.systems.fusion_gan.critic import Critic, gradient_penalty
from musicfusion.systems.fusion_gan.generator import Generator, Player
from musicfusion.systems.fusion_gan.melodies import GENRES

NAMES = (*GENRES, "f")


class Plan(NamedTuple):
    """Who learns from whom.

    rewards: of each generator that learns, which critics judge it
    sides: of each critic that learns, whom it takes for its own, and whom not: "x_a" are pieces, "g_a" what G_A plays
    balanced: whether terms (9) and (13) are added
    """

    rewards: Mapping[str, tuple[str, ...]]
    sides: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    balanced: bool = False


_Sides = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
_OWN: _Sides = {"a": (("x_a",), ("g_a",)), "b": (("x_b",), ("g_b",))}
_MIXED: _Sides = {"f": (("x_a", "x_b"), ("g_f",))}
PLANS = {
    "gan": Plan({"a": ("a",), "b": ("b",)}, _OWN | _MIXED),
    "fusion": Plan(  # equations (2) and (8)
        {"f": ("a", "b", "f"), "a": ("a",), "b": ("b",)},
        {"f": (("x_a", "x_b", "g_a", "g_b"), ("g_f",)),
         "a": (("x_a",), ("x_b", "g_a", "g_b", "g_f")), "b": (("x_b",), ("x_a", "g_a", "g_b", "g_f"))}, True),
    "mixture": Plan({"f": ("f",)}, _MIXED),  # the paper's baselines: GAN,
    "exchanged": Plan({"a": ("b",), "b": ("a",)}, _OWN),  # and RL
}


def shares(keys: jax.Array, blended: bool) -> jax.Array:
    """The first genre's share of each row [b]: anything from 0 to 1, or one half."""
    drawn = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 60)))(keys)
    return drawn if blended else jnp.full(len(keys), 0.5)


def mixed(batch: Mapping[str, jax.Array], ratio: jax.Array) -> jax.Array:
    """A window of the first genre in as many rows as their shares say, else of the second: int32 [b, T]."""
    coins = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 61)))(batch["row_key"])
    return jnp.where((coins < ratio)[:, None], batch["a"], batch["b"])


def luck(keys: jax.Array, salt: int, shape: tuple[int, ...]) -> jax.Array:
    """Numbers in 0..1 for each row, [*shape, b]."""
    drawn = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, salt), shape))(keys)
    return jnp.moveaxis(drawn, 0, -1)


def likelihood(player: Player, symbols: jax.Array, ratio: jax.Array) -> jax.Array:
    """Nats a symbol of melodies [b, T]: [b]."""
    return losses.nll(player.log_likelihood(symbols, ratio), symbols) / symbols.shape[1]


def entropy(log_likelihood: jax.Array) -> jax.Array:
    """Nats: [..., V] -> [...]."""
    return -jnp.sum(jnp.exp(log_likelihood) * log_likelihood, -1)


def common_ground(first: jax.Array, second: jax.Array, ratio: jax.Array) -> jax.Array:
    """log p of each symbol [b, T, V] by both genres' generators -> that which is nearest to both, by KL divergence.

    It takes p_A^ratio p_B^(1 - ratio), ratio [b]: symbols that both find likely, where a mixture takes those of either.
    """
    share = ratio[:, None, None]
    return jax.nn.log_softmax(share * first + (1 - share) * second)


def apart(said: jax.Array, other: jax.Array) -> jax.Array:
    """KL divergence of the distributions log p [..., V] from others, nats: [...]."""
    return jnp.sum(jnp.exp(said) * (said - other), -1)


def pretraining(generator: Generator, group) -> Task:
    """Maximum likelihood: G_A on the first genre, G_B on the second, G_F on both (Algorithm 1, line 1).

    params: {"a", "b", "f"}.
    """

    def terms(params, batch):
        ratio = shares(batch["row_key"], generator.blended)
        data = {"a": batch["a"], "b": batch["b"], "f": mixed(batch, ratio)}
        nats = {f"nll_{name}": jnp.mean(likelihood(play(generator, params[name]), x, ratio))
                for name, x in data.items()}
        return sum(nats.values()), nats | {"loss": sum(nats.values())}

    init, step = optimizers.learner(
        group, lambda key, batch: {name: generator.init(jax.random.fold_in(key, k))["params"]
                                   for k, name in enumerate(NAMES)},
        lambda params, batch, key, fraction: terms(params, batch))
    return Task(init, step, lambda state, batch, key: terms(state["params"], batch)[1],
                lambda params, batch, key: shown(generator, params, batch))


def play(generator: Generator, params) -> Player:
    """The generator with its parameters."""
    return generator.apply({"params": params})  # type: ignore[return-value]


def shown(generator: Generator, generators: Mapping, batch: Mapping) -> dict[str, jax.Array]:
    """A window of the first genre, and a melody of G_F, half and half: {"before", "after"}, for pictures."""
    half = jnp.full(len(batch["a"]), 0.5)
    made = play(generator, generators["f"]).sample(luck(batch["row_key"], 62, (batch["a"].shape[1],)), half)
    return {"before": batch["a"], "after": made}


def balance(scores: Mapping[str, Mapping[str, jax.Array]]) -> dict[str, jax.Array]:
    """Equation (9), and (13) as a hinge: D_A puts G_F between its genre and the other. scores: by critic, of whom."""
    mean = {critic: {whom: jnp.mean(x) for whom, x in of.items()} for critic, of in scores.items()}
    f = mean["f"]
    found = {"f": jnp.abs(f["g_a"] - f["g_b"]) + jnp.abs(f["x_a"] - f["x_b"])}
    for own, other in (GENRES, GENRES[::-1]):
        of = mean[own]
        found[own] = (jax.nn.relu(of["g_f"] - of[f"x_{own}"]) + jax.nn.relu(of[f"x_{other}"] - of["g_f"]))
    return found


def place(scores: Mapping[str, jax.Array], real: Mapping[str, Mapping[str, jax.Array]]) -> jax.Array:
    """Where melodies lie between the genres: about 1 where pieces of the first do, 0 where those of the second do.

    scores: of D_A and D_B, [...];  real: by critic, what it says of pieces of either genre
    """
    between = scores["a"] - scores["b"]
    first, second = (parallel.mean(jnp.mean(real["a"][who] - real["b"][who])) for who in GENRES)
    return (between - second) / jnp.maximum(first - second, 1e-3)


def reward(scores: Mapping[str, jax.Array], real: Mapping[str, Mapping[str, jax.Array]], ratio: jax.Array | None,
           even: float) -> jax.Array:
    """Of melodies: what their critics say of them (equation 4), each by how far its scores of pieces spread, [..., b].

    Of a fusion, whose shares of the first genre are `ratio` [b]: D_A and D_B count as much as their genres are to, and
    `even` times how far each melody lies from its own place between the genres is taken away. That term is ours: the
    paper's sum is served as well by melodies of which every other one is all of a genre.
    """
    total = jnp.zeros(())
    for critic, said in scores.items():
        pieces = jnp.concatenate([real[critic][who] for who in GENRES])
        centre = parallel.mean(jnp.mean(pieces))
        spread = jnp.sqrt(parallel.mean(jnp.mean((pieces - centre) ** 2)) + 1e-8)
        weight = 1.0 if ratio is None else {"a": 2 * ratio, "b": 2 * (1 - ratio)}.get(critic, 1.0)
        total += weight * (said - centre) / spread
    return total - even * jnp.abs(place(scores, real) - ratio) if even and ratio is not None else total


def task(plan: Plan, generator: Generator, critic: Critic, group) -> Task:
    """Critics and generators in turn. params: {"generators", "critics"}, each {"a", "b", "f"}.

    batch["before"]: {"generators"} and, if they learned before, {"critics"} to begin with. Each step the critics learn
    `critic_updates` times; then, from `generator_start` on, the generators by policy gradient, those of the genres
    every `genres_every` steps where the fusion learns, too.
    """
    optimizer = {"critics": optimizers.create(group.critic_optimizer, group.steps * group.critic_updates),
                 "generators": optimizers.create(group.optimizer, group.steps)}

    def judge(params, symbols):
        return jnp.asarray(critic.apply({"params": params}, symbols))

    def init(key, batch):
        before = batch["before"]
        fresh = {name: critic.init(jax.random.fold_in(key, k), batch["a"])["params"] for k, name in enumerate(NAMES)}
        params = {"generators": before["generators"], "critics": before.get("critics", fresh)}
        moments = {part: {name: optimizer[part].init(p) for name, p in of.items()} for part, of in params.items()}
        return {"params": jax.tree.map(jnp.asarray, params), "optimizer": moments, "step": jnp.zeros((), jnp.int32)}

    def update(state, part, name, gradients):
        updates, inner = optimizer[part].update(
            parallel.mean(gradients), state["optimizer"][part][name], state["params"][part][name])
        learned = optax.apply_updates(state["params"][part][name], updates)
        return state | {
            "params": state["params"] | {part: state["params"][part] | {name: learned}},
            "optimizer": state["optimizer"] | {part: state["optimizer"][part] | {name: inner}}}

    def everyone(params, batch, ratio, salt) -> dict[str, jax.Array]:
        """Pieces of both genres and what each generator plays, [b, T] each."""
        length = batch["a"].shape[1]
        found = {"x_a": batch["a"], "x_b": batch["b"]}
        for k, name in enumerate(NAMES):
            player = play(generator, params["generators"][name])
            found[f"g_{name}"] = player.sample(luck(batch["row_key"], salt + k, (length,)), ratio)
        return found

    def score_all(params, heard) -> dict[str, jax.Array]:
        scores = judge(params, jnp.concatenate(list(heard.values())))
        return dict(zip(heard, jnp.split(scores, len(heard)), strict=True))

    def gap(of: Mapping[str, jax.Array], name: str) -> jax.Array:
        own, others = plan.sides[name]
        return jnp.mean(jnp.stack([of[x] for x in own])) - jnp.mean(jnp.stack([of[x] for x in others]))

    def criticise(critics, heard, keys):
        """What the critics that learn go down: minus their gaps, the penalty, the balance."""
        scores = {name: score_all(critics[name], heard) for name in plan.sides}
        total, about = jnp.zeros(()), {}
        for k, name in enumerate(plan.sides):
            own, others = ([heard[x] for x in side] for side in plan.sides[name])
            share, which = jax.vmap(lambda key, k=k: jax.random.uniform(jax.random.fold_in(key, 70 + k), (2,)))(keys).T
            penalty = jnp.mean(gradient_penalty(
                critic, critics[name], _one_of(own, which), _one_of(others, which), share))
            about[f"gap_{name}"] = gap(scores[name], name)
            total += group.penalty * penalty - about[f"gap_{name}"]
        if plan.balanced:
            uneven = balance(scores)
            total += group.balance * sum(uneven.values())
            about |= {f"uneven_{name}": x for name, x in uneven.items()}
        return total, about

    def advantage(state, name, symbols, ratio, batch) -> jax.Array:
        """What each symbol of melodies [b, T] changes in the reward to be expected: the ways on from it against those
        from the symbol before."""
        length, critics = symbols.shape[1], state["params"]["critics"]
        player = play(generator, state["params"]["generators"][name])
        ways = player.rollouts(symbols, luck(batch["row_key"], 80, (length, length // 2, group.rollouts)), ratio)
        asked = ratio if name == "f" else None
        real = {x: {who: judge(critics[x], batch[who]) for who in GENRES} for x in plan.rewards[name]}

        def worth(x):  # [n, b, T] -> [b]
            scores = {critic: judge(critics[critic], x.reshape(-1, length)).reshape(x.shape[:2]) for critic in real}
            return jnp.mean(reward(scores, real, asked, group.even), 0)

        value = jnp.concatenate([lax.map(worth, ways), worth(symbols[None])[None]])  # [T, b]
        before = jnp.concatenate([jnp.full((1, value.shape[1]), parallel.mean(jnp.mean(value[0]))), value[:-1]])
        return (value - before).T

    def improve(state, name, batch, ratio):
        """One policy gradient step of one generator, which is kept from playing whatever its critics like."""
        keys, length = batch["row_key"], batch["a"].shape[1]
        generators = state["params"]["generators"]
        symbols = play(generator, generators[name]).sample(luck(keys, 90, (length,)), ratio)
        gained = advantage(state, name, symbols, ratio, batch)
        data = {"a": batch["a"], "b": batch["b"], "f": mixed(batch, ratio)}[name]
        agreed = None
        if name == "f" and group.common:
            first, second = (play(generator, generators[own]).log_likelihood(symbols, ratio) for own in GENRES)
            agreed = common_ground(first, second, ratio)

        def loss(params):
            player = play(generator, params)
            said = player.log_likelihood(symbols, ratio)
            chosen = jnp.take_along_axis(said, symbols[..., None], -1)[..., 0]
            total = -jnp.mean(chosen * gained) - group.entropy * jnp.mean(entropy(said))
            if agreed is not None:
                return total + group.common * jnp.mean(apart(said, agreed))
            return total + (group.likelihood * jnp.mean(likelihood(player, data, ratio)) if group.likelihood else 0)

        return update(state, "generators", name, jax.grad(loss)(generators[name]))

    def step(state, batch, key):
        del key
        ratio = shares(batch["row_key"], generator.blended)

        def one(state, turn):
            turned = batch | {"row_key": folded(batch["row_key"], 1000 + turn)}
            heard = everyone(state["params"], turned, ratio, 100)
            learning = {name: state["params"]["critics"][name] for name in plan.sides}
            gradients, about = jax.grad(criticise, has_aux=True)(learning, heard, turned["row_key"])
            for name in plan.sides:
                state = update(state, "critics", name, gradients[name])
            return state, about

        state, about = lax.scan(one, state, jnp.arange(group.critic_updates))
        about = jax.tree.map(lambda x: x[-1], about)
        metrics = about | {"loss": -sum(about[f"gap_{name}"] for name in plan.sides)}
        for name in plan.rewards:
            every = group.genres_every if "f" in plan.rewards and name != "f" else 1
            due = (state["step"] >= group.generator_start) & (state["step"] % every == 0)
            state = lax.cond(
                due, lambda state, name=name: improve(state, name, batch, ratio), lambda state: state, state)
        return state | {"step": state["step"] + 1}, metrics

    def evaluate(state, batch, key):
        """The objective's distances (equation 1), its fusion progress, and how even they are, on other songs.

        aside: how far fusions lie from the middle between the genres, .5 where they are of one; entropy: nats a symbol
        """
        del key
        params, half = state["params"], jnp.full(len(batch["a"]), 0.5)
        heard = everyone(params, batch, half, 200)
        unsure = {f"entropy_{name}": jnp.mean(entropy(play(generator, params["generators"][name]).log_likelihood(
            heard[f"g_{name}"], half))) for name in NAMES}
        scores = {name: score_all(params["critics"][name], heard) for name in NAMES}
        distance = {own: jnp.mean(scores[own][f"x_{own}"]) - jnp.mean(scores[own]["g_f"]) for own in GENRES}
        mix = jnp.mean(jnp.stack([scores["f"][x] for x in ("x_a", "x_b")])) - jnp.mean(scores["f"]["g_f"])
        between = [jnp.mean(scores[own][f"x_{own}"]) - jnp.mean(scores[own][f"x_{other}"])
                   for own, other in (GENRES, GENRES[::-1])]
        real = {own: {who: scores[own][f"x_{who}"] for who in GENRES} for own in GENRES}
        aside = jnp.abs(place({own: scores[own]["g_f"] for own in GENRES}, real) - 0.5)
        return {"distance_a": distance["a"], "distance_b": distance["b"], "distance_f": mix, "aside": jnp.mean(aside),
                "loss": distance["a"] + distance["b"] + mix, "genres_apart": sum(between) / 2,
                **unsure, **{f"uneven_{name}": x for name, x in balance(scores).items()}}

    return Task(init, step, evaluate, lambda params, batch, key: shown(generator, params["generators"], batch))


def _one_of(sides: list[jax.Array], which: jax.Array) -> jax.Array:
    """For each row one of several melodies: [b, T] each, numbers in 0..1 [b] -> [b, T]."""
    stacked = jnp.stack(sides)
    chosen = jnp.minimum((which * len(sides)).astype(jnp.int32), len(sides) - 1)
    return jnp.take_along_axis(stacked, chosen[None, :, None], 0)[0]
