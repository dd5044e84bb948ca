import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from micro import CONFIG, micro_config

from musicfusion import launch, train
from musicfusion.codecs import melody, pianotree, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Results
from musicfusion.latent import vae
from musicfusion.systems.collagenet import methods, nets, segments
from musicfusion.systems.collagenet.actor_critic import controlled
from musicfusion.systems.collagenet.system import SYSTEM
from musicfusion.systems.collagenet.vanilla import (
    PianoTreeVAE,
    PlainAccompanimentVAE,
    PlainMelodyVAE,
    RecurrentMelodyVAE,
)

ROWS = 16
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
NATS_A_ROW = [name for name in MODELS if name != "pianotree"]  # its terms are means over the batch


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def batch(corpus):
    """Sixteen real segments, each from another place of the chorales."""
    starts, _ = segments.windows(corpus, micro_config(), "train", nets.SIDES)
    starts = starts[:: len(starts) // ROWS][:ROWS]
    arrays = jax.tree.map(jnp.asarray, dict(corpus.arrays))
    return jax.device_get(segments.cut(arrays, jnp.asarray(starts), jnp.zeros_like(starts)))


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
    shapes = jax.eval_shape(lambda: vae.init(PianoTreeVAE(), KEY, segments.silence(1)))
    assert count(shapes) == pytest.approx(13_596_937, rel=1e-3)
    cells = [leaf for path, leaf in jax.tree.leaves_with_path(shapes) if "'bhn'" in jax.tree_util.keystr(path)]
    assert len(cells) == 6  # reset and update have one bias in place of torch's two
    assert count(shapes) + 2 * count(cells) == 13_596_937


@pytest.mark.parametrize("name", MODELS)
def test_encode_losses_and_decode_keep_the_contract(name, batch, params, run):
    model = MODELS[name]
    side = "melody" if "melody" in name else "accompaniment"
    assert tuple(model.aspects) == (side,)
    mean, std = run(name, "encode", params[name], batch)
    assert mean.shape == std.shape == (ROWS, model.aspects[side])
    assert mean.dtype == std.dtype == np.float32 and (std > 0).all()
    assert len(np.unique(mean, axis=0)) == ROWS
    terms = run(name, "losses", params[name], mean, batch, KEY, 1.0)
    assert {term: value.shape for term, value in terms.items()} == dict.fromkeys(TERMS[name], (ROWS,))
    assert all(np.isfinite(value).all() and (value > 0).all() for value in terms.values())
    made = run(name, "decode", params[name], mean)
    if side == "melody":
        assert set(made) == {"tokens", "rhythm"}
        assert made["tokens"].shape == (ROWS, 32) and made["tokens"].dtype == np.int32
        assert made["tokens"].min() >= 0 and made["tokens"].max() < melody.VOCABULARY
        np.testing.assert_array_equal(made["rhythm"], melody.rhythm(made["tokens"]))
    else:
        assert set(made) == {"pitch", "duration"}  # no chords: nothing in z says them
        pitch, duration = (made[part].astype(int) for part in ("pitch", "duration"))
        assert pitch.shape == duration.shape == (ROWS, 32, polyphony.SLOTS)
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


@pytest.mark.parametrize("name", NATS_A_ROW)
def test_rows_do_not_hear_of_each_other(name, batch, params, run):
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
        right, whole = nets.reconstructions(batch, made)[best]
        return right / whole

    assert right(begin) < 0.1 and right(after) > 0.7


@pytest.mark.parametrize("name, steps", [("recurrent melody", 60), ("pianotree", 25)])
def test_a_small_recurrent_model_halves_its_loss(name, steps, params, value_and_gradient):
    _, values = learned(params[name], value_and_gradient[name], steps, 1e-2)
    assert values[-1] < values[0] / 2


@pytest.mark.parametrize("name", ["plain accompaniment", "pianotree"])
def test_chords_are_not_heard(name, batch, params, run):
    other = batch | {"chords": np.roll(batch["chords"], 1, 0)}
    mean, _ = run(name, "encode", params[name], batch)
    np.testing.assert_array_equal(run(name, "encode", params[name], other)[0], mean)
    costs = [run(name, "losses", params[name], mean, b, KEY, 1.0) for b in (batch, other)]
    for term in TERMS[name]:
        np.testing.assert_array_equal(costs[0][term], costs[1][term])


def test_pianotrees_loss_is_a_mean_over_tokens_and_weighs_a_durations_bits(batch, params, run):
    nothing = jax.tree.map(np.zeros_like, params["pianotree"])
    terms = run("pianotree", "losses", nothing, np.zeros((ROWS, 24), np.float32), batch, KEY, 1.0)
    np.testing.assert_allclose(terms["pitch"], np.log(130), rtol=1e-5)
    np.testing.assert_allclose(terms["duration"], (1 + 0.6 + 0.4 + 0.3 + 0.3) * np.log(2), rtol=1e-5)
    sure = jax.tree.map(np.array, nothing)  # every bit is said to be 0, with odds of e to 1
    sure["params"]["note_decoder"]["bit"]["bias"][0] = 1.0
    wrong = pianotree.grid_from_slots(batch["pitch"], batch["duration"])[..., 1:]
    ones = np.mean(wrong[wrong[..., 0] < pianotree.NO_BIT], 0)  # how often each bit of a real note is 1
    expected = np.dot([1, 0.6, 0.4, 0.3, 0.3], np.log(1 + np.exp(-1)) + ones)
    terms = run("pianotree", "losses", sure, np.zeros((ROWS, 24), np.float32), batch, KEY, 1.0)
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


# The stages ----------------------------------------------------------------------------------------------------------

OWN = ["melody_vae", "accompaniment_vae", "latents", "fusion"]
COMPARED = ["vanilla_melody_vae", "vanilla_accompaniment_vae", "vanilla_latents", "vanilla_fusion",
            "fusion_0.1", "fusion_0.5", "fusion_2.0", "baseline_critic"]
TINY = {f"{where}{side}_vae__{name}": value for where in ("", "vanilla__") for side in nets.SIDES
        for name, value in (("size__width", 16), ("size__depth", 1), ("steps", 2), ("batch", 8))}
TINY |= {"evaluate__compare": True, "latents__segments": 20, "latents__validation": 10, "latents__transpositions": 2,
         "fusion__actor__width": 16, "fusion__critic__width": 16, "fusion__actor__depth": 1,
         "fusion__critic__depth": 1, "fusion__actor_start": 0, "fusion__steps": 6, "fusion__batch": 8,
         "run__steps_per_dispatch": 2, "run__checkpoint_every": 2, "run__show_every": 0, "run__evaluate_every": 0,
         "run__tensorboard": False}


@pytest.fixture(scope="module")
def config():
    return micro_config(**TINY)


@pytest.fixture(scope="module")
def stages(config):
    return {stage.name: stage for stage in SYSTEM.stages(config)}


@pytest.fixture(scope="module")
def trained(corpus, config, stages, tmp_path_factory):
    """A run in which all that vanilla_fusion needs is trained, for two steps."""
    workdir = tmp_path_factory.mktemp("vanilla")
    for name in stages["vanilla_fusion"].needs:
        train.train_stage(stages[name], config, workdir, corpus, Results(workdir))
    return workdir


def latent_size(config):
    return sum(sum(model.aspects.values()) for model in nets.models(config).values())


def drawn_vaes(config):
    """Random parameters of both VAEs."""
    rng, shapes = np.random.default_rng(1), nets.modules(config)
    return {side: jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), shapes[f"{side}_vae"])
            for side in nets.SIDES}


