"""Small trained weights that come with musicfusion, one folder each, and how such a folder is read.

    NAME/model.safetensors   arrays "stage/path/to/leaf": the large ones in half precision
    NAME/config.json         the resolved config, without the data roots of the machine that trained it
    NAME/manifest.json       system, preset, version, source and licence of the songs, steps, sha256 of the above
    NAME/README.md           the card: data and their licence, training, figures, limits; with a Hub's front matter

export.py writes them. Nothing here imports jax before parameters are asked for.
"""

import functools
import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicfusion.core.errors import MusicFusionError

if TYPE_CHECKING:
    from musicfusion.core.results import Trained

SHIPPED = Path(__file__).parent
FORMAT = "musicfusion weights 2"
WEIGHTS, CONFIG, MANIFEST, CARD = "model.safetensors", "config.json", "manifest.json", "README.md"
LARGEST = 2**31  # bytes
HUB = re.compile(r"hf:(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


class Pretrained:
    """Exported weights, read like a run (core.results.Trained).

    Attributes:
        name: of their folder.
        config: the resolved config that they were trained with.
        source, licence: of the songs that they learned from.
        stages: {stage: step}.
        sha256: of model.safetensors.
    """

    def __init__(self, name: str | Path):
        """Reads and verifies them.

        Args:
            name: of shipped weights, or a folder that export wrote, or hf:OWNER/NAME[@REVISION] of a Hub.

        Raises:
            MusicFusionError: there are none of that name, or they are not what was exported.
        """
        self.folder = find(name)
        self.name = self.folder.name if not str(name).startswith("hf:") else str(name)
        try:
            manifest = json.loads(_bounded(self.folder / MANIFEST))
            if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
                raise ValueError(f"{MANIFEST} is not of the format {FORMAT!r}")
            content = {file: _verified(self.folder / file, manifest["sha256"][file]) for file in (CONFIG, WEIGHTS)}
            self.config: dict[str, Any] = json.loads(content[CONFIG])
            self.sha256: str = manifest["sha256"][WEIGHTS]
            self.source, self.licence = str(manifest["source"]), str(manifest["licence"])
            self.stages = {str(stage): int(step) for stage, step in manifest["stages"].items()}
            self._arrays = _arrays(content[WEIGHTS])
            if manifest["system"] != self.config["system"]:
                raise ValueError(f"{MANIFEST} is of {manifest['system']}, {CONFIG} of {self.config['system']}")
            if {name.partition("/")[0] for name in self._arrays} != set(self.stages):
                raise ValueError(f"{MANIFEST} and {WEIGHTS} name different stages")
        except Exception as error:  # json, safetensors, NumPy: each has its own for a damaged file
            reason = " ".join(str(error).split()) or type(error).__name__
            raise MusicFusionError(
                f"{self.folder}: these weights are damaged ({reason}): install musicfusion again, or export them again"
            ) from error
        self._used: dict[str, int] = {}

    def __call__(self, stage: str, subtree: str = "params") -> Any:
        """A stage's parameters, float32; MusicFusionError if they were not exported."""
        from flax import traverse_util

        if subtree != "params" or stage not in self.stages:
            raise MusicFusionError(
                f"the weights {self.name} hold no {subtree!r} of {stage}: they have parameters of"
                f" {', '.join(self.stages)}; --workdir takes a run that has trained it"
            )
        self._used[stage] = self.stages[stage]
        own = {name: full(array) for name, array in self._arrays.items() if name.startswith(f"{stage}/")}
        return traverse_util.unflatten_dict(own, sep="/")[stage]

    def step(self, stage: str) -> int:
        """The step whose parameters `weights(stage)` are."""
        self(stage)
        return self.stages[stage]

    def has(self, stage: str) -> bool:
        """Whether the stage's parameters were exported."""
        return stage in self.stages

    def origin(self) -> dict[str, Any]:
        """The weights' name and hash, and the stages read so far with their steps."""
        return {"weights": {"name": self.name, "sha256": self.sha256}, "steps": dict(self._used)}

    @property
    def card(self) -> str:
        """The card, Markdown; "" where it is missing."""
        path = self.folder / CARD
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def opened(source: str | Path) -> "tuple[str, dict[str, Any], Trained]":
    """What is trained, wherever it is kept: its name, its config as stored, and its stages.

    source: shipped weights, a folder of weights, the workdir of a run, or hf:OWNER/NAME.
    MusicFusionError if nothing is there, or it is damaged.
    """
    if is_weights(source):
        weights = Pretrained(source)
        return weights.name, weights.config, weights
    from musicfusion.core import results

    workdir = Path(source).expanduser()
    if not workdir.is_dir():
        raise MusicFusionError(f"{source}: no such weights or workdir; shipped are {', '.join(names())}")
    return workdir.name, results.read_config(workdir), results.Results(workdir)


def names() -> list[str]:
    """The shipped weights."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def is_weights(name: str | Path) -> bool:
    """Whether `find` would look for weights there: a shipped name, a folder of weights, or hf:OWNER/NAME."""
    return str(name).startswith("hf:") or any((folder / MANIFEST).is_file() for folder in _folders(name))


def find(name: str | Path) -> Path:
    """The folder of the shipped weights called `name`, else the folder `name` itself, else a Hub's, downloaded.

    Raises MusicFusionError if none of them holds weights.
    """
    if str(name).startswith("hf:"):
        return _downloaded(str(name))
    for folder in _folders(name):
        if (folder / MANIFEST).is_file():
            return Path(os.path.abspath(folder))
    raise MusicFusionError(
        f"weights {str(name)!r} are unknown: shipped are {', '.join(names()) or 'none yet'};"
        " also accepted are a folder that --mode=export wrote, and hf:OWNER/NAME"
    )


def full(array: np.ndarray) -> np.ndarray:
    """Half precision -> float32; any other array as it is."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _folders(name: str | Path) -> tuple[Path, Path]:
    return SHIPPED / name, Path(name).expanduser()


@functools.cache
def _downloaded(name: str) -> Path:
    """The folder of a Hub's repository in huggingface_hub's cache; a process asks the Hub once for each name."""
    wanted = HUB.fullmatch(name)
    if not wanted:
        raise MusicFusionError(f"weights {name!r}: accepted is hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    try:
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError:
        raise MusicFusionError(f"weights {name!r}: huggingface_hub is not installed: pip install huggingface_hub, or"
                               " give a folder") from None
    try:
        folder = Path(snapshot_download(wanted["repository"], revision=wanted["revision"],
                                        allow_patterns=[WEIGHTS, CONFIG, MANIFEST, CARD]))
    except Exception as error:  # of its network library, whichever that is
        raise MusicFusionError(f"weights {name!r} cannot be downloaded"
                               f" ({' '.join(str(error).split())[:200] or type(error).__name__})") from None
    if not (folder / MANIFEST).is_file():
        raise MusicFusionError(f"weights {name!r}: that repository holds no {MANIFEST}, so no weights of musicfusion")
    return folder


def _bounded(path: Path) -> bytes:
    """A file's content, if it is not too large to be weights."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{path.name} has {size:,} bytes, more than {LARGEST:,}")
    return path.read_bytes()


def _verified(path: Path, sha256: str) -> bytes:
    content = _bounded(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not what was exported: its sha256 differs")
    return content


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    """Arrays by name; the names are paths of leaves in a tree, which has the stages at its root."""
    from safetensors.numpy import load

    arrays = load(content)
    inner = {name[:at.start()] for name in arrays for at in re.finditer("/", name)}
    if wrong := [name for name in arrays if name in inner or not all(name.split("/")) or "/" not in name]:
        raise ValueError(f"{WEIGHTS} has an array of the name {wrong[0]!r}, which is not STAGE/PATH of a leaf")
    return arrays
