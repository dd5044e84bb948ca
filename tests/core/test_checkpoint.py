"""Checkpoints come back bit by bit, or not at all."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion.core.checkpoint import Checkpoints
from musicfusion.core.errors import MusicFusionError


def state_at(step):
    """A state with all that states have: nested parts, named tuples, bfloat16, a counter, None."""
    values = np.random.default_rng(step).normal(size=(64, 48)).astype(np.float32)
    params = {
        "encoder": {"kernel": jnp.asarray(values), "bias": jnp.asarray(values[0], jnp.bfloat16)},
        "gain": jnp.float32(-0.0),
    }
    optimiser = optax.chain(optax.clip(1.0), optax.adam(optax.constant_schedule(1e-3)))
    optimiser_state = optimiser.init(params)
    _, optimiser_state = optimiser.update(params, optimiser_state)
    return {"params": params, "optimiser": optimiser_state, "step": jnp.int32(step), "none": None}


def assert_same(tree, expected):
    assert jax.tree.structure(tree) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(tree), jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == np.asarray(other).tobytes()


@pytest.fixture
def checkpoints(tmp_path):
    with Checkpoints(tmp_path / "melody_vae") as opened:
        yield opened


def save(checkpoints, **scores):
    """save(c, s10=0.5) saves the state of step 10 with score 0.5."""
    for name, score in scores.items():
        step = int(name[1:])
        checkpoints.save(step, state_at(step), {"stage": "melody_vae", "at": step}, score)
    checkpoints.wait()


def files(folder):
    return sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_state_comes_back_bit_by_bit(checkpoints):
    save(checkpoints, s10=None)
    step, state = checkpoints.restore(jax.eval_shape(lambda: state_at(0)))
    assert step == 10
    assert_same(state, state_at(10))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(state))


def test_the_state_saved_is_that_of_the_call_even_if_it_is_overwritten_at_once(checkpoints):
    state = {"params": np.zeros(1000)}
    checkpoints.save(1, state, {}, None)
    state["params"] += 1
    assert not checkpoints.restore(state)[1]["params"].any()


def test_the_latest_two_and_the_best_are_kept(checkpoints):
    save(checkpoints, s10=3.0, s20=1.0, s30=2.0, s40=float("nan"), s50=None, s60=1.5)
    assert checkpoints.steps() == [20, 50, 60]
    assert checkpoints.latest_step() == 60
    assert checkpoints.best_step() == 20
    assert checkpoints.meta(50) == {"stage": "melody_vae", "at": 50}
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["20", "50", "60"]


def test_among_equal_scores_the_latest_is_the_best(checkpoints):
    save(checkpoints, s10=1.0, s20=1.0)
    assert checkpoints.best_step() == 20


def test_other_files_in_the_folder_are_left_alone(checkpoints):
    (checkpoints.folder / "tensorboard").mkdir(parents=True)
    (checkpoints.folder / "metrics.jsonl").write_text("{}\n")
    save(checkpoints, s1=None, s2=None, s3=None)
    left = {path.name for path in checkpoints.folder.iterdir()}
    assert left == {"2", "3", "tensorboard", "metrics.jsonl"}


def test_an_empty_folder_has_nothing_to_restore_and_is_not_made(checkpoints):
    assert checkpoints.restore(state_at(0)) is None
    assert checkpoints.latest_step() is None
    assert checkpoints.best_step() is None
    with pytest.raises(MusicFusionError, match=r"no checkpoint in .*: train melody_vae first"):
        checkpoints.restore_params()
    assert not checkpoints.folder.exists()


def test_a_relative_folder_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpoints("run") as checkpoints:
        save(checkpoints, s1=None)
    assert (tmp_path / "run" / "1").is_dir()


# Damage -------------------------------------------------------------------------------------------


def test_a_flipped_byte_is_noticed_and_the_step_before_is_taken(checkpoints, capsys):
    save(checkpoints, s20=None, s40=None)
    flip(files(checkpoints.folder / "40")[-1])
    step, state = checkpoints.restore(state_at(0))
    assert step == 20
    assert_same(state, state_at(20))
    error = capsys.readouterr().err
    assert error.startswith("checkpoint step 40 of melody_vae is damaged (")
    assert error.endswith("): falling back to step 20\n")
    assert error.count("\n") == 1


def flip_anything(folder):
    flip(random.choice([path for path in files(folder) if path.stat().st_size]))


def remove_the_largest(folder):
    files(folder)[-1].unlink()


def remove_a_part(folder):
    shutil.rmtree(folder / "optimiser")


def truncate_the_json(folder):
    for path in files(folder):
        if path.read_bytes().startswith(b"{"):
            os.truncate(path, path.stat().st_size // 2)


def empty_all_files(folder):
    for path in files(folder):
        os.truncate(path, 0)


def remove_all_files(folder):
    for path in files(folder):
        path.unlink()


@pytest.mark.parametrize(
    "damage",
    [remove_the_largest, remove_a_part, truncate_the_json, empty_all_files, remove_all_files],
)
def test_a_damaged_checkpoint_is_passed_over(checkpoints, capsys, damage):
    save(checkpoints, s20=2.0, s40=1.0)
    damage(checkpoints.folder / "40")
    step, state = checkpoints.restore(state_at(0))
    assert step == 20
    assert_same(state, state_at(20))
    assert "step 40 of melody_vae is damaged" in capsys.readouterr().err


def test_a_byte_flipped_anywhere_never_restores_another_state(checkpoints, capsys):
    random.seed(0)
    save(checkpoints, s20=None, s40=None)
    whole = checkpoints.folder / "40"
    copy = checkpoints.folder.parent / "copy"
    shutil.copytree(whole, copy)
    for _ in range(20):
        flip_anything(whole)
        step, state = checkpoints.restore(state_at(0))
        assert_same(state, state_at(step))
        shutil.rmtree(whole)
        shutil.copytree(copy, whole)
    assert "damaged" in capsys.readouterr().err


def test_damaged_meta_data_are_nothing(checkpoints):
    save(checkpoints, s20=None)
    truncate_the_json(checkpoints.folder / "20")
    assert checkpoints.meta(20) == {}


def test_if_all_are_damaged_one_line_says_so(checkpoints):
    save(checkpoints, s20=1.0, s40=2.0)
    for step in (20, 40):
        flip(files(checkpoints.folder / str(step))[-1])
        remove_the_largest(checkpoints.folder / str(step) / "params")
    for read in (lambda: checkpoints.restore(state_at(0)), checkpoints.restore_params):
        with pytest.raises(MusicFusionError, match=r"is damaged .* no other is left") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_run_that_fell_back_replaces_what_it_fell_back_from(checkpoints, capsys):
    save(checkpoints, s20=1.0, s40=3.0, s60=2.0)
    for step in (40, 60):
        flip(files(checkpoints.folder / str(step))[-1])
    assert checkpoints.restore(state_at(0))[0] == 20
    save(checkpoints, s40=2.0)
    assert checkpoints.steps() == [20, 40]
    assert checkpoints.restore(state_at(0))[0] == 40
    assert capsys.readouterr().err.count("damaged") == 2


def test_a_checkpoint_of_another_model_is_refused(checkpoints):
    save(checkpoints, s1=None)
    wider, longer = state_at(0), state_at(0)
    wider["params"]["gain"] = jnp.zeros(3)
    longer["params"]["extra"] = jnp.zeros(3)
    with pytest.raises(MusicFusionError, match=r"params/gain is float32\[\], not float32\[3\]"):
        checkpoints.restore(wider)
    with pytest.raises(MusicFusionError, match="it lacks params/extra"):
        checkpoints.restore(longer)


def test_a_failed_save_is_told_in_one_line(tmp_path):
    (tmp_path / "stage").write_text("a file is in the way")
    checkpoints = Checkpoints(tmp_path / "stage")
    checkpoints.save(1, state_at(1), {}, None)
    with pytest.raises(MusicFusionError, match="cannot write a checkpoint into") as caught:
        checkpoints.close()
    assert "\n" not in str(caught.value)


# Parameters only ----------------------------------------------------------------------------------


def test_the_best_parameters_come_without_a_template(checkpoints):
    save(checkpoints, s10=1.0, s20=3.0, s30=2.0)
    step, params, meta = checkpoints.restore_params()
    assert (step, meta["at"]) == (10, 10)
    assert_same(params, state_at(10)["params"])
    assert checkpoints.restore_params("latest")[0] == 30


def test_without_scores_the_best_is_the_latest(checkpoints):
    save(checkpoints, s10=None, s20=None)
    assert checkpoints.restore_params("best")[0] == 20


def test_only_the_part_that_is_asked_for_is_read(checkpoints, capsys):
    save(checkpoints, s10=None)
    for part in ("optimiser", "step"):
        for path in files(checkpoints.folder / "10" / part):
            path.unlink()
    assert_same(checkpoints.restore_params()[1], state_at(10)["params"])
    assert capsys.readouterr().err == ""
    with pytest.raises(MusicFusionError, match="damaged"):
        checkpoints.restore_params(subtree="optimiser")


def test_damaged_parameters_fall_back_to_the_next_best(checkpoints, capsys):
    save(checkpoints, s10=1.0, s20=3.0, s30=2.0)
    flip(files(checkpoints.folder / "10" / "params")[-1])
    assert checkpoints.restore_params()[0] == 30
    assert "falling back to step 30" in capsys.readouterr().err


def test_a_part_that_was_never_saved_is_named(checkpoints):
    save(checkpoints, s10=None)
    with pytest.raises(MusicFusionError, match=r"step 10 in .* has no 'critic'"):
        checkpoints.restore_params(subtree="critic")


# Other processes ----------------------------------------------------------------------------------


def start(script, *arguments):
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path]), "JAX_PLATFORMS": "cpu"},
    )


SAVING = """
import sys
from test_checkpoint import Checkpoints, state_at
checkpoints = Checkpoints(sys.argv[1])
step = (checkpoints.latest_step() or 0) + 1
while True:
    checkpoints.save(step, state_at(step), {}, 1 / step)
    print(step, flush=True)
    step += 1