def names(**changes):
    return [stage.name for stage in SYSTEM.stages(micro_config(**changes))]


def test_what_is_compared_is_trained_only_where_it_is_asked_for():
    alone, compared = names(), names(evaluate__compare=True)
    assert alone[:4] == OWN and not set(alone) & set(COMPARED)
    assert compared[: len(alone)] == alone and compared[len(alone) :] == COMPARED
    modules = nets.modules(micro_config()), nets.modules(micro_config(evaluate__compare=True))
    assert list(modules[0])[:4] == ["melody_vae", "accompaniment_vae", "actor", "critic"]
    more = [name for name in modules[1] if name not in modules[0]]
    assert more == ["vanilla_melody_vae", "vanilla_accompaniment_vae", "vanilla_actor", "vanilla_critic"]


def test_a_stage_has_a_name_that_is_a_file_name_and_needs_only_what_is_trained_before_it(stages):
    before = set()
    for name, stage in stages.items():
        assert re.fullmatch(r"[a-z0-9_.]+", name) and set(stage.needs) <= before
        before.add(name)
    vanilla = COMPARED[:4]
    assert stages["vanilla_fusion"].needs == tuple(vanilla[:3])
    assert stages["baseline_critic"].needs == stages["fusion_0.5"].needs == stages["fusion"].needs == tuple(OWN[:3])


