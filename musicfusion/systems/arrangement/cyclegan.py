"""Two pictures' worlds without pairs (paper 002, section 4; Zhu et al., ICCV 2017).

G_b turns a picture of the source a into one of the target b, G_a the reverse; D_a and D_b tell what is real. A picture
that went there and back is to be what it was; a picture that is there already is to stay.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from musicfusion.core import optimizers, parallel
from musicfusion.core.rows import folded
from musicfusion.core.task import Task

WORLDS = ("a", "b")
POOL = 50  # pictures that a discriminator may see again


class Pool(NamedTuple):
    """Pictures made earlier, [POOL, H, W, 1], and how many there are; part of the state, changed by `exchanged`."""

    pictures: jax.Array
    filled: jax.Array


def empty_pool(shape) -> Pool:
    """For pictures [H, W, 1]."""
    return Pool(jnp.zeros((POOL, *shape), jnp.float32), jnp.zeros((), jnp.int32))


def exchanged(pool: Pool, pictures: jax.Array, keys: jax.Array) -> tuple[Pool, jax.Array]:
    """Pictures [b, H, W, 1] against the pool: each is kept until it is full; then every other one, by chance, goes in
    for an older one, which comes out in its place (Shrivastava et al., CVPR 2017)."""

    def body(pool, row):
        picture, key = row
        coin, place = jax.random.uniform(key), jax.random.randint(jax.random.fold_in(key, 1), (), 0, POOL)
        full = pool.filled >= POOL
        swap = full & (coin < 0.5)
        at = jnp.where(full, place, pool.filled)
        out = jnp.where(swap, pool.pictures[at], picture)
        kept = jnp.where(swap | ~full, picture, pool.pictures[at])
        return Pool(pool.pictures.at[at].set(kept), jnp.minimum(pool.filled + 1, POOL)), out

    return lax.scan(body, pool, (pictures, keys))


def level(pictures: jax.Array) -> jax.Array:
    """How much sounds in pictures in -1..1, 0 to 1: [b, H, W, 1] -> [b]. What the control `density` sets."""
    return (jnp.mean(pictures, (1, 2, 3)) + 1) / 2


def rank(level: jax.Array, levels: jax.Array) -> jax.Array:
    """How many training pictures of the target have less than these levels [b], 0 to 1; levels: their quantiles."""
    return jnp.interp(level, levels, jnp.linspace(0, 1, len(levels)))


def translate(generator: nn.Module, params, pictures: jax.Array, density: jax.Array | None = None) -> jax.Array:
    """Pictures of one world as pictures of the other, [b, H, W, 1]; density [b]: the rank to come to, if it is told."""
    told = None if density is None else 4 * density[:, None] - 2
    return jnp.asarray(generator.apply({"params": params}, pictures, told))


def squares(scores: jax.Array, aim: float) -> jax.Array:
    """The least-squares loss of a GAN (Mao et al., ICCV 2017)."""
    return jnp.mean((scores - aim) ** 2)


def task(generator: nn.Module, discriminator: nn.Module, group) -> Task:
    """Both generators in one step, then both discriminators on pictures out of pools.

    batch: {"a", "b": pictures [b, H, W, 1] in -1..1, "pair": of the target where `a` is, "levels": quantiles of the
    target's, "before"}. params: {"generators", "discriminators"}, each {"a", "b"}. group: {"cycle", "identity" (in
    parts of cycle), "density" (0: G_b is not told how dense to be), "noise" (its deviation), "optimizer", "steps"}.
    """
    optimizer = {part: optimizers.create(group.optimizer, group.steps) for part in ("generators", "discriminators")}
    density = group.density

    def judge(params, pictures):
        return jnp.asarray(discriminator.apply({"params": params}, pictures))

    def to_target(params, pictures, ranks):
        return translate(generator, params["b"], pictures, ranks if density else None)

    def to_source(params, pictures):
        return translate(generator, params["a"], pictures)

    def init(key, batch):
        params = batch["before"] or fresh(key, batch)
        return {"params": jax.tree.map(jnp.asarray, params),
                "optimizer": {part: optimizer[part].init(params[part]) for part in optimizer},
                "pool": {world: empty_pool(batch["a"].shape[1:]) for world in WORLDS},
                "step": jnp.zeros((), jnp.int32)}

    def fresh(key, batch):
        told = {"a": None, "b": jnp.zeros((len(batch["a"]), 1)) if density else None}
        return {"generators": {world: generator.init(jax.random.fold_in(key, k), batch["a"], told[world])["params"]
                               for k, world in enumerate(WORLDS)},
                "discriminators": {world: discriminator.init(jax.random.fold_in(key, 2 + k), batch["a"])["params"]
                                   for k, world in enumerate(WORLDS)}}

    def noisy(pictures, keys, number):
        """So that what a picture was is not written between its bands and frames (Bashkirova et al., NeurIPS 2019)."""
        if not group.noise:
            return pictures
        drawn = jax.vmap(lambda key: jax.random.normal(key, pictures.shape[1:]))(folded(keys, number))
        return pictures + group.noise * drawn

    def generate(params, batch):
        """What both generators go down, and the pictures that they made: {"a", "b"}."""
        own = params["generators"]
        a, b = batch["a"], batch["b"]
        ranks = rank(level(b), batch["levels"])
        # a picture to be translated and one that is to stay go through a generator together
        to_b, stay_b = jnp.split(to_target(own, jnp.concatenate([a, b]), jnp.tile(ranks, 2)), 2)
        to_a, stay_a = jnp.split(to_source(own, jnp.concatenate([b, a])), 2)
        back_a = to_source(own, noisy(to_b, batch["row_key"], 50))
        back_b = to_target(own, noisy(to_a, batch["row_key"], 51), ranks)
        fooled = {"a": squares(judge(params["discriminators"]["a"], to_a), 1.0),
                  "b": squares(judge(params["discriminators"]["b"], to_b), 1.0)}
        cycle = jnp.mean(jnp.abs(back_a - a)) + jnp.mean(jnp.abs(back_b - b))
        stays = jnp.mean(jnp.abs(stay_a - a)) + jnp.mean(jnp.abs(stay_b - b))
        off = jnp.mean(jnp.abs(level(to_b) - level(b)))
        total = sum(fooled.values()) + group.cycle * (cycle + group.identity * stays) + density * off
        return total, ({"a": to_a, "b": to_b}, {
            "loss": total, "cycle": cycle, "identity": stays, "level": off,
            **{f"fooled_{world}": x for world, x in fooled.items()}})

    def tell(discriminators, real, made):
        """What both discriminators go down."""
        of = {world: 0.5 * (squares(judge(discriminators[world], real[world]), 1.0)
                            + squares(judge(discriminators[world], made[world]), 0.0)) for world in WORLDS}
        return sum(of.values()), {f"told_{world}": x for world, x in of.items()}

    def update(state, part, gradients):
        updates, inner = optimizer[part].update(
            parallel.mean(gradients), state["optimizer"][part], state["params"][part])
        return state | {"params": state["params"] | {part: optax.apply_updates(state["params"][part], updates)},
                        "optimizer": state["optimizer"] | {part: inner}}

    def step(state, batch, key):
        del key

        def lost(own):
            return generate(state["params"] | {"generators": own}, batch)

        gradients, (made, metrics) = jax.grad(lost, has_aux=True)(state["params"]["generators"])
        state = update(state, "generators", gradients)
        keys = parallel.gather(batch["row_key"])
        rows = parallel.rows(len(batch["a"]))
        pools, shown = {}, {}
        for k, world in enumerate(WORLDS):  # on every device all rows, so that the pools stay the same
            drawn = jax.vmap(jax.random.fold_in, (0, None))(keys, 40 + k)
            pools[world], out = exchanged(state["pool"][world], parallel.gather(made[world]), drawn)
            shown[world] = out[rows]
        gradients, told = jax.grad(tell, has_aux=True)(state["params"]["discriminators"], batch, shown)
        state = update(state, "discriminators", gradients)
        return state | {"pool": pools, "step": state["step"] + 1}, metrics | told

    def evaluate(state, batch, key):
        """The losses on other songs, and how far a translated source is from the target that it belongs to."""
        del key
        _, (_, metrics) = generate(state["params"], batch)
        made = to_target(state["params"]["generators"], batch["a"], rank(level(batch["pair"]), batch["levels"]))
        return metrics | {"apart": jnp.mean(jnp.abs(made - batch["pair"]))}

    def shown(params, batch, key):
        del key
        return {"source": batch["a"], "target": batch["pair"],
                "made": to_target(params["generators"], batch["a"], rank(level(batch["pair"]), batch["levels"]))}

    return Task(init, step, evaluate, shown)


def paired(generator: nn.Module, discriminator: nn.Module, group) -> Task:
    """pix2pix (Isola et al., CVPR 2017) on the same networks: the target at the same time is known.

    params: {"generators": {"b"}, "discriminators": {"b"}}; the discriminator sees source and target together.
    """
    optimizer = {part: optimizers.create(group.optimizer, group.steps) for part in ("generators", "discriminators")}

    def judge(params, source, target):
        return jnp.asarray(discriminator.apply({"params": params}, jnp.concatenate([source, target], -1)))

    def turned(params, batch):
        ranks = rank(level(batch["pair"]), batch["levels"])
        return translate(generator, params["b"], batch["a"], ranks if group.density else None)

    def init(key, batch):
        both = jnp.concatenate([batch["a"]] * 2, -1)
        told = jnp.zeros((len(both), 1)) if group.density else None
        params = {"generators": {"b": generator.init(key, batch["a"], told)["params"]},
                  "discriminators": {"b": discriminator.init(jax.random.fold_in(key, 1), both)["params"]}}
        return {"params": params, "optimizer": {part: optimizer[part].init(params[part]) for part in optimizer},
                "step": jnp.zeros((), jnp.int32)}

    def generate(params, batch):
        made = turned(params["generators"], batch)
        fooled = squares(judge(params["discriminators"]["b"], batch["a"], made), 1.0)
        apart = jnp.mean(jnp.abs(made - batch["pair"]))
        total = fooled + group.paired * apart
        return total, (made, {"loss": total, "apart": apart, "fooled_b": fooled})

    def step(state, batch, key):
        del key
        params = state["params"]
        gradients, (made, metrics) = jax.grad(
            lambda own: generate(params | {"generators": own}, batch), has_aux=True)(params["generators"])

        def tell(own):
            return 0.5 * (squares(judge(own["b"], batch["a"], batch["pair"]), 1.0)
                          + squares(judge(own["b"], batch["a"], lax.stop_gradient(made)), 0.0))

        told, others = jax.value_and_grad(tell)(params["discriminators"])
        after, inner = {}, {}
        for part, of in (("generators", gradients), ("discriminators", others)):
            updates, inner[part] = optimizer[part].update(parallel.mean(of), state["optimizer"][part], params[part])
            after[part] = optax.apply_updates(params[part], updates)
        return {"params": after, "optimizer": inner, "step": state["step"] + 1}, metrics | {"told_b": told}

    def evaluate(state, batch, key):
        del key
        return generate(state["params"], batch)[1][1]

    def shown(params, batch, key):
        del key
        return {"source": batch["a"], "target": batch["pair"], "made": turned(params["generators"], batch)}

    return Task(init, step, evaluate, shown)
