"""FusionGAN's objective (section III): maximum likelihood, a GAN on each genre, then all three pairs together.

Where this differs from the paper's text:

- Every critic widens its gap, the mean score of its positives above that of its negatives, under a gradient penalty;
  the paper assumes 1-Lipschitz critics.
- The balance terms (9) and (13) are made smaller. Algorithm 1 ascends them, which would enlarge the imbalance.
- The generators of the genres are rewarded by their own critics alone; equation 14 also has terms of D_B and D_F.
- Two terms of the generators are ours (policy_gradient.py).

The public code minimises the absolute gaps and rewards what its critics take for generated.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion.core import optimizers
from musicfusion.core.contracts import Task, Tree
from musicfusion.core.example_keys import folded
from musicfusion.systems.fusion_gan import policy_gradient
from musicfusion.systems.fusion_gan.critic import Critic, gradient_penalty
from musicfusion.systems.fusion_gan.dataset import GENRES
from musicfusion.systems.fusion_gan.generator import Generator, player, uniforms
from musicfusion.systems.fusion_gan.policy_gradient import PolicyGradient

NAMES = (*GENRES, "f")  # of generators and critics: the first genre's, the second's, the fusion's
Melodies = Mapping[str, jax.Array]  # "x_a", "x_b": pieces; "g_a", "g_b", "g_f": what the generators play; int [B, T]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Who learns from whom.

    Attributes:
        rewards: of each generator that learns, the critics that judge it.
        sides: of each critic that learns, its positives and its negatives, as in Melodies.
        balanced: whether the terms (9) and (13) are added.
    """

    rewards: Mapping[str, tuple[str, ...]]
    sides: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    balanced: bool = False


_GENRE_SIDES = {"a": (("x_a",), ("g_a",)), "b": (("x_b",), ("g_b",))}
_MIXTURE_SIDES = {"f": (("x_a", "x_b"), ("g_f",))}
PLANS = {
    "gan": Plan(rewards={"a": ("a",), "b": ("b",)}, sides={**_GENRE_SIDES, **_MIXTURE_SIDES}),
    "fusion": Plan(  # equations 2, 8 and 11
        rewards={"f": ("a", "b", "f"), "a": ("a",), "b": ("b",)},
        sides={"f": (("x_a", "x_b", "g_a", "g_b"), ("g_f",)),
               "a": (("x_a",), ("x_b", "g_a", "g_b", "g_f")), "b": (("x_b",), ("x_a", "g_a", "g_b", "g_f"))},
        balanced=True),
    "mixture": Plan(rewards={"f": ("f",)}, sides=_MIXTURE_SIDES),  # the paper's baseline GAN
    "exchanged": Plan(rewards={"a": ("b",), "b": ("a",)}, sides=_GENRE_SIDES),  # the paper's baseline RL
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversarial:
    """The settings of an adversarial stage.

    Attributes:
        critic_updates: of the critics in each step.
        generator_start: the step from which on the generators learn.
        genres_every: the genres' generators learn in every so many steps, where the fusion's learns in each.
        gradient_penalty_weight: of the critics' gradient penalty.
        critic_balance_weight: of the terms (9) and (13).
    """

    critic_updates: int
    generator_start: int
    genres_every: int
    gradient_penalty_weight: float
    critic_balance_weight: float


# Maximum likelihood -------------------------------------------------------------------------------------------------


def pretraining(generator: Generator, optimizer: optax.GradientTransformation, *, steps: int) -> Task:
    """Maximum likelihood (Algorithm 1, line 3): G_A on the first genre, G_B on the second, G_F on both.

    params: {"a", "b", "f"}.
    """

    def terms(params, batch):
        ratio = draw_ratios(batch["example_key"], generator.blended)
        pieces = {"a": batch["a"], "b": batch["b"], "f": mixture(batch, ratio)}
        nats = {f"nll_{name}": jnp.mean(policy_gradient.nats(player(generator, params[name]), x, ratio))
                for name, x in pieces.items()}
        return sum(nats.values()), nats | {"loss": sum(nats.values())}

    init, step = optimizers.learner(
        optimizer, steps=steps,
        parameters=lambda key, batch, frozen: {name: generator.init(jax.random.fold_in(key, k))["params"]
                                               for k, name in enumerate(NAMES)},
        loss=lambda params, batch, frozen, key, fraction: terms(params, batch))
    return Task(init=init, step=step,
                validate=lambda state, batch, frozen, key: terms(state["params"], batch)[1],
                generate=lambda params, batch, frozen, key: fusions(generator, params["f"], batch))


def draw_ratios(example_keys: jax.Array, blended: bool) -> jax.Array:
    """The first genre's share in each example [B]: anything from 0 to 1 if `blended`, else one half."""
    drawn = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 60)))(example_keys)
    return drawn if blended else jnp.full(len(example_keys), 0.5)


