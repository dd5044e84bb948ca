"""An actor against a critic on pairs of latents (papers 000, 001; after Engel et al., Latent Constraints, ICLR 2018).

z is one vector of two sides [B, d], of a real pair, of an unrelated pair, or both drawn from the prior. The critic D
learns which pairs are real; the actor G moves the others until they pass, as little as it can.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from musicfusion import losses
from musicfusion.core import optimizers, parallel
from musicfusion.core.task import Resident, Task
from musicfusion.latent import partners
from musicfusion.latent.space import distances


def negative_kinds(prior: float) -> tuple[str, ...]:
    """N_z of equation (2), by name: prior pairs are left out where they count nothing."""
    return ("unrelated", "prior") if prior else ("unrelated",)


def over_negatives(x: jax.Array, prior: float) -> jax.Array:
    """The expectation over N_z of equation (2): unrelated pairs, then as many prior pairs. [2n] -> scalar.

    The paper draws both alike (prior 1); a smaller weight spends the actor on what users give it. With prior 0 there
    are no prior pairs: [n] -> scalar.
    """
    if not prior:
        return jnp.mean(x)
    unrelated, drawn = jnp.split(x, 2)
    return (jnp.mean(unrelated) + prior * jnp.mean(drawn)) / (1.0 + prior)


def critic_loss(real, raw, fake, weights: Mapping[str, float], prior: float = 1.0) -> jax.Array:
    """Equation (2) from logits: real pairs [n]; raw negatives and the actor's outputs of them [2n] each -> scalar.

    weights: the paper's are 1, 1, 1; the public code's .5, 1/11, 10/11 (it draws one kind of negative a step).
    """
    bce = losses.binary_cross_entropy
    return (weights["real"] * jnp.mean(bce(real, 1.0))
            + weights["raw"] * over_negatives(bce(raw, 0.0), prior)
            + weights["fake"] * over_negatives(bce(fake, 0.0), prior))


def resident(low, high, train: int, stored: Mapping, sbar, vaes) -> Resident:
    """Latents {"mean", "std"} [R, d] of all rows, which rows share a song (low, high), sbar [d], and the VAEs."""
    arrays = {
        "mean": stored["mean"], "std": stored["std"], "low": low, "high": high,
        "bounds": np.array([0, train, len(low)], np.int32),
        "sbar": sbar,
        "vaes": vaes,
    }
    return Resident(arrays, train, len(low) - train)


def examples(arrays, index, keys, training: bool, *, cut: int, knobs: int, sampled: bool = True) -> dict:
    """Real pairs, unrelated pairs and prior pairs, [b, d] each, with controls U(0, 1) [b, 2, knobs] for both negatives.

    cut: where z's second side begins. In training z is sampled from q(z|x) if `sampled`, else it is its mean.
    """
    draw = jax.vmap(lambda key: [jax.random.fold_in(key, i) for i in range(2, 7)])
    noise_key, other_key, other_noise_key, prior_key, control_key = draw(keys)

    def latent(index, keys):
        mean = arrays["mean"][index].astype(jnp.float32)
        noise = jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)
        return mean + (training and sampled) * arrays["std"][index].astype(jnp.float32) * noise

    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = partners.elsewhere(other_key, arrays["low"][index], arrays["high"][index], first, end)
    real = latent(index, noise_key)
    unrelated = jnp.concatenate([real[:, :cut], latent(other, other_noise_key)[:, cut:]], -1)
    prior = jax.vmap(lambda key: jax.random.normal(key, real.shape[1:]))(prior_key)
    controls = jax.vmap(lambda key: jax.random.uniform(key, (2, knobs)))(control_key)
    return {"real": real, "unrelated": unrelated, "prior": prior, "controls": controls,
            "sbar": arrays["sbar"], "vaes": arrays["vaes"], "row_key": keys}


def task(actor, critic, hear: Callable, decode: Callable, weigh: Callable, group) -> Task:
    """Alternating updates of D (equation 2 of paper 000) and G (its equations 3, 5, 6); paper 001, equations 3 to 5.

    actor, critic: networks over what hear(vaes, z) makes of z; actor.aspects says what z's parts are.
    weigh(rho of each part, controls) -> how much a move costs [B].
    decode(vaes, z) -> arrays is for pictures.

    state: {"params": {"actor", "critic"}, "optimizer": the same, "step"}. The actor's outputs are computed once a step
    and serve both updates: the critic's as they are, the actor's through the critic that has just learned from them.
    """
    slower = dict(group.optimizer) | {"rate": group.optimizer.rate * group.actor_rate}
    optimizer = {"actor": optimizers.create(slower, group.steps),
                 "critic": optimizers.create(group.optimizer, group.steps)}
    aspects = actor.aspects
    kinds = negative_kinds(group.prior)

    def negatives(batch):
        """Raw inputs [kb, d] and their controls [kb, 4]: unrelated pairs, then prior pairs if they count."""
        controls = [batch["controls"][:, i] for i in range(len(kinds))]
        return jnp.concatenate([batch[kind] for kind in kinds]), jnp.concatenate(controls)

    def row_keys(batch, salt, copies):
        fold = jax.vmap(jax.random.fold_in, (0, None))
        return jnp.concatenate([fold(batch["row_key"], salt + i) for i in range(copies)])

    def act(params, heard, controls, keys=None):
        return actor.apply({"params": params}, heard, controls, keys)

    def judge(params, heard, keys=None):
        return critic.apply({"params": params}, heard, keys)

    def init(key, batch):
        z, controls = negatives(batch)
        actor_key, critic_key = jax.random.split(key)
        heard = hear(batch["vaes"], z)
        params = {"actor": actor.init(actor_key, heard, controls)["params"],
                  "critic": critic.init(critic_key, heard)["params"]}
        return {"params": params, "step": jnp.zeros((), jnp.int32),
                "optimizer": {name: optimizer[name].init(p) for name, p in params.items()}}

    def update(name, state, gradients):
        gradients = parallel.mean(gradients)
        updates, inner = optimizer[name].update(gradients, state["optimizer"][name])
        params = optax.apply_updates(state["params"][name], updates)
        return state | {"params": state["params"] | {name: params},
                        "optimizer": state["optimizer"] | {name: inner}}

    def step(state, batch, key):
        del key
        z, controls = negatives(batch)
        b, n = batch["real"].shape[0], len(kinds)
        real, raw = hear(batch["vaes"], batch["real"]), hear(batch["vaes"], z)
        moved, pull = jax.vjp(
            lambda p: act(p, raw, controls, row_keys(batch, 10, n)), state["params"]["actor"])
        made, pull_heard = jax.vjp(lambda z: hear(batch["vaes"], z), moved)
        judged = jax.tree.map(lambda *parts: jnp.concatenate(parts), real, raw, made)
        keys = row_keys(batch, 20, 1 + 2 * n)

        def discriminate(params):
            of_real, of_raw, of_made = jnp.split(judge(params, judged, keys), [b, (1 + n) * b])
            parts = dict(zip(kinds, jnp.split(of_raw, n), strict=True)) | {"real": of_real, "moved": of_made}
            accuracy = {f"critic_{name}": jnp.mean(logits > 0) for name, logits in parts.items()}
            return critic_loss(of_real, of_raw, of_made, group.weights, group.prior), accuracy

        (loss, accuracy), gradients = jax.value_and_grad(discriminate, has_aux=True)(
            state["params"]["critic"])
        state = update("critic", state, gradients)

        def please(made, moved):
            logits = judge(state["params"]["critic"], made, row_keys(batch, 30, n))
            adversarial = over_negatives(losses.binary_cross_entropy(logits, 1.0), group.prior)
            rho = distances(moved, z, batch["sbar"], aspects)
            total = adversarial + group.distance * over_negatives(weigh(rho, controls), group.prior)
            return total, {"adversarial": adversarial,
                           **{f"rho_{name}": jnp.mean(value) for name, value in rho.items()}}

        (actor_loss, terms), (by_sound, by_distance) = jax.value_and_grad(please, (0, 1), has_aux=True)(made, moved)
        towards = pull_heard(by_sound)[0] + by_distance
        due = (state["step"] >= group.actor_start) & (state["step"] % group.critic_updates == 0)
        state = lax.cond(due, lambda s: update("actor", s, pull(towards)[0]), lambda s: s, state)
        metrics = {"loss": actor_loss, "critic": loss, **accuracy, **terms}
        return state | {"step": state["step"] + 1}, metrics

    def evaluate(state, batch, key):
        del key
        z, controls = negatives(batch)
        real, raw = hear(batch["vaes"], batch["real"]), hear(batch["vaes"], z)
        moved = act(state["params"]["actor"], raw, controls)
        judged = jax.tree.map(lambda *parts: jnp.concatenate(parts), real, raw, hear(batch["vaes"], moved))
        logits = judge(state["params"]["critic"], judged)
        names = ("real", *kinds, *(f"moved_{kind}" for kind in kinds))
        passed = jnp.split(logits > 0, len(names))
        rho = distances(moved, z, batch["sbar"], aspects)
        return {**{f"passes_{name}": jnp.mean(x) for name, x in zip(names, passed, strict=True)},
                **{f"rho_{name}": jnp.mean(value) for name, value in rho.items()}}

    def generate(params, batch, key):
        """Unrelated pairs and what the actor makes of them, decoded: {"before", "after"}."""
        del key
        z, controls = batch["unrelated"], batch["controls"][:, 0]
        return {"before": decode(batch["vaes"], z),
                "after": decode(batch["vaes"], act(params["actor"], hear(batch["vaes"], z), controls))}

    return Task(init, step, evaluate, generate)
