"""An actor against a critic on pairs of latents (CollageNet, section 3; Connective Fusion, section 2.3).

After Engel, Hoffman, Roberts: Latent Constraints (ICLR 2018). z is one vector of two sides [B, d]: of a real pair, of
an unrelated pair, or both drawn from the prior. The critic D learns which pairs are real; the actor G moves the others
until they pass, as little as it can.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Float, Integer, Key, Shaped

from musicfusion import losses
from musicfusion.core import optimizers
from musicfusion.core.arrays import AnyArray
from musicfusion.core.contracts import Resident, Task, Tree
from musicfusion.core.example_keys import folded
from musicfusion.latent.negatives import sample_negative
from musicfusion.latent.space import distances


def negative_kinds(prior: float) -> tuple[str, ...]:
    """N_z of CollageNet's equation (2), by name: prior pairs are left out where they count nothing."""
    return ("unrelated", "prior") if prior else ("unrelated",)


def negatives(batch: Mapping[str, Shaped[AnyArray, "B ..."]], prior: float) -> Float[jax.Array, "B d"]:
    """One of N_z of CollageNet's equation (2) for each example: the unrelated pair, or else the prior pair [B, d].

    The paper draws both alike (prior 1); a smaller weight spends the actor on what users give it.
    """
    uniform = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 40)))(batch["example_key"])
    return jnp.where((uniform < prior / (1.0 + prior))[:, None], batch["prior"], batch["unrelated"])


def critic_loss(
    real: Float[AnyArray, " n"], raw: Float[AnyArray, " m"], moved: Float[AnyArray, " k"], *,
    weights: Mapping[str, float],
) -> Float[jax.Array, ""]:
    """CollageNet's equation (2) from logits [n] of real pairs, of raw negatives, of the actor's outputs -> scalar.

    weights: {"real", "raw", "fake"}; the paper's are 1, 1, 1, the public code's .5, 1/11, 10/11 (it draws one kind of
    negative a step).
    """
    bce = losses.binary_cross_entropy
    return (weights["real"] * jnp.mean(bce(real, 1.0))
            + weights["raw"] * jnp.mean(bce(raw, 0.0))
            + weights["fake"] * jnp.mean(bce(moved, 0.0)))


def resident(
    *, low: Integer[np.ndarray, " N"], high: Integer[np.ndarray, " N"], train: int,
    latents: Mapping[str, Float[AnyArray, "N d"]], sbar: Float[AnyArray, " d"], vaes: Tree,
) -> Resident:
    """Latents {"mean", "std"} [N, d] of all examples, which of them share a song (low, high), sbar [d], and the VAEs.

    What earlier stages learned is frozen: {"sbar", "vaes"}.
    """
    arrays = {"mean": latents["mean"], "std": latents["std"], "low": low, "high": high,
              "bounds": np.array([0, train, len(low)], np.int32)}
    return Resident(arrays=arrays, train=train, validation=len(low) - train, frozen={"sbar": sbar, "vaes": vaes})


def examples(
    arrays: Mapping[str, Shaped[AnyArray, "..."]], index: Integer[AnyArray, " B"], keys: Key[jax.Array, " B"],
    training: bool, *, cut: int, controls: int, noise: float = 1.0, ends: float = 0.0,
) -> dict[str, Shaped[jax.Array, "B ..."]]:
    """Real, unrelated and prior pairs, [B, d] each, with controls U(0, 1) [B, controls], and other ones.

    cut: where z's second side begins. noise: how many standard deviations of q(z|x) z lies from its mean in training; 1
    samples from q, 0 takes the mean. ends: this share of the controls is 0 or 1, either as often: what users ask for.
    "other": whose accompaniment the unrelated pair has [B].
    """
    draw = jax.vmap(lambda key: [jax.random.fold_in(key, i) for i in range(2, 8)])
    noise_key, other_key, other_noise_key, prior_key, control_key, others_key = draw(keys)

    def latent(index, keys):
        mean = arrays["mean"][index].astype(jnp.float32)
        drawn = jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)
        return mean + training * noise * arrays["std"][index].astype(jnp.float32) * drawn

    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = sample_negative(other_key, arrays["low"][index], arrays["high"][index], first, end)
    real = latent(index, noise_key)
    unrelated = jnp.concatenate([real[:, :cut], latent(other, other_noise_key)[:, cut:]], -1)
    prior = jax.vmap(lambda key: jax.random.normal(key, real.shape[1:]))(prior_key)
    drawn, others = (_controls(k, controls, ends) for k in (control_key, others_key))
    return {"real": real, "unrelated": unrelated, "prior": prior, "controls": drawn, "others": others,
            "other": other, "example_key": keys}