def test_vanilla_has_its_own_vaes_and_all_else_of_the_run(config):
    kept = config.to_dict()
    view = nets.view(config, "vanilla")
    assert view.melody_vae == config.vanilla.melody_vae != config.melody_vae
    assert view.accompaniment_vae == config.vanilla.accompaniment_vae
    for group in ("fusion", "latents", "data", "run", "seed"):
        assert view[group] == config[group]
    assert config.to_dict() == kept
    actor, _ = nets.actor_and_critic(view, nets.models(view))
    assert list(actor.aspects) == ["melody", "accompaniment"]
    assert controlled(actor.aspects) == ()


@pytest.mark.parametrize("variant", ["quick", "lite", "paper", "paper_polydis"])
def test_every_variant_has_vanilla_vaes_with_a_weight_for_their_kl(variant):
    view = nets.view(launch._load(f"{CONFIG}:{variant}"), "vanilla")
    for side, model in nets.models(view).items():
        assert list(model.aspects) == [side] == list(view[f"{side}_vae"].kl)
    if variant.startswith("paper"):
        assert nets.models(view) == {"melody": RecurrentMelodyVAE(), "accompaniment": PianoTreeVAE()}


def test_the_sweep_names_every_lambda_in_order_and_the_runs_own_is_its_fusion():
    one, half = nets.sweep(micro_config(fusion__distance=1.0)), nets.sweep(micro_config(fusion__distance=0.5))
    assert one == [(0.1, "fusion_0.1"), (0.5, "fusion_0.5"), (1.0, "fusion"), (2.0, "fusion_2.0")]
    assert half == [(0.1, "fusion_0.1"), (0.5, "fusion"), (2.0, "fusion_2.0")]
    assert "fusion_0.5" not in names(evaluate__compare=True, fusion__distance=0.5)


@pytest.mark.parametrize("lambdas", [(-1.0,), ("a",)])
def test_a_lambda_that_is_no_number_from_0_is_refused(lambdas):
    with pytest.raises(MusicFusionError, match="accepted are numbers from 0"):
        names(evaluate__compare=True, compare__lambdas=lambdas)


@pytest.mark.parametrize("side, needed", [("melody", "pitch from rhythm"), ("accompaniment", "chord from texture")])
def test_a_model_without_aspects_is_refused_where_users_steer(side, needed):
    config = micro_config()
    config[f"{side}_vae"] = config.vanilla[f"{side}_vae"]
    with pytest.raises(MusicFusionError, match=f"{side}_vae.model = 'plain' does not tell {needed}"):
        SYSTEM.stages(config)


def test_prefixed_results_are_those_of_the_stages_with_the_prefix(trained, config):
    results = Results(trained)
    under = nets.prefixed(results, "vanilla_")
    for name in ("melody_vae", "accompaniment_vae", "latents"):
        assert under.has(name) and not results.has(name)
        assert under.step(name) == results.step(f"vanilla_{name}") > 0
    assert not under.has("fusion")
    assert under("latents")["sbar"].shape == (latent_size(nets.view(config, "vanilla")),)
    np.testing.assert_array_equal(under("latents", "latents")["mean"], results("vanilla_latents", "latents")["mean"])
    assert nets.prefixed(results, "") is results


class Interruption(Exception):
    """Stands for whatever ends a run."""


def test_vanilla_fuses_latents_of_its_own_and_goes_on_to_the_same_bits(
    corpus, config, stages, trained, tmp_path, monkeypatch
):
    stage = stages["vanilla_fusion"]

    class Run(Results):
        """Its own checkpoints; the stages before are those of the trained run."""

        def __call__(self, name, subtree="params"):
            return Results(trained)(name, subtree) if name in stage.needs else super().__call__(name, subtree)

    programs = train.Programs(stage, config, stage.data(corpus, Results(trained)))
    monkeypatch.setattr(train, "Programs", lambda *_: programs)  # compiled once for all three runs
    index = programs.index

    def index_or_stop(first, steps):
        if first == 4:
            raise Interruption
        return index(first, steps)

    def run(folder):
        train.train_stage(stage, config, tmp_path / folder, corpus, Run(tmp_path / folder))

    run("whole")
    programs.index = index_or_stop
    with pytest.raises(Interruption):
        run("twice")
    programs.index = index
    run("twice")
    whole, twice = (Run(tmp_path / folder) for folder in ("whole", "twice"))
    assert whole.step("vanilla_fusion") == twice.step("vanilla_fusion") == 6
    for part in ("params", "optimizer"):
        same = jax.tree.map(np.array_equal, whole("vanilla_fusion", part), twice("vanilla_fusion", part))
        assert all(jax.tree.leaves(same))
    begun = jax.device_get(programs.init())["params"]
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), whole("vanilla_fusion"), begun)
    assert min(jax.tree.leaves(moved["actor"])) > 0 and min(jax.tree.leaves(moved["critic"])) > 0
    assert not [name for name in whole("vanilla_fusion")["actor"] if name.startswith("control")]

    *_, method = methods.methods(config, whole, None)  # of this run's own stages none is trained
    rows = np.arange(4)
    starts, _ = segments.windows(corpus, config, "test", nets.SIDES)
    music = jax.device_get(segments.cut(corpus.arrays, starts[rows], 0 * rows))
    made = method.run(music, rows)
    assert method.name == "CollageNet-vanilla" and made["melody"].shape == (4, 32)
    assert np.min(made["rho_melody"]) > 0 and np.min(made["rho_accompaniment"]) > 0


