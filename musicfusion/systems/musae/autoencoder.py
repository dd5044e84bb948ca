"""What all autoencoders of music in four tracks share, as latent.vae expects it of a model."""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs.melody import HOLD
from musicfusion.codecs.tracks import TRACKS


class FourTrackAutoencoder(nn.Module):
    """Has a `latent` size and an `encoder` of tokens; the truth is fed to its decoder always or never."""

    @property
    def aspects(self) -> dict[str, int]:
        """The one part of z, and its size."""
        return {"z": self.latent}

    def teacher(self, fraction: jax.Array | float) -> jax.Array | float:
        """Share of the truth that is fed in training, whatever fraction of it has passed."""
        return 1.0

    def encode(self, batch: Mapping) -> tuple[jax.Array, jax.Array]:
        """batch["tracks"] int [B, T, 4] -> posterior (mean, std), each [B, latent]."""
        return self.encoder(batch["tracks"])


class ParallelAutoencoder(FourTrackAutoencoder):
    """One whose decoder is not autoregressive (MusAE, section 3.2.2): `logits` needs z alone."""

    def losses(self, z: jax.Array, batch: Mapping, key: jax.Array, teacher: float) -> dict[str, jax.Array]:
        """Cross-entropy of the four tracks, nats a window: z [B, latent] -> {track: [B]}."""
        del key, teacher
        return cross_entropy(self.logits(z), batch["tracks"])

    def decode(self, z: jax.Array) -> dict[str, jax.Array]:
        """The likeliest tokens: z [B, latent] -> {"tracks": int32 [B, T, 4]}."""
        return {"tracks": jnp.argmax(self.logits(z), -1).astype(jnp.int32)}


def beginning(drawn: Mapping, shorter: Mapping) -> dict:
    """The parameters that an autoencoder of long windows begins with: those of one of shorter windows, where they fit.

    What a bar is like need not be learned again, only how a window is summed up. Learned positions of a short window
    stand for each part of a long one.

    drawn: its own, as they are drawn; shorter: the other's, or {}. Arrays of the same name and shape fit.
    """
    def taken(name, own, other):
        if isinstance(own, Mapping):
            return {name: taken(name, x, other[name]) if name in other else x for name, x in own.items()}
        if name == "positions" and len(own) % len(other) == 0:
            other = jnp.tile(other, (len(own) // len(other), 1))
        return other if own.shape == other.shape else own

    return taken("", drawn, shorter)


def cross_entropy(logits: jax.Array, tokens: jax.Array) -> dict[str, jax.Array]:
    """H(p_d, p_g) of equation (3) for each track: logits [B, T, 4, 130], tokens int [B, T, 4] -> {track: nats [B]}."""
    log_probabilities = jax.nn.log_softmax(logits)
    return {f"track_{k}": losses.nll(log_probabilities[:, :, k], tokens[:, :, k]) for k in range(TRACKS)}


def reconstruction_counts(batch: Mapping, decoded: Mapping) -> dict[str, tuple[jax.Array, jax.Array]]:
    """How many steps and onsets of each track are right, of how many: {"accuracy_0": (right, all), "onsets_0": ...}."""
    truth = batch["tracks"]
    right, onset = truth == decoded["tracks"], truth < HOLD
    found = {}
    for k in range(truth.shape[-1]):
        found[f"accuracy_{k}"] = (jnp.sum(right[..., k]), jnp.asarray(right[..., k].size))
        found[f"onsets_{k}"] = (jnp.sum(right[..., k] & onset[..., k]), jnp.sum(onset[..., k]))
    return found
