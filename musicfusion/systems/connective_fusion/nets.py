"""The networks that a config names, and their way from eight bars to z and back."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.latent import vae
from musicfusion.systems.connective_fusion import actor_critic, hearing, lite, lstm, reality, windows

VAES: dict[str, Callable] = {"lite": lite.MelodyVAE, "lstm": lstm.LSTMVAE}
PLAYERS = {"lite": (hearing.Actor, hearing.Critic), "perceptron": (actor_critic.Actor, actor_critic.Critic)}
SIDES = windows.SIDES


def model(config) -> Any:
    """The melody VAE."""
    group = config.melody_vae
    if group.model not in VAES:
        raise MusicFusionError(f"melody_vae.model = {group.model!r} is unknown: use {' or '.join(VAES)}")
    return VAES[group.model](**dict(group.size))


def latent(side) -> int:
    """The size of one side's latent."""
    return sum(side.aspects.values())


def actor_and_critic(config, side) -> tuple[Any, Any]:
    """The two networks in the latent space of this VAE; both read what `hear` makes of z."""
    group = config.fusion
    if group.model not in PLAYERS:
        raise MusicFusionError(f"fusion.model = {group.model!r} is unknown: use {' or '.join(PLAYERS)}")
    if group.model == "lite" and config.melody_vae.model != "lite":
        raise MusicFusionError("fusion.model = 'lite' hears a latent that lies in time: use melody_vae.model = 'lite'")
    actor, critic = PLAYERS[group.model]
    parts = actor_critic.parts(latent(side))
    return actor(parts, **dict(group.actor)), critic(parts, **dict(group.critic))


def hear(config, side) -> Callable[[dict, jax.Array], Any]:
    """(the VAE's parameters, z [B, 128]) -> what actor and critic read: z itself, or what it sounds like."""
    if config.fusion.model == "perceptron":
        return lambda vae, z: z

    def heard(vae, z):
        halves = jnp.concatenate(jnp.split(z, 2, 1))
        sounds = side.apply({"params": vae}, halves, method="hear")
        left, right = ({name: x[i] for name, x in _halved(sounds).items()} for i in range(2))
        return hearing.joined(left, right, z)

    return heard


def _halved(sounds: dict) -> dict:
    return {name: jnp.split(x, 2) for name, x in sounds.items()}


def encode(side, params, batch) -> tuple[jax.Array, jax.Array]:
    """batch["left"], batch["right"] int [B, 64] -> posterior (mean, std) of z = z_L + z_R, [B, 128] each."""
    both = side.apply({"params": params}, {"melody": jnp.concatenate([batch[name] for name in SIDES])}, method="encode")
    mean, std = (jnp.concatenate(jnp.split(x, 2), 1) for x in both)
    return mean, std


def encode_batch(side, batch) -> tuple[jax.Array, jax.Array]:
    """`encode` of a batch that brings the VAE's parameters along."""
    return encode(side, batch["vae"], batch)


def decode(side, params, z) -> dict[str, jax.Array]:
    """z [B, 128] -> greedy {"left", "right"}: int32 [B, 64]."""
    made = side.apply({"params": params}, jnp.concatenate(jnp.split(z, 2, 1)), method="decode")["melody"]
    return dict(zip(SIDES, jnp.split(made, 2), strict=True))


def counts(batch, decoded) -> dict:
    """(right, all) of symbols, and of onsets, of reconstructed sides."""
    truth, made = batch["melody"], decoded["melody"]
    onset = truth < melody.PITCHES
    right = truth == made
    return {"symbol_accuracy": (jnp.sum(right), jnp.asarray(right.size)),
            "onset_accuracy": (jnp.sum(right & onset), jnp.sum(onset))}


def modules(config) -> dict:
    """Abstract parameters of each module; nothing is allocated."""
    side = model(config)
    actor, critic = actor_and_critic(config, side)
    key, silent = jax.random.key(0), jnp.full((1, windows.STEPS), melody.SYMBOLS - 1, jnp.int32)
    shapes = {"melody_vae": jax.eval_shape(functools.partial(vae.init, side), key, {"melody": silent})}
    z, style = jnp.zeros((1, 2 * latent(side))), jnp.zeros((1, config.fusion.style))
    heard = jax.eval_shape(hear(config, side), shapes["melody_vae"], z)
    shapes["actor"] = jax.eval_shape(actor.init, key, heard, style)["params"]
    shapes["critic"] = jax.eval_shape(critic.init, key, heard)["params"]
    judge = reality.Reality(**dict(config.reality.size))
    shapes["reality"] = jax.eval_shape(judge.init, key, silent, silent)["params"]
    return shapes
