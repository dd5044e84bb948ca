"""Outputs that appear whole or not at all."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from musicfusion.core.errors import MusicFusionError


def atomic_write(path: str | Path, data: bytes | str) -> Path:
    """Writes `data` (text as UTF-8) to `path`; a reader sees the old file or the new one, whole. Returns the path.

    Missing parent folders are made.

    Raises:
        MusicFusionError: the path cannot be written.
    """
    path = Path(path)
    # A name of our own, not tempfile's: its files are readable by their owner only.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name on an empty file
        os.replace(partial, path)
    except OSError as error:
        raise MusicFusionError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # gone already, unless something failed
            partial.unlink()
    return path


@contextmanager
def atomic_folder(out: str | Path) -> Iterator[Path]:
    """A temporary folder, whose files move into `out` when the block ends without an exception, or else are removed.

    A new `out` appears at once, with everything in it. In an `out` that exists, files of the same name are replaced one
    by one, each whole, and all others are kept. Any exception, Ctrl-C too, leaves `out` as it was.

    Raises:
        MusicFusionError: `out` is a file or cannot be written; raised before the block runs.
    """
    out = Path(os.path.abspath(out))
    try:
        existing = next(p for p in (out, *out.parents) if p.exists())
        if not existing.is_dir():
            raise MusicFusionError(f"cannot write into {out}: {existing} is a file, not a folder")
        # Inside what exists, not beside it: `out` may be a mount, which a rename cannot enter.
        holder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=existing))
    except OSError as error:
        raise MusicFusionError(f"cannot write into {out}: {error.strerror or error}") from error
    try:
        work = holder / "files"
        work.mkdir()  # mkdtemp's own folder is closed to everybody else, and would stay so
        yield work
        try:
            _move(work, out)
        except OSError as error:
            raise MusicFusionError(f"cannot write into {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _move(work: Path, out: Path) -> None:
    """Moves everything under `work` to the same relative path under `out`."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        os.rename(work, out)
        return
    entries = [(path, out / path.relative_to(work)) for path in sorted(work.rglob("*"))]
    for source, target in entries:  # look before the first move, so that none is made in vain
        if target.exists() and target.is_dir() != source.is_dir():
            kind = "folder" if target.is_dir() else "file"
            raise MusicFusionError(f"cannot write {target}: a {kind} of that name is in the way")
    for source, target in entries:
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            os.replace(source, target)
