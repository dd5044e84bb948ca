"""Pairs of sides and their latent: z is z_L and z_R, one vector [B, 2 d_z]."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion.systems.connective_fusion.dataset import SIDES

Sides = dict[str, jax.Array]  # "left", "right": symbols int [B, 64]


def parts(latent: int) -> dict[str, int]:
    """Where the sides lie in z: {side: d_z}."""
    return dict.fromkeys(SIDES, latent)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairVAE:
    """A melody VAE (lite.MelodyVAE, lstm_vae.LSTMVAE) for both sides of a pair: one after the other, the same one."""

    side: nn.Module

    @property
    def latent(self) -> int:
        """d_z, the size of one side's latent."""
        return sum(self.side.aspects.values())

    def encode(self, params: dict, sides: Sides) -> tuple[jax.Array, jax.Array]:
        """Sides -> posterior mean and std of z, [B, 2 d_z] each."""
        symbols = jnp.concatenate([sides[name] for name in SIDES])
        both: Any = self.side.apply({"params": params}, {"melody": symbols}, method="encode")
        mean, std = (jnp.concatenate(jnp.split(x, 2), 1) for x in both)
        return mean, std

    def decode(self, params: dict, z: jax.Array) -> Sides:
        """z [B, 2 d_z] -> the likeliest symbols of either side, int32 [B, 64]."""
        found: Any = self.side.apply({"params": params}, jnp.concatenate(jnp.split(z, 2, 1)), method="decode")
        return dict(zip(SIDES, jnp.split(found["melody"], 2), strict=True))
