"""Adam under a schedule, and its steps: one group of parameters, or several with an optimiser each."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from musicfusion.core import parallel
from musicfusion.core.errors import MusicFusionError

SCHEDULES = ("constant", "cosine", "decay", "linear")


def create(*, rate: float, schedule: str, steps: int, warmup: int = 0, clip: float = 1.0, beta1: float = 0.9,
           beta2: float = 0.999, updates: int = 1) -> optax.GradientTransformation:
    """Adam with clipping by global norm (0 = none). A config's group "optimizer" is all but `steps` and `updates`.

    updates: in each step; the schedule and the warm-up count steps.

    Schedules: constant; cosine (linear warm-up, then down to 1 % at `steps`); decay (x 0.9999 a step, floor 1 % of
    the rate: what the public code of EC2-VAE, PolyDis and CollageNet does); linear (constant for half of `steps`, then
    down to 0: that of CycleGAN).

    Raises:
        MusicFusionError: an unknown schedule.
    """
    if schedule == "constant":
        rates = optax.constant_schedule(rate)
    elif schedule == "cosine":
        rates = optax.warmup_cosine_decay_schedule(0.0, rate, min(warmup, steps // 10), steps, rate / 100)
    elif schedule == "decay":
        rates = optax.exponential_decay(rate, 1, 0.9999, end_value=rate / 100)
    elif schedule == "linear":
        rates = optax.linear_schedule(rate, 0.0, steps - steps // 2, steps // 2)
    else:
        raise MusicFusionError(f"schedule {schedule!r} is unknown: use {', '.join(SCHEDULES)}")
    adam = optax.adam((lambda count: rates(count // updates)) if updates > 1 else rates, beta1, beta2)
    return optax.chain(optax.clip_by_global_norm(clip), adam) if clip else adam


def update(optimizer: optax.GradientTransformation, state: Mapping, path: tuple[str, ...], gradients: Any) -> dict:
    """One optimiser step of the parameters at `path` in state["params"], down the gradients' mean over the devices.

    state: {"params", "optimizer", ...}; the optimiser's moments lie at the same path in state["optimizer"]. The empty
    path means all parameters. Everything else in the state stays as it is.
    """
    return _descend(optimizer, state, path, parallel.mean(gradients))


def learner(optimizer: optax.GradientTransformation, *, steps: int, parameters: Callable,
            loss: Callable) -> tuple[Callable, Callable]:
    """init and step of a task (core.contracts.Task) that goes down one loss with one optimiser.

    steps: of the whole training. parameters(key, batch, frozen) -> params; loss(params, batch, frozen, key, fraction of
    the training) -> (value, metrics). state: {"params", "optimizer", "step"}.
    """

    def init(key, batch, frozen):
        params = parameters(key, batch, frozen)
        return {"params": params, "optimizer": optimizer.init(params), "step": jnp.zeros((), jnp.int32)}

    def step(state, batch, frozen, key):
        fraction = state["step"] / steps
        gradients, metrics = jax.grad(loss, has_aux=True)(state["params"], batch, frozen, key, fraction)
        gradients = parallel.mean(gradients)
        state = _descend(optimizer, state, (), gradients)
        return {**state, "step": state["step"] + 1}, metrics | {"gradient_norm": optax.tree.norm(gradients)}

    return init, step


def _descend(optimizer, state: Mapping, path: tuple[str, ...], gradients) -> dict:
    params = _at(state["params"], path)
    updates, moments = optimizer.update(gradients, _at(state["optimizer"], path), params)
    return {**state, "params": _with(state["params"], path, optax.apply_updates(params, updates)),
            "optimizer": _with(state["optimizer"], path, moments)}


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        tree = tree[name]
    return tree


def _with(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    """The tree with another value at `path`."""
    return value if not path else {**tree, path[0]: _with(tree[path[0]], path[1:], value)}
