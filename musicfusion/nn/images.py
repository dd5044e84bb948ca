"""Networks that turn pictures into pictures, and judge them patch by patch.

Pictures are [b, H, W, c]; both networks are those of the public CycleGAN code, at any width (Zhu et al., ICCV 2017;
Isola et al., CVPR 2017).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

_SMALL = nn.initializers.normal(0.02)


def instance_norm(x: jax.Array) -> jax.Array:
    """Each picture's channels with mean 0 and variance 1, without parameters: [b, H, W, c]."""
    whole = x.astype(jnp.float32)
    centred = whole - jnp.mean(whole, (1, 2), keepdims=True)
    return (centred * lax.rsqrt(jnp.mean(centred**2, (1, 2), keepdims=True) + 1e-5)).astype(x.dtype)


def reflected(x: jax.Array, by: int) -> jax.Array:
    """[b, H, W, c] with its border mirrored outwards."""
    return jnp.pad(x, ((0, 0), (by, by), (by, by), (0, 0)), mode="reflect")


class ResNet(nn.Module):
    """A picture into another: two steps down, residual blocks, two steps up. [b, H, W, c] -> [b, H, W, 1] in -1..1.

    H and W are multiples of 4. What is told, [b, k], moves the features of every block after their norm, which takes
    constant channels away.
    """

    width: int = 64
    blocks: int = 9
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, told: jax.Array | None = None) -> jax.Array:
        def conv(features: int, size: int, stride: int = 1, padding: int = 0):
            return nn.Conv(features, (size, size), stride, padding, dtype=self.dtype, kernel_init=_SMALL)

        x = nn.relu(instance_norm(conv(self.width, 7)(reflected(x.astype(self.dtype), 3))))
        for k in (2, 4):
            x = nn.relu(instance_norm(conv(k * self.width, 3, 2, 1)(x)))
        for _ in range(self.blocks):
            h = instance_norm(conv(4 * self.width, 3)(reflected(x, 1)))
            if told is not None:
                h += nn.Dense(4 * self.width, dtype=self.dtype)(told)[:, None, None]
            h = nn.relu(h)
            x = x + instance_norm(conv(4 * self.width, 3)(reflected(h, 1)))
        for k in (2, 1):  # as torch's transposed convolution with padding 1 and one row more
            up = nn.ConvTranspose(k * self.width, (3, 3), (2, 2), ((1, 2), (1, 2)), dtype=self.dtype,
                                  kernel_init=_SMALL)
            x = nn.relu(instance_norm(up(x)))
        return jnp.tanh(conv(1, 7)(reflected(x, 3)).astype(jnp.float32))


class PatchGAN(nn.Module):
    """A score for each patch of 70 x 70: [b, H, W, c] -> [b, H / 8 - 2, W / 8 - 2]."""

    width: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.astype(self.dtype)
        for layer, (k, stride) in enumerate(((1, 2), (2, 2), (4, 2), (8, 1))):
            x = nn.Conv(k * self.width, (4, 4), stride, 1, dtype=self.dtype, kernel_init=_SMALL)(x)
            x = nn.leaky_relu(instance_norm(x) if layer else x, 0.2)
        x = nn.Conv(1, (4, 4), 1, 1, dtype=self.dtype, kernel_init=_SMALL)(x)
        return x[..., 0].astype(jnp.float32)
