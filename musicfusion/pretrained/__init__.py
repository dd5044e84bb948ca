"""Small trained weights that come with musicfusion, one folder each, and how such a folder is read.

    NAME/weights.npz     arrays "stage/path/to/leaf": the large ones in half precision; no pickles
    NAME/config.json     the resolved config, without the place where the songs lay
    NAME/manifest.json   system, preset, version, source of the songs, steps, the sha256 of the two files above
    NAME/README.md       the card: data and their licence, training, figures, limits

export.py writes them. Nothing here imports jax before parameters are asked for.
"""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from musicfusion.core.errors import MusicFusionError

SHIPPED = Path(__file__).parent
FORMAT = "musicfusion weights 1"
WEIGHTS, CONFIG, MANIFEST, CARD = "weights.npz", "config.json", "manifest.json", "README.md"
LARGEST = 2**31  # bytes, packed and unpacked


class Pretrained:
    """Shipped weights by name, or a folder that --mode=export wrote: read like a run (core.results.Trained).

    config: the resolved config; source: of the songs; stages: {stage: step}; sha256: of weights.npz. MusicFusionError
    if there are none of that name, or they are not what was exported.
    """

    def __init__(self, name: str | Path):
        self.folder = find(name)
        self.name = self.folder.name
        try:
            manifest = json.loads(_bounded(self.folder / MANIFEST))
            if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
                raise ValueError(f"{MANIFEST} is not of the format {FORMAT!r}")
            content = {file: _verified(self.folder / file, manifest["sha256"][file]) for file in (CONFIG, WEIGHTS)}
            self.config: dict[str, Any] = json.loads(content[CONFIG])
            self.sha256: str = manifest["sha256"][WEIGHTS]
            self.source = str(manifest["source"])
            self.stages = {str(stage): int(step) for stage, step in manifest["stages"].items()}
            self._arrays = _arrays(content[WEIGHTS])
            if manifest["system"] != self.config["system"]:
                raise ValueError(f"{MANIFEST} is of {manifest['system']}, {CONFIG} of {self.config['system']}")
            if {name.partition("/")[0] for name in self._arrays} != set(self.stages):
                raise ValueError(f"{MANIFEST} and {WEIGHTS} name different stages")
        except Exception as error:  # json, zipfile, zlib, NumPy: each has its own for a damaged file
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


def names() -> list[str]:
    """The shipped weights."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def find(name: str | Path) -> Path:
    """The folder of the shipped weights called `name`, else the folder `name` itself.

    Raises MusicFusionError if neither holds weights.
    """
    for folder in (SHIPPED / name, Path(name).expanduser()):
        if (folder / MANIFEST).is_file():
            return Path(os.path.abspath(folder))
    raise MusicFusionError(
        f"--pretrained: {str(name)!r} is unknown: shipped are {', '.join(names()) or 'none yet'};"
        " also accepted is a folder that --mode=export wrote"
    )


def full(array: np.ndarray) -> np.ndarray:
    """Half precision -> float32; any other array as it is."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


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
    """The arrays of an npz, which may have been made by anybody."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST:  # a small file may unpack to a very large one
        raise ValueError(f"{WEIGHTS} unpacks to {size:,} bytes, more than {LARGEST:,}")
    with np.load(io.BytesIO(content), allow_pickle=False) as entries:
        return {name: entries[name] for name in entries.files}
