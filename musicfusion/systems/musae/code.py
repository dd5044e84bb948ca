"""What all autoencoders of music in four tracks have in common (contract of latent.vae)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs.tracks import TRACKS


class Coder(nn.Module):
    """Has a `latent` size and an `encoder` of tokens; what it says does not depend on a teacher who comes and goes."""

    @property
    def aspects(self) -> dict[str, int]:
        """The latent's size."""
        return {"z": self.latent}

    def teacher(self, fraction):
        """How much of the truth is fed while training: all, or nothing is fed back at all."""
        return 1.0

    def encode(self, batch) -> tuple[jax.Array, jax.Array]:
        """batch["tracks"] int [B, T, 4] -> posterior (mean, std), each [B, latent]."""
        return self.encoder(batch["tracks"])


class AtOnce(Coder):
    """One whose decoder is not autoregressive (section 3.2.2): `logits` needs z alone."""

    def losses(self, z, batch, key, teacher) -> dict[str, jax.Array]:
        """Cross-entropy of the four tracks, nats a window [B]."""
        del key, teacher
        return cross_entropy(self.logits(z), batch["tracks"])

    def decode(self, z) -> dict[str, jax.Array]:
        """Greedy: {"tracks": int32 [B, T, 4]}."""
        return {"tracks": jnp.argmax(self.logits(z), -1).astype(jnp.int32)}


def cross_entropy(logits: jax.Array, tokens: jax.Array) -> dict[str, jax.Array]:
    """[B, T, 4, 130], int [B, T, 4] -> nats [B] of each track: equation (3)'s H(p_d, p_g)."""
    likely = jax.nn.log_softmax(logits)
    return {f"track_{k}": losses.nll(likely[:, :, k], tokens[:, :, k]) for k in range(TRACKS)}
