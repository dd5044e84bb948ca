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
from musicfusion.core.rows import folded
from musicfusion.core.task import Resident, Task
from musicfusion.latent import partners
from musicfusion.latent.space import distances


def negative_kinds(prior: float) -> tuple[str, ...]:
    """N_z of equation (2), by name: prior pairs are left out where they count nothing."""
    return ("unrelated", "prior") if prior else ("unrelated",)


def negatives(batch: Mapping[str, jax.Array], prior: float) -> jax.Array:
    """One of N_z of equation (2) for each row: the unrelated pair, or else the prior pair [b, d].

    The paper draws both alike (prior 1); a smaller weight spends the actor on what users give it.
    """
    coins = jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, 40)))(batch["row_key"])
    return jnp.where((coins < prior / (1.0 + prior))[:, None], batch["prior"], batch["unrelated"])


def critic_loss(real, raw, fake, weights: Mapping[str, float]) -> jax.Array:
    """Equation (2) from logits [n] of real pairs, of raw negatives, of the actor's outputs of them -> scalar.

    weights: the paper's are 1, 1, 1; the public code's .5, 1/11, 10/11 (it draws one kind of negative a step).
    """
    bce = losses.binary_cross_entropy
    return (weights["real"] * jnp.mean(bce(real, 1.0))
            + weights["raw"] * jnp.mean(bce(raw, 0.0))
            + weights["fake"] * jnp.mean(bce(fake, 0.0)))


def resident(low, high, train: int, stored: Mapping, sbar, vaes) -> Resident:
    """Latents {"mean", "std"} [R, d] of all rows, which rows share a song (low, high), sbar [d], and the VAEs."""
    arrays = {
        "mean": stored["mean"], "std": stored["std"], "low": low, "high": high,
        "bounds": np.array([0, train, len(low)], np.int32),
        "sbar": sbar,
        "vaes": vaes,
    }
    return Resident(arrays, train, len(low) - train)


def examples(arrays, index, keys, training: bool, *, cut: int, knobs: int, noise: float = 1.0) -> dict:
    """Real pairs, unrelated pairs and prior pairs, [b, d] each, with controls U(0, 1) [b, knobs], and others.

    cut: where z's second side begins. noise: how many standard deviations of q(z|x) z lies from its mean in training; 1
    samples from q, 0 takes the mean.
    """
    draw = jax.vmap(lambda key: [jax.random.fold_in(key, i) for i in range(2, 8)])
    noise_key, other_key, other_noise_key, prior_key, control_key, others_key = draw(keys)

    def latent(index, keys):
        mean = arrays["mean"][index].astype(jnp.float32)
        drawn = jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)
        return mean + training * noise * arrays["std"][index].astype(jnp.float32) * drawn

    part = 0 if training else 1
    first, end = arrays["bounds"][part], arrays["bounds"][part + 1]
    other = partners.elsewhere(other_key, arrays["low"][index], arrays["high"][index], first, end)
    real = latent(index, noise_key)
    unrelated = jnp.concatenate([real[:, :cut], latent(other, other_noise_key)[:, cut:]], -1)
    prior = jax.vmap(lambda key: jax.random.normal(key, real.shape[1:]))(prior_key)
    controls, others = (jax.vmap(lambda key: jax.random.uniform(key, (knobs,)))(k) for k in (control_key, others_key))
    return {"real": real, "unrelated": unrelated, "prior": prior, "controls": controls, "others": others,
            "sbar": arrays["sbar"], "vaes": arrays["vaes"], "row_key": keys}


def sameness(rho: Mapping[str, jax.Array], controls: jax.Array, others: jax.Array, margin: float) -> jax.Array:
    """How much nearer two outputs for the same pair are than their controls ask for [n].

    rho: between the two, of each part [n]. On average (controls are uniform) they are to lie `margin` apart. No
    paper has such a term: in paper 001 nothing makes G use its style (docs/lite.md tells what it then does).
    """
    asked = 6 * margin * jnp.mean((controls - others) ** 2, 1)
    return jax.nn.relu(asked - sum(rho.values()) / len(rho))