"""


def test_kill_9_while_saving_leaves_a_finished_step_exactly(checkpoints):
    random.seed(0)
    reached = 0
    for _ in range(5):
        process = start(SAVING, checkpoints.folder)
        for _ in range(3):  # it has saved twice
            assert process.stdout.readline()
        time.sleep(random.uniform(0, 0.4))
        process.kill()
        _, errors = process.communicate(timeout=30)
        assert errors == ""
        step, state = checkpoints.restore(state_at(0))
        assert step >= reached + 2
        assert_same(state, state_at(step))
        assert step == checkpoints.latest_step()
        reached = step
    save(checkpoints, **{f"s{reached + 1}": None})
    assert all(path.name.isdigit() for path in checkpoints.folder.iterdir())


QUIET = """
import sys
from absl import app, logging
def main(_):
    logging.set_verbosity("info")
    from test_checkpoint import Checkpoints, state_at
    with Checkpoints(sys.argv[1]) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, state_at(step), {}, None)
        checkpoints.restore(state_at(0))
        checkpoints.restore_params()
    logging.info("ours")
app.run(main, sys.argv[:1])
"""


def test_orbax_does_not_talk_to_the_user(tmp_path):
    out, err = start(QUIET, tmp_path).communicate(timeout=60)
    assert out == ""
    assert [line.rpartition("] ")[2] for line in err.splitlines()] == ["ours"]


TWO_PROCESSES = """
import sys
import jax
from musicfusion.core import parallel
from test_checkpoint import Checkpoints, MusicFusionError, assert_same, files, flip, state_at
process, port, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
parallel.initialise(f"127.0.0.1:{port}", 2, process)
run = parallel.create()
with Checkpoints(folder) as checkpoints:
    assert checkpoints.restore(state_at(0)) is None
    for step in (1, 2, 3, 4):
        checkpoints.save(step, run.replicate(state_at(step)), {"at": step}, step)
        if process == 1:
            assert checkpoints.best_step() == 1  # one process may look on its own
    assert checkpoints.steps() == [1, 3, 4]
    parallel.wait_for_all("seen")
    if process == 0:
        flip(files(checkpoints.folder / "4")[-1])
    parallel.wait_for_all("damaged")
    step, state = checkpoints.restore(jax.eval_shape(lambda: state_at(0)))
    assert step == 3
    assert_same(state, state_at(3))
    checkpoints.save(4, run.replicate(state), {"at": 4}, 4)
    step, params, meta = checkpoints.restore_params()
    assert (step, meta) == (1, {"at": 1})
    assert_same(params, state_at(1)["params"])
    if process == 1:
        checkpoints.folder = checkpoints.folder / "elsewhere"
    try:
        checkpoints.restore_params()
    except MusicFusionError as error:
        print(error, flush=True)
"""


def test_two_processes_save_restore_and_fall_back_together(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [start(TWO_PROCESSES, process, port, tmp_path / "stage") for process in range(2)]
    try:
        outputs = [process.communicate(timeout=60) for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], outputs
    assert "falling back to step 3" in outputs[0][1]
    assert "falling back" not in outputs[1][1]
    assert all("give a folder that all of them share" in out for out, _ in outputs)
