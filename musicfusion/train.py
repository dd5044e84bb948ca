"""The one training loop, for every stage of every system.

The device never waits for the host: the corpus lives on it, a batch is a vector of indices made by f(seed, step), and
several steps run in each dispatch. What a step draws at random depends on seed, stage, step and row only, so a killed
run goes on bit-equal, and n devices give the numbers of one.
"""

import time
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from musicfusion.core import parallel, report
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Results, write_config
from musicfusion.core.task import Resident, Stage, System
from musicfusion.data import batches

COLOURS = ("#D55E00", "#0072B2")
SHOWN_STEPS = 32  # a picture has as many of these as it needs


def train(system: System, config, workdir: Path, corpus) -> Results:
    """Trains the system's stages in order, resumes what is unfinished, skips what is finished."""
    results = Results(workdir)
    stages = system.stages(config)
    devices = parallel.create(config.run.parallel)
    for stage in stages:  # all of them now: the last one begins in hours
        try:
            parallel.check_batch(stage.batch, devices.count)
        except MusicFusionError as error:
            raise MusicFusionError(f"{stage.name}: {error}") from None
    for stage in stages:
        train_stage(stage, config, workdir, corpus, results)
    return results


class Programs:
    """A stage's compiled functions on its devices; benchmark.py times the same ones."""

    def __init__(self, stage: Stage, config, resident: Resident):
        self.stage, self.resident = stage, resident
        self.seed = config.seed
        self.devices = parallel.create(config.run.parallel)
        parallel.check_batch(stage.batch, self.devices.count)
        self.key = jax.random.fold_in(jax.random.key(config.seed), zlib.crc32(stage.name.encode()))
        self.steps = stage.steps if resident.steps is None else resident.steps
        self.chunk = self.devices.compile(self._chunk, [None, None, 1, None], donate=[0])
        self.evaluate = self.devices.compile(self._evaluate, [None, None, 0])
        self.arrays = self.devices.replicate(resident.arrays)

    def init(self):
        """The state at step 0, on the host's default device."""
        index = jnp.zeros(min(self.stage.batch, 2), jnp.int32)
        batch = self.stage.examples(self.resident.arrays, index, self.row_keys(self.key, index), True)
        return jax.jit(self.stage.task.init)(self.key, batch)

    def index(self, first: int, steps: int) -> np.ndarray:
        """Which examples steps first..first+steps-1 see: int32 [steps, batch]."""
        if self.stage.shuffled:
            return batches.block(self.seed, first, steps, self.stage.batch, self.resident.train)
        flat = np.arange(first * self.stage.batch, (first + steps) * self.stage.batch)
        return (flat % self.resident.train).reshape(steps, -1).astype(np.int32)

    def validation_index(self, count: int) -> np.ndarray:
        """`count` batches of validation examples, evenly spaced: int32 [count, batch]."""
        wanted = count * self.stage.batch
        index = batches.fixed(self.resident.validation, wanted) + self.resident.train
        return index.astype(np.int32).reshape(count, self.stage.batch)

    def row_keys(self, key, index):
        """One key for each row of the global batch."""
        return jax.vmap(lambda row: jax.random.fold_in(key, row))(parallel.rows(index.shape[0]))

    def _chunk(self, state, arrays, index, first):
        """Several steps in one dispatch: index [k, batch on this device] -> state, metrics with [k] each."""

        def body(state, now):
            index, step = now
            key = jax.random.fold_in(self.key, step)
            batch = self.stage.examples(arrays, index, self.row_keys(key, index), True)
            return self.stage.task.step(state, batch, key)

        if len(index) == 1:  # without a loop, in which XLA's convolutions are ten to thirty times as slow on a CPU
            state, metrics = body(state, (index[0], first))
            return state, parallel.mean(jax.tree.map(lambda x: x[None], metrics))
        state, metrics = lax.scan(body, state, (index, first + jnp.arange(len(index))))
        return state, parallel.mean(metrics)

    def _evaluate(self, state, arrays, index):
        key = jax.random.fold_in(self.key, 2**31 - 1)
        batch = self.stage.examples(arrays, index, self.row_keys(key, index), False)
        return parallel.mean(self.stage.task.evaluate(state, batch, key))


def train_stage(stage: Stage, config, workdir: Path, corpus, results: Results) -> None:
    """Trains one stage to its budget, from its latest whole checkpoint if there is one."""
    folder = Path(workdir) / stage.name
    run = config.run
    with results.checkpoints(stage.name) as checkpoints:
        latest = checkpoints.latest_step()
        if latest is not None and checkpoints.meta(latest).get("finished"):
            _say(f"{stage.name}: finished before ({latest} steps)")
            return
        programs = Programs(stage, config, stage.data(corpus, results))
        state, step = programs.init(), 0
        restored = checkpoints.restore(jax.eval_shape(lambda: state))
        if restored is not None:
            step, state = restored
        state = programs.devices.replicate(state)
        if parallel.is_main():
            write_config(config.to_dict(), workdir)  # not before: what cannot begin leaves nothing behind
        begun = f" from step {step}" if step else ""
        _say(f"{stage.name}: {programs.steps} steps of {stage.batch}{begun},"
             f" {programs.resident.train} examples, {programs.devices.count} device(s)")
        with report.Report(folder, run.tensorboard, parallel.is_main()) as log:
            log.rewind(step)
            _loop(programs, state, step, checkpoints, log, config)
        checkpoints.wait()