def task(actor, critic, hear: Callable, decode: Callable, weigh: Callable, group) -> Task:
    """Alternating updates of D (equation 2 of paper 000) and G (its equations 3, 5, 6); paper 001, equations 3 to 5.

    actor, critic: networks over what hear(vaes, z) makes of z; actor.aspects says what z's parts are.
    weigh(rho of each part, controls) -> how much a move costs [B].
    decode(vaes, z) -> arrays is for pictures. group.diversity, if there: the weight and the margin of `sameness`.

    state: {"params": {"actor", "critic"}, "optimizer": the same, "step"}. The actor's outputs are computed once a step
    and serve both updates: the critic's as they are, the actor's through the critic that has just learned from them.
    """
    slower = dict(group.optimizer) | {"rate": group.optimizer.rate * group.actor_rate}
    optimizer = {"actor": optimizers.create(slower, group.steps),
                 "critic": optimizers.create(group.optimizer, group.steps)}
    aspects = actor.aspects
    diversity, margin = group.get("diversity", (0.0, 0.0))

    def act(params, heard, controls, keys=None):
        return actor.apply({"params": params}, heard, controls, keys)

    def judge(params, heard, keys=None):
        return critic.apply({"params": params}, heard, keys)

    def init(key, batch):
        z, controls = batch["unrelated"], batch["controls"]
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
        z, b = negatives(batch, group.prior), len(batch["real"])
        real, raw = hear(batch["vaes"], batch["real"]), hear(batch["vaes"], z)
        styles = [batch["controls"], batch["others"]] if diversity else [batch["controls"]]
        (moved, *again), pull = jax.vjp(
            lambda p: [act(p, raw, c, folded(batch["row_key"], 10)) for c in styles], state["params"]["actor"])
        made, pull_heard = jax.vjp(lambda z: hear(batch["vaes"], z), moved)
        judged = jax.tree.map(lambda *parts: jnp.concatenate(parts), real, raw, made)

        def discriminate(params):
            of_real, of_raw, of_made = jnp.split(judge(params, judged, folded(batch["row_key"], 20, 3)), [b, 2 * b])
            parts = {"real": of_real, "raw": of_raw, "moved": of_made}
            accuracy = {f"critic_{name}": jnp.mean(logits > 0) for name, logits in parts.items()}
            return critic_loss(of_real, of_raw, of_made, group.weights), accuracy

        (loss, accuracy), gradients = jax.value_and_grad(discriminate, has_aux=True)(
            state["params"]["critic"])
        state = update("critic", state, gradients)

        def please(made, moved, again):
            logits = judge(state["params"]["critic"], made, folded(batch["row_key"], 30))
            adversarial = jnp.mean(losses.binary_cross_entropy(logits, 1.0))
            rho = distances(moved, z, batch["sbar"], aspects)
            total = adversarial + group.distance * jnp.mean(weigh(rho, styles[0]))
            terms = {"adversarial": adversarial, **{f"rho_{name}": jnp.mean(value) for name, value in rho.items()}}
            for other in again:
                apart = distances(other, moved, batch["sbar"], aspects)
                terms["sameness"] = jnp.mean(sameness(apart, styles[0], styles[1], margin))
                total += diversity * terms["sameness"]
            return total, terms

        (actor_loss, terms), (by_sound, by_distance, by_other) = jax.value_and_grad(please, (0, 1, 2), has_aux=True)(
            made, moved, again)
        towards = [pull_heard(by_sound)[0] + by_distance, *by_other]
        due = (state["step"] >= group.actor_start) & (state["step"] % group.critic_updates == 0)
        state = lax.cond(due, lambda s: update("actor", s, pull(towards)[0]), lambda s: s, state)
        metrics = {"loss": actor_loss, "critic": loss, **accuracy, **terms}
        return state | {"step": state["step"] + 1}, metrics

    def evaluate(state, batch, key):
        del key

        def passed(heard):
            return jnp.mean(judge(state["params"]["critic"], heard) > 0)

        found = {"passes_real": passed(hear(batch["vaes"], batch["real"]))}
        for kind in negative_kinds(group.prior):
            z, raw = batch[kind], hear(batch["vaes"], batch[kind])
            moved = act(state["params"]["actor"], raw, batch["controls"])
            rho = distances(moved, z, batch["sbar"], aspects)
            found |= {f"passes_{kind}": passed(raw), f"passes_moved_{kind}": passed(hear(batch["vaes"], moved)),
                      **{f"rho_{name}_{kind}": jnp.mean(value) for name, value in rho.items()}}
        return found

    def generate(params, batch, key):
        """Unrelated pairs and what the actor makes of them, decoded: {"before", "after"}."""
        del key
        z, controls = batch["unrelated"], batch["controls"]
        return {"before": decode(batch["vaes"], z),
                "after": decode(batch["vaes"], act(params["actor"], hear(batch["vaes"], z), controls))}

    return Task(init, step, evaluate, generate)
