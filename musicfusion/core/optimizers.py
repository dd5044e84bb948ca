"""Optimisers from a config group: {"rate", "schedule", "warmup", "clip"} and, if given, {"beta1", "beta2"}."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax

from musicfusion.core import parallel
from musicfusion.core.errors import MusicFusionError

SCHEDULES = ("constant", "cosine", "decay", "linear")


def create(settings: Mapping, steps: int) -> optax.GradientTransformation:
    """Adam with clipping by global norm (0 = none).

    Schedules: constant; cosine (linear warm-up, then down to 1 % at `steps`); decay (x 0.9999 a step, floor 1 % of
    the rate: what the public code of EC2-VAE, PolyDis and CollageNet does); linear (constant for half of `steps`, then
    down to 0: that of CycleGAN).
    """
    rate, kind = settings["rate"], settings["schedule"]
    if kind == "constant":
        schedule = optax.constant_schedule(rate)
    elif kind == "cosine":
        warmup = min(settings["warmup"], steps // 10)
        schedule = optax.warmup_cosine_decay_schedule(0.0, rate, warmup, steps, rate / 100)
    elif kind == "decay":
        schedule = optax.exponential_decay(rate, 1, 0.9999, end_value=rate / 100)
    elif kind == "linear":
        schedule = optax.linear_schedule(rate, 0.0, steps - steps // 2, steps // 2)
    else:
        raise MusicFusionError(f"schedule {kind!r} is unknown: use {', '.join(SCHEDULES)}")
    adam = optax.adam(schedule, settings.get("beta1", 0.9), settings.get("beta2", 0.999))
    clip = settings["clip"]
    return optax.chain(optax.clip_by_global_norm(clip), adam) if clip else adam


def descend(optimizer: optax.GradientTransformation, state: Mapping, gradients) -> tuple[dict, dict]:
    """One step of a task with one optimiser, down the gradients' mean over the devices.

    state: {"params", "optimizer", "step"}, gradients like params -> (state, {"gradient_norm"}).
    """
    gradients = parallel.mean(gradients)
    updates, inner = optimizer.update(gradients, state["optimizer"], state["params"])
    params = optax.apply_updates(state["params"], updates)
    after = {"params": params, "optimizer": inner, "step": state["step"] + 1}
    return after, {"gradient_norm": optax.tree.norm(gradients)}


def learner(group: Mapping, parameters: Callable, loss: Callable) -> tuple[Callable, Callable]:
    """init and step of a task (core.task.Task) that goes down one loss with one optimiser.

    parameters(key, batch) -> params; loss(params, batch, key, fraction of the training) -> (value, metrics).
    state: {"params", "optimizer", "step"}.
    """
    optimizer = create(group["optimizer"], group["steps"])

    def init(key, batch):
        params = parameters(key, batch)
        return {"params": params, "optimizer": optimizer.init(params), "step": jnp.zeros((), jnp.int32)}

    def step(state, batch, key):
        fraction = state["step"] / group["steps"]
        gradients, metrics = jax.grad(loss, has_aux=True)(state["params"], batch, key, fraction)
        state, norm = descend(optimizer, state, gradients)
        return state, metrics | norm

    return init, step
