import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.nn import recurrent
from musicfusion.nn.recurrent import GRU, BiGRU, GRUCell, Linear, RecurrentEncoder

BATCH, STEPS, INPUTS, SIZE = 3, 7, 5, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def torch_gru(x, h, w_ih, w_hh, b_ih, b_hh):
    """torch.nn.GRU's equations, two biases and matrices [3H, i]. x [T, i], h [H] -> [T, H]."""
    states = []
    for row in x:
        from_x, from_h = w_ih @ row + b_ih, w_hh @ h + b_hh
        (xr, xz, xn), (hr, hz, hn) = np.split(from_x, 3), np.split(from_h, 3)
        reset, update = sigmoid(xr + hr), sigmoid(xz + hz)
        new = np.tanh(xn + reset * hn)
        h = (1 - update) * new + update * h
        states.append(h)
    return np.stack(states)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(BATCH, STEPS, INPUTS)).astype(np.float32)


def test_a_gru_computes_what_torch_computes_once_its_two_biases_are_added(x):
    rng = np.random.default_rng(1)
    w_ih, w_hh = rng.normal(size=(3 * SIZE, INPUTS)), rng.normal(size=(3 * SIZE, SIZE))
    b_ih, b_hh = rng.normal(size=3 * SIZE), rng.normal(size=3 * SIZE)
    start = rng.normal(size=(BATCH, SIZE))
    merged = b_ih + np.concatenate([b_hh[: 2 * SIZE], np.zeros(SIZE)])
    cell = {"wi": w_ih.T, "wh": w_hh.T, "bi": merged, "bhn": b_hh[2 * SIZE :]}
    params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), {"params": {"cell": cell}})
    outputs, last = GRU(SIZE).apply(params, x, jnp.asarray(start, jnp.float32))
    expected = np.stack(
        [torch_gru(*row, w_ih, w_hh, b_ih, b_hh) for row in zip(x, start, strict=True)]
    )
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(last, expected[:, -1], atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_steps_beyond_a_rows_length_do_not_count(x, reverse):
    gru = GRU(SIZE, reverse)
    params = jax.jit(gru.init)(jax.random.key(0), x)
    lengths = jnp.array([7, 4, 1])
    outputs, last = gru.apply(params, x, lengths=lengths)
    for row, length in enumerate(lengths):
        alone, end = gru.apply(params, x[row : row + 1, :length])
        np.testing.assert_allclose(outputs[row, :length], alone[0], atol=1e-6)
        np.testing.assert_allclose(last[row], end[0], atol=1e-6)


def test_in_reverse_the_last_state_is_that_of_the_first_step(x):
    gru = GRU(SIZE, reverse=True)
    params = jax.jit(gru.init)(jax.random.key(0), x)
    outputs, last = gru.apply(params, x)
    turned, _ = GRU(SIZE).apply(params, x[:, ::-1])
    np.testing.assert_allclose(outputs, turned[:, ::-1], atol=1e-6)
    np.testing.assert_array_equal(last, outputs[:, 0])


def test_both_directions_are_two_grus(x):
    model = BiGRU(SIZE)
    params = jax.jit(model.init)(jax.random.key(0), x)
    lengths = jnp.array([7, 4, 1])
    outputs, last = model.apply(params, x, lengths)
    for direction, reverse in enumerate([False, True]):
        own = jax.tree.map(lambda a, i=direction: a[i], params)
        expected, end = GRU(SIZE, reverse).apply(own, x, lengths=lengths)
        part = slice(direction * SIZE, (direction + 1) * SIZE)
        for row, length in enumerate(lengths):
            np.testing.assert_allclose(
                outputs[row, :length, part], expected[row, :length], atol=1e-6
            )
        np.testing.assert_allclose(last[:, part], end, atol=1e-6)


def test_an_input_in_parts_projects_like_the_whole(x):
    cell = GRUCell((2, 3), SIZE)
    params = cell.init(jax.random.key(0))
    parts = cell.apply(params)
    whole = GRUCell((5,), SIZE).apply(params)
    split = parts.project(x[..., :2], 0) + parts.project(x[..., 2:], 1)
    np.testing.assert_allclose(split, whole.project(x), atol=1e-6)


def test_the_scan_holds_no_product_but_that_of_the_state(x):
    gru = GRU(SIZE)
    params = jax.jit(gru.init)(jax.random.key(0), x)
    jaxpr = jax.make_jaxpr(lambda x: gru.apply(params, x))(x)
    loops = [e for e in jaxpr.eqns if e.primitive.name == "scan"]
    inside = str(loops[0].params["jaxpr"]).count("dot_general")
    assert (len(loops), inside, str(jaxpr).count("dot_general")) == (1, 1, 2)


def test_weights_start_in_torchs_range():
    cell = GRUCell((50,), 100).init(jax.random.key(0))["params"]
    dense = Linear(25, 1000).init(jax.random.key(0))["params"]
    for array, bound in [*((a, 0.1) for a in cell.values()), *((a, 0.2) for a in dense.values())]:
        assert 0.95 * bound < np.abs(array).max() <= bound


def test_bfloat16_products_keep_float32_parameters_and_results(x):
    exact, rough = RecurrentEncoder(SIZE, 6), RecurrentEncoder(SIZE, 6, jnp.bfloat16)
    params = jax.jit(exact.init)(jax.random.key(0), x)
    precise, coarse = jax.jit(exact.apply)(params, x), jax.jit(rough.apply)(params, x)
    for a, b in zip(precise, coarse, strict=True):
        assert b.dtype == jnp.float32
        assert 0 < np.abs(a - b).max() < 0.05
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(rough.apply(p, x)[0])))(params)
    assert all(g.dtype == jnp.float32 and np.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_a_posteriors_std_is_clamped(x):
    encoder = RecurrentEncoder(SIZE, 6)
    params = jax.jit(encoder.init)(jax.random.key(0), x)
    for bias, expected in [(-1e6, np.exp(-6.0)), (1e6, np.exp(3.0))]:
        params["params"]["log_variance"]["bias"] = jnp.full(6, bias)
        np.testing.assert_allclose(encoder.apply(params, x)[1], expected, rtol=1e-5)


def test_the_logistic_teacher_has_the_published_values():
    values = [float(recurrent.logistic_teacher(i, high=0.6)) for i in (0, 0.25, 0.5, 0.75, 1)]
    np.testing.assert_allclose(values, [0.596, 0.555, 0.3, 0.046, 0.004], atol=1e-3)
    assert float(recurrent.logistic_teacher(1, 0.8, low=0.1)) == pytest.approx(0.1047, abs=1e-4)


def test_the_inverse_sigmoid_teacher_has_the_published_values():
    values = [float(recurrent.inverse_sigmoid_teacher(i)) for i in (0, 3000, 6908, 10_000, 10**7)]
    np.testing.assert_allclose(values, [0.999, 0.98, 0.5, 0.04, 0], atol=5e-3)


def test_an_lstm_goes_by_torchs_equations_and_reads_parts_as_one_input():
    rng = np.random.default_rng(0)
    wi, wh, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 16), (4, 16), (16,)))
    parts = jnp.asarray(wi[:3]), jnp.asarray(wi[3:])
    cell = recurrent.MemoryCell(parts, jnp.asarray(wh), jnp.asarray(bias), jnp.float32)
    x = rng.normal(size=(7, 2, 5)).astype(np.float32)
    h, c = np.zeros((2, 2, 4))
    state = cell.start(2)
    for row in x:
        i, f, g, o = np.split(row @ wi + h @ wh + bias, 4, -1)  # torch.nn.LSTM's order, its two biases as one
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        state = cell.step(state, cell.project(row[:, :3]) + cell.project(row[:, 3:], 1) + cell.bias)
        np.testing.assert_allclose(state[0], h, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(state[1], c, rtol=1e-4, atol=1e-5)


def test_an_lstm_reads_a_sequence_from_nothing_and_its_forget_gate_starts_open():
    made = recurrent.LSTMCell((3,), 4)
    params = made.init(jax.random.key(0))
    np.testing.assert_array_equal(np.split(params["params"]["bias"], 4), [[0] * 4, [1] * 4, [0] * 4, [0] * 4])
    cell = made.apply(params)
    x = jax.random.normal(jax.random.key(1), (5, 2, 3))
    state, outputs = cell.start(2), []
    for row in x:
        state = cell.step(state, cell.project(row) + cell.bias)
        outputs.append(state[0])
    np.testing.assert_allclose(cell.read(x), outputs, rtol=1e-5, atol=1e-6)
