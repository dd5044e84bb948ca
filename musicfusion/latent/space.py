"""A latent z that has parts, side by side, and how far they moved. `parts`: name -> size, in z's order."""

from collections.abc import Mapping

import jax

from musicfusion import losses


def split(z: jax.Array, parts: Mapping[str, int]) -> dict[str, jax.Array]:
    """z [B, d] -> {part: [B, size]}."""
    found, start = {}, 0
    for name, size in parts.items():
        found[name] = z[..., start : start + size]
        start += size
    return found


def distances(moved: jax.Array, z: jax.Array, sbar: jax.Array, parts: Mapping[str, int]) -> dict[str, jax.Array]:
    """rho of each part, one number a row. [B, d] x 2, sbar [d] -> {part: [B]}."""
    by_part = [split(x, parts) for x in (moved, z, sbar)]
    return {name: losses.log_distance(*(part[name] for part in by_part)) for name in parts}
