"""Networks that translate images into images, and score them patch by patch.

Images are [b, H, W, c]; both networks are those of the public CycleGAN code, at any width (Zhu et al., ICCV 2017;
Isola et al., CVPR 2017).
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Float

from musicfusion.core.arrays import AnyArray

_SMALL = nn.initializers.normal(0.02)


def instance_norm(x: Float[AnyArray, "b H W c"]) -> Float[jax.Array, "b H W c"]:
    """Each channel of each image with mean 0 and variance 1, without parameters: [b, H, W, c]."""
    whole = x.astype(jnp.float32)
    centred = whole - jnp.mean(whole, (1, 2), keepdims=True)
    return (centred * lax.rsqrt(jnp.mean(centred**2, (1, 2), keepdims=True) + 1e-5)).astype(x.dtype)


def reflected(x: Float[AnyArray, "b H W c"], by: int) -> Float[jax.Array, "b H+2*{by} W+2*{by} c"]:
    """[b, H, W, c] with `by` more rows and columns on each side, mirrored; the edge itself is not repeated."""
    return jnp.pad(x, ((0, 0), (by, by), (by, by), (0, 0)), mode="reflect")


# Convolutions -------------------------------------------------------------------------------------------------------

WIDE = 64  # with so many channels in and out, or more, a CPU is faster with matrix products


def convolved(
    x: Float[AnyArray, "b H W c"], kernel: Float[AnyArray, "k k c d"], stride: int = 1
) -> Float[jax.Array, "b _H _W d"]:
    """A convolution without padding.

    [b, H, W, c], kernel [k, k, c, d] -> [b, (H - k) / stride + 1, (W - k) / stride + 1, d], rounded down.
    """
    if jax.default_backend() == "cpu" and min(kernel.shape[2:]) >= WIDE:
        return products(x, kernel, stride)
    return lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def products(
    x: Float[AnyArray, "b H W c"], kernel: Float[AnyArray, "k k c d"], stride: int = 1
) -> Float[jax.Array, "b _H _W d"]:
    """`convolved` as one matrix product for each row of the kernel."""
    size, _, _, features = kernel.shape
    height, width = ((length - size) // stride * stride + 1 for length in x.shape[1:3])
    rows = (jnp.concatenate([x[:, i : i + height : stride, j : j + width : stride] for j in range(size)], -1)
            @ kernel[i].reshape(-1, features) for i in range(size))
    return functools.reduce(jnp.add, rows)


class Conv(nn.Module):
    """A convolution with a bias, padded with zeros: [b, H, W, c] -> [b, H', W', features]."""

    features: int
    size: int
    stride: int = 1
    padding: int = 0
    dtype: DTypeLike = jnp.float32
    kernel_init: nn.initializers.Initializer = _SMALL

    @nn.compact
    def __call__(self, x: Float[AnyArray, "b H W c"]) -> Float[jax.Array, "b _H _W {self.features}"]:
        kernel = self.param("kernel", self.kernel_init, (self.size, self.size, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        by = (self.padding, self.padding)
        x = jnp.pad(x.astype(self.dtype), ((0, 0), by, by, (0, 0)))
        return convolved(x, kernel.astype(self.dtype), self.stride) + bias.astype(self.dtype)


class Up(nn.Module):
    """A transposed convolution of 3 x 3 and stride 2, as PyTorch's with padding 1 and output padding 1.

    [b, H, W, c] -> [b, 2 H, 2 W, features]. Along each axis an output at an even position depends on one position of
    the input, and the odd one after it on that position and the next. So the four outputs at even or odd rows and
    columns are channels of one convolution of 2 x 2. (The gradient of XLA's own transposed convolution takes a CPU
    thirty times as long.)
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[AnyArray, "b H W c"]) -> Float[jax.Array, "b 2*H 2*W {self.features}"]:
        kernel = self.param("kernel", _SMALL, (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        taps = jnp.array([[[0, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 1]]], kernel.dtype)  # [even or odd, input, 3]
        four = jnp.einsum("asi,btj,ijcd->stcabd", taps, taps, kernel)
        x = jnp.pad(x.astype(self.dtype), ((0, 0), (0, 1), (0, 1), (0, 0)))
        x = convolved(x, four.reshape(2, 2, x.shape[-1], -1).astype(self.dtype))
        batch, height, width, _ = x.shape
        x = x.reshape(batch, height, width, 2, 2, self.features).transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(batch, 2 * height, 2 * width, self.features) + bias.astype(self.dtype)


# Networks -----------------------------------------------------------------------------------------------------------


class ResNet(nn.Module):
    """Translates images: a quarter of the resolution, residual blocks, full resolution again.

    [b, H, W, c], H and W multiples of 4 -> [b, H, W, 1] in -1..1. A condition [b, k] is added to the features of every
    block, behind their norm: the norm would take constant channels away.
    """

    width: int = 64
    blocks: int = 9
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[AnyArray, "b H W c"], condition: Float[AnyArray, "b k"] | None = None
    ) -> Float[jax.Array, "b H W 1"]:
        def conv(features: int, size: int, stride: int = 1, padding: int = 0):
            return Conv(features, size, stride, padding, self.dtype)

        x = nn.relu(instance_norm(conv(self.width, 7)(reflected(x.astype(self.dtype), 3))))
        for k in (2, 4):
            x = nn.relu(instance_norm(conv(k * self.width, 3, 2, 1)(x)))
        for _ in range(self.blocks):
            h = instance_norm(conv(4 * self.width, 3)(reflected(x, 1)))
            if condition is not None:
                h += nn.Dense(4 * self.width, dtype=self.dtype)(condition)[:, None, None]
            h = nn.relu(h)
            x = x + instance_norm(conv(4 * self.width, 3)(reflected(h, 1)))
        for k in (2, 1):
            x = nn.relu(instance_norm(Up(k * self.width, self.dtype)(x)))
        return jnp.tanh(conv(1, 7)(reflected(x, 3)).astype(jnp.float32))


class PatchGAN(nn.Module):
    """A score for each patch of 70 x 70: [b, H, W, c], H and W multiples of 8 -> [b, H / 8 - 2, W / 8 - 2]."""

    width: int = 64
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[AnyArray, "b H W c"]) -> Float[jax.Array, "b H//8-2 W//8-2"]:
        x = x.astype(self.dtype)
        for layer, (k, stride) in enumerate(((1, 2), (2, 2), (4, 2), (8, 1))):
            x = Conv(k * self.width, 4, stride, 1, self.dtype)(x)
            x = nn.leaky_relu(instance_norm(x) if layer else x, 0.2)
        x = Conv(1, 4, 1, 1, self.dtype)(x)
        return x[..., 0].astype(jnp.float32)
