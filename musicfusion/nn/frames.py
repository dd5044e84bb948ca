"""Networks over time, for which a mel-spectrogram's bands are channels: every step sees all of them.

Inputs are [b, T, M, c], as in nn.images; each convolution is one matrix product. The generator is that of CycleGAN-VC
(Kaneko and Kameoka, EUSIPCO 2018) without its gates; the discriminator is a PatchGAN (Isola et al., CVPR 2017) along
time.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Float

from musicfusion.core.arrays import AnyArray


def windows(
    x: Float[AnyArray, "b T c"], size: int, stride: int = 1, dilation: int = 1
) -> Float[jax.Array, "b T//{stride} {size}*c"]:
    """The inputs of a convolution over time at each of its steps: [b, T, c] -> [b, T / stride, size * c].

    T is a multiple of `stride`. The first and the last frame are repeated outwards.
    """
    reach = dilation * (size - 1) + 1 - stride
    padded = jnp.pad(x, ((0, 0), (reach // 2, reach - reach // 2), (0, 0)), mode="edge")
    last = (x.shape[1] // stride - 1) * stride + 1
    return jnp.concatenate([lax.slice_in_dim(padded, first, first + last, stride, 1)
                            for first in range(0, size * dilation, dilation)], -1)


class FrameNet(nn.Module):
    """Translates mel-spectrograms: half the time resolution, residual blocks, full resolution again.

    [b, T, M, c], T even -> [b, T, M, 1] in -1..1. Each norm is over the features of one step, so a frame depends on
    those around it and on nothing far away. A condition [b, k] is added to the features of every block.
    """

    width: int = 192
    blocks: int = 6
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[AnyArray, "b T M c"], condition: Float[AnyArray, "b k"] | None = None
    ) -> Float[jax.Array, "b T M 1"]:
        def dense(features: int):
            return nn.Dense(features, dtype=self.dtype)

        batch, length, bands, channels = x.shape
        x = dense(self.width)(windows(x.reshape(batch, length, bands * channels).astype(self.dtype), 4, 2))
        for block in range(self.blocks):
            h = dense(self.width)(windows(nn.LayerNorm(dtype=self.dtype)(x), 5, dilation=2 ** (block % 3)))
            if condition is not None:
                h += dense(self.width)(condition)[:, None]
            x = x + dense(self.width)(nn.relu(h))
        x = nn.relu(dense(2 * self.width)(nn.LayerNorm(dtype=self.dtype)(x))).reshape(batch, length, self.width)
        return jnp.tanh(dense(bands)(windows(x, 3)).astype(jnp.float32))[..., None]


class FramePatchGAN(nn.Module):
    """A score for each patch of 70 frames, all bands of it: [b, T, M, c], T a multiple of 8 -> [b, T / 8]."""

    width: int = 64
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[AnyArray, "b T M c"]) -> Float[jax.Array, "b T//8"]:
        x = x.reshape(*x.shape[:2], -1).astype(self.dtype)
        for k, stride in ((1, 2), (2, 2), (4, 2), (8, 1)):
            x = nn.leaky_relu(nn.Dense(k * self.width, dtype=self.dtype)(windows(x, 4, stride)), 0.2)
        return nn.Dense(1, dtype=self.dtype)(windows(x, 4))[..., 0].astype(jnp.float32)
