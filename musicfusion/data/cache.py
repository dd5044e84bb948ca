"""Corpora are read once and kept as an npz, keyed by the songs and by the code that reads them.

Such a file may be carried to a machine that has neither the songs nor the libraries to read them, and given there as
data.root.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.data import sources
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus, Progress, fingerprint, joined
from musicfusion.data.sources import Source

FORMAT = "musicfusion corpus 4"
_ARRAY = "array/"


def load(
    root: str,
    *,
    limit: int = 0,
    source: Callable[[str, int], Source] = sources.pairs,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Corpus:
    """The corpus at `root`, from the cache if it is there; of several roots, what is at each of them (corpus.joined).

    Args:
        root: a data root that `source` knows, or a file that `save` wrote; or several of them with commas between.
        limit: read only the first so many songs of each root (0: all); not of a file, which is used as it is.
        source: which songs are meant, such as sources.pairs or sources.melodies: (root, limit) -> Source.
        progress: called with the songs done and the songs in all while files are read.
        say: takes one line where a damaged cache is rebuilt, or where it cannot be written.

    Raises:
        MusicFusionError: there is nothing at a root, or nothing that is understood, or what is there cannot be joined.
    """
    every = roots(root)
    found = [_one(part, limit=limit, source=source, progress=progress, say=say) for part in every]
    return joined(found, names=every)


def roots(root: str) -> list[str]:
    """The data roots that `root` names, with commas between; a path that exists is one, whatever is in its name.

    Names nothing, "", where it holds nothing but commas.
    """
    if os.path.exists(os.path.expanduser(root)):
        return [root]
    return [part for part in root.split(",") if part] or [""]


def _one(root: str, *, limit: int, source: Callable[[str, int], Source], progress: Progress | None,
         say: Callable[[str], None]) -> Corpus:
    if root and (path := Path(root).expanduser()).is_file():
        return open_file(path)
    found = source(root, limit)
    key = [FORMAT, found.name, limit, found.content, sources.code_digest(found.code)]
    cached = folder() / f"{found.name}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.npz"
    if cached.is_file():
        try:
            return open_file(cached)
        except MusicFusionError:
            say(f"{cached}: damaged, so the corpus is read again")
    read = found.read(progress=progress)
    try:
        save(read, cached)
    except OSError as error:
        say(f"{cached}: cannot be written ({error.strerror}), so the next start reads the songs again")
    return read


def folder() -> Path:
    """The user's cache folder of musicfusion: under $XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "musicfusion"


def save(corpus: Corpus, path: Path) -> None:
    """Writes a corpus as one npz without pickles, whole or not at all. Raises OSError."""
    meta = {
        "format": FORMAT,
        "songs": corpus.songs,
        "families": corpus.families,
        "grooves": corpus.grooves,
        "parts": corpus.parts,
        "skipped": dict(corpus.skipped),
        "source": corpus.source,
        "licence": corpus.licence,
        "fingerprint": corpus.fingerprint,
        "tags": corpus.tags,
        "instrumentation": corpus.instrumentation,
        "unit": corpus.unit,
        "steps": corpus.steps,
    }
    entries = {_ARRAY + key: array for key, array in corpus.arrays.items()}
    entries["first_beat"] = corpus.first_beat
    entries["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **entries)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def open_file(path: Path) -> Corpus:
    """Reads what `save` wrote. Raises MusicFusionError if it did not, or the file is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as entries:
            meta = json.loads(entries["meta"].tobytes())
            if meta["format"] != FORMAT:
                raise ValueError(f"its format is {meta['format']!r}")
            arrays = {key.removeprefix(_ARRAY): entries[key] for key in entries.files if key.startswith(_ARRAY)}
            first_beat, songs, families = entries["first_beat"], tuple(meta["songs"]), tuple(meta["families"])
            grooves = tuple(meta["grooves"])
            if fingerprint(arrays, songs, first_beat, families, grooves) != meta["fingerprint"]:
                raise ValueError("its arrays are not those that were written")
            return Corpus(
                arrays=arrays, songs=songs, families=families, grooves=grooves, parts=tuple(meta["parts"]),
                first_beat=first_beat, fingerprint=meta["fingerprint"], skipped=meta["skipped"], source=meta["source"],
                licence=meta["licence"], tags=tuple(meta["tags"]), instrumentation=meta["instrumentation"],
                unit=meta["unit"], steps=meta.get("steps", STEPS_PER_BEAT))  # older files say nothing of it
    except Exception as error:  # numpy, zipfile, zlib, json: each has its own for a damaged file
        reason = " ".join(str(error).split())
        raise MusicFusionError(
            f"{path}: not a corpus cached by musicfusion ({reason}); accepted is a file from {folder()}") from error
