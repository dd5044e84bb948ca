import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config, variant

from musicfusion import train
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Results
from musicfusion.systems.collagenet import baselines, dataset, system
from musicfusion.systems.collagenet.dataset import PARTS
from musicfusion.systems.collagenet.objective import controlled
from musicfusion.systems.collagenet.vanilla import PianoTreeVAE, RecurrentMelodyVAE

KEY = jax.random.key(5)
OWN = ["melody_vae", "accompaniment_vae", "latents", "fusion", "chord_model", "edit_critic_1", "harmony_evaluator",
       "judge", "second_judge"]
COMPARED = ["vanilla_melody_vae", "vanilla_accompaniment_vae", "vanilla_latents", "vanilla_fusion",
            "fusion_0.1", "fusion_0.5", "fusion_2.0", "baseline_critic"]
TINY = {f"{where}{part}_vae__{name}": value for where in ("", "vanilla__") for part in PARTS
        for name, value in (("size__width", 16), ("size__depth", 1), ("steps", 2), ("batch", 8))}
TINY |= {"train__baselines": True, "latents__segments": 20, "latents__validation": 10, "latents__transpositions": 2,
         "fusion__actor__width": 16, "fusion__critic__width": 16, "fusion__actor__depth": 1,
         "fusion__critic__depth": 1, "fusion__actor_start": 0, "fusion__steps": 6, "fusion__batch": 8,
         "run__steps_per_dispatch": 2, "run__checkpoint_every": 2, "run__show_every": 0, "run__validate_every": 0,
         "run__tensorboard": False}


@pytest.fixture(scope="module")
def config():
    return micro_config(**TINY)


@pytest.fixture(scope="module")
def stages(config):
    return {stage.name: stage for stage in system.stages(config)}


@pytest.fixture(scope="module")
def trained(corpus, config, stages, tmp_path_factory):
    """A run in which all that vanilla_fusion needs is trained, for two steps."""
    workdir = tmp_path_factory.mktemp("vanilla")
    for name in stages["vanilla_fusion"].needs:
        train.train_stage(stages[name], config, workdir, corpus, Results(workdir))
    return workdir


def drawn_vaes(config):
    """Random parameters of both VAEs."""
    rng, shapes = np.random.default_rng(1), system.modules(config)
    return {part: jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), shapes[f"{part}_vae"])
            for part in PARTS}


def names(**changes):
    return [stage.name for stage in system.stages(micro_config(**changes))]


def test_baselines_are_trained_only_where_they_are_asked_for():
    alone, compared = names(), names(train__baselines=True)
    assert alone == OWN and not set(alone) & set(COMPARED)
    assert compared[: len(alone)] == alone and compared[len(alone) :] == COMPARED
    modules = system.modules(micro_config()), system.modules(micro_config(train__baselines=True))
    assert list(modules[0]) == ["melody_vae", "accompaniment_vae", "actor", "critic", "edit_critic",
                                "harmony_evaluator", "judge", "second_judge"]
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


def test_vanilla_has_its_own_vaes_and_an_actor_without_controls(config):
    own, vanilla = (system.build_fusion(config, where) for where in ("", "vanilla"))
    assert list(own.space.aspects) == ["pitch", "rhythm", "chord", "texture"]
    assert list(vanilla.actor.aspects) == ["melody", "accompaniment"] and controlled(vanilla.actor.aspects) == ()
    assert (vanilla.actor.width, vanilla.critic.depth) == (own.actor.width, own.critic.depth)


@pytest.mark.parametrize("name", ["quick", "lite", "paper", "paper_polydis"])
def test_every_variant_has_vanilla_vaes_with_a_weight_for_their_kl(name):
    config = variant("collagenet", name)
    vaes = system.build_space(config, "vanilla").vaes
    for part, model in vaes.items():
        assert list(model.aspects) == [part] == list(config.vanilla[f"{part}_vae"].kl)
    if name.startswith("paper"):
        assert vaes == {"melody": RecurrentMelodyVAE(), "accompaniment": PianoTreeVAE()}


def test_the_sweep_names_every_lambda_in_order_and_the_runs_own_is_its_fusion():
    one, half = (system.lambdas(micro_config(fusion__distance=distance)) for distance in (1.0, 0.5))
    assert one == [(0.1, "fusion_0.1"), (0.5, "fusion_0.5"), (1.0, "fusion"), (2.0, "fusion_2.0")]
    assert half == [(0.1, "fusion_0.1"), (0.5, "fusion"), (2.0, "fusion_2.0")]
    assert "fusion_0.5" not in names(train__baselines=True, fusion__distance=0.5)


