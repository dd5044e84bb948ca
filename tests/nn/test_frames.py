"""Networks over time: their shapes, what they see, and that their matrix products are convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from musicfusion.nn.frames import FrameNet, FramePatchGAN, windows

KEY = jax.random.key(0)


@pytest.mark.parametrize(("size", "stride", "dilation"), [(4, 2, 1), (5, 1, 4), (3, 1, 1), (4, 1, 1), (1, 1, 1)])
def test_a_matrix_product_with_windows_is_a_convolution(size, stride, dilation):
    x, kernel = jax.random.normal(KEY, (2, 16, 3)), jax.random.normal(KEY, (size, 3, 5))
    reach = dilation * (size - 1) + 1 - stride
    padded = jnp.pad(x, ((0, 0), (reach // 2, reach - reach // 2), (0, 0)), mode="edge")
    truth = lax.conv_general_dilated(padded, kernel, (stride,), "VALID", rhs_dilation=(dilation,),
                                     dimension_numbers=("NWC", "WIO", "NWC"))
    np.testing.assert_allclose(windows(x, size, stride, dilation) @ kernel.reshape(-1, 5), truth, atol=1e-4)
    assert truth.shape[1] == 16 // stride


@pytest.mark.parametrize("size", [(64, 32), (32, 128)])
def test_a_mel_spectrogram_keeps_its_size_and_bounds(size):
    x = jax.random.normal(KEY, (2, *size, 2))
    y, _ = FrameNet(8, 2).init_with_output(KEY, x)
    assert y.shape == (2, size[0], size[1], 1) and float(jnp.max(jnp.abs(y))) <= 1
    assert FramePatchGAN(4).init_with_output(KEY, x)[0].shape == (2, size[0] // 8)


def test_a_score_sees_seventy_steps_and_all_bands():
    judge, x = FramePatchGAN(4), jax.random.normal(KEY, (1, 256, 16, 1))
    params = judge.init(KEY, x)
    seen = np.asarray(jax.grad(lambda x: judge.apply(params, x)[0, 15])(x))[0, :, :, 0] != 0
    assert np.ptp(np.flatnonzero(seen.any(1))) + 1 == 70 and seen.any(0).all()


def test_every_frame_depends_on_all_bands_of_those_around_it():
    net, x = FrameNet(16, 3), jax.random.normal(KEY, (1, 256, 16, 1))
    params = net.init(KEY, x)
    seen = np.asarray(jax.grad(lambda x: net.apply(params, x)[0, 128, 15, 0])(x))[0, :, :, 0] != 0
    frames = np.flatnonzero(seen.any(1))
    assert seen.any(0).all() and frames[0] < 128 < frames[-1] and np.ptp(frames) < 128, "and of nothing far away"


def test_the_output_depends_on_the_condition():
    x, condition = jax.random.normal(KEY, (2, 32, 16, 1)), jnp.array([[-1.0], [1.0]])
    net = FrameNet(8, 2)
    params = net.init(KEY, x, condition)
    assert float(jnp.max(jnp.abs(net.apply(params, x, condition) - net.apply(params, x, -condition)))) > 1e-3
