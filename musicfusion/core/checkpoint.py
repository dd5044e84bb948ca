"""Checkpoints of one stage: the only file that knows Orbax.

Orbax writes folders atomically, but it does not notice a flipped byte, and it may delete the best step. So the sha256
of every leaf is stored with it and checked when it is restored, and which steps are kept is decided here.
"""

import functools
import hashlib
import json
import logging
import math
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from musicfusion.core import parallel
from musicfusion.core.errors import MusicFusionError

Tree = Any
Leaves = dict[str, np.ndarray]  # "params/encoder/kernel" -> array
RECORD = "_record"  # beside the parts of the state: step, score, meta and the leaves' hashes
RECORD_FILE = "data.json"  # where Orbax's JsonHandler puts it


class Checkpoints:
    """The checkpoints of one stage, FOLDER/STEP: the latest few and the best.

    Several processes share the folder, and all of them call `save`, `restore`, `restore_params`.
    Close it, or use it in a `with`, to finish the last save.
    """

    def __init__(self, folder: Path, keep_latest: int = 2):
        # A relative path would fail in Orbax's background thread only.
        self.folder = Path(folder).absolute()
        self.stage = (self.folder.parent if self.folder.name == "checkpoints" else self.folder).name
        self.keep_latest = keep_latest
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._saving: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finishes the save that is under way."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()

    # Writing --------------------------------------------------------------------------------------

    def save(self, step: int, state: Tree, meta: Mapping[str, Any], score: float | None) -> None:
        """Copies the state to the host and returns; hashing, writing, cleaning up go on behind.

        A checkpoint of the same step is replaced. Later ones are removed: a run that saves an
        earlier step fell back behind them. Several processes do all of it before they return.

        Args:
          step: the number of steps done.
          state: a dict (or any tree that flax.serialization knows) of arrays.
          meta: what a reader needs to use the state; JSON.
          score: the lower the better; None or NaN for a step that was not evaluated.

        Raises:
          MusicFusionError: a save failed; that of the previous call, where they go on behind.
        """
        self.wait()
        # A copy: on the CPU the host array is the device's memory, which the next step reuses.
        leaves = {path: np.array(leaf) for path, leaf in _flatten(parallel.host(state)).items()}
        record = {
            "step": int(step),
            "score": float(score) if score is not None and math.isfinite(score) else None,
            "meta": json.loads(json.dumps(meta)),
        }
        if jax.process_count() == 1:
            self._saving = self._writer.submit(self._write, record, leaves)
        else:  # Orbax then lets all processes talk, which must not happen beside a step that does
            self._write(record, leaves)

    def wait(self) -> None:
        """Waits for the save that is under way; raises MusicFusionError if it failed."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def _write(self, record: dict[str, Any], leaves: Leaves) -> None:
        record["leaves"] = {path: _hash(leaf) for path, leaf in leaves.items()}
        record["sha256"] = _hash_record(record)
        parts = {RECORD: record, **_nest(leaves)}
        try:
            if parallel.is_main():
                self.folder.mkdir(parents=True, exist_ok=True)
                for path in self.folder.glob("[0-9]*.*"):  # left by a run that was killed in here
                    shutil.rmtree(path, ignore_errors=True)
            orbax, context = _orbax()
            with context:
                orbax.save_checkpointables(self._path(record["step"]), parts, overwrite=True)
            if parallel.is_main():
                self._remove_all_but_the_kept(record["step"])
            parallel.wait_for_all("checkpoint")  # nobody reads what is being removed
        except Exception as error:
            line = str(error).strip().partition("\n")[0] or type(error).__name__
            raise MusicFusionError(f"cannot write a checkpoint into {self.folder}: {line}") from error

    def _remove_all_but_the_kept(self, last: int) -> None:
        steps = [step for step in self.steps() if step <= last]
        kept = {self._best(steps), *steps[-self.keep_latest :]}
        for step in self.steps():
            if step not in kept:
                # Renamed first: killed half way, it must not pass for a checkpoint.
                rubbish = self._path(step).rename(self.folder / f"{step}.removed")
                shutil.rmtree(rubbish, ignore_errors=True)

    # Reading --------------------------------------------------------------------------------------

    def restore(self, template: Tree) -> tuple[int, Tree] | None:
        """Reads the latest checkpoint that is whole, to go on from there.

        Args:
          template: a state of the same structure; its leaves need only a shape and a dtype.

        Returns:
          The step and the state, with NumPy leaves; None where there is no checkpoint.

        Raises:
          MusicFusionError: all are damaged, or the checkpoint is of another model.
        """
        from flax import serialization

        self.wait()
        found = self._first_whole(self.steps()[::-1], None)
        if found is None:
            return None
        step, leaves, _ = found
        wanted = _flatten(template)
        self._check_fit(step, leaves, wanted)
        tree = serialization.to_state_dict(template)
        filled = jax.tree_util.tree_map_with_path(lambda path, _: leaves["/".join(str(key.key) for key in path)], tree)
        return step, serialization.from_state_dict(template, filled)

    def restore_params(self, which: str = "best", subtree: str = "params") -> tuple[int, Tree, dict[str, Any]]:
        """Reads one part of the best or the latest checkpoint; the other parts are not opened.

        Args:
          which: "best" (the latest, where no step has a score) or "latest".
          subtree: the key of the part in the state.

        Returns:
          The step, the part as nested dicts of NumPy arrays, and the meta data saved with it.

        Raises:
          MusicFusionError: there is no checkpoint, none is whole, or it has no such part.
        """
        self.wait()
        steps = self.steps()[::-1]
        if which == "best":
            scores = {step: self._score(step) for step in steps}
            steps = sorted(steps, key=scores.__getitem__)  # of equals the latest stays first
        found = self._first_whole(steps, subtree)
        if found is None:
            raise MusicFusionError(
                f"no checkpoint in {self.folder}: train {self.stage} first, or give the folder of a run that did"
            )
        step, leaves, meta = found
        if not leaves:
            raise MusicFusionError(f"checkpoint step {step} in {self.folder} has no {subtree!r}")
        return step, _nest(leaves)[subtree], meta

    def steps(self) -> list[int]:
        """The steps of the finished checkpoints, ascending; damage is not looked for."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())

    def latest_step(self) -> int | None:
        """The last of `steps`."""
        return max(self.steps(), default=None)

    def best_step(self) -> int | None:
        """The step with the lowest score, the latest of equals; None where no step has a score."""
        return self._best(self.steps())

    def meta(self, step: int) -> dict[str, Any]:
        """The meta data saved with a step; nothing where they are damaged, which `restore` will tell."""
        try:
            return self._record(step)["meta"]
        except _Damage:
            return {}

    def _path(self, step: int) -> Path:
        return self.folder / str(step)

    def _best(self, steps: list[int]) -> int | None:
        scores = {step: self._score(step) for step in steps[::-1]}
        best = min(scores, key=scores.__getitem__, default=None)
        return None if best is None or math.isinf(scores[best]) else best

    def _score(self, step: int) -> float:
        try:
            score = self._record(step)["score"]
        except _Damage:
            return math.inf
        return math.inf if score is None else score

    def _record(self, step: int) -> dict[str, Any]:
        # Read without Orbax: quick, and possible in one process of several.
        try:
            record = json.loads((self._path(step) / RECORD / RECORD_FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise _Damage("its record cannot be read") from error
        if not isinstance(record, dict) or record.get("sha256") != _hash_record(record):
            raise _Damage("its record")
        return record

    def _load(self, step: int, part: str) -> Any:
        orbax, context = _orbax()
        try:
            with context:
                return orbax.load_checkpointables(self._path(step), {part: None})[part]
        except Exception as error:  # whatever a damaged file makes of Orbax and TensorStore
            raise _Damage(f"{part} cannot be read") from error

    def _first_whole(self, steps: list[int], subtree: str | None) -> tuple[int, Leaves, dict[str, Any]] | None:
        """The first of `steps` that is whole: its number, leaves (of one part) and meta data."""
        self._agree(str(steps))
        damaged: list[str] = []
        found = None
        for step in steps:
            try:
                record = self._record(step)
                found = step, self._read(step, record["leaves"], subtree), record["meta"]
                break
            except _Damage as damage:
                damaged.append(f"checkpoint step {step} of {self.stage} is damaged ({damage})")
        self._agree(str(found and found[0]))
        if steps and found is None:
            raise MusicFusionError(f"{damaged[-1]}, and no other is left in {self.folder}: remove it and train again")
        if found and parallel.is_main():
            for line in damaged:
                print(f"{line}: falling back to step {found[0]}", file=sys.stderr)
        return found

    def _agree(self, seen: str) -> None:
        """Raises MusicFusionError in every process if they do not all see the same files."""
        if not parallel.agree(seen):
            raise MusicFusionError(
                f"the processes do not see the same checkpoints in {self.folder}: give a folder that all of them share"
            )

    def _read(self, step: int, hashes: dict[str, str], subtree: str | None) -> Leaves:
        hashes = {path: value for path, value in hashes.items() if subtree is None or path.split("/")[0] == subtree}
        parts = dict.fromkeys(path.split("/")[0] for path in hashes)
        leaves = _flatten({part: self._load(step, part) for part in parts})
        for path, value in hashes.items():
            if path not in leaves or _hash(leaves[path]) != value:
                raise _Damage(f"leaf {path}")
        return leaves

    def _check_fit(self, step: int, leaves: Leaves, wanted: dict[str, Any]) -> None:
        where = f"checkpoint step {step} in {self.folder} is of another model"
        for path in sorted(leaves.keys() ^ wanted.keys()):
            there = "has" if path in leaves else "lacks"
            raise MusicFusionError(f"{where}: it {there} {path}; use the run's own config")
        for path, leaf in wanted.items():
            here, there = (f"{x.dtype}{list(x.shape)}" for x in (_spec(leaf), leaves[path]))
            if here != there:
                raise MusicFusionError(f"{where}: {path} is {there}, not {here}; use the run's own config")


class _Damage(Exception):
    """What of a checkpoint is damaged."""


def _flatten(tree: Tree) -> dict[str, Any]:
    """The leaves by path; named tuples and the like become dicts as in flax.serialization."""
    from flax import serialization

    leaves = jax.tree_util.tree_leaves_with_path(serialization.to_state_dict(tree))
    return {"/".join(str(key.key) for key in path): leaf for path, leaf in leaves}


def _nest(leaves: Leaves) -> dict[str, Any]:
    """The leaves as nested dicts; undoes `_flatten`."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *nodes, name = path.split("/")
        node = tree
        for key in nodes:
            node = node.setdefault(key, {})
        node[name] = leaf
    return tree


def _spec(leaf: Any) -> Any:
    return leaf if hasattr(leaf, "dtype") else np.asarray(leaf)


def _hash(leaf: np.ndarray) -> str:
    digest = hashlib.sha256(f"{leaf.dtype}{leaf.shape}".encode())
    digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _hash_record(record: dict[str, Any]) -> str:
    content = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _orbax() -> tuple[Any, Any]:
    """Orbax (half a second to import) and a context of our own for one call."""
    from orbax.checkpoint import v1

    _hush()
    registry = v1.handlers.local_registry()
    registry.add(v1.handlers.JsonHandler, checkpointable_name=RECORD)
    context = v1.Context()
    context.checkpointables.registry = registry
    context.memory.deepcopy_host_arrays = False  # save made a copy already
    context.array.saving.use_compression = False  # weights do not compress
    if jax.process_count() > 1 and not parallel.is_distributed():
        context.multiprocessing.primary_host = jax.process_index()
        context.multiprocessing.active_processes = {jax.process_index()}
    return v1, context


@functools.cache
def _hush() -> None:
    """Keeps from the user's terminal what Orbax says beside the exceptions that it raises."""
    logging.getLogger("absl").addFilter(lambda entry: entry.levelno >= logging.ERROR or "orbax" not in entry.pathname)
    # At the first leaf that cannot be read Orbax drops the tasks that read the others and closes its
    # event loop, so that their failures and their late answers are reported by Python itself.
    logging.getLogger("asyncio").addFilter(lambda entry: not (entry.exc_info and "OCDBT" in str(entry.exc_info[1])))
    report = sys.unraisablehook

    def unless_late(what: Any) -> None:
        if "Event loop is closed" not in str(what.exc_value):
            report(what)

    sys.unraisablehook = unless_late