@pytest.mark.parametrize("lambdas", [(-1.0,), ("a",)])
def test_a_lambda_that_is_no_number_from_0_is_refused(lambdas):
    with pytest.raises(MusicFusionError, match=r"train.lambdas = .* accepted are numbers from 0"):
        names(train__baselines=True, train__lambdas=lambdas)


@pytest.mark.parametrize("part, needed", [("melody", "pitch from rhythm"), ("accompaniment", "chord from texture")])
def test_a_model_without_aspects_is_refused_where_users_have_controls(part, needed):
    config = micro_config()
    config[f"{part}_vae"] = config.vanilla[f"{part}_vae"]
    with pytest.raises(MusicFusionError, match=f"{part}_vae.model = 'plain' does not tell {needed}"):
        system.stages(config)


@pytest.mark.parametrize("changes, words", [
    ({"evaluator__model": "ear"}, "evaluator.model = 'ear' is unknown: use lite or recurrent or harmony"),
    ({"second_judge__model": "ear"}, "second_judge.model = 'ear' is unknown: use lite or recurrent or harmony"),
    ({"edit_critic__size__heads": 3}, "edit_critic.size = .* does not fit its model"),
    ({"fusion__networks": "mlp"}, "fusion.networks = 'mlp' is unknown: use lite or perceptron"),
    ({"fusion__model": "lite"}, "fusion.model = 'lite' is unknown: use edits or latent"),
    ({"judge__negatives": ("random", "drones")}, "judge.negatives = 'drones' is unknown: use random or key_matched or"),
    ({"judge__negatives": ()}, "judge.negatives is empty: use random or key_matched or"),
    ({"fusion__negatives": ("wrong",)}, "fusion.negatives = 'wrong' is unknown: use random or key_matched or"),
    ({"fusion__networks": "perceptron"}, "fusion.intervals = 1.0 counts intervals .* use 0"),
    ({"melody_vae__model": "vae"}, "melody_vae.model = 'vae' is unknown: use lite or ec2vae or plain or rec"),
    ({"train__baselines": True, "vanilla__accompaniment_vae__model": "vae"},
     "vanilla.accompaniment_vae.model = 'vae' is unknown"),
    ({"run__precision": "float8"}, "run.precision = 'float8' is unknown: use float32 or bfloat16"),
    ({"melody_vae__model": "ec2vae"}, "melody_vae.size = .* does not fit its model"),
])
def test_what_a_config_cannot_build_is_refused_with_the_key_and_what_is_known(changes, words):
    with pytest.raises(MusicFusionError, match=words):
        names(**changes)


def test_networks_that_read_decoded_notes_refuse_vaes_that_cannot_decode_softly():
    config = variant("collagenet", "paper")
    config.fusion.networks = "lite"
    with pytest.raises(MusicFusionError, match=r"melody_vae.model = 'ec2vae' cannot give: use perceptron"):
        system.build_fusion(config)


def test_vanillas_fusion_learns_from_its_own_vaes_and_latents(corpus, config, stages, trained):
    results, stage = Results(trained), stages["vanilla_fusion"]
    resident = stage.data(corpus, results)
    np.testing.assert_array_equal(resident.arrays["mean"], results("vanilla_latents", "latents")["mean"])
    assert resident.frozen["sbar"].shape == (system.build_space(config, "vanilla").size,)
    same = jax.tree.map(np.array_equal, resident.frozen["vaes"]["melody"], results("vanilla_melody_vae"))
    assert all(jax.tree.leaves(same))
    assert not results.has("melody_vae")


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

    space, index = system._trained_space(config, Run(tmp_path / "whole"), "vanilla"), np.arange(4)
    starts, _ = system.build_segments(config).windows(corpus, "test")
    music = jax.device_get(dataset.cut(corpus.arrays, starts[index], 0 * index))
    made = baselines.fused("CollageNet-vanilla", space, whole("vanilla_fusion")["actor"]).run(music, index)
    assert made["melody"].shape == (4, 32)
    assert np.min(made["rho_melody"]) > 0 and np.min(made["rho_accompaniment"]) > 0


