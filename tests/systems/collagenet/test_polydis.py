import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion.codecs import chords, pianotree, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales
from musicfusion.systems.collagenet import polydis

ROWS = 8
SMALL = polydis.PolyDis(
    chord=10,
    texture=14,
    encoder=24,
    channels=4,
    texture_features=16,
    chord_hidden=24,
    chord_input=8,
    notes={"embedding": 12, "z_input": 8, "time": 32, "note": 24, "duration": 8},
    ceilings=(1.0, 1.0, 1.0),
    normalise="segment",
)
KEY = jax.random.key(5)
TERMS = ("pitch", "duration", "root", "chroma", "bass")


def everything(model, batch, key=KEY, teacher=1.0):
    mean, _ = model.encode(batch)
    return model.losses(mean, batch, key, teacher), model.decode(mean)


def terms_only(model, batch, key=KEY, teacher=1.0):
    mean, _ = model.encode(batch)
    return model.losses(mean, batch, key, teacher)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def batch():
    """Eight real segments, each from another place of the chorales."""
    corpus = chorales.read(6)
    starts, _ = corpus.windows(8, 1)
    starts = starts[:: len(starts) // ROWS][:ROWS, None]
    steps, beats = starts * 4 + np.arange(32), starts + np.arange(8)
    return {
        "pitch": jnp.asarray(corpus.arrays["pitch"][steps]),
        "duration": jnp.asarray(polyphony.cut(corpus.arrays["duration"][steps])),
        "chords": jnp.asarray(corpus.arrays["chords"][beats].astype(np.int32)),
    }


@pytest.fixture(scope="module")
def params(batch):
    """Random parameters by NumPy: compiling the real initialisers takes longer than the tests."""
    shapes = jax.eval_shape(lambda: SMALL.init(KEY, batch, method=everything))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def losses():
    """losses(params, batch, teacher, key) at the posterior mean, compiled once."""
    run = jax.jit(lambda p, b, t, k: SMALL.apply(p, b, k, t, method=terms_only))
    return lambda params, batch, teacher, key=KEY: run(params, batch, jnp.float32(teacher), key)


@pytest.fixture(scope="module")
def value_and_gradient(batch):
    """Of the mean loss, as a function of (params, key, teacher), compiled once."""

    def loss(params, key, teacher):
        terms = SMALL.apply(params, batch, key, teacher, method=terms_only)
        return jnp.mean(sum(terms.values()))

    return jax.jit(jax.value_and_grad(loss))


@pytest.fixture(scope="module")
def decode():
    return jax.jit(lambda params, z: SMALL.apply(params, z, method="decode"))


@pytest.fixture(scope="module")
def latents():
    return jax.random.normal(jax.random.key(1), (ROWS, 24))


@pytest.mark.parametrize(
    ("preset", "total", "parts", "aspects"),
    [
        ("polydis", 27_310_079, (7_574_016, 9_473_442, 8_802_569, 1_460_052), (256, 256)),
        ("collagenet", 120_159_917, (29_828_096, 48_351_952, 36_307_337, 5_672_532), (512, 1024)),
    ],
)
def test_the_published_sizes_have_the_published_parameter_counts(preset, total, parts, aspects):
    model = polydis.create(preset)
    zeros = jnp.zeros((1, 32, 14), jnp.int32)
    segment = {"pitch": zeros, "duration": zeros, "chords": jnp.zeros((1, 8, 3), jnp.int32)}
    shapes = jax.eval_shape(lambda: model.init(KEY, segment, method=everything))["params"]
    assert count(shapes) == pytest.approx(total, rel=1e-3)
    names = ("chord_encoder", "texture_encoder", "note_decoder", "chord_decoder")
    for name, expected in zip(names, parts, strict=True):
        assert count(shapes[name]) == pytest.approx(expected, rel=1e-3)
    assert tuple(model.aspects.items()) == (("chord", aspects[0]), ("texture", aspects[1]))


def test_an_unknown_preset_is_named():
    with pytest.raises(MusicFusionError, match="polydis or collagenet"):
        polydis.create("polydys")


def test_losses_are_nats_an_example(params, batch, losses):
    terms = losses(params, batch, 1.0)
    assert {name: term.shape for name, term in terms.items()} == dict.fromkeys(TERMS, (ROWS,))
    notes = np.count_nonzero(batch["duration"], (1, 2))
    np.testing.assert_allclose(terms["pitch"], (notes + 32) * np.log(130), rtol=0.1)
    np.testing.assert_allclose(terms["duration"], notes * 5 * np.log(2), rtol=0.3)
    np.testing.assert_allclose(terms["chroma"], 96 * np.log(2), rtol=0.1)


def test_the_papers_losses_are_weighted_means_over_tokens_and_ceilings_bound_the_teacher(
    params, batch, losses
):
    paper = SMALL.clone(normalise="paper", ceilings=(0.0, 0.0, 0.0))
    means = jax.jit(lambda p: paper.apply(p, batch, teacher=1.0, method=terms_only))(params)
    notes = int(np.count_nonzero(batch["duration"]))
    tokens = {"pitch": notes + 32 * ROWS, "duration": notes * 5, "chroma": 96 * ROWS}
    for name, whole in losses(params, batch, 0.0).items():
        weight = 0.5 if name == "duration" else 1.0
        expected = weight * float(jnp.sum(whole)) / tokens.get(name, 8 * ROWS)
        np.testing.assert_allclose(means[name], np.full(ROWS, expected), rtol=1e-5)


def test_examples_do_not_influence_each_other(params, batch, losses):
    turned = {name: jnp.roll(array, 3, 0) for name, array in batch.items()}
    for teacher in (0.0, 0.5):
        straight, moved = losses(params, batch, teacher), losses(params, turned, teacher)
        for name in TERMS:
            np.testing.assert_allclose(jnp.roll(straight[name], 3), moved[name], rtol=1e-4)


def test_the_teacher_changes_what_is_fed(params, batch, losses):
    taught, free = losses(params, batch, 1.0), losses(params, batch, 0.0)
    for name in TERMS:
        assert np.abs(taught[name] - free[name]).max() > 1e-3
    half = [losses(params, batch, 0.5, jax.random.key(i)) for i in range(2)]
    for name in TERMS:
        assert np.abs(half[0][name] - half[1][name]).max() > 1e-4


def test_the_teacher_changes_the_gradient(params, value_and_gradient):
    taught, free = (value_and_gradient(params, KEY, teacher)[1]["params"] for teacher in (1.0, 0.0))
    for part in (("note_decoder", "note"), ("note_decoder", "summary"), ("chord_decoder", "cell")):
        a, b = (tree[part[0]][part[1]]["wi"] for tree in (taught, free))
        assert np.isfinite(a).all() and np.isfinite(b).all()
        assert np.abs(a - b).max() > 1e-3


def test_taught_throughout_nothing_depends_on_decoded_notes_or_chords(
    params, batch, losses, monkeypatch
):
    def last(x, axis, keepdims=False):
        shape = (*x.shape[:-1], 1) if keepdims else x.shape[:-1]
        return jnp.full(shape, x.shape[-1] - 1, jnp.int32)

    taught, free = losses(params, batch, 1.0), losses(params, batch, 0.0)  # traced before the lie
    monkeypatch.setattr(jnp, "argmax", last)
    lying = jax.jit(lambda t: SMALL.apply(params, batch, KEY, t, method=terms_only))
    for name in ("pitch", "root", "chroma", "bass"):  # bits are always fed back
        np.testing.assert_allclose(lying(1.0)[name], taught[name], rtol=1e-6)
        assert np.abs(lying(0.0)[name] - free[name]).max() > 1e-4


def test_the_texture_encoder_reads_each_beat_alone(params, batch):
    matrix = polyphony.duration_matrix(batch["pitch"], batch["duration"], jnp)
    changed = matrix.at[:, 28:, 30:90].add(3.0)

    def beats(model, matrix):
        return model.texture_encoder.beats(matrix)

    before, after = (SMALL.apply(params, m, method=beats) for m in (matrix, changed))
    assert before.shape == (ROWS, 8, 16)
    np.testing.assert_array_equal(before[:, :7], after[:, :7])
    assert np.abs(before[:, 7] - after[:, 7]).min(axis=1).max() > 0


def test_an_example_decodes_alike_whatever_the_others_are(params, latents, decode):
    together = decode(params, latents)
    others = decode(params, latents.at[4:].multiply(-2.0))
    for name, array in together.items():
        np.testing.assert_array_equal(array[:4], others[name][:4])
    assert (together["chords"][4:] != others["chords"][4:]).any()


def test_a_decoded_chord_is_fed_back_in_the_order_of_the_data():
    logits = np.full((2, 48), -1.0)
    for row, (root, bass, tones) in enumerate([(7, 11, (7, 11, 2)), (0, 4, (0, 4, 7))]):
        logits[row, root] = logits[row, 12 + bass] = 1
        logits[row, [24 + 2 * tone + (tone in tones) for tone in range(12)]] = 1
    rows = np.array([[7, 11, 1 << 7 | 1 << 11 | 1 << 2], [0, 4, 1 << 0 | 1 << 4 | 1 << 7]])
    fed = polydis._greedy_chord(jnp.asarray(logits))
    np.testing.assert_array_equal(fed, chords.vectors(rows))


def test_decoding_gives_slots_and_chord_rows(params, latents, decode):
    decoded = decode(params, latents)
    assert decoded["pitch"].shape == decoded["duration"].shape == (ROWS, 32, 14)
    assert decoded["pitch"].dtype == decoded["duration"].dtype == jnp.uint8
    assert decoded["chords"].shape == (ROWS, 8, 3) and decoded["chords"].dtype == jnp.int32
    pitch, duration = np.asarray(decoded["pitch"], int), np.asarray(decoded["duration"], int)
    assert (np.arange(32)[:, None] + duration <= 32).all()
    filled = duration > 0
    assert (filled[..., :-1] >= filled[..., 1:]).all()
    assert (pitch[..., 1:] > pitch[..., :-1])[filled[..., 1:]].all()


@pytest.mark.parametrize("said", [60, pianotree.EOS])
def test_a_decoder_that_never_or_always_says_eos_still_decodes(params, latents, decode, said):
    bias = jnp.zeros(130).at[said].set(1e4)
    stubborn = jax.tree.map(lambda a: a, params)
    stubborn["params"]["note_decoder"]["pitch"]["bias"] = bias
    notes = (np.asarray(decode(stubborn, latents)["duration"]) > 0).sum(-1)
    assert (notes == (1 if said == 60 else 0)).all()  # fourteen times the same pitch is one note


def test_a_small_model_learns_eight_segments_by_heart(params, value_and_gradient):
    optimizer = optax.adam(1e-2)
    state, update, values = optimizer.init(params), jax.jit(optimizer.update), []
    for key in jax.random.split(KEY, 60):
        value, gradient = value_and_gradient(params, key, 0.7)
        updates, state = update(gradient, state)
        params = optax.apply_updates(params, updates)
        values.append(float(value))
    assert values[-1] < values[0] / 2


def test_bfloat16_products_give_nearly_the_same_losses(params, batch, losses):
    rough = SMALL.clone(dtype=jnp.bfloat16)
    run = jax.jit(lambda p: rough.apply(p, batch, method=terms_only))
    exact = losses(params, batch, 1.0)
    for name, term in run(params).items():
        assert term.dtype == jnp.float32
        np.testing.assert_allclose(term, exact[name], rtol=0.05)
        assert np.abs(term - exact[name]).max() > 0


def test_the_teacher_falls_from_nearly_one_to_nearly_none():
    schedule = [float(SMALL.teacher(fraction)) for fraction in (0, 0.5, 1)]
    np.testing.assert_allclose(schedule, [0.9933, 0.5, 0.0067], atol=1e-4)
