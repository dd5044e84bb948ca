"""The four networks that a config names, and their way from a segment to z and back."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from musicfusion.codecs import polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import reconstruction
from musicfusion.systems.collagenet import actor_critic, ec2vae, lite, polydis, segments

SIDES = ("melody", "accompaniment")
MODELS: dict[str, dict[str, Callable]] = {
    "melody": {"lite": lite.MelodyVAE, "ec2vae": ec2vae.EC2VAE},
    "accompaniment": {"lite": lite.AccompanimentVAE, "polydis": polydis.create},
}
PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def models(config) -> dict:
    """The two VAEs by side."""
    built = {}
    for side in SIDES:
        group, kinds = config[f"{side}_vae"], MODELS[side]
        if group.model not in kinds:
            raise MusicFusionError(
                f"{side}_vae.model = {group.model!r} is unknown: use {' or '.join(kinds)}")
        built[side] = kinds[group.model](**dict(group.size), dtype=precision(config))
    return built


def actor_and_critic(config, sides: dict) -> tuple[actor_critic.Actor, actor_critic.Critic]:
    """The two networks in the latent space of these VAEs."""
    aspects = sides["melody"].aspects | sides["accompaniment"].aspects
    dtype = precision(config)
    return (actor_critic.Actor(aspects, **dict(config.fusion.actor), dtype=dtype),
            actor_critic.Critic(aspects, **dict(config.fusion.critic), dtype=dtype))


def precision(config) -> jnp.dtype:
    """The number format of matrix products; parameters and losses stay float32."""
    name = config.run.precision
    if name not in PRECISIONS:
        raise MusicFusionError(f"run.precision = {name!r} is unknown: use {' or '.join(PRECISIONS)}")
    return PRECISIONS[name]


def parameters(config, results) -> dict:
    """What sampling needs of the trained stages: {"melody", "accompaniment", "actor", "sbar"}."""
    del config
    params = {side: results(f"{side}_vae") for side in SIDES}
    return params | {"actor": results("fusion")["actor"], "sbar": results("latents")["sbar"]}


def encode(sides: dict, params: dict, batch: dict) -> tuple[jax.Array, jax.Array]:
    """Segments -> posterior (mean, std) of z = z_p + z_r + z_c + z_t, [B, d] each."""
    both = [sides[side].apply({"params": params[side]}, batch, method="encode") for side in SIDES]
    mean, std = (jnp.concatenate(parts, -1) for parts in zip(*both, strict=True))
    return mean, std


def decode(sides: dict, params: dict, z: jax.Array) -> dict:
    """z [B, d] -> greedy {"tokens", "rhythm", "pitch", "duration", "chords"}."""
    cut = sum(sides["melody"].aspects.values())
    parts = {"melody": z[:, :cut], "accompaniment": z[:, cut:]}
    decoded: dict[str, jax.Array] = {}
    for side in SIDES:
        decoded |= sides[side].apply({"params": params[side]}, parts[side], method="decode")
    return decoded


def reconstructions(batch, decoded) -> dict:
    """Counts (right, all) of whatever the decoded arrays hold: a melody, an accompaniment with its chords, or both."""
    counts: dict = {}
    if "tokens" in decoded:
        counts |= reconstruction.melody_counts(decoded["tokens"], batch["melody"])
    if "pitch" in decoded:
        slots = (decoded["pitch"], decoded["duration"])
        counts |= reconstruction.note_counts(slots, (batch["pitch"], batch["duration"]))
        counts |= reconstruction.chord_counts(decoded["chords"], batch["chords"])
    return counts


def modules(config) -> dict:
    """Abstract parameters of each module; nothing is allocated."""
    sides = models(config)
    actor, critic = actor_and_critic(config, sides)
    segment = {
        "melody": jnp.zeros((1, segments.STEPS), jnp.int32),
        "pitch": jnp.zeros((1, segments.STEPS, polyphony.SLOTS), jnp.int32),
        "duration": jnp.zeros((1, segments.STEPS, polyphony.SLOTS), jnp.int32),
        "chords": jnp.zeros((1, segments.BEATS, 3), jnp.int32),
    }
    z = jnp.zeros((1, sum(actor.aspects.values())))
    controls = jnp.zeros((1, len(actor_critic.ASPECTS)))
    key = jax.random.key(0)
    shapes = {
        f"{side}_vae": jax.eval_shape(functools.partial(init, model), key, segment)
        for side, model in sides.items()
    }
    shapes["actor"] = jax.eval_shape(actor.init, key, z, controls)["params"]
    shapes["critic"] = jax.eval_shape(critic.init, key, z)["params"]
    return shapes


def init(model, key, batch) -> dict:
    """Parameters of every part of a VAE: encoder, losses (teacher-forced) and decoder."""

    def everything(m, batch):
        mean, _ = m.encode(batch)
        return m.losses(mean, batch, jax.random.key(0), 1.0), m.decode(mean)

    return model.init(key, batch, method=everything)["params"]