def _loop(programs, state, step, checkpoints, log, config) -> None:
    stage, run = programs.stage, config.run
    k = run.steps_per_dispatch
    progress = report.Progress(stage.name, programs.steps, stage.batch, active=parallel.is_main())
    waiting: list = []
    begun, first = time.perf_counter(), step
    loss = float("nan")
    while step < programs.steps:
        block = min(k, programs.steps - step)
        state, metrics = programs.chunk(
            state, programs.arrays, programs.index(step, block), np.int32(step))
        waiting.append((step, metrics))
        before, step = step, step + block

        def due(every, before=before, step=step):
            return every and (before // every != step // every or step == programs.steps)

        saves, shows = due(run.checkpoint_every), due(run.show_every)
        evaluates = programs.resident.validation > 0 and due(run.evaluate_every)
        if due(run.log_every) or saves or evaluates:
            loss = _log(programs, waiting, log)
            progress.update(step, loss)
        score = None
        if evaluates or (saves and stage.best):
            score = _evaluate(programs, state, step, log, run.evaluate_batches)
        if saves:
            meta = {"config": config.to_dict(), "stage": stage.name, "finished": step == programs.steps}
            checkpoints.save(step, state, meta, score)
        if shows and stage.show and log.active:
            _show(programs, state, step, log)
    progress.done()
    seconds = time.perf_counter() - begun
    rate = (step - first) * stage.batch / max(seconds, 1e-9)
    _say(f"{stage.name}: done in {seconds:.0f} s, {rate:.0f} examples/s, loss {loss:.4g}")


def _log(programs, waiting, log) -> float:
    """Writes the means of the steps since the last call; stops at the first step whose loss is not finite."""
    chunks = [(first, programs.devices.get(metrics)) for first, metrics in waiting]
    waiting.clear()
    for first, metrics in chunks:
        bad = ~np.isfinite(metrics["loss"])
        if bad.any():
            raise MusicFusionError(
                f"the loss of {programs.stage.name} is not finite at step {first + int(np.argmax(bad)) + 1}:"
                " train in another --workdir with a lower optimizer.rate in its group of the config, or with its"
                " optimizer.clip; the last checkpoint is kept"
            )
    means = {k: float(np.mean(np.concatenate([m[k] for _, m in chunks]))) for k in chunks[0][1]}
    last = chunks[-1]
    log.scalars(last[0] + len(last[1]["loss"]), means)
    return means["loss"]


def _evaluate(programs, state, step, log, count) -> float | None:
    """Validation metrics, averaged over `count` batches; returns the score by which the best step is chosen."""
    rows = [programs.evaluate(state, programs.arrays, index)
            for index in programs.validation_index(count)]
    rows = [programs.devices.get(row) for row in rows]
    means = {k: float(np.mean([row[k] for row in rows])) for k in rows[0]}
    log.scalars(step, {f"validation/{k}": v for k, v in means.items()})
    return means[programs.stage.best] if programs.stage.best else None


def _show(programs, state, step, log) -> None:
    """Piano rolls and sound of what the stage makes of two validation examples."""
    from musicfusion.codecs.score import Score, from_notes
    from musicfusion.render import audio, pianoroll

    stage = programs.stage
    index = jnp.asarray(programs.validation_index(1)[0, :2])
    key = jax.random.fold_in(programs.key, 2**31 - 1)
    batch = stage.examples(programs.resident.arrays, index, programs.row_keys(key, index), False)
    params = programs.devices.get(state["params"])
    made = jax.device_get(jax.jit(stage.task.generate)(params, batch, key))
    for title, before, after in stage.show(batch, made):
        last = max((notes[:, 0].max() for notes in (*before.values(), *after.values()) if len(notes)), default=0)
        steps = SHOWN_STEPS * (1 + int(last) // SHOWN_STEPS)
        rolls = [
            pianoroll.raster(list(zip(notes.values(), COLOURS, strict=False)), steps, pitches=(30, 96))
            for notes in (before, after)
        ]
        log.image(step, title, np.concatenate(rolls))
        tracks = tuple(from_notes(name, 0, notes) for name, notes in after.items() if len(notes))
        if tracks:
            sound = audio.synthesise(Score(tracks, np.array([[0.0, 90.0]]), (), title), 22050)
            log.audio(step, title, sound.samples, sound.rate)


def _say(line: str) -> None:
    if parallel.is_main():
        print(line, flush=True)
