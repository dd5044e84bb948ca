import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion.codecs import melody, pianotree, polyphony
from musicfusion.latent import vae
from musicfusion.systems.collagenet import dataset
from musicfusion.systems.collagenet.latent_space import reconstruction_counts
from musicfusion.systems.collagenet.vanilla import (
    PianoTreeVAE,
    PlainAccompanimentVAE,
    PlainMelodyVAE,
    RecurrentMelodyVAE,
)

EXAMPLES = 16
KEY = jax.random.key(5)
PIANOTREE = PianoTreeVAE(24, 12, {"notes": 16, "time": 16}, {"z_input": 8, "time": 32, "note": 24, "duration": 8})
MODELS = {
    "plain melody": PlainMelodyVAE(width=32, depth=1, melody=48),
    "recurrent melody": RecurrentMelodyVAE(hidden=48, melody=20),
    "plain accompaniment": PlainAccompanimentVAE(width=32, depth=1, accompaniment=96),
    "pianotree": PIANOTREE,
}
TERMS = {
    "plain melody": {"melody"}, "recurrent melody": {"melody"},
    "plain accompaniment": {"onsets", "durations"}, "pianotree": {"pitch", "duration"},
}
NATS_A_SEGMENT = [name for name in MODELS if name != "pianotree"]  # its terms are means over the batch


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def batch(corpus):
    """Sixteen real segments from all over the chorales."""
    starts, _ = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0).windows(corpus, "train")
    starts = starts[:: len(starts) // EXAMPLES][:EXAMPLES]
    arrays = jax.tree.map(jnp.asarray, dict(corpus.arrays))
    return jax.device_get(dataset.cut(arrays, jnp.asarray(starts), jnp.zeros_like(starts)))


@pytest.fixture(scope="module")
def params(batch):
    """Random parameters by NumPy: compiling the real initialisers takes longer than the tests."""
    rng = np.random.default_rng(0)

    def draw(model):
        shapes = jax.eval_shape(lambda: vae.init(model, KEY, batch))
        return {"params": jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), shapes)}

    return {name: draw(model) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def run():
    """run(name, method, params, *args), compiled once for each model and method."""

    def apply(name, method, params, *args):
        return MODELS[name].apply(params, *args, method=method)

    compiled = jax.jit(apply, static_argnums=(0, 1))
    return lambda *args: jax.device_get(compiled(*args))


@pytest.fixture(scope="module")
def value_and_gradient(batch):
    """name -> (loss at a sample of the posterior, its gradient) as a function of (params, key, teacher)."""

    def of(model):
        def loss(params, key, teacher):
            mean, std = model.apply(params, batch, method="encode")
            z = mean + std * jax.random.normal(key, mean.shape)
            terms = model.apply(params, z, batch, key, teacher, method="losses")
            return jnp.mean(sum(terms.values()))

        return jax.jit(jax.value_and_grad(loss))

    return {name: of(model) for name, model in MODELS.items()}


# The models ----------------------------------------------------------------------------------------------------------


def test_pianotree_vae_has_the_published_parameters_less_the_second_bias_of_its_gates():
    shapes = jax.eval_shape(lambda: vae.init(PianoTreeVAE(), KEY, dataset.silence(1)))
    assert count(shapes) == pytest.approx(13_596_937, rel=1e-3)
    cells = [leaf for path, leaf in jax.tree.leaves_with_path(shapes) if "'bhn'" in jax.tree_util.keystr(path)]
    assert len(cells) == 6  # reset and update have one bias in place of torch's two
    assert count(shapes) + 2 * count(cells) == 13_596_937


@pytest.mark.parametrize("name", MODELS)
def test_encode_losses_and_decode_keep_the_contract(name, batch, params, run):
    model = MODELS[name]
    part = "melody" if "melody" in name else "accompaniment"
    assert tuple(model.aspects) == (part,)
    mean, std = run(name, "encode", params[name], batch)
    assert mean.shape == std.shape == (EXAMPLES, model.aspects[part])
    assert mean.dtype == std.dtype == np.float32 and (std > 0).all()
    assert len(np.unique(mean, axis=0)) == EXAMPLES
    terms = run(name, "losses", params[name], mean, batch, KEY, 1.0)
    assert {term: value.shape for term, value in terms.items()} == dict.fromkeys(TERMS[name], (EXAMPLES,))
    assert all(np.isfinite(value).all() and (value > 0).all() for value in terms.values())
    made = run(name, "decode", params[name], mean)
    if part == "melody":
        assert set(made) == {"tokens", "rhythm"}
        assert made["tokens"].shape == (EXAMPLES, 32) and made["tokens"].dtype == np.int32
        assert made["tokens"].min() >= 0 and made["tokens"].max() < melody.VOCABULARY
        np.testing.assert_array_equal(made["rhythm"], melody.rhythm(made["tokens"]))
    else:
        assert set(made) == {"pitch", "duration"}  # no chords
        pitch, duration = (made[name].astype(int) for name in ("pitch", "duration"))
        assert pitch.shape == duration.shape == (EXAMPLES, 32, polyphony.SLOTS)
        np.testing.assert_array_equal(polyphony.cut(duration), duration)
        filled = duration > 0
        assert filled.any() and (filled[..., :-1] >= filled[..., 1:]).all()
        assert (pitch[..., 1:] > pitch[..., :-1])[filled[..., 1:]].all()


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_reaches_every_parameter(name, params, value_and_gradient):
    loss, gradient = value_and_gradient[name](params[name], KEY, 0.5)
    assert np.isfinite(loss)
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", NATS_A_SEGMENT)
def test_examples_do_not_influence_each_other(name, batch, params, run):
    turned = {part: np.roll(array, 3, 0) for part, array in batch.items()}
    for straight, moved in zip(*(run(name, "encode", params[name], b) for b in (batch, turned)), strict=True):
        np.testing.assert_allclose(np.roll(straight, 3, 0), moved, rtol=1e-4, atol=1e-5)
    mean, _ = run(name, "encode", params[name], batch)
    straight = run(name, "losses", params[name], mean, batch, KEY, 0.5)
    moved = run(name, "losses", params[name], np.roll(mean, 3, 0), turned, KEY, 0.5)
    for term in straight:
        np.testing.assert_allclose(np.roll(straight[term], 3), moved[term], rtol=1e-4)


def learned(params, value_and_gradient, steps, rate):
    """Parameters after so many steps, and the loss of every step."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))
    state, update, values = optimizer.init(params), jax.jit(optimizer.update), []
    for key in jax.random.split(KEY, steps):
        value, gradient = value_and_gradient(params, key, 0.9)
        updates, state = update(gradient, state)
        params = optax.apply_updates(params, updates)
        values.append(float(value))
    return params, values


@pytest.mark.parametrize("name, steps, rate, best", [
    ("plain melody", 50, 5e-3, "onset_accuracy"), ("plain accompaniment", 120, 5e-3, "note_f1")])
def test_a_few_steps_on_real_segments_raise_the_accuracy(name, steps, rate, best, batch, run, value_and_gradient):
    begin = {"params": jax.jit(lambda: vae.init(MODELS[name], KEY, batch))()}
    after, _ = learned(begin, value_and_gradient[name], steps, rate)

    def right(params):
        made = run(name, "decode", params, run(name, "encode", params, batch)[0])
        right, whole = reconstruction_counts(batch, made)[best]
        return right / whole

    assert right(begin) < 0.1 and right(after) > 0.7


@pytest.mark.parametrize("name, steps", [("recurrent melody", 60), ("pianotree", 25)])
def test_a_small_recurrent_model_halves_its_loss(name, steps, params, value_and_gradient):
    _, values = learned(params[name], value_and_gradient[name], steps, 1e-2)
    assert values[-1] < values[0] / 2


@pytest.mark.parametrize("name", ["plain accompaniment", "pianotree"])
def test_chords_are_not_read(name, batch, params, run):
    other = batch | {"chords": np.roll(batch["chords"], 1, 0)}
    mean, _ = run(name, "encode", params[name], batch)
    np.testing.assert_array_equal(run(name, "encode", params[name], other)[0], mean)
    costs = [run(name, "losses", params[name], mean, b, KEY, 1.0) for b in (batch, other)]
    for term in TERMS[name]:
        np.testing.assert_array_equal(costs[0][term], costs[1][term])


def test_pianotrees_loss_is_a_mean_over_tokens_and_weighs_a_durations_bits(batch, params, run):
    nothing = jax.tree.map(np.zeros_like, params["pianotree"])
    terms = run("pianotree", "losses", nothing, np.zeros((EXAMPLES, 24), np.float32), batch, KEY, 1.0)
    np.testing.assert_allclose(terms["pitch"], np.log(130), rtol=1e-5)
    np.testing.assert_allclose(terms["duration"], (1 + 0.6 + 0.4 + 0.3 + 0.3) * np.log(2), rtol=1e-5)
    sure = jax.tree.map(np.array, nothing)  # every bit is 0, with odds of e to 1
    sure["params"]["note_decoder"]["bit"]["bias"][0] = 1.0
    wrong = pianotree.grid_from_slots(batch["pitch"], batch["duration"])[..., 1:]
    ones = np.mean(wrong[wrong[..., 0] < pianotree.NO_BIT], 0)  # how often each bit of a real note is 1
    expected = np.dot([1, 0.6, 0.4, 0.3, 0.3], np.log(1 + np.exp(-1)) + ones)
    terms = run("pianotree", "losses", sure, np.zeros((EXAMPLES, 24), np.float32), batch, KEY, 1.0)
    np.testing.assert_allclose(terms["duration"], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["recurrent melody", "pianotree"])
def test_the_teacher_changes_what_is_fed(name, batch, params, run):
    mean, _ = run(name, "encode", params[name], batch)
    taught, free = (run(name, "losses", params[name], mean, batch, KEY, teacher) for teacher in (1.0, 0.0))
    for term in TERMS[name]:
        assert np.abs(taught[term] - free[term]).max() > 1e-4


def test_the_ceilings_bound_the_teacher(batch, params, run):
    mean, _ = run("pianotree", "encode", params["pianotree"], batch)
    untaught = jax.jit(PIANOTREE.clone(ceilings=(0.0, 0.0)).apply, static_argnames="method")(
        params["pianotree"], mean, batch, KEY, 1.0, method="losses")
    free = run("pianotree", "losses", params["pianotree"], mean, batch, KEY, 0.0)
    for term in TERMS["pianotree"]:
        np.testing.assert_allclose(untaught[term], free[term], rtol=1e-5)
    schedule = [float(PIANOTREE.teacher(fraction)) for fraction in (0, 0.5, 1)]
    np.testing.assert_allclose(schedule, [0.9933, 0.5, 0.0067], atol=1e-4)
