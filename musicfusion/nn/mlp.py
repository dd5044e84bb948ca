"""Perceptrons for latent vectors, and the gate that moves one latent toward another."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Float, Key

from musicfusion.core.arrays import AnyArray


def dropout_masks(
    example_keys: Key[jax.Array, " B"] | None, shape: tuple[int, ...], rate: float
) -> Float[jax.Array, "B ..."] | None:
    """Factors of units [B, *shape]: 0 where one is dropped, else 1 / (share that is kept). None if nothing is dropped.

    The bits come from each example's own key (8 bits a unit), so that a batch drops the same units however it is spread
    over devices. Without keys nothing is dropped.
    """
    kept = 256 - round(256 * rate)
    if example_keys is None or kept == 256:
        return None
    bits = jax.vmap(lambda key: jax.random.bits(key, shape, jnp.uint8))(example_keys)
    return (bits < kept) * (256.0 / kept)


class DropoutMLP(nn.Module):
    """Layers of [Dense, ReLU, dropout]. [B, any] -> [B, last width]. Without example keys nothing is dropped.

    hidden: the width of all `layers`, or the width of each, in which case `layers` is not used. The dropout bits of all
    layers are one draw from the example's key.
    """

    hidden: int | tuple[int, ...]
    layers: int = 1
    rate: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[AnyArray, "B any"], example_keys: Key[jax.Array, " B"] | None = None
    ) -> Float[jax.Array, "B last"]:
        widths = (self.hidden,) * self.layers if isinstance(self.hidden, int) else self.hidden
        masks = dropout_masks(example_keys, (sum(widths),), self.rate)
        start = 0
        for layer, width in enumerate(widths):
            x = nn.relu(nn.Dense(width, dtype=self.dtype, name=f"layer_{layer}")(x))
            if masks is not None:
                x = x * masks[:, start : start + width].astype(x.dtype)
            start += width
        return x


class Gate(nn.Module):
    """z' = (1 - g) z + g dz with g = sigmoid(gate). [B, hidden], [B, d] -> [B, d].

    The gate starts nearly closed (bias `closed`) and dz near zero, so that an untrained actor leaves z as it is; the
    public code starts at g = .5 and so halves every latent.

    Source: CollageNet, section 3.4.
    """

    closed: float = -3.2
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[AnyArray, "B hidden"], z: Float[AnyArray, "B d"]) -> Float[jax.Array, "B d"]:
        size = z.shape[-1]

        def start(key, shape, dtype=jnp.float32):
            del key
            return jnp.where(jnp.arange(shape[0]) < size, self.closed, 0.0).astype(dtype)

        small = nn.initializers.variance_scaling(1e-3, "fan_in", "truncated_normal")
        both = nn.Dense(2 * size, kernel_init=small, bias_init=start, name="gate_and_change")(x)
        gate, change = jnp.split(both.astype(jnp.float32), 2, -1)
        gate = jax.nn.sigmoid(gate)
        return (1.0 - gate) * z + gate * change