def test_vanillas_distance_is_that_of_both_sides_and_of_nothing_else(corpus, stages, trained, config):
    stage = stages["vanilla_fusion"]
    resident = stage.data(corpus, Results(trained))
    batch = stage.examples(resident.arrays, jnp.arange(8), jax.random.split(KEY, 8), True)
    assert batch["controls"].shape == (8, 0)
    state = jax.jit(stage.task.init)(KEY, batch)
    _, metrics = jax.jit(stage.task.step)(state, batch, KEY)
    assert {name for name in metrics if name.startswith("rho")} == {"rho_melody", "rho_accompaniment"}
    checked = jax.eval_shape(stage.task.evaluate, state, batch, KEY)
    assert {"rho_melody_unrelated", "rho_accompaniment_unrelated", "passes_moved_unrelated"} <= set(checked)
    for before, after in stage.task.generate(state["params"], batch, KEY).items():
        assert {"tokens", "pitch", "duration"} <= set(after), before
    shown = stage.show(batch, jax.device_get(stage.task.generate(state["params"], batch, KEY)))
    assert len(shown) == 8 and set(shown[0][1]) == set(nets.SIDES)


def test_the_stages_of_the_sweep_differ_in_lambda_alone(corpus, config, stages):
    size = latent_size(config)
    mean, spread = np.random.default_rng(0).normal(size=(50, size)).astype(np.float16), np.full(size, 0.1, np.float32)
    results = {"latents": {"params": {"sbar": spread}, "latents": {"mean": mean, "std": np.tile(spread, (50, 1))}}}
    results |= {f"{side}_vae": {"params": vae} for side, vae in drawn_vaes(config).items()}

    def read(name, subtree="params"):
        return results.get(name, {}).get(subtree, {})

    swept = [stages[name] for name in ("fusion_0.1", "fusion", "fusion_2.0")]
    batches = []
    for stage in swept:
        assert (stage.steps, stage.batch, stage.needs, stage.best) == (6, 8, tuple(OWN[:3]), "")
        resident = stage.data(corpus, read)
        batches.append(stage.examples(resident.arrays, jnp.arange(8), jax.random.split(KEY, 8), True))
    for batch in batches[1:]:
        same = jax.tree.map(lambda a, b: bool((a == b).all()), batches[0], batch)
        assert all(jax.tree.leaves(same))
    state = jax.jit(swept[0].task.init)(KEY, batches[0])
    found = [jax.jit(stage.task.step)(state, batches[0], KEY)[1] for stage in swept]
    for name in found[0].keys() - {"loss"}:
        assert float(found[0][name]) == float(found[1][name]) == float(found[2][name])
    held = [float(x["loss"] - x["adversarial"]) / value for x, value in zip(found, (0.1, 1.0, 2.0), strict=True)]
    np.testing.assert_allclose(held, held[1], rtol=1e-3)
    assert held[1] > 0


def test_the_baselines_critic_trains_on_the_pairs_of_fusion_without_an_actor(config, stages):
    stage, fusion = stages["baseline_critic"], stages["fusion"]
    assert stage.best == "loss" and stage.show is None
    for what in ("steps", "batch", "data", "examples"):
        assert getattr(stage, what) == getattr(fusion, what)
    z = jnp.zeros((8, latent_size(config)))
    batch = {"real": z, "unrelated": z, "prior": z, "controls": jnp.zeros((8, 4)), "sbar": z[0],
             "vaes": drawn_vaes(config), "row_key": jax.random.split(KEY, 8)}
    state = jax.eval_shape(stage.task.init, KEY, batch)
    assert set(state["params"]) == {"critic"}
    after, metrics = jax.eval_shape(stage.task.step, state, batch, KEY)
    assert jax.tree.structure(after) == jax.tree.structure(state) and "loss" in metrics
