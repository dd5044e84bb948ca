"""Where later stages, sampling and evaluation find what earlier stages learned."""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from musicfusion.core.checkpoint import Checkpoints
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_write


class Trained(Protocol):
    """Trained stages, wherever they are kept: in a run (Results), in shipped weights (musicfusion.pretrained)."""

    def __call__(self, stage: str, subtree: str = "params") -> Any:
        """One part of a stage's state, nested dicts of NumPy arrays; MusicFusionError if it is not there."""

    def step(self, stage: str) -> int:
        """The step whose parameters `results(stage)` are."""

    def has(self, stage: str) -> bool:
        """Whether the stage was trained."""

    def origin(self) -> dict[str, Any]:
        """Where they are kept, and the stages read so far with their "steps"; JSON."""


class Results:
    """The trained stages of one run: `results("melody_vae")` -> its parameters, NumPy.

    The best checkpoint of a stage counts where it has one, else the latest. Only the part asked for is read, once.
    """

    def __init__(self, workdir: Path):
        self.workdir = Path(workdir)
        self._read: dict[tuple[str, str], Any] = {}

    def __call__(self, stage: str, subtree: str = "params") -> Any:
        """One part of a stage's state; MusicFusionError if the stage was never trained or is damaged."""
        if (stage, subtree) not in self._read:
            with self.checkpoints(stage) as checkpoints:
                self._read[stage, subtree] = checkpoints.restore_params("best", subtree)
        return self._read[stage, subtree][1]

    def step(self, stage: str) -> int:
        """The step whose parameters `results(stage)` are."""
        self(stage)
        return self._read[stage, "params"][0]

    def has(self, stage: str) -> bool:
        """Whether the stage has a checkpoint; damage is not looked for."""
        with self.checkpoints(stage) as checkpoints:
            return bool(checkpoints.steps())

    def origin(self) -> dict[str, Any]:
        """The workdir, and the stages read so far with their steps."""
        return {"workdir": str(self.workdir), "steps": {stage: read[0] for (stage, _), read in self._read.items()}}

    def checkpoints(self, stage: str) -> Checkpoints:
        """The stage's checkpoints."""
        return Checkpoints(self.workdir / stage / "checkpoints")


class Judged:
    """A run (core.results.Trained) some of whose stages are another's: its judges."""

    def __init__(self, own: Trained, judges: Trained, stages: Collection[str]):
        self._own, self._judges, self._stages = own, judges, stages

    def __call__(self, stage: str, subtree: str = "params") -> Any:
        """One part of a stage's state; MusicFusionError if it is not there."""
        return self._of(stage)(stage, subtree)

    def step(self, stage: str) -> int:
        """The step whose parameters `judged(stage)` are."""
        return self._of(stage).step(stage)

    def has(self, stage: str) -> bool:
        """Whether the stage was trained, a judge in the other run."""
        return self._of(stage).has(stage)

    def origin(self) -> dict[str, Any]:
        """The run's own, and the other one's under "judges"."""
        return self._own.origin() | {"judges": self._judges.origin()}

    def _of(self, stage: str) -> Trained:
        return self._judges if stage in self._stages else self._own


SKIPPED = "skipped.json"  # in a workdir: {song: why it was left out}
FAMILIES = "families.json"  # in a workdir: {song: the songs that are versions of it, and itself}


def write_songs(workdir: Path, *, skipped: Mapping[str, str], versions: Mapping[str, Sequence[str]]) -> None:
    """Says in the workdir which songs of the corpus were left out, and why, and which are versions of one another."""
    for name, content in ((SKIPPED, skipped), (FAMILIES, versions)):
        atomic_write(Path(workdir) / name, json.dumps(dict(content), indent=1) + "\n")


def write_config(config: dict[str, Any], workdir: Path) -> None:
    """Keeps the resolved config of a run in its workdir."""
    atomic_write(Path(workdir) / "config.json", json.dumps(config, indent=1) + "\n")


def read_config(workdir: Path) -> dict[str, Any]:
    """The resolved config of a run: its config.json, else the copy in a checkpoint.

    MusicFusionError if `workdir` holds neither.
    """
    with suppress(OSError, ValueError, RecursionError):
        config = json.loads((Path(workdir) / "config.json").read_text())
        if isinstance(config, dict):
            return config
    for folder in sorted(Path(workdir).glob("*/checkpoints")):
        with Checkpoints(folder) as checkpoints:
            for step in checkpoints.steps()[::-1]:
                if config := checkpoints.meta(step).get("config"):
                    return config
    raise MusicFusionError(f"{workdir} is not the workdir of a run: it has no config.json; train first")


def is_trained(workdir: Path) -> bool:
    """Whether a run has begun in a folder, which may be missing. MusicFusionError if it is a file."""
    if workdir.exists() and not workdir.is_dir():
        raise MusicFusionError(f"{workdir} is a file: give a folder as --workdir")
    return any(workdir.glob("*/checkpoints/*"))
