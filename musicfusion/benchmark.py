"""How fast each stage runs on this machine: one table, or JSON."""

import functools
import json
import resource
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from musicfusion.core.contracts import Precompute, Stage, System
from musicfusion.core.results import Results
from musicfusion.data.corpus import Corpus
from musicfusion.evaluate import read_corpus
from musicfusion.render.tables import markdown
from musicfusion.train import Programs, train

SECONDS = 10.0  # how long a rate is measured
HEADER = (
    "stage", "compile s", "steps/s", "examples/s", "step GFLOP", "TFLOP/s", "share of peak", "decode/s", "peak GiB"
)


def benchmark(system: System, config: ConfigDict, workdir: Path, form: str = "text") -> str:
    """Times every stage with the run's own data and batch; prints as text or JSON."""
    corpus = read_corpus(system, config) if form == "text" else system.corpus(config)
    about = measure(system, config, workdir, corpus)
    return json.dumps(about, indent=1) if form == "json" else table(about)


def measure(system: System, config: ConfigDict, workdir: Path, corpus: Corpus) -> dict:
    """The figures of every stage; without a run in `workdir` the stages build upon hardly trained ones.

    share_of_peak: the FLOP rate that a step achieves, by the compiler's own count, over that of a large matrix product
    in the run's precision on the same devices. peak_gib: of the device where it tells, else of this process.
    """
    peak = matrix_product_rate(config)
    with tempfile.TemporaryDirectory(prefix="musicfusion-benchmark-") as scratch:
        trained = (Path(workdir) / "config.json").exists()
        results = Results(workdir) if trained else _hardly_trained(system, config, Path(scratch), corpus)
        rows = [_stage(stage, config, corpus, results, peak) for stage in system.stages(config)]
    return {"device": jax.devices()[0].device_kind, "devices": jax.device_count(), "jax": jax.__version__,
            "preset": config.preset, "matrix_product_tflops": peak / 1e12, "stages": rows}


def table(about: dict) -> str:
    """The figures as a Markdown table."""
    rows = [[_digits(value) for value in row.values()] for row in about["stages"]]
    return (f"{about['device']} x {about['devices']}, jax {about['jax']}, preset {about['preset']}, large matrix"
            f" products: {about['matrix_product_tflops']:.3g} TFLOP/s\n\n{markdown(HEADER, rows)}")


def _hardly_trained(system: System, config, scratch: Path, corpus) -> Results:
    """Stages to build upon: two steps of each, one pass where a stage is one."""
    config = config.copy_and_resolve_references()
    _hurry(config)
    config.run.update({"validate_every": 0, "show_every": 0, "tensorboard": False})
    return train(system, config, scratch, corpus)


def _hurry(group) -> None:
    """Two steps wherever a config says how many something learns in, in groups of groups too."""
    for name, value in group.items():
        if hasattr(value, "items"):
            _hurry(value)
        elif name == "steps" and any(key.endswith("optimizer") for key in group):
            group.steps = 2


def _stage(stage: Stage, config, corpus, results, peak: float) -> dict:
    programs = Programs(stage, config, stage.data(corpus, results))
    k = config.run.steps_per_dispatch
    state = programs.devices.replicate(programs.init())
    index = programs.index(0, k)
    begun = time.perf_counter()
    compiled = programs.chunk.lower(state, programs.arrays, programs.frozen, index, np.int32(0)).compile()
    compile_seconds = time.perf_counter() - begun
    flops = _flops(compiled)

    def dispatch(state, first: int):
        arguments = (state, programs.arrays, programs.frozen, index, np.int32(first))
        return jax.block_until_ready(compiled(*programs.chunk.prepare(arguments))[0])

    state = dispatch(state, 0)
    steps, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS:
        state = dispatch(state, steps)
        steps += k
    rate = steps / (time.perf_counter() - begun)
    return {
        "stage": stage.name,
        "compile_seconds": compile_seconds,
        "steps_per_second": rate,
        "examples_per_second": rate * stage.batch,
        "step_gflop": flops / 1e9,
        "tflops": flops * rate / 1e12,
        "share_of_peak": flops * rate / peak,
        "decode_per_second": _decode_rate(programs, state),
        "peak_gib": _peak_memory() / 2**30,
    }


def _flops(compiled) -> float:
    """Floating-point operations of one step, as the compiler counts them: it counts the body of a loop once."""
    costs = compiled.cost_analysis()
    costs = costs[0] if isinstance(costs, (list, tuple)) else costs
    return float((costs or {}).get("flops", 0.0))


def _decode_rate(programs: Programs, state) -> float | None:
    """Rows a second through the stage's `generate` (encode, act, decode), on one device."""
    stage = programs.stage
    if isinstance(stage.task, Precompute) or stage.task.generate is None:
        return None
    params = programs.devices.get(state["params"])
    index = jnp.asarray(programs.index(0, 1)[0])
    keys = programs.example_keys(programs.key, index)
    batch = stage.examples(programs.resident.arrays, index, keys, False)
    generate = functools.partial(jax.jit(stage.task.generate), params, batch, programs.frozen, programs.key)
    jax.block_until_ready(generate())
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < SECONDS / 2:
        jax.block_until_ready(generate())
        count += stage.batch
    return count / (time.perf_counter() - begun)


def _peak_memory() -> float:
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use", 0) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def matrix_product_rate(config: ConfigDict, size: int = 4096) -> float:
    """FLOP/s of square matrix products in the run's precision on one device, the best of five."""
    dtype = jnp.dtype(config.run.precision)
    size = size if jax.default_backend() != "cpu" else 2048
    a = jnp.ones((size, size), dtype)
    product = jax.jit(lambda a: a @ a)
    jax.block_until_ready(product(a))
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        jax.block_until_ready(product(a))
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best


def _digits(value):
    if not isinstance(value, float):
        return value
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
