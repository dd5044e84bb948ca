"""Perceptrons for latent vectors, and the gate that moves one latent toward another."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class DropoutMLP(nn.Module):
    """`layers` x [Dense, ReLU, dropout]. [B, any] -> [B, hidden]. Without row keys nothing is dropped.

    Dropout bits come from each row's own key (8 bits a unit, all layers in one draw), so that a batch drops the same
    units however it is spread over devices.
    """

    hidden: int
    layers: int
    rate: float = 0.0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, row_keys: jax.Array | None = None) -> jax.Array:
        kept = 256 - round(256 * self.rate)
        masks = None
        if row_keys is not None and kept < 256:
            shape = (self.layers, self.hidden)
            bits = jax.vmap(lambda key: jax.random.bits(key, shape, jnp.uint8))(row_keys)
            masks = (bits < kept) * (256.0 / kept)
        for layer in range(self.layers):
            x = nn.relu(nn.Dense(self.hidden, dtype=self.dtype, name=f"layer_{layer}")(x))
            if masks is not None:
                x = x * masks[:, layer].astype(x.dtype)
        return x


class Gate(nn.Module):
    """z' = (1 - g) z + g dz with g = sigmoid(gate). [B, hidden], [B, d] -> [B, d]. (Paper 000, section 3.4.)

    The gate starts nearly closed (bias `closed`) and dz near zero, so that an untrained actor leaves z alone; the
    public code starts at g = .5 and so halves every latent.
    """

    closed: float = -3.2
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, z: jax.Array) -> jax.Array:
        size = z.shape[-1]

        def start(key, shape, dtype=jnp.float32):
            del key
            return jnp.where(jnp.arange(shape[0]) < size, self.closed, 0.0).astype(dtype)

        small = nn.initializers.variance_scaling(1e-3, "fan_in", "truncated_normal")
        both = nn.Dense(2 * size, kernel_init=small, bias_init=start, name="gate_and_change")(x)
        gate, change = jnp.split(both.astype(jnp.float32), 2, -1)
        gate = jax.nn.sigmoid(gate)
        return (1.0 - gate) * z + gate * change