def test_vanillas_distance_is_that_of_both_sides_and_of_nothing_else(corpus, stages, trained, config):
    stage = stages["vanilla_fusion"]
    resident = stage.data(corpus, Results(trained))
    batch = stage.examples(resident.arrays, jnp.arange(8), jax.random.split(KEY, 8), True)
    assert batch["controls"].shape == (8, 0)
    state = jax.jit(stage.task.init)(KEY, batch, resident.frozen)
    _, metrics = jax.jit(stage.task.step)(state, batch, resident.frozen, KEY)
    assert {name for name in metrics if name.startswith("rho")} == {"rho_melody", "rho_accompaniment"}
    checked = jax.eval_shape(stage.task.validate, state, batch, resident.frozen, KEY)
    assert {"rho_melody_unrelated", "rho_accompaniment_unrelated", "passes_moved_unrelated"} <= set(checked)
    generated = jax.device_get(stage.task.generate(state["params"], batch, resident.frozen, KEY))
    for when, music in generated.items():
        assert {"tokens", "pitch", "duration"} <= set(music), when
    shown = stage.show(batch, generated)
    assert [title for title, _, _ in shown] == [f"fusion_{example}" for example in range(8)]
    assert all([track.name for track in score.tracks] == ["MELODY", "ACCOMPANIMENT"] for score in shown[0][1:])


def test_the_stages_of_the_sweep_differ_in_lambda_alone(corpus, config, stages):
    size = system.build_space(config).size
    mean, spread = np.random.default_rng(0).normal(size=(50, size)).astype(np.float16), np.full(size, 0.1, np.float32)
    results = {"latents": {"params": {"sbar": spread}, "latents": {"mean": mean, "std": np.tile(spread, (50, 1))}}}
    results |= {f"{part}_vae": {"params": vae} for part, vae in drawn_vaes(config).items()}

    def read(name, subtree="params"):
        return results.get(name, {}).get(subtree, {})

    swept = [stages[name] for name in ("fusion_0.1", "fusion")]  # each compiles its own step
    batches = []
    for stage in swept:
        assert (stage.steps, stage.batch, stage.needs, stage.best) == (6, 8, tuple(OWN[:3]), "")
        resident = stage.data(corpus, read)
        batches.append(stage.examples(resident.arrays, jnp.arange(8), jax.random.split(KEY, 8), True))
    for batch in batches[1:]:
        same = jax.tree.map(lambda a, b: bool((a == b).all()), batches[0], batch)
        assert all(jax.tree.leaves(same))
    frozen = resident.frozen
    state = jax.jit(swept[0].task.init)(KEY, batches[0], frozen)
    found = [jax.jit(stage.task.step)(state, batches[0], frozen, KEY)[1] for stage in swept]
    for name in found[0].keys() - {"loss"}:
        assert float(found[0][name]) == float(found[1][name])
    held = [float(x["loss"] - x["adversarial"]) / value for x, value in zip(found, (0.1, 1.0), strict=True)]
    np.testing.assert_allclose(held, held[1], rtol=1e-3)
    assert held[1] > 0


def test_the_baselines_critic_trains_on_the_pairs_of_fusion_without_an_actor(corpus, config, stages):
    stage, fusion = stages["baseline_critic"], stages["fusion"]
    assert stage.best == "loss" and stage.show is None
    for what in ("steps", "batch", "needs"):
        assert getattr(stage, what) == getattr(fusion, what)
    assert (stage.examples.func, stage.examples.keywords) == (fusion.examples.func, fusion.examples.keywords)
    z = jnp.zeros((8, system.build_space(config).size))
    batch = {"real": z, "unrelated": z, "prior": z, "controls": jnp.zeros((8, 4)),
             "example_key": jax.random.split(KEY, 8), "wrong": dataset.silence(8), "noise": z}
    frozen = {"sbar": z[0], "vaes": drawn_vaes(config)}
    state = jax.eval_shape(stage.task.init, KEY, batch, frozen)
    assert set(state["params"]) == {"critic"}
    after, metrics = jax.eval_shape(stage.task.step, state, batch, frozen, KEY)
    assert jax.tree.structure(after) == jax.tree.structure(state) and "loss" in metrics


@pytest.mark.parametrize("part", PARTS)
def test_reconstructions_are_shown_beside_the_part_that_they_are_of(corpus, config, stages, part):
    stage = stages[f"{part}_vae"]
    resident = stage.data(corpus, None)
    batch = stage.examples(resident.arrays, jnp.arange(2), jax.random.split(KEY, 2), False)
    generated = jax.jit(partial(stage.task.generate, frozen={}, key=KEY))(drawn_vaes(config)[part], batch)
    for title, before, after in stage.show(jax.device_get(batch), jax.device_get(generated)):
        assert title.startswith("reconstruction_")
        assert [track.name for track in before.tracks] == [track.name for track in after.tracks] == [part.upper()]
        assert len(before.tracks[0].notes)
