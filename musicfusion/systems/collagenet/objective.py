"""CollageNet's method section: aspects and controls, and the losses of actor and critic with the paper's numbers.

    (1)  L_c    binary cross-entropy of the critic's output                losses.binary_cross_entropy
    (2)  L_D    D tells real pairs from N_z and from what G makes of N_z   latent.actor_critic.critic_loss, negatives
    (3)  L_Ga   what G makes of N_z is to pass for real pairs              latent.actor_critic.task
    (4)  L_Gd   how far G moves melody and accompaniment: rho of each      losses.log_distance
    (5)  L_G    = L_Ga + lambda L_Gd                                       latent.actor_critic.task
    (6)  L'_Gd  in place of L_Gd: each aspect's rho times its control      control_loss

Ours, beside these: `held` (an aspect moves by 1 - its control), `intervals_lost` (a price for the melody's intervals in
the decoded notes), and negatives of more kinds for D (negatives.py). The preset `paper` has none of them.

N_z are latents of unrelated pairs and, in the paper, latents drawn from the prior.

z is one vector z_p + z_r + z_c + z_t [B, d] (section 3.1), and `aspects` (name -> size, in that order) says where each
part lies. Of VAEs that do not tell aspects apart it is z_mel + z_acc, aspects "melody" and "accompaniment", and nothing
of it has a control.
"""

from collections.abc import Callable, Container, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from musicfusion.core.contracts import Task
from musicfusion.latent import actor_critic

MELODY = ("pitch", "rhythm")
ACCOMPANIMENT = ("chord", "texture")
ASPECTS = MELODY + ACCOMPANIMENT  # those that a user controls


def melody_size(aspects: Mapping[str, int]) -> int:
    """How many of z's dimensions belong to the melody; the accompaniment's follow."""
    return sum(size for name, size in aspects.items() if name in (*MELODY, "melody"))


def controlled(aspects: Container[str]) -> tuple[str, ...]:
    """Those of the aspects that a user controls, in the order of the controls' columns."""
    return tuple(name for name in ASPECTS if name in aspects)


def control_loss(rho: Mapping[str, jax.Array], controls: jax.Array) -> jax.Array:
    """L'_Gd: each aspect's distance weighted by its control (CollageNet, section 3.3, equation 6).

    What has no control has weight 1, as in equation (4).

    Args:
        rho: how far each aspect moved, [B] each.
        controls: 0..1, a column for each of `controlled(rho)`  # [B, columns]

    Returns:
        [B]
    """
    names = controlled(rho)
    terms = [controls[:, i] * rho[name] for i, name in enumerate(names)]
    terms += [rho[name] for name in rho if name not in names]
    return sum(terms, jnp.zeros(len(controls)))


def held(z: jax.Array, moved: jax.Array, controls: jax.Array, aspects: Mapping[str, int]) -> jax.Array:
    """z + (1 - c) (z' - z), c each aspect's own control: what is to stay entirely does. [B, d] x 2, [B, columns].

    The paper's controls scale a loss (equation 6), so a control at 1 promises nothing.
    """
    names = controlled(aspects)
    free = [1.0 - controls[:, names.index(name)] if name in names else jnp.ones(len(z)) for name in aspects]
    return z + jnp.concatenate([jnp.repeat(share[:, None], size, 1)
                                for share, size in zip(free, aspects.values(), strict=True)], 1) * (moved - z)


def intervals_lost(before: Mapping[str, jax.Array], after: Mapping[str, jax.Array]) -> jax.Array:
    """The share of the melody's intervals that are lost, from decoded features (soft_decode.melody) -> [B].

    An interval is there still if a note begins at the same step after an interval of as many semitones, octaves apart.
    One transposition costs nothing.
    """
    there = jnp.sum(before["leaps"] * after["leaps"], (1, 2))
    return 1.0 - there / jnp.maximum(jnp.sum(before["leaps"], (1, 2)), 1.0)


def task(*, actor: Any, critic: Any, features: Callable, decode: Callable, loss_weights: Mapping[str, float],
         prior: float, distance: float, critic_updates: int, actor_start: int, intervals: float = 0.0,
         wrong: Callable | None = None, optimizer: Mapping[str, optax.GradientTransformation]) -> Task:
    """Actor against critic: equation (2) for D; equation (5) for G, with L'_Gd of equation (6) as its distance.

    Args:
        actor, critic: networks that read features(vaes, z).
        features: (the VAEs' parameters, z) -> what they read.
        decode: (the VAEs' parameters, z) -> arrays, for pictures.
        loss_weights: of the three terms of equation (2), "real", "raw" and "fake".
        prior: the weight of prior pairs beside unrelated pairs in N_z.
        distance: lambda.
        critic_updates: for each update of the actor.
        actor_start: the step from which the actor learns.
        intervals: the price of all of the melody's intervals, times the control of pitch; needs decoded features.
        wrong: (the VAEs' parameters, batch) -> latents that D meets beside N_z (negatives.latents); None: none.
        optimizer: of "actor" and "critic".
    """
    has_pitch = "pitch" in actor.aspects

    def lost(before, after, controls):
        return intervals * (controls[:, 0] if has_pitch else 1.0) * intervals_lost(before, after)

    return actor_critic.task(
        actor=actor, critic=critic, features=features, decode=decode, cost=control_loss, loss_weights=loss_weights,
        prior=prior, distance=distance, critic_updates=critic_updates, actor_start=actor_start,
        wrong=wrong, lost=lost if intervals else None, optimizer=optimizer)