def mixture(batch: Mapping[str, jax.Array], ratio: jax.Array) -> jax.Array:
    """A window of the first genre with the probability `ratio` [B], else of the second: int32 [B, T]."""
    drawn = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 61)))(batch["example_key"])
    return jnp.where((drawn < ratio)[:, None], batch["a"], batch["b"])


def fusions(generator: Generator, params: Tree, batch: Mapping[str, jax.Array]) -> jax.Array:
    """One melody by G_F for each example, half of either genre: int32 [B, T]."""
    half = jnp.full(len(batch["a"]), 0.5)
    return player(generator, params).sample(uniforms(batch["example_key"], 62, (batch["a"].shape[1],)), half)


# Generators against critics -----------------------------------------------------------------------------------------


def adversarial(
    *, plan: Plan, generator: Generator, critic: Critic, settings: Adversarial, policy: PolicyGradient,
    generator_optimizer: optax.GradientTransformation, critic_optimizer: optax.GradientTransformation,
) -> Task:
    """Critics and generators in turn (Algorithm 1, lines 6 to 30).

    params: {"generators", "critics"}, each {"a", "b", "f"}. frozen: {"generators"} and, if they have learned before,
    {"critics"} to begin with. In each step the critics learn `critic_updates` times, then the generators once.
    """

    def init(key, batch, frozen):
        fresh = {name: critic.init(jax.random.fold_in(key, k), batch["a"])["params"] for k, name in enumerate(NAMES)}
        params = {"generators": frozen["generators"], "critics": frozen.get("critics", fresh)}
        optimizer = {"generators": generator_optimizer, "critics": critic_optimizer}
        moments = {group: {name: optimizer[group].init(p) for name, p in own.items()} for group, own in params.items()}
        return {"params": jax.tree.map(jnp.asarray, params), "optimizer": moments, "step": jnp.zeros((), jnp.int32)}

    def update_critics(state, batch, ratio):
        melodies = played(generator, state["params"]["generators"], batch, ratio, salt=100)
        learning = {name: state["params"]["critics"][name] for name in plan.sides}
        gradients, metrics = jax.grad(critic_loss, has_aux=True)(
            learning, melodies, batch["example_key"], plan=plan, critic=critic, settings=settings)
        for name in plan.sides:
            state = optimizers.update(critic_optimizer, state, ("critics", name), gradients[name])
        return state, metrics

    def update_generator(state, name, batch, ratio):
        keys, generators, critics = batch["example_key"], state["params"]["generators"], state["params"]["critics"]
        own = player(generator, generators[name])
        symbols = own.sample(uniforms(keys, 90, (batch["a"].shape[1],)), ratio)
        real = {judge: {genre: score(critic, critics[judge], batch[genre]) for genre in GENRES}
                for judge in plan.rewards[name]}

        def value(x):  # [n, B, T] -> [B]
            scores = {judge: score(critic, critics[judge], x.reshape(-1, x.shape[-1])).reshape(x.shape[:2])
                      for judge in real}
            return jnp.mean(policy_gradient.reward(
                scores, real, ratio if name == "f" else None, policy.balance_weight), 0)

        gained = policy_gradient.advantage(
            own, symbols, ratio, value=value, rollouts=policy.rollouts, example_keys=keys)
        pieces = {"a": batch["a"], "b": batch["b"], "f": mixture(batch, ratio)}[name]
        target = None
        if name == "f" and policy.geometric_mean_weight:
            first, second = (player(generator, generators[genre]).log_likelihood(symbols, ratio) for genre in GENRES)
            target = policy_gradient.geometric_mean(first, second, ratio)
        gradients = jax.grad(lambda params: policy_gradient.loss(
            player(generator, params), symbols, gained, ratio, pieces, target, policy))(generators[name])
        return optimizers.update(generator_optimizer, state, ("generators", name), gradients)

    def step(state, batch, frozen, key):
        del frozen, key
        ratio = draw_ratios(batch["example_key"], generator.blended)

        def once(state, turn):
            keys = folded(batch["example_key"], 1000 + turn)
            return update_critics(state, batch | {"example_key": keys}, ratio)

        state, metrics = lax.scan(once, state, jnp.arange(settings.critic_updates))
        metrics = jax.tree.map(lambda x: x[-1], metrics)
        metrics |= {"loss": -sum(metrics[f"gap_{name}"] for name in plan.sides)}
        for name in plan.rewards:
            every = settings.genres_every if "f" in plan.rewards and name != "f" else 1
            due = (state["step"] >= settings.generator_start) & (state["step"] % every == 0)
            state = lax.cond(due, lambda state, name=name: update_generator(state, name, batch, ratio),
                             lambda state: state, state)
        return state | {"step": state["step"] + 1}, metrics

    def validate(state, batch, frozen, key):
        del frozen, key
        return validation(generator, critic, state["params"], batch)

    return Task(init=init, step=step, validate=validate,
                generate=lambda params, batch, frozen, key: fusions(generator, params["generators"]["f"], batch))


