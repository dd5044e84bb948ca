"""A latent z that has parts, side by side, and how far they moved. `parts`: name -> size, in z's order."""

from collections.abc import Mapping

import jax
from jaxtyping import Float, Shaped

from musicfusion import losses
from musicfusion.core.arrays import AnyArray


def split(z: Shaped[AnyArray, "*B d"], parts: Mapping[str, int]) -> dict[str, Shaped[AnyArray, "*B _"]]:
    """z [..., d] -> {part: [..., size]}."""
    found, start = {}, 0
    for name, size in parts.items():
        found[name] = z[..., start : start + size]
        start += size
    return found


def distances(
    moved: Float[AnyArray, "*B d"], z: Float[AnyArray, "*B d"], sbar: Float[AnyArray, " d"], parts: Mapping[str, int]
) -> dict[str, Float[jax.Array, "*B"]]:
    """rho of each part (losses.log_distance), one number for each example. [B, d] x 2, sbar [d] -> {part: [B]}."""
    by_part = [split(x, parts) for x in (moved, z, sbar)]
    return {name: losses.log_distance(*(part[name] for part in by_part)) for name in parts}
