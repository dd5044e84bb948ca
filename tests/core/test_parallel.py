"""One step function, the same numbers on every arrangement of devices and processes."""

import os
import re
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core import parallel
from musicfusion.core.errors import MusicFusionError

# A process of its own, because the number of devices is fixed before the first use.
# Arguments: processes, number of this process, port. Four devices in all.
# Prints "MODE DEVICES NUMBERS".
TRAINING = """
import sys
import jax
import jax.numpy as jnp
import numpy as np
import optax
from musicfusion.core import parallel

processes, process, port = map(int, sys.argv[1:])
jax.config.update("jax_num_cpu_devices", 4 // processes)
parallel.initialise(f"127.0.0.1:{port}" if processes > 1 else "", processes, process)
optimiser = optax.adam(1e-2)

def init(key):
    first, second = jax.random.split(key)
    into = jax.random.normal(first, (5, 16)) / 2
    params = {"in": into, "out": jax.random.normal(second, (16, 2)) / 4}
    return {"params": params, "optimiser": optimiser.init(params)}

def step(state, batch, key):
    x, mask = batch["x"], batch["mask"]
    keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(parallel.example_numbers(len(x)))
    noise = jax.vmap(lambda key: jax.random.normal(key, (5,)))(keys)

    def loss(params):
        y = jnp.tanh((x + 0.1 * noise) @ params["in"]) @ params["out"]
        return parallel.masked_mean((y - x[:, :2] ** 2) ** 2, mask[:, None])

    value, gradients = jax.value_and_grad(loss)(state["params"])
    updates, optimiser_state = optimiser.update(parallel.mean(gradients), state["optimiser"])
    params = optax.apply_updates(state["params"], updates)
    rows = parallel.total(jnp.sum(mask))
    return {"params": params, "optimiser": optimiser_state}, (parallel.mean(value), rows)

def steps(state, batches, keys):
    return jax.lax.scan(lambda state, xs: step(state, *xs), state, (batches, keys))

for count in (1, 4) if processes == 1 else ():
    run = parallel.create("pmap", jax.devices()[:count])
    gather = run.compile(lambda x: parallel.gather(x + 0), (0,))
    print("gathered", count, *run.get(gather(np.arange(8))).tolist(), flush=True)

random = np.random.default_rng(0)
batches = {
    "x": random.normal(size=(3, 10, 8, 5)).astype(np.float32),  # [dispatch, step, row, feature]
    "mask": (random.random((3, 10, 8)) < 0.6).astype(np.float32),
}
for mode in parallel.MODES:
    for count in (1, 4) if processes == 1 else (4,):
        run = parallel.create(mode, jax.devices()[:count])
        state = run.compile(init, (None,))(jax.random.key(1))
        compiled = run.compile(steps, (None, 1, None), donate=(0,))
        for i in range(3):
            keys = jax.random.split(jax.random.key(i), 10)
            given = state
            batch = {name: x[i] for name, x in batches.items()}
            state, (loss, rows) = compiled(state, batch, keys)
            assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given)), "not donated"
        assert all(leaf.is_fully_replicated for leaf in jax.tree.leaves(state))
        numbers = np.concatenate([x.ravel() for x in jax.tree.leaves(run.get((state, loss, rows)))])
        print(mode, count, *numbers.tolist(), flush=True)
"""


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", TRAINING, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cpu"},
    )