def _controls(keys: jax.Array, count: int, ends: float) -> jax.Array:
    """keys [B] -> [B, count]: uniform but for the share `ends`, which is 0 or 1."""

    def one(key):
        drawn = jax.random.uniform(key, (count,))
        if not ends:
            return drawn
        at = jax.random.uniform(jax.random.fold_in(key, 1), (count,))
        return jnp.where(at < ends, jnp.round(drawn), drawn)

    return jax.vmap(one)(keys)


def sameness(
    rho: Mapping[str, Float[AnyArray, " B"]], controls: Float[AnyArray, "B controls"],
    others: Float[AnyArray, "B controls"], *, margin: float,
) -> Float[jax.Array, " B"]:
    """How much nearer two outputs for the same pair are than their controls ask for [B].

    rho: between the two, of each part [B]. On average (controls are uniform) they are to lie `margin` apart. No paper
    has such a term: in Connective Fusion nothing makes G use its style.
    """
    asked = 6 * margin * jnp.mean((controls - others) ** 2, 1)
    return jax.nn.relu(asked - sum(rho.values()) / len(rho))


def task(
    *, actor: Any, critic: Any, features: Callable, decode: Callable, cost: Callable, loss_weights: Mapping[str, float],
    prior: float, distance: float, diversity: float = 0.0, margin: float = 0.0, critic_updates: int = 1,
    actor_start: int = 0, wrong: Callable | None = None, lost: Callable | None = None,
    optimizer: Mapping[str, optax.GradientTransformation],
) -> Task:
    """Alternating updates of D (CollageNet's equation 2) and G (its equations 3, 5, 6; Connective Fusion's 3 to 5).

    Args:
        actor, critic: networks over features(vaes, z): z itself, or what it decodes to; actor.aspects says what z's
            parts are.
        decode: (vaes, z) -> arrays, for pictures.
        cost: (rho of each part, controls) -> how much a move costs [B].
        loss_weights: of `critic_loss`.
        prior: weight of prior pairs beside unrelated ones.
        distance: lambda, the weight of the cost.
        diversity, margin: weight and margin of `sameness`.
        critic_updates: for each update of the actor.
        actor_start: the step from which the actor learns.
        wrong: (vaes, batch) -> further negatives [B, d], which the critic alone meets.
        lost: (features before, features after, controls) -> what a move costs in the decoded notes [B], as part of the
            cost.
        optimizer: of "actor" and "critic".

    Returns:
        A Task with frozen {"sbar", "vaes"} and state {"params": {"actor", "critic"}, "optimizer": the same, "step"}.
        The actor's outputs are computed once a step and serve both updates: the critic's as they are, the actor's
        through the critic that has just learned from them.
    """
    aspects = actor.aspects

    def act(params, read, controls, keys=None):
        return actor.apply({"params": params}, read, controls, keys)

    def judge(params, read, keys=None):
        return critic.apply({"params": params}, read, keys)

    def init(key, batch, frozen):
        z, controls = batch["unrelated"], batch["controls"]
        actor_key, critic_key = jax.random.split(key)
        read = features(frozen["vaes"], z)
        params = {"actor": actor.init(actor_key, read, controls)["params"],
                  "critic": critic.init(critic_key, read)["params"]}
        return {"params": params, "step": jnp.zeros((), jnp.int32),
                "optimizer": {name: optimizer[name].init(p) for name, p in params.items()}}

    def step(state, batch, frozen, key):
        del key
        vaes, keys = frozen["vaes"], batch["example_key"]
        z = negatives(batch, prior)
        real, raw = features(vaes, batch["real"]), features(vaes, z)
        styles = [batch["controls"], batch["others"]] if diversity else [batch["controls"]]
        (moved, *again), pull = jax.vjp(
            lambda p: [act(p, raw, c, folded(keys, 10)) for c in styles], state["params"]["actor"])
        read, pull_features = jax.vjp(lambda z: features(vaes, z), moved)
        sides = {"real": real, "raw": raw, "moved": read}
        if wrong is not None:
            sides["wrong"] = features(vaes, wrong(vaes, batch))
        judged = jax.tree.map(lambda *parts: jnp.concatenate(parts), *sides.values())

        def discriminate(params):
            logits = jnp.split(judge(params, judged, folded(keys, 20, len(sides))), len(sides))
            of = dict(zip(sides, logits, strict=True))
            accuracy = {f"critic_{name}": jnp.mean(logits > 0) for name, logits in of.items()}
            raw = jnp.concatenate([of[name] for name in ("raw", "wrong") if name in of])
            return critic_loss(of["real"], raw, of["moved"], weights=loss_weights), accuracy

        (loss, accuracy), gradients = jax.value_and_grad(discriminate, has_aux=True)(
            state["params"]["critic"])
        state = optimizers.update(optimizer["critic"], state, ("critic",), gradients)

        def please(read, moved, again):
            logits = judge(state["params"]["critic"], read, folded(keys, 30))
            adversarial = jnp.mean(losses.binary_cross_entropy(logits, 1.0))
            rho = distances(moved, z, frozen["sbar"], aspects)
            total = adversarial + distance * jnp.mean(cost(rho, styles[0]))
            terms = {"adversarial": adversarial, **{f"rho_{name}": jnp.mean(value) for name, value in rho.items()}}
            if lost is not None:
                terms["lost"] = jnp.mean(lost(raw, read, styles[0]))
                total += distance * terms["lost"]
            for other in again:
                between = distances(other, moved, frozen["sbar"], aspects)
                terms["sameness"] = jnp.mean(sameness(between, styles[0], styles[1], margin=margin))
                total += diversity * terms["sameness"]
            return total, terms

        (actor_loss, terms), (by_features, by_distance, by_other) = jax.value_and_grad(
            please, (0, 1, 2), has_aux=True)(read, moved, again)
        towards = [pull_features(by_features)[0] + by_distance, *by_other]
        due = (state["step"] >= actor_start) & (state["step"] % critic_updates == 0)
        state = lax.cond(due, lambda s: optimizers.update(optimizer["actor"], s, ("actor",), pull(towards)[0]),
                         lambda s: s, state)
        metrics = {"loss": actor_loss, "critic": loss, **accuracy, **terms}
        return {**state, "step": state["step"] + 1}, metrics

    def validate(state, batch, frozen, key):
        del key
        vaes = frozen["vaes"]

        def passed(read):
            return jnp.mean(judge(state["params"]["critic"], read) > 0)

        found = {"passes_real": passed(features(vaes, batch["real"]))}
        if wrong is not None:
            found["passes_wrong"] = passed(features(vaes, wrong(vaes, batch)))
        for kind in negative_kinds(prior):
            z, raw = batch[kind], features(vaes, batch[kind])
            moved = act(state["params"]["actor"], raw, batch["controls"])
            rho = distances(moved, z, frozen["sbar"], aspects)
            found |= {f"passes_{kind}": passed(raw), f"passes_moved_{kind}": passed(features(vaes, moved)),
                      **{f"rho_{name}_{kind}": jnp.mean(value) for name, value in rho.items()}}
        return found

    def generate(params, batch, frozen, key):
        """Unrelated pairs and what the actor makes of them, decoded: {"before", "after"}."""
        del key
        z, controls, vaes = batch["unrelated"], batch["controls"], frozen["vaes"]
        return {"before": decode(vaes, z),
                "after": decode(vaes, act(params["actor"], features(vaes, z), controls))}

    return Task(init=init, step=step, validate=validate, generate=generate)
