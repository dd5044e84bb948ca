import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion.codecs import melody
from musicfusion.data import chorales
from musicfusion.systems.collagenet.ec2vae import EC2VAE

ROWS = 8
SMALL = EC2VAE(hidden=48, pitch=12, rhythm=8)
KEY = jax.random.key(5)


def everything(model, batch, key=KEY, teacher=1.0):
    mean, std = model.encode(batch)
    return model.losses(mean, batch, key, teacher), model.decode(mean), std


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def batch():
    """Eight real segments, each from another place of the chorales."""
    corpus = chorales.read(6)
    starts, _ = corpus.windows(8, 1)
    steps = starts[:: len(starts) // ROWS][:ROWS, None] * 4 + np.arange(32)
    return {"melody": jnp.asarray(melody.without_carry(corpus.arrays["melody"][steps], np))}


@pytest.fixture(scope="module")
def params(batch):
    """Random parameters by NumPy: compiling the real initialisers takes longer than the tests."""
    shapes = jax.eval_shape(lambda: SMALL.init(KEY, batch, method=everything))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def losses():
    """losses(params, batch, teacher, key) at the posterior mean, compiled once."""
    run = jax.jit(lambda p, b, t, k: SMALL.apply(p, b, k, t, method=everything)[0])
    return lambda params, batch, teacher, key=KEY: run(params, batch, jnp.float32(teacher), key)


@pytest.fixture(scope="module")
def value_and_gradient(batch):
    """Of the mean loss, as a function of (params, key, teacher), compiled once."""

    def loss(params, key, teacher):
        terms, _, _ = SMALL.apply(params, batch, key, teacher, method=everything)
        return jnp.mean(sum(terms.values()))

    return jax.jit(jax.value_and_grad(loss))


def test_the_published_size_has_the_published_parameter_count():
    segment = {"melody": jnp.zeros((1, 32), jnp.int32)}
    shapes = jax.eval_shape(lambda: EC2VAE().init(KEY, segment, method=everything))
    assert count(shapes) == pytest.approx(82_463_365, rel=1e-3)
    assert EC2VAE().aspects == {"pitch": 128, "rhythm": 128}


def test_losses_are_nats_an_example_and_start_near_those_of_guessing(params, batch, losses):
    terms = losses(params, batch, 1.0)
    assert {name: term.shape for name, term in terms.items()} == dict.fromkeys(
        ("rhythm", "melody"), (ROWS,)
    )
    np.testing.assert_allclose(terms["melody"], 32 * np.log(130), rtol=0.1)
    np.testing.assert_allclose(terms["rhythm"], 32 * np.log(3), rtol=0.3)


def test_examples_do_not_influence_each_other(params, batch, losses):
    turned = {"melody": jnp.roll(batch["melody"], 3, 0)}
    for teacher in (0.0, 0.5):
        straight, moved = losses(params, batch, teacher), losses(params, turned, teacher)
        for name in straight:
            np.testing.assert_allclose(jnp.roll(straight[name], 3), moved[name], rtol=1e-5)


def test_the_teacher_changes_what_is_fed(params, batch, losses):
    taught, free = losses(params, batch, 1.0), losses(params, batch, 0.0)
    for name in taught:
        assert np.abs(taught[name] - free[name]).min() > 1e-4
    half = [losses(params, batch, 0.5, jax.random.key(i))["melody"] for i in range(2)]
    assert np.abs(half[0] - half[1]).max() > 1e-4


def test_the_teacher_changes_the_gradient(params, value_and_gradient):
    taught, free = (value_and_gradient(params, KEY, teacher)[1]["params"] for teacher in (1.0, 0.0))
    for cell in ("rhythm_cell", "melody_cell_1"):
        assert np.abs(taught[cell]["wi"] - free[cell]["wi"]).max() > 1e-3


def test_taught_throughout_nothing_depends_on_the_argmax(params, batch, losses, monkeypatch):
    monkeypatch.setattr(jnp, "argmax", lambda x, axis: jnp.zeros(x.shape[:-1], jnp.int32))
    lying = jax.jit(lambda t: SMALL.apply(params, batch, KEY, t, method=everything)[0])
    for name, honest in losses(params, batch, 1.0).items():
        np.testing.assert_allclose(lying(1.0)[name], honest, rtol=1e-6)
    for name, honest in losses(params, batch, 0.0).items():
        assert np.abs(lying(0.0)[name] - honest).max() > 1e-4


def test_the_melody_learns_of_the_rhythm_latent_through_the_decoded_rhythm(params, batch):
    def loss(z):
        return jnp.sum(SMALL.apply(params, z, batch, KEY, 1.0, method="losses")["melody"])

    gradient = jax.jit(jax.grad(loss))(jnp.ones((ROWS, 20)))
    assert np.abs(gradient[:, 12:]).min() > 0

    def rhythm(z):
        return jnp.sum(SMALL.apply(params, z, batch, KEY, 1.0, method="losses")["rhythm"])

    assert not jax.jit(jax.grad(rhythm))(jnp.ones((ROWS, 20)))[:, :12].any()


def test_decoding_gives_tokens_and_rhythm_symbols(params, batch):
    _, decoded, std = jax.jit(lambda p: SMALL.apply(p, batch, method=everything))(params)
    assert decoded["tokens"].shape == decoded["rhythm"].shape == (ROWS, 32)
    assert decoded["tokens"].dtype == decoded["rhythm"].dtype == jnp.int32
    assert int(decoded["tokens"].max()) < 130 and int(decoded["rhythm"].max()) < 3
    assert (std > 0).all()


def test_a_small_model_learns_eight_segments_by_heart(params, value_and_gradient):
    optimizer = optax.adam(1e-2)
    state, update, values = optimizer.init(params), jax.jit(optimizer.update), []
    for key in jax.random.split(KEY, 60):
        value, gradient = value_and_gradient(params, key, 0.9)
        updates, state = update(gradient, state)
        params = optax.apply_updates(params, updates)
        values.append(float(value))
    assert values[-1] < values[0] / 2


def test_bfloat16_products_give_nearly_the_same_losses(params, batch, losses):
    rough = SMALL.clone(dtype=jnp.bfloat16)
    run = jax.jit(lambda p: rough.apply(p, batch, KEY, 1.0, method=everything)[0])
    exact = losses(params, batch, 1.0)
    for name, term in run(params).items():
        assert term.dtype == jnp.float32
        np.testing.assert_allclose(term, exact[name], rtol=0.02)
        assert np.abs(term - exact[name]).max() > 0


def test_the_teacher_leaves_after_ten_epochs_of_two_hundred():
    schedule = [float(SMALL.teacher(epoch / 200)) for epoch in (0, 5, 10, 200)]
    np.testing.assert_allclose(schedule, [1 - 1e-5, 0.5, 1e-5, 0], atol=2e-6)
    assert float(SMALL.clone(as_shipped=True).teacher(0.7)) == 1.0
