"""The four networks that a config names, and their way from a segment to z and back."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Trained
from musicfusion.latent import vae
from musicfusion.metrics import reconstruction
from musicfusion.systems.collagenet import actor_critic, ec2vae, hearing, lite, polydis, segments, vanilla

SIDES = ("melody", "accompaniment")
MODELS: dict[str, dict[str, Callable]] = {
    "melody": {"lite": lite.MelodyVAE, "ec2vae": ec2vae.EC2VAE,
               "plain": vanilla.PlainMelodyVAE, "recurrent": vanilla.RecurrentMelodyVAE},
    "accompaniment": {"lite": lite.AccompanimentVAE, "polydis": polydis.create,
                      "plain": vanilla.PlainAccompanimentVAE, "pianotree": vanilla.PianoTreeVAE},
}
PLAYERS = {"lite": (hearing.Actor, hearing.Critic), "perceptron": (actor_critic.Actor, actor_critic.Critic)}
PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def models(config) -> dict:
    """The two VAEs by side."""
    built = {}
    for side in SIDES:
        group, kinds = config[f"{side}_vae"], MODELS[side]
        if group.model not in kinds:
            raise MusicFusionError(
                f"{side}_vae.model = {group.model!r} is unknown: use {' or '.join(kinds)}")
        built[side] = _build(kinds[group.model], group.size, f"{side}_vae.size", config)
    return built


def actor_and_critic(config, sides: dict) -> tuple[Any, Any]:
    """The two networks in the latent space of these VAEs. Both read what `hear` makes of z."""
    group = config.fusion
    if group.model not in PLAYERS:
        raise MusicFusionError(f"fusion.model = {group.model!r} is unknown: use {' or '.join(PLAYERS)}")
    actor, critic = (functools.partial(player, aspects(sides)) for player in PLAYERS[group.model])
    return (_build(actor, group.actor, "fusion.actor", config), _build(critic, group.critic, "fusion.critic", config))


def hear(config, sides: dict) -> Callable[[dict, jax.Array], Any]:
    """(the VAEs' parameters, z [B, d]) -> what actor and critic read: z itself, or what it sounds like."""
    if config.fusion.model == "perceptron":
        return lambda vaes, z: z
    silent = [side for side in SIDES if not hasattr(sides[side], "hear")]
    if silent:
        raise MusicFusionError(f"fusion.model = {config.fusion.model!r} must hear what z decodes to, which"
                               f" {silent[0]}_vae.model = {config[f'{silent[0]}_vae'].model!r} cannot: use perceptron")
    cut = actor_critic.melody_size(aspects(sides))

    def heard(vaes, z):
        parts = {"melody": z[:, :cut], "accompaniment": z[:, cut:]}
        sounds = [sides[side].apply({"params": vaes[side]}, parts[side], method="hear") for side in SIDES]
        return {**sounds[0], **sounds[1], "z": z}

    return heard


def mover(config, sides: dict) -> Callable[[dict, jax.Array, jax.Array], jax.Array]:
    """(parameters {"melody", "accompaniment", "actor"}, z [B, d], controls [B, 4]) -> z' = G(z, c) [B, d]."""
    (actor, _), heard = actor_and_critic(config, sides), hear(config, sides)
    return lambda params, z, controls: actor.apply({"params": params["actor"]}, heard(params, z), controls)


def aspects(sides: dict) -> dict[str, int]:
    """Latent sizes of both VAEs in the order in which z holds them."""
    return sides["melody"].aspects | sides["accompaniment"].aspects


def _build(kind: Callable, size, key: str, config) -> Any:
    """A network of these sizes; MusicFusionError where they are those of another kind."""
    try:
        return kind(**dict(size), dtype=precision(config))
    except TypeError as error:
        raise MusicFusionError(f"{key} = {dict(size)!r} does not fit its model: {error}") from None


def precision(config) -> jnp.dtype:
    """The number format of matrix products; parameters and losses stay float32."""
    name = config.run.precision
    if name not in PRECISIONS:
        raise MusicFusionError(f"run.precision = {name!r} is unknown: use {' or '.join(PRECISIONS)}")
    return PRECISIONS[name]


def view(config, name: str):
    """The config with the groups of config[name] in place of its own, to be used like any config."""
    changed = config.copy_and_resolve_references()
    for group, values in changed[name].items():
        changed[group] = values
    return changed


def prefixed(results: Trained, prefix: str) -> Trained:
    """Results whose stages are called without the prefix that they have in the run."""
    return _Prefixed(results, prefix) if prefix else results


@dataclasses.dataclass(frozen=True)
class _Prefixed:
    results: Trained
    prefix: str

    def __call__(self, stage: str, subtree: str = "params") -> Any:
        return self.results(self.prefix + stage, subtree)

    def step(self, stage: str) -> int:
        return self.results.step(self.prefix + stage)

    def has(self, stage: str) -> bool:
        return self.results.has(self.prefix + stage)

    def origin(self) -> dict[str, Any]:
        return self.results.origin()


def sweep(config) -> list[tuple[float, str]]:
    """Every lambda of Table 1, ascending, with the stage that trains its actor; config.fusion's own is "fusion".

    Raises MusicFusionError where config.compare.lambdas holds anything but numbers from 0.
    """
    own, others = float(config.fusion.distance), config.compare.lambdas
    if not all(isinstance(value, int | float) and value >= 0 for value in others):
        raise MusicFusionError(f"compare.lambdas = {tuple(others)!r} is out of range: accepted are numbers from 0")
    values = sorted({own, *map(float, others)})
    return [(value, "fusion" if value == own else f"fusion_{value}") for value in values]


def vaes(results) -> dict:
    """The parameters of both trained VAEs, by side."""
    return {side: results(f"{side}_vae") for side in SIDES}


def parameters(config, results) -> dict:
    """What sampling needs of the trained stages: {"melody", "accompaniment", "actor", "sbar"}."""
    del config
    return vaes(results) | {"actor": results("fusion")["actor"], "sbar": results("latents")["sbar"]}


def encode(sides: dict, params: dict, batch: dict) -> tuple[jax.Array, jax.Array]:
    """Segments -> posterior (mean, std) of z = z_p + z_r + z_c + z_t, [B, d] each."""
    both = [sides[side].apply({"params": params[side]}, batch, method="encode") for side in SIDES]
    mean, std = (jnp.concatenate(parts, -1) for parts in zip(*both, strict=True))
    return mean, std


def encode_batch(sides: dict, batch: dict) -> tuple[jax.Array, jax.Array]:
    """`encode` of a batch that brings the VAEs' parameters along."""
    return encode(sides, batch["vaes"], batch)


def decode(sides: dict, params: dict, z: jax.Array) -> dict:
    """z [B, d] -> greedy {"tokens", "rhythm", "pitch", "duration", "chords"}; a plain VAE says no chords."""
    cut = sum(sides["melody"].aspects.values())
    parts = {"melody": z[:, :cut], "accompaniment": z[:, cut:]}
    decoded: dict[str, jax.Array] = {}
    for side in SIDES:
        decoded |= sides[side].apply({"params": params[side]}, parts[side], method="decode")
    return decoded


def reconstructions(batch, decoded) -> dict:
    """Counts (right, all) of whatever the decoded arrays hold: a melody, an accompaniment, its chords."""
    counts: dict = {}
    if "tokens" in decoded:
        counts |= reconstruction.melody_counts(decoded["tokens"], batch["melody"])
    if "pitch" in decoded:
        slots = (decoded["pitch"], decoded["duration"])
        counts |= reconstruction.note_counts(slots, (batch["pitch"], batch["duration"]))
    if "chords" in decoded:
        counts |= reconstruction.chord_counts(decoded["chords"], batch["chords"])
    return counts


def modules(config) -> dict:
    """Abstract parameters of each module, of vanilla's too where config.evaluate.compare; nothing is allocated."""
    shapes = _modules(config)
    if config.evaluate.compare:
        shapes |= {f"vanilla_{name}": shape for name, shape in _modules(view(config, "vanilla")).items()}
    return shapes


def _modules(config) -> dict:
    sides = models(config)
    actor, critic = actor_and_critic(config, sides)
    segment = segments.silence(1)
    z = jnp.zeros((1, sum(actor.aspects.values())))
    controls = jnp.zeros((1, len(actor_critic.controlled(actor.aspects))))
    key = jax.random.key(0)
    shapes = {
        f"{side}_vae": jax.eval_shape(functools.partial(vae.init, model), key, segment)
        for side, model in sides.items()
    }
    heard = jax.eval_shape(hear(config, sides), {side: shapes[f"{side}_vae"] for side in SIDES}, z)
    shapes["actor"] = jax.eval_shape(actor.init, key, heard, controls)["params"]
    shapes["critic"] = jax.eval_shape(critic.init, key, heard)["params"]
    return shapes