def score(critic: Critic, params: Tree, symbols: jax.Array) -> jax.Array:
    """A critic's scores of melodies: int [B, T] -> [B]."""
    return jnp.asarray(critic.apply({"params": params}, symbols))


def score_all(critic: Critic, params: Tree, melodies: Melodies) -> dict[str, jax.Array]:
    """A critic's scores of every kind of melodies: {"x_a", ...: [B]}."""
    scores = score(critic, params, jnp.concatenate(list(melodies.values())))
    return dict(zip(melodies, jnp.split(scores, len(melodies)), strict=True))


def played(generator: Generator, generators: Mapping[str, Tree], batch: Mapping[str, jax.Array], ratio: jax.Array, *,
           salt: int) -> dict[str, jax.Array]:
    """Pieces of both genres, and what each generator plays; another `salt` gives other melodies."""
    found = {"x_a": batch["a"], "x_b": batch["b"]}
    for k, name in enumerate(NAMES):
        numbers = uniforms(batch["example_key"], salt + k, (batch["a"].shape[1],))
        found[f"g_{name}"] = player(generator, generators[name]).sample(numbers, ratio)
    return found


def critic_loss(
    critics: Mapping[str, Tree], melodies: Melodies, example_keys: jax.Array, *, plan: Plan, critic: Critic,
    settings: Adversarial,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """What the critics go down: minus their gaps (equations 8 and 11), the penalty, the balance (equations 9 and 13).

    Args:
        critics: the parameters of those that learn.
        melodies: of every kind.
        example_keys: [B].
        plan, critic, settings: as for the task.

    Returns:
        The loss, and the metrics gap_a, imbalance_a, ... of those that learn.
    """
    scores = {name: score_all(critic, critics[name], melodies) for name in plan.sides}
    total, metrics = jnp.zeros(()), {}
    for k, (name, sides) in enumerate(plan.sides.items()):
        positives, negatives = ([melodies[kind] for kind in side] for side in sides)
        share, which = jax.vmap(
            lambda key, k=k: jax.random.uniform(jax.random.fold_in(key, 70 + k), (2,)))(example_keys).T
        penalty = jnp.mean(gradient_penalty(
            critic, critics[name], _one_of(positives, which), _one_of(negatives, which), share))
        metrics[f"gap_{name}"] = gap(scores[name], *sides)
        total += settings.gradient_penalty_weight * penalty - metrics[f"gap_{name}"]
    if plan.balanced:
        imbalances = imbalance(scores)
        total += settings.critic_balance_weight * sum(imbalances.values())
        metrics |= {f"imbalance_{name}": x for name, x in imbalances.items()}
    return total, metrics


def gap(scores: Mapping[str, jax.Array], positives: Sequence[str], negatives: Sequence[str]) -> jax.Array:
    """A critic's mean score of its positives above that of its negatives; every kind of melodies counts alike."""
    above, below = (jnp.mean(jnp.stack([scores[kind] for kind in side])) for side in (positives, negatives))
    return above - below


def imbalance(scores: Mapping[str, Mapping[str, jax.Array]]) -> dict[str, jax.Array]:
    """Equation 9 for D_F; for D_A and D_B equation 13 as a hinge, 0 where the order of equation 12 holds.

    Args:
        scores: by critic and kind of melodies, [B] each.
    """
    mean = {critic: {kind: jnp.mean(x) for kind, x in own.items()} for critic, own in scores.items()}
    f = mean["f"]
    found = {"f": jnp.abs(f["g_a"] - f["g_b"]) + jnp.abs(f["x_a"] - f["x_b"])}
    for own, other in (GENRES, GENRES[::-1]):
        x = mean[own]
        found[own] = jax.nn.relu(x["g_f"] - x[f"x_{own}"]) + jax.nn.relu(x[f"x_{other}"] - x["g_f"])
    return found


def validation(generator: Generator, critic: Critic, params: Mapping[str, Mapping[str, Tree]],
               batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """The distances of the objective (equation 1) on other songs, for fusions that are half of either genre.

    Returns:
        distance_a, distance_b, distance_f: from pieces to fusions by D_A, D_B, D_F; loss: their sum.
        genre_distance: between the two genres' pieces, the mean of D_A's and D_B's.
        position_error: how far fusions lie from the middle between the genres; 0.5 where they are of one genre.
        imbalance_*: as `imbalance`; entropy_*: nats a symbol.
    """
    half = jnp.full(len(batch["a"]), 0.5)
    melodies = played(generator, params["generators"], batch, half, salt=200)
    entropies = {
        f"entropy_{name}": jnp.mean(policy_gradient.entropy(
            player(generator, params["generators"][name]).log_likelihood(melodies[f"g_{name}"], half)))
        for name in NAMES}
    scores = {name: score_all(critic, params["critics"][name], melodies) for name in NAMES}
    distance = {own: gap(scores[own], [f"x_{own}"], ["g_f"]) for own in GENRES}
    mixed = gap(scores["f"], ["x_a", "x_b"], ["g_f"])
    between = [gap(scores[own], [f"x_{own}"], [f"x_{other}"]) for own, other in (GENRES, GENRES[::-1])]
    real = {own: {genre: scores[own][f"x_{genre}"] for genre in GENRES} for own in GENRES}
    position = policy_gradient.position({own: scores[own]["g_f"] for own in GENRES}, real)
    return {"distance_a": distance["a"], "distance_b": distance["b"], "distance_f": mixed,
            "loss": distance["a"] + distance["b"] + mixed, "genre_distance": (between[0] + between[1]) / 2,
            "position_error": jnp.mean(jnp.abs(position - 0.5)), **entropies,
            **{f"imbalance_{name}": x for name, x in imbalance(scores).items()}}


def _one_of(kinds: Sequence[jax.Array], which: jax.Array) -> jax.Array:
    """For each example a melody of one of several kinds: [B, T] each, numbers in 0..1 [B] -> [B, T]."""
    stacked = jnp.stack(kinds)
    chosen = jnp.minimum((which * len(kinds)).astype(jnp.int32), len(kinds) - 1)
    return jnp.take_along_axis(stacked, chosen[None, :, None], 0)[0]