def results(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    lines = re.findall(r"^(pmap|shard_map|gathered) (\d) (.*)$", out, re.MULTILINE)
    return {(mode, count): np.array(numbers.split(), float) for mode, count, numbers in lines}


@pytest.fixture(scope="module")
def one_process():
    return results(start(1, 0, 0))


def test_four_devices_train_like_one_under_pmap_and_under_shard_map(one_process):
    expected = one_process["pmap", "1"]
    assert expected.size > 3 * (5 * 16 + 16 * 2)
    for mode, count in (("pmap", "4"), ("shard_map", "1"), ("shard_map", "4")):
        numbers = one_process[mode, count]
        np.testing.assert_allclose(numbers, expected, rtol=1e-5, atol=1e-5)


def test_two_processes_train_like_one(one_process):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [start(2, process, port) for process in range(2)]
    first, second = (results(process) for process in both)
    assert first.keys() == second.keys() == {("pmap", "4"), ("shard_map", "4")}
    for key, numbers in first.items():
        np.testing.assert_array_equal(numbers, second[key])
        np.testing.assert_allclose(numbers, one_process[key], rtol=1e-5, atol=1e-5)


def test_a_task_function_called_on_its_own_sees_one_device():
    x = jnp.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(parallel.example_numbers(3), [0, 1, 2])
    np.testing.assert_array_equal(jax.jit(parallel.mean)(x), x)
    np.testing.assert_array_equal(parallel.total({"a": x})["a"], x)
    assert parallel.masked_mean(x, jnp.array([[1.0], [0.0]])) == 1.0


def test_a_share_of_nothing_is_no_number():
    found = parallel.shares({"right": (jnp.array(3), jnp.array(4)), "of_none": (jnp.array(0), jnp.array(0))})
    assert found["right"] == 0.75 and jnp.isnan(found["of_none"])


def test_an_infinite_value_outside_the_mask_leaves_no_trace():
    def loss(x):
        return parallel.masked_mean(x, jnp.array([1, 0]))

    value, gradient = jax.value_and_grad(loss)(jnp.array([2.0, jnp.inf]))
    assert value == 2
    np.testing.assert_array_equal(gradient, [1, 0])


def test_an_empty_mask_gives_zero():
    assert parallel.masked_mean(jnp.ones(3), jnp.zeros(3)) == 0


@pytest.mark.parametrize("mode", parallel.MODES)
def test_a_donation_spares_the_callers_own_arrays(mode):
    run = parallel.create(mode, jax.devices()[:1])
    add = run.compile(lambda state, x: state + jnp.sum(x), (None, 0), donate=(0,))
    mine, ours = np.zeros(1024, np.float32), jnp.zeros(1024)
    for original in (mine, ours):
        state = run.replicate(original)
        assert run.get(add(state, np.ones(4, np.float32)))[0] == 4
        assert state.is_deleted()
        assert np.all(np.asarray(original) == 0)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_compilation_can_be_timed_apart_from_the_call(mode):
    run = parallel.create(mode, jax.devices()[:1])
    double = run.compile(lambda x: 2 * x, (0,))
    assert double.lower(np.ones(3, np.float32)).compile().cost_analysis() is not None


@pytest.mark.parametrize(("batch", "advice"), [(30, "use 28 or 32"), (3, "use 4"), (0, "use 4"), (5, "use 4 or 8")])
def test_a_batch_that_does_not_divide_says_which_would(batch, advice):
    with pytest.raises(MusicFusionError, match=f"^a batch of {batch} does not .* 4 devices: {advice}$"):
        parallel.check_batch(batch, 4)


def test_a_batch_that_divides_passes():
    parallel.check_batch(32, 4)


def test_an_unknown_mode_is_refused():
    with pytest.raises(MusicFusionError, match="'xmap' is unknown: use pmap or shard_map"):
        parallel.create("xmap")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("", 2, 0), "need a coordinator"), (("127.0.0.1:1", 2, 2), "use 0 to 1")],
)
def test_processes_that_could_not_meet_are_refused(arguments, words):
    with pytest.raises(MusicFusionError, match=words):
        parallel.initialise(*arguments)


@pytest.mark.parametrize(
    ("variables", "several"),
    [
        ({}, False),
        ({"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "2"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2"}, True),
    ],
)
def test_a_pod_and_a_slurm_step_are_joined_without_being_asked(monkeypatch, variables, several):
    for name in ("SLURM_STEP_NUM_TASKS", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *arguments: calls.append(arguments))
    parallel.initialise()
    assert calls == ([()] if several else [])


@pytest.mark.parametrize("count", [1, 4])
def test_gathered_rows_keep_their_order(count, one_process):
    numbers = one_process["gathered", str(count)]
    np.testing.assert_array_equal(numbers, np.arange(8))
