"""What is learned (Connective Fusion, sections 2.4 and 2.5): a VAE of sides, then G against D in its latents.

    (1)         melody_vae   the variational bound, on four bars at a time
    sbar        latents      the average posterior std, by which distances are measured (section 2.5.2)
    (2) to (8)  fusion       D tells real pairs from all others; G moves the others until they pass, as little as it can

The paper prints D's loss of fake pairs as -(1 - log D); here, as it must mean, -log(1 - D).
"""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.codecs import melody
from musicfusion.core import optimizers
from musicfusion.core.contracts import Precompute, Task
from musicfusion.latent import actor_critic, table, vae
from musicfusion.systems.connective_fusion.pairs import PairVAE


def melody_vae(side: nn.Module, *, kl: Mapping[str, float], kl_midpoint: float, free_nats: float,
               optimizer: Mapping[str, Any], steps: int) -> Task:
    """Equation (1), with a weight of the KL term that may warm up, and nats of it that cost nothing (latent.vae.task).

    The paper has neither: its weight is 1.
    """
    return vae.task(side, optimizer=optimizers.create(**optimizer, steps=steps), steps=steps, kl=kl,
                    kl_midpoint=kl_midpoint, free_nats=free_nats, counts=reconstructed)


def reconstructed(batch: Mapping[str, jax.Array], decoded: Mapping[str, jax.Array]) -> dict:
    """(right, all) of symbols, and of onsets, of sides that were decoded again."""
    truth, found = batch["melody"], decoded["melody"]
    onset = truth < melody.PITCHES
    right = truth == found
    return {"symbol_accuracy": (jnp.sum(right), jnp.asarray(right.size)),
            "onset_accuracy": (jnp.sum(right & onset), jnp.sum(onset))}


def latents(pair_vae: PairVAE, *, floor: float) -> Precompute:
    """The latents of the table's pairs, and sbar: the average posterior std over the training ones (section 2.5.2)."""
    return table.precompute(pair_vae.encode, size=2 * pair_vae.latent, floor=floor)


def similarity_loss(rho: Mapping[str, jax.Array], style: jax.Array) -> jax.Array:
    """L_dist, equation (7): what both sides moved, whatever the style. rho: {side: [B]} -> [B].

    rho is 1/d_z sum log(1 + (z' - z)^2) / sbar^2 of one side (losses.log_distance).
    """
    del style
    return rho["left"] + rho["right"]


def fusion(*, pair_vae: PairVAE, actor: nn.Module, critic: nn.Module, features: Callable,
           loss_weights: Mapping[str, float], prior: float, distance: float, diversity: float, margin: float,
           critic_updates: int, actor_start: int, actor_rate: float, optimizer: Mapping[str, Any], steps: int) -> Task:
    """D by equations (2) to (4), G by equations (5) to (8) (latent.actor_critic.task).

    Args:
        pair_vae: the latent space.
        actor, critic: G and D.
        features: (the VAE's parameters, z) -> what both of them read.
        loss_weights: of D's real pairs, of negatives, of G's outputs: {"real", "raw", "fake"}.
        prior: weight of pairs drawn from the prior beside unrelated pairs; 1 in the paper.
        distance: lambda of equation (8).
        diversity, margin: weight and margin of a term by which styles make a difference; the paper has none.
        critic_updates: of D for each of G.
        actor_start: the step from which G learns.
        actor_rate: how many times as fast as D.
        optimizer: a config's group: arguments of core.optimizers.create.
        steps: of the whole training.
    """
    faster = {**optimizer, "rate": optimizer["rate"] * actor_rate}
    return actor_critic.task(
        actor=actor, critic=critic, features=features, decode=pair_vae.decode, cost=similarity_loss,
        loss_weights=loss_weights, prior=prior, distance=distance, diversity=diversity, margin=margin,
        critic_updates=critic_updates, actor_start=actor_start,
        optimizer={"actor": optimizers.create(**faster, steps=steps),
                   "critic": optimizers.create(**optimizer, steps=steps)})
