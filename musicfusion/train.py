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
from ml_collections import ConfigDict

from musicfusion.core import parallel, report
from musicfusion.core.contracts import Precompute, Resident, Stage, System, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.results import Results, Trained, write_config, write_songs
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus

SHOWN_STEPS = 32  # a piano roll is a whole number of these long


def train(
    system: System, config: ConfigDict, workdir: Path, corpus: Corpus, init: Trained | None = None
) -> Results:
    """Trains the system's stages in order, resumes what is unfinished, skips what is finished.

    init: where the parameters of stages that have not begun yet come from, instead of being drawn (config.run.init).
    """
    results = Results(workdir)
    stages = system.stages(config)
    devices = parallel.create(config.run.parallel)
    for stage in stages:  # all of them now: the last one begins in hours
        try:
            parallel.check_batch(stage.batch, devices.count)
        except MusicFusionError as error:
            raise MusicFusionError(f"{stage.name}: {error}") from None
    for stage in stages:
        train_stage(stage, config, workdir, corpus, results, init)
    return results


class Programs:
    """A stage's compiled functions on its devices; benchmark.py times the same ones."""

    def __init__(self, stage: Stage, config: ConfigDict, resident: Resident):
        self.stage, self.resident = stage, resident
        self.seed = config.seed
        self.devices = parallel.create(config.run.parallel)
        parallel.check_batch(stage.batch, self.devices.count)
        self.key = jax.random.fold_in(jax.random.key(config.seed), zlib.crc32(stage.name.encode()))
        self.learns = not isinstance(stage.task, Precompute)
        self.steps = stage.steps if self.learns else -(-resident.train // stage.batch)  # one pass
        self.chunk = self.devices.compile(self._chunk, [None, None, None, 1, None], donate=[0])
        self.validate = self.devices.compile(self._validate, [None, None, None, 0])
        self.arrays = self.devices.replicate(resident.arrays)
        self.frozen = self.devices.replicate(resident.frozen)

    def init(self) -> Tree:
        """The state at step 0, on the host's default device."""
        index = jnp.zeros(min(self.stage.batch, 2), jnp.int32)
        batch = self.stage.examples(self.resident.arrays, index, self.example_keys(self.key, index), True)
        return jax.jit(self.stage.task.init)(self.key, batch, self.resident.frozen)

    def advance(self, state: Tree, first: int, steps: int) -> tuple[Tree, Tree]:
        """The state after steps first..first+steps-1, and their metrics, [steps] each."""
        index = self.index(first, steps)
        return self.chunk(state, self.arrays, self.frozen, index, np.int32(first))

    def index(self, first: int, steps: int) -> np.ndarray:
        """Which examples steps first..first+steps-1 see: int32 [steps, batch]; a Precompute sees all in order."""
        if self.learns:
            return batches.block(self.seed, first, steps, self.stage.batch, self.resident.train)
        flat = np.arange(first * self.stage.batch, (first + steps) * self.stage.batch)
        return (flat % self.resident.train).reshape(steps, -1).astype(np.int32)

    def validation_index(self, count: int) -> np.ndarray:
        """`count` batches of validation examples, evenly spaced: int32 [count, batch]."""
        wanted = count * self.stage.batch
        index = batches.fixed(self.resident.validation, wanted) + self.resident.train
        return index.astype(np.int32).reshape(count, self.stage.batch)

    def example_keys(self, key: jax.Array, index: jax.Array) -> jax.Array:
        """One key for each example of the global batch."""
        return jax.vmap(lambda number: jax.random.fold_in(key, number))(parallel.example_numbers(index.shape[0]))

    def _chunk(self, state, arrays, frozen, index, first):
        """Several steps in one dispatch: index [k, batch on this device] -> state, metrics with [k] each."""
        task = self.stage.task

        def body(state, now):
            index, step = now
            key = jax.random.fold_in(self.key, step)
            batch = self.stage.examples(arrays, index, self.example_keys(key, index), True)
            if isinstance(task, Precompute):
                return task.step(state, batch, frozen), {}
            return task.step(state, batch, frozen, key)

        if len(index) == 1:  # without a loop, in which XLA's convolutions are ten to thirty times as slow on a CPU
            state, metrics = body(state, (index[0], first))
            return state, parallel.mean(jax.tree.map(lambda x: x[None], metrics))
        state, metrics = lax.scan(body, state, (index, first + jnp.arange(len(index))))
        return state, parallel.mean(metrics)

    def _validate(self, state, arrays, frozen, index):
        task = self.stage.task
        assert not isinstance(task, Precompute)
        key = jax.random.fold_in(self.key, 2**31 - 1)
        batch = self.stage.examples(arrays, index, self.example_keys(key, index), False)
        return parallel.mean(task.validate(state, batch, frozen, key))


def train_stage(
    stage: Stage, config: ConfigDict, workdir: Path, corpus: Corpus, results: Results, init: Trained | None = None
) -> None:
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
        if init is not None and programs.learns:
            state = _starting_from(state, init, stage)
        restored = checkpoints.restore(jax.eval_shape(lambda: state))
        if restored is not None:
            step, state = restored
        state = programs.devices.replicate(state)
        if parallel.is_main():
            write_config(config.to_dict(), workdir)  # not before: what cannot begin leaves nothing behind
            write_songs(workdir, skipped=corpus.skipped, versions=corpus.versions)
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
    loss: float | None = None
    while step < programs.steps:
        block = min(k, programs.steps - step)
        state, metrics = programs.advance(state, step, block)
        waiting.append((step, metrics))
        before, step = step, step + block

        def due(every, before=before, step=step):
            return every and (before // every != step // every or step == programs.steps)

        saves, shows = due(run.checkpoint_every), due(run.show_every)
        validates = programs.learns and programs.resident.validation > 0 and due(run.validate_every)
        if due(run.log_every) or saves or validates:
            loss = _log(programs, waiting, log)
            progress.update(step, loss)
        score = None
        if validates or (saves and stage.best):
            score = _validate(programs, state, step, log, run.validate_batches)
        if saves:
            meta = {"config": config.to_dict(), "stage": stage.name, "finished": step == programs.steps}
            checkpoints.save(step, state, meta, score)
        if shows and stage.show and log.shows:
            _show(programs, state, step, log)
    progress.done()
    seconds = time.perf_counter() - begun
    rate = (step - first) * stage.batch / max(seconds, 1e-9)
    end = "" if loss is None else f", loss {loss:.4g}"
    _say(f"{stage.name}: done in {seconds:.0f} s, {rate:.0f} examples/s{end}")


def _log(programs, waiting, log) -> float | None:
    """Writes the means of the steps since the last call and returns their loss, None where nothing is learned.

    Stops at the first step whose loss is not finite.
    """
    if not programs.learns:
        waiting.clear()
        return None
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


def _validate(programs, state, step, log, count) -> float | None:
    """Validation metrics, averaged over `count` batches; returns the score by which the best step is chosen.

    A batch in which nothing is counted (no drums, of which none are right) is left out: its share is NaN.
    """
    rows = [programs.validate(state, programs.arrays, programs.frozen, index)
            for index in programs.validation_index(count)]
    rows = [programs.devices.get(row) for row in rows]
    columns = {k: np.array([row[k] for row in rows], float) for k in rows[0]}
    means = {k: float(np.mean(x[~np.isnan(x)])) if not np.isnan(x).all() else np.nan for k, x in columns.items()}
    log.scalars(step, {f"validation/{k}": v for k, v in means.items()})
    return means[programs.stage.best] if programs.stage.best else None


def _show(programs, state, step, log) -> None:
    """Piano rolls and sound of what the stage makes of two validation examples."""
    from musicfusion.codecs.score import grid
    from musicfusion.render import audio, figures, pianoroll

    stage = programs.stage
    index = jnp.asarray(programs.validation_index(1)[0, :2])
    key = jax.random.fold_in(programs.key, 2**31 - 1)
    batch = stage.examples(programs.resident.arrays, index, programs.example_keys(key, index), False)
    params = programs.devices.get(state["params"])
    generated = jax.device_get(jax.jit(stage.task.generate)(params, batch, programs.resident.frozen, key))
    for title, before, after in stage.show(jax.device_get(batch), generated):
        rolls = [[grid(track) for track in score.tracks] for score in (before, after)]
        last = max((notes[:, 0].max() for roll in rolls for notes in roll if len(notes)), default=0)
        steps = SHOWN_STEPS * (1 + int(last) // SHOWN_STEPS)
        log.image(step, title, np.concatenate([
            pianoroll.raster(list(zip(roll, figures.PALETTE, strict=False)), steps, pitches=(30, 96))
            for roll in rolls]))
        if any(len(track.notes) for track in after.tracks):
            sound = audio.synthesise(after, 22050)
            log.audio(step, title, sound.samples, sound.rate)


def _starting_from(state, init: Trained, stage: Stage):
    """The state with the parameters that `init` has of this stage; what it lacks (a critic, say) stays as drawn."""
    if not init.has(stage.name):
        return state
    given = init(stage.name)
    params = state["params"]

    def matches(one, other) -> bool:
        shapes = [{path: leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(x)} for x in (one, other)]
        return shapes[0] == shapes[1]

    if matches(params, given):
        fitting = given
    elif set(given) < set(params) and all(matches(params[group], part) for group, part in given.items()):
        fitting = {**params, **given}
    else:
        raise MusicFusionError(f"run.init: its {stage.name} has other networks than this config: give the config that"
                               " it was trained with, with other data and steps")
    return {**state, "params": jax.tree.map(jnp.asarray, fitting)}


def _say(line: str) -> None:
    if parallel.is_main():
        print(line, flush=True)
