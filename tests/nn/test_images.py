"""ResNet and PatchGAN: their sizes, shapes, and receptive fields."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from musicfusion.nn import images
from musicfusion.nn.images import PatchGAN, ResNet, instance_norm, reflected

KEY = jax.random.key(0)


def count(module, shape):
    return sum(x.size for x in jax.tree.leaves(jax.eval_shape(module.init, KEY, jnp.zeros(shape))["params"]))


@pytest.mark.parametrize(("channels", "resnet", "patchgan"), [(1, 11_365_633, 2_762_689), (3, 11_371_905, 2_764_737)])
def test_the_published_sizes(channels, resnet, patchgan):
    """Those of the public CycleGAN code at one channel; at three, only the inputs have three here."""
    assert count(ResNet(), (1, 256, 256, channels)) == resnet
    assert count(PatchGAN(), (1, 256, 256, channels)) == patchgan


@pytest.mark.parametrize("size", [(64, 64), (32, 128)])
def test_an_image_keeps_its_size_and_bounds(size):
    x = jax.random.normal(KEY, (2, *size, 2))
    y, _ = ResNet(4, 2).init_with_output(KEY, x)
    assert y.shape == (2, *size, 1) and float(jnp.max(jnp.abs(y))) <= 1
    scores = PatchGAN(4).init_with_output(KEY, x)[0]
    assert scores.shape == (2, size[0] // 8 - 2, size[1] // 8 - 2)


def test_a_score_sees_seventy_by_seventy(monkeypatch):
    monkeypatch.setattr(images, "instance_norm", lambda x: x)  # which sees everything
    judge, x = images.PatchGAN(2), jax.random.normal(KEY, (1, 256, 256, 1))
    params = judge.init(KEY, x)
    seen = np.asarray(jax.grad(lambda x: judge.apply(params, x)[0, 15, 15])(x))[0, :, :, 0] != 0
    assert np.ptp(np.flatnonzero(seen.any(1))) + 1 == 70 and np.ptp(np.flatnonzero(seen.any(0))) + 1 == 70
    assert judge.apply(params, x).shape == (1, 30, 30)


def test_instance_norm_is_of_each_image_by_itself():
    x = jax.random.normal(KEY, (2, 8, 8, 3)) * jnp.array([1.0, 5.0])[:, None, None, None] + 2
    found = instance_norm(x)
    np.testing.assert_allclose(jnp.mean(found, (1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(jnp.var(found, (1, 2)), 1, atol=1e-3)
    np.testing.assert_allclose(found[0], instance_norm(x[:1])[0], atol=1e-5)


def test_a_mirrored_border_does_not_repeat_the_edge():
    row = jnp.arange(4.0)[None, None, :, None] * jnp.ones((1, 4, 1, 1))
    assert reflected(row, 2)[0, 2, :, 0].tolist() == [2, 1, 0, 1, 2, 3, 2, 1]


@pytest.mark.parametrize(("size", "stride", "channels", "features"),
                         [(3, 1, 4, 6), (3, 2, 4, 6), (4, 2, 1, 8), (7, 1, 8, 1)])
def test_matrix_products_are_the_convolution_and_have_its_gradients(size, stride, channels, features):
    x = jax.random.normal(KEY, (2, 16, 12, channels))
    kernel = jax.random.normal(KEY, (size, size, channels, features))

    def truth(x, kernel):
        return lax.conv_general_dilated(x, kernel, (stride, stride), "VALID",
                                        dimension_numbers=("NHWC", "HWIO", "NHWC"))

    np.testing.assert_allclose(images.products(x, kernel, stride), truth(x, kernel), atol=1e-4)
    for found, true in zip(*(jax.grad(lambda *a, of=of: jnp.sum(of(*a) ** 2), (0, 1))(x, kernel)
                             for of in (lambda *a: images.products(*a, stride), truth)), strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-4, atol=1e-2)


def test_an_accelerator_runs_its_own_convolutions_to_the_same_end(monkeypatch):
    x = jax.random.normal(KEY, (1, 32, 32, 1))
    nets = ResNet(16, 1), PatchGAN(32)  # with layers that are wide
    params = [net.init(KEY, x) for net in nets]
    before = [net.apply(own, x) for net, own in zip(nets, params, strict=True)]
    monkeypatch.setattr(images, "products", None)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for net, own, y in zip(nets, params, before, strict=True):
        np.testing.assert_allclose(net.apply(own, x), y, atol=1e-4)


def test_up_is_flax_s_transposed_convolution():
    x = jax.random.normal(KEY, (2, 6, 8, 3))
    theirs = nn.ConvTranspose(5, (3, 3), (2, 2), ((1, 2), (1, 2)))
    params = theirs.init(KEY, x)
    np.testing.assert_allclose(images.Up(5).apply(params, x), theirs.apply(params, x), atol=1e-5)


def test_the_output_depends_on_the_condition_despite_the_norms():
    x = jax.random.normal(KEY, (2, 32, 32, 1))
    condition = jnp.array([[-1.0], [1.0]])
    net = ResNet(4, 2)
    params = net.init(KEY, x, condition)
    difference = jnp.abs(net.apply(params, x, condition) - net.apply(params, x, -condition))
    assert float(difference.max()) > 0.01
    constant = jnp.concatenate([x, jnp.broadcast_to(condition[:, None, None], x.shape)], -1)
    params = net.init(KEY, constant)
    negated = constant.at[..., 1].multiply(-1)
    difference = jnp.abs(net.apply(params, constant) - net.apply(params, negated))
    assert float(difference.max()) < 0.01, "but not on a constant channel"
