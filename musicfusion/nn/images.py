"""Networks that turn pictures into pictures, and judge them patch by patch.

Pictures are [b, H, W, c]; both networks are those of the public CycleGAN code, at any width (Zhu et al., ICCV 2017;
Isola et al., CVPR 2017).
"""

import functools

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


# Convolutions -------------------------------------------------------------------------------------------------------

WIDE = 64  # channels, in and out, from which on a CPU is faster with matrix products


def convolved(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """[b, H, W, c], [k, k, c, d] -> [b, (H - k) / stride + 1, (W - k) / stride + 1, d]."""
    if jax.default_backend() == "cpu" and min(kernel.shape[2:]) >= WIDE:
        return products(x, kernel, stride)
    return lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def products(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """The same by a matrix product for each row of the kernel."""
    size, _, _, features = kernel.shape
    height, width = ((length - size) // stride * stride + 1 for length in x.shape[1:3])
    rows = (jnp.concatenate([x[:, i : i + height : stride, j : j + width : stride] for j in range(size)], -1)
            @ kernel[i].reshape(-1, features) for i in range(size))
    return functools.reduce(jnp.add, rows)


class Conv(nn.Module):
    """A convolution with zeros around: [b, H, W, c] -> [b, H', W', features]."""

    features: int
    size: int
    stride: int = 1
    padding: int = 0
    dtype: jnp.dtype = jnp.float32
    kernel_init: nn.initializers.Initializer = _SMALL

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", self.kernel_init, (self.size, self.size, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        by = (self.padding, self.padding)
        x = jnp.pad(x.astype(self.dtype), ((0, 0), by, by, (0, 0)))
        return convolved(x, kernel.astype(self.dtype), self.stride) + bias.astype(self.dtype)


class Up(nn.Module):
    """A transposed convolution of 3 x 3, twice as high and wide, as torch's with padding 1 and one row more.

    [b, H, W, c] -> [b, 2 H, 2 W, features]. Along each axis an even place sees one place of x, the odd one after it
    that place and the next; so all four kinds of places are channels of one convolution of 2 x 2. (The gradient of
    XLA's own transposed convolution takes a CPU thirty times as long.)
    """

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", _SMALL, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        place = jnp.array([[[0, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 1]]], kernel.dtype)  # [even or odd, seen, 3]
        four = jnp.einsum("asi,btj,ijcd->stcabd", place, place, kernel)
        x = jnp.pad(x.astype(self.dtype), ((0, 0), (0, 1), (0, 1), (0, 0)))
        made = convolved(x, four.reshape(2, 2, x.shape[-1], -1).astype(self.dtype))
        batch, height, width, _ = made.shape
        made = made.reshape(batch, height, width, 2, 2, self.features).transpose(0, 1, 3, 2, 4, 5)
        return made.reshape(batch, 2 * height, 2 * width, self.features) + bias.astype(self.dtype)


# Networks -----------------------------------------------------------------------------------------------------------


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
            return Conv(features, size, stride, padding, self.dtype)

        x = nn.relu(instance_norm(conv(self.width, 7)(reflected(x.astype(self.dtype), 3))))
        for k in (2, 4):
            x = nn.relu(instance_norm(conv(k * self.width, 3, 2, 1)(x)))
        for _ in range(self.blocks):
            h = instance_norm(conv(4 * self.width, 3)(reflected(x, 1)))
            if told is not None:
                h += nn.Dense(4 * self.width, dtype=self.dtype)(told)[:, None, None]
            h = nn.relu(h)
            x = x + instance_norm(conv(4 * self.width, 3)(reflected(h, 1)))
        for k in (2, 1):
            x = nn.relu(instance_norm(Up(k * self.width, self.dtype)(x)))
        return jnp.tanh(conv(1, 7)(reflected(x, 3)).astype(jnp.float32))


class PatchGAN(nn.Module):
    """A score for each patch of 70 x 70: [b, H, W, c] -> [b, H / 8 - 2, W / 8 - 2]."""

    width: int = 64
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.astype(self.dtype)
        for layer, (k, stride) in enumerate(((1, 2), (2, 2), (4, 2), (8, 1))):
            x = Conv(k * self.width, 4, stride, 1, self.dtype)(x)
            x = nn.leaky_relu(instance_norm(x) if layer else x, 0.2)
        x = Conv(1, 4, 1, 1, self.dtype)(x)
        return x[..., 0].astype(jnp.float32)
