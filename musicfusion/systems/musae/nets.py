"""The networks that a config names."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from musicfusion import priors
from musicfusion.codecs.melody import HOLD
from musicfusion.core.errors import MusicFusionError
from musicfusion.latent import vae
from musicfusion.systems.musae import adversarial, genre, lite, lstm, music_vae
from musicfusion.systems.musae.windows import BAR

MODELS = ("lite", "lstm")
LENGTHS = (2, 16)  # bars


class Kind(NamedTuple):
    """A row of table 1: its name in stages, its title, its prior ("" for a MusicVAE), whether z is drawn to it."""

    name: str
    title: str
    prior: str
    drawn: bool = True


KINDS = (
    Kind("flower", "MusAE, flower", "flower"),
    Kind("gaussian", "MusAE, Gaussian", "gaussian"),
    Kind("free", "MusAE, no critic", "flower", False),
    Kind("flat", "MusicVAE, flat", ""),
    Kind("hierarchical", "MusicVAE, hierarchical", ""),
)


def autoencoder(config, bars: int, prior: str = "flower") -> Any:
    """MusAE's encoder and decoders, for windows of so many bars."""
    group = _group(config, bars)
    if group.model not in MODELS:
        raise MusicFusionError(f"musae_{bars}.model = {group.model!r} is unknown: use {' or '.join(MODELS)}")
    if group.model == "lstm":
        return lstm.Autoencoder(bars, **dict(group.size))
    return lite.Autoencoder(bars, **dict(group.size), spread=1.0 if prior == "gaussian" else priors.REST**0.5)


def _group(config, bars: int):
    if bars not in LENGTHS:
        raise MusicFusionError(f"{bars} bars: accepted are {' and '.join(map(str, LENGTHS))}")
    return config[f"musae_{bars}"]


def model(config, kind: Kind, bars: int) -> Any:
    """The autoencoder of a row of table 1."""
    if kind.prior:
        return autoencoder(config, bars, kind.prior)
    group = _group(config, bars)
    if group.model == "lite":
        size = {name: x for name, x in group.size.items() if name in ("width", "depth", "parts", "shared")}
        encoder: Any = lite.Encoder(latent=group.size.latent, **size)
    else:
        encoder = lstm.Encoder(group.size.hidden, group.size.latent)
    return music_vae.MusicVAE(encoder, bars, kind.name == "hierarchical", latent=group.size.latent,
                              **dict(config.music_vae.size))


def critic(config, prior: str = "flower") -> adversarial.Critic:
    """d(z) for a prior."""
    return adversarial.Critic(config.critic.hidden, prior if config.critic.scaled else "")


def counts(batch, decoded) -> dict:
    """(right, all) of steps and of onsets, by track, of reconstructed windows: {"accuracy_0": ..., "onsets_0": ...}."""
    truth, made = batch["tracks"], decoded["tracks"]
    right, onset = truth == made, truth < HOLD
    found = {}
    for k in range(truth.shape[-1]):
        found[f"accuracy_{k}"] = (jnp.sum(right[..., k]), jnp.asarray(right[..., k].size))
        found[f"onsets_{k}"] = (jnp.sum(right[..., k] & onset[..., k]), jnp.sum(onset[..., k]))
    return found


def modules(config) -> dict:
    """Abstract parameters of each module; nothing is allocated."""
    key = jax.random.key(0)
    found: dict = {}
    for bars in config.lengths:
        batch = {"tracks": jnp.zeros((1, bars * BAR, 4), jnp.int32)}
        whole = jax.eval_shape(functools.partial(vae.init, autoencoder(config, bars)), key, batch)
        encoder = whole.pop("encoder")
        found |= {f"encoder_{bars}": encoder, f"decoder_{bars}": whole}
        z, petal = jnp.zeros((1, _group(config, bars).size.latent)), jnp.zeros(1, jnp.int32)
        found[f"critic_{bars}"] = jax.eval_shape(critic(config).init, key, z, petal)["params"]
    judge = genre.Genre(**dict(config.genre.size))
    found["genre"] = jax.eval_shape(judge.init, key, jnp.zeros((1, min(config.lengths) * BAR, 4), jnp.int32))["params"]
    return found
