import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import launch, micro_config, micro_flags
from ml_collections import ConfigDict

from musicfusion import train
from musicfusion.core.contracts import Resident, Stage, Task
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Results, read_config
from musicfusion.data import chorales
from musicfusion.systems.collagenet.system import SYSTEM

STAGES = ("melody_vae", "accompaniment_vae", "latents", "fusion", "chord_model", "edit_critic_1", "harmony_evaluator",
          "judge", "second_judge")
PARTS = dict.fromkeys(STAGES, ("params", "optimizer", "step"))
PARTS |= {"latents": ("params", "sums", "latents", "seen"), "chord_model": ("params",)}
COUNTED = ("latents", "chord_model")  # these pass over the examples once and learn nothing by steps
# The smallest that still has every layer; losses are not the point.
TINY = {f"{side}_vae__size__width": 16 for side in ("melody", "accompaniment")}


@pytest.fixture(scope="module")
def corpus():
    return chorales.read(40)


def metrics(workdir, stage):
    """The lines of metrics.jsonl without the time of day; none of a stage that learns nothing."""
    if stage in COUNTED:
        assert not (workdir / stage / "metrics.jsonl").exists()
        return []
    lines = (workdir / stage / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def latest(workdir, stage):
    """Every leaf of a stage's last checkpoint: step, {part/name: array}."""
    with Results(workdir).checkpoints(stage) as checkpoints:
        read = {part: checkpoints.restore_params("latest", part) for part in PARTS[stage]}
    leaves = {part + jax.tree_util.keystr(path): np.asarray(leaf)
              for part, (_, tree, _) in read.items() for path, leaf in jax.tree.leaves_with_path(tree)}
    return read["params"][0], leaves


# Killed and resumed --------------------------------------------------------------------------------------------------

# The command line in a process that kills itself before it dispatches STEP of STAGE, once checkpoint WHOLE is written
# (that happens behind the training); with WHOLE = 0 at once, perhaps in the middle of writing. It leaves out what would
# come after the training.
# Arguments: workdir, stage, step, whole, then the flags.
KILLED = """
import os, signal, sys, time
from musicfusion import evaluate, launch, sample, train

workdir, stage, step, whole = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
index = train.Programs.index

def index_or_die(self, first, steps):
    if self.stage.name == stage and first == step:
        while whole and not os.path.isdir(f"{workdir}/{stage}/checkpoints/{whole}"):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return index(self, first, steps)

train.Programs.index = index_or_die
evaluate.evaluate = sample.demos = lambda *_: []
sys.exit(launch.main(["musicfusion", *sys.argv[5:]]))
"""


def flip_a_byte(checkpoint: Path) -> None:
    """In the middle of the largest file, where the weights are."""
    largest = max((path for path in checkpoint.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


# One stage of each kind: stage, step, whole. The second VAE, the second pass, and critics and judges differ in their
# networks and examples alone.
KILLS = (("accompaniment_vae", 35, 30), ("latents", 15, 10), ("fusion", 30, 0), ("second_judge", 10, 0))


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A micro run that was killed in the middle of its stages: workdir, what the next start said of each stage."""
    workdir = tmp_path_factory.mktemp("killed") / "run"
    said = []
    for stage, step, whole in (*KILLS, ("none", 0, 0)):
        command = [sys.executable, "-c", KILLED, str(workdir), stage, str(step), str(whole),
                   *micro_flags(), f"--workdir={workdir}"]
        said.append(done := subprocess.run(command, capture_output=True, text=True))
        assert done.returncode == (0 if stage == "none" else -signal.SIGKILL), done.stderr
        if stage == "accompaniment_vae":
            flip_a_byte(workdir / stage / "checkpoints" / str(whole))
    return workdir, said[1:]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_halfway_goes_on_to_the_same_bits(micro_run, resumed, stage):
    workdir, _ = resumed
    expected_step, expected = latest(micro_run, stage)
    step, leaves = latest(workdir, stage)
    assert step == expected_step and leaves.keys() == expected.keys()
    for name, leaf in leaves.items():
        np.testing.assert_array_equal(leaf, expected[name], err_msg=name)
    assert metrics(workdir, stage) == metrics(micro_run, stage)


def test_a_start_after_a_kill_says_from_which_step_and_skips_what_is_finished(resumed):
    _, said = resumed
    assert "latents: 33 steps of 20 from step 10" in said[1].stdout
    assert re.search(r"fusion: 40 steps of 64 from step (20|30),", said[2].stdout)
    for number, done in enumerate(said):
        finished = re.findall(r"^(\w+): finished before", done.stdout, re.MULTILINE)
        assert finished == list(STAGES[: STAGES.index(KILLS[number][0])])
        assert "Traceback" not in done.stderr


def test_a_flipped_byte_is_noticed_and_the_run_falls_back(resumed):
    _, said = resumed
    lines = [line for line in said[0].stderr.splitlines() if "damaged" in line]
    assert len(lines) == 1
    assert re.match(r"checkpoint step 30 of accompaniment_vae is damaged .*: falling back to step 20", lines[0])
    assert "accompaniment_vae: 40 steps of 64 from step 20" in said[0].stdout


def test_a_finished_run_is_skipped_without_looking_at_the_music(micro_run, capsys):
    before = {stage: metrics(micro_run, stage) for stage in STAGES}
    train.train(SYSTEM, ConfigDict(read_config(micro_run)), micro_run, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in lines] == [f"{stage}: finished before" for stage in STAGES]
    assert before == {stage: metrics(micro_run, stage) for stage in STAGES}


def test_a_loss_that_is_not_finite_stops_the_run_and_names_stage_and_step(tmp_path):
    flags = micro_flags(**TINY, melody_vae__optimizer__rate=1e9, melody_vae__optimizer__clip=0.0,
                        run__steps_per_dispatch=1, run__checkpoint_every=2, run__show_every=0)
    done = launch(*flags, f"--workdir={tmp_path}")
    assert done.returncode == 2, done.stderr
    found = re.fullmatch(r"musicfusion: the loss of melody_vae is not finite at step (\d+): .*\n", done.stderr)
    assert found, done.stderr
    step, _ = latest(tmp_path, "melody_vae")
    assert 0 < step < int(found[1])
    assert not (tmp_path / "accompaniment_vae").exists()


# Devices and processes -----------------------------------------------------------------------------------------------

ONE, FOUR, SHARDED = ("pmap", 1), ("pmap", 4), ("shard_map", 4)
MODES = {"melody_vae": (ONE, FOUR, SHARDED), "accompaniment_vae": (ONE, SHARDED), "latents": (ONE, FOUR),
         "fusion": (ONE, FOUR), "chord_model": (ONE, FOUR), "edit_critic_1": (ONE, FOUR),
         "second_judge": (ONE, SHARDED)}

# Every kind of stage for a few steps on one device, on four, and on four under shard_map, from the same state; prints
# the parameters' greatest difference from the first, as a part of the greatest parameter.
DEVICES = """
import json
import jax
jax.config.update("jax_num_cpu_devices", 4)
import numpy as np
from micro import micro_config
from musicfusion import train
from musicfusion.core import parallel
from musicfusion.data import chorales
from musicfusion.systems.collagenet.system import SYSTEM
from test_train import MODES, TINY, without_key_biases

create, config = parallel.create, micro_config(**TINY, latents__segments=40, fusion__actor_start=2)
corpus, found = chorales.read(config.data.songs), {}
for stage in (stage for stage in SYSTEM.stages(config) if stage.name in MODES):
    resident = stage.data(corpus, lambda name, part="params": found[name][part])
    runs = []
    for mode, count in MODES[stage.name]:
        parallel.create = lambda _: create(mode, jax.devices()[:count])
        programs = train.Programs(stage, config, resident)
        if not runs:
            begin = jax.device_get(programs.init())
        state = programs.devices.replicate(begin)
        steps = 6 if programs.learns else programs.steps
        for first in range(0, steps, 3):
            state, metrics = programs.advance(state, first, min(3, steps - first))
        runs.append(jax.tree.map(np.array, programs.devices.get((state, metrics))))
        parameters = without_key_biases(runs[-1][0]["params"])
        reference = without_key_biases(runs[0][0]["params"])
        started = without_key_biases(begin["params"])
        scale = max(np.abs(leaf).max() for leaf in reference.values())
        apart = max(np.abs(leaf - reference[name]).max() for name, leaf in parameters.items())
        moved = max(np.abs(leaf - started[name]).max() for name, leaf in parameters.items())
        loss = float(runs[-1][1]["loss"][-1] / runs[0][1]["loss"][-1]) if "loss" in metrics else 1.0
        print(json.dumps([stage.name, mode, count, float(apart / scale), float(moved / scale), loss]), flush=True)
    found[stage.name] = runs[0][0]
"""


def without_key_biases(params):
    """The parameters by path, less the biases of attention's keys.

    Softmax does not see those, so their gradient is rounding alone, which Adam blows up to a step of full size.
    """
    leaves = {}
    for path, leaf in jax.tree.leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if name.endswith("['qkv']['bias']"):
            query, _, value = np.split(leaf, 3)
            leaf = np.concatenate([query, value])
        if name != "['scale']":  # of the latents: a difference of large sums, which keeps fewer digits
            leaves[name] = leaf
    return leaves


@pytest.fixture(scope="module")
def devices():
    paths = [str(Path(__file__).parent), *sys.path]
    done = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("stage", MODES)
def test_four_devices_give_the_parameters_of_one_under_pmap_and_under_shard_map(devices, stage):
    rows = [row[1:] for row in devices if row[0] == stage]
    assert [tuple(row[:2]) for row in rows] == list(MODES[stage])
    for _, _, apart, moved, loss in rows:
        assert moved > 1e-4  # it did learn something
        assert apart < 1e-5
        assert loss == pytest.approx(1, rel=1e-5)


# The command line with the first stage alone, and, where evaluation would come, a look at what was learned.
FIRST_STAGE = """
import sys
from musicfusion import evaluate, launch, sample, train
from musicfusion.core.results import Results

def first(system, config, workdir, corpus, init):
    train.train_stage(system.stages(config)[0], config, workdir, corpus, Results(workdir))

def read(system, config, workdir, corpus):
    return [f"step {Results(workdir).step('melody_vae')}"]

train.train, evaluate.evaluate, sample.demos = first, read, lambda *_: []
sys.exit(launch.main(["musicfusion", *sys.argv[1:]]))
"""


def test_two_processes_give_the_parameters_of_one(tmp_path):
    flags = micro_flags(**TINY, melody_vae__steps=12, run__show_every=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    together = [f"--workdir={tmp_path / 'two'}", f"--coordinator=127.0.0.1:{port}", "--processes=2"]
    started = [
        subprocess.Popen([sys.executable, "-c", FIRST_STAGE, *flags, *more], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for more in ([*together, "--process=0"], [*together, "--process=1"], [f"--workdir={tmp_path / 'one'}"])
    ]
    said = [process.communicate(timeout=500) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], said
    assert re.search(r"12 steps of 64, \d+ examples, 2 device\(s\)", said[0][0]) and "step 12" in said[0][0]
    assert not re.search("^(data|melody_vae|open|  step)", said[1][0], re.MULTILINE)  # the first speaks for both
    one, two = (without_key_biases(Results(tmp_path / run)("melody_vae")) for run in ("one", "two"))
    scale = max(np.abs(leaf).max() for leaf in one.values())
    for name, leaf in one.items():
        np.testing.assert_allclose(two[name], leaf, rtol=0, atol=1e-5 * scale, err_msg=name)
    told = [[line.get("loss", line.get("validation/loss")) for line in metrics(tmp_path / run, "melody_vae")]
            for run in ("one", "two")]
    np.testing.assert_allclose(*told, rtol=1e-4)


# The published models, at toy sizes ----------------------------------------------------------------------------------

DECAY = {"rate": 5e-3, "schedule": "decay", "warmup": 0, "clip": 1.0}
PAPER = {
    "melody_vae": {
        "model": "ec2vae", "size": {"hidden": 32, "pitch": 8, "rhythm": 8},
        "kl": {"pitch": 0.2 / 32, "rhythm": 0.2 / 32}, "kl_midpoint": 0.0,
    },
    "accompaniment_vae": {
        "model": "polydis",
        "size": {"preset": "polydis", "chord": 8, "texture": 8, "encoder": 16, "channels": 2, "texture_features": 16,
                 "chord_hidden": 16, "chord_input": 8,
                 "notes": {"embedding": 8, "z_input": 8, "time": 16, "note": 16, "duration": 8}},
        "kl": {"chord": 0.1 / 256, "texture": 0.1 / 256}, "kl_midpoint": 1 / 6,
    },
}


class Interruption(Exception):
    """Stands for whatever ends a run."""


@pytest.mark.parametrize("name", PAPER)
def test_a_published_model_learns_and_goes_on_to_the_same_bits(name, corpus, tmp_path, monkeypatch):
    config = micro_config(run__show_every=0, run__tensorboard=False)
    config[name] = ConfigDict({**PAPER[name], "steps": 40, "batch": 16, "optimizer": DECAY})
    config.fusion.update({"networks": "perceptron", "intervals": 0.0})  # for VAEs whose notes cannot be decoded softly
    config.fusion.actor = config.fusion.critic = ConfigDict({"hidden": 16, "layers": 1})
    stage = next(stage for stage in SYSTEM.stages(config) if stage.name == name)
    programs = train.Programs(stage, config, stage.data(corpus, None))
    monkeypatch.setattr(train, "Programs", lambda *_: programs)  # compiled once for all three runs

    def run(workdir):
        train.train_stage(stage, config, workdir, corpus, Results(workdir))

    def index_or_stop(first, steps):
        if first == 25:
            raise Interruption
        return train_index(first, steps)

    run(tmp_path / "whole")
    train_index = programs.index
    programs.index = index_or_stop
    with pytest.raises(Interruption):
        run(tmp_path / "twice")
    assert latest(tmp_path / "twice", name)[0] == 20
    programs.index = train_index
    run(tmp_path / "twice")
    (_, expected), (_, leaves) = (latest(tmp_path / folder, name) for folder in ("whole", "twice"))
    for path, leaf in leaves.items():
        np.testing.assert_array_equal(leaf, expected[path], err_msg=path)
    assert metrics(tmp_path / "twice", name) == metrics(tmp_path / "whole", name)
    lines = metrics(tmp_path / "whole", name)
    losses = [line["loss"] for line in lines if "loss" in line]
    held_out = [line["validation/loss"] for line in lines if "validation/loss" in line]
    assert losses[-1] < 0.8 * losses[0] and held_out[-1] < held_out[0]


# What a step sees ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(corpus):
    """Of the melody VAE for a seed; nothing is compiled."""

    def make(seed):
        stage = SYSTEM.stages(micro_config())[0]  # the same songs in the same splits
        return train.Programs(stage, micro_config(seed=seed), stage.data(corpus, None))

    return {seed: make(seed) for seed in (0, 1)}


def test_batches_differ_between_steps_and_seeds_and_are_the_same_again(programs):
    first, other = programs[0], programs[1]
    blocks = [first.index(0, 4), first.index(4, 4), other.index(0, 4)]
    assert all(block.shape == (4, 64) for block in blocks)
    assert len({row.tobytes() for block in blocks for row in block}) == 12
    np.testing.assert_array_equal(np.concatenate(blocks[:2]), first.index(0, 8))
    assert max(block.max() for block in blocks) < first.resident.train
    np.testing.assert_array_equal(first.validation_index(2), other.validation_index(2))
    assert first.validation_index(2).min() >= first.resident.train


def test_what_a_step_draws_depends_on_seed_stage_step_and_example_alone(corpus):
    def draw(first, steps, seed=0, name="melody_vae"):
        """What each step draws itself [steps] and for each of its 8 examples [steps, 8]."""
        stage = Stage(
            name=name, steps=9, batch=8,
            task=Task(
                init=lambda key, batch, frozen: {"params": jnp.zeros(1)},
                step=lambda state, batch, frozen, key: (state, {
                    "loss": jax.random.uniform(key), "own": jax.vmap(jax.random.uniform)(batch["example_key"])}),
                validate=lambda state, batch, frozen, key: {}),
            data=lambda corpus, trained: Resident(arrays={}, train=100),
            examples=lambda arrays, index, keys, training: {"example_key": keys})
        programs = train.Programs(stage, micro_config(seed=seed), stage.data(corpus, None))
        state = programs.devices.replicate(programs.init())
        _, drawn = programs.advance(state, first, steps)
        drawn = programs.devices.get(drawn)
        return np.concatenate([drawn["loss"][:, None], drawn["own"]], 1)

    whole = draw(0, 4)
    assert len(np.unique(whole)) == 4 * 9
    np.testing.assert_array_equal(np.concatenate([draw(0, 1), draw(1, 3)]), whole)
    for other in (draw(0, 4, seed=1), draw(0, 4, name="accompaniment_vae")):
        assert len(np.unique([whole, other])) == 2 * 4 * 9


def test_an_epoch_shows_every_training_segment_once(programs):
    resident = programs[0].resident
    steps = -(-resident.train // 64)
    seen = programs[0].index(0, steps).ravel()[: resident.train]
    np.testing.assert_array_equal(np.sort(seen), np.arange(resident.train))


# Begun from weights ---------------------------------------------------------------------------------------------------


def test_a_training_begins_where_given_weights_ended(micro_run, corpus, tmp_path):
    """Of the fusion only the actor is given: the critic is drawn."""
    config = micro_config(run__tensorboard=False)
    trained = Results(micro_run)

    class OnlyActor:
        def __call__(self, stage, subtree="params"):
            params = trained(stage, subtree)
            return {"actor": params["actor"]} if stage == "fusion" else params

        def has(self, stage):
            return stage != "accompaniment_vae"

    stages = {stage.name: stage for stage in SYSTEM.stages(config)}

    def begun(name, init):
        programs = train.Programs(stages[name], config, stages[name].data(corpus, trained))
        state = programs.init()
        return state["params"], train._starting_from(state, init, stages[name])["params"]

    drawn, given = begun("fusion", OnlyActor())
    assert same(given["actor"], trained("fusion")["actor"]) and same(given["critic"], drawn["critic"])
    drawn, given = begun("melody_vae", OnlyActor())
    assert same(given, trained("melody_vae")) and not same(given, drawn)
    drawn, given = begun("accompaniment_vae", OnlyActor())
    assert same(given, drawn), "a stage that the weights lack is drawn"


def test_weights_of_other_networks_are_refused_as_a_beginning(micro_run, corpus):
    config = micro_config(run__tensorboard=False, melody_vae__size__width=16)
    stage = SYSTEM.stages(config)[0]
    programs = train.Programs(stage, config, stage.data(corpus, None))
    with pytest.raises(MusicFusionError, match=r"run\.init: its melody_vae has other networks than this config"):
        train._starting_from(programs.init(), Results(micro_run), stage)


def same(one, other) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, jax.device_get(one), jax.device_get(other))))
