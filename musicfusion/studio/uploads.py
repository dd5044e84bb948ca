"""The private folder of the studio: what visitors upload, whose it is, and what is accepted."""

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from musicfusion.codecs.inputs import SUFFIXES
from musicfusion.core.contracts import Input, Kind
from musicfusion.core.errors import MusicFusionError
from musicfusion.studio import examples

MIB = 1 << 20
LARGEST: Mapping[Kind, int] = {"notes": 16 * MIB, "sound": 200 * MIB}  # bytes of a file
ALL = 1 << 30  # bytes of all uploads together
KEPT = 1 << 14  # uploads whose owners are remembered


def suffixes(given: Input) -> tuple[str, ...]:
    """The endings of files that an input takes, in small letters."""
    return tuple(suffix for kind in given.kinds for suffix in SUFFIXES[kind])


class Uploads:
    """A folder that only this user of the machine can read, gone when the studio ends.

    Attributes:
        folder: where uploads lie, FOLDER/hash/name.
    """

    def __init__(self, known: Sequence[str] = ()):
        """known: endings of files that some input takes."""
        self.folder = Path(tempfile.mkdtemp(prefix="musicfusion-studio-")).resolve()  # mode 0700
        self.known = tuple(known)
        self._owners: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._prefix = re.compile(rf"{re.escape(str(self.folder))}(/[\w.-]+(?=/))?/?")

    def remove(self) -> None:
        """Removes all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def example(self, name: str) -> str:
        """The path of a file that comes along; everybody may use it."""
        return str(examples.make(name, self.folder / "examples"))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder inside, for a moment."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder)

    def public(self, text: str) -> str:
        """Text in which files are called by their names alone."""
        return self._prefix.sub("", text)

    def own(self, path: str, visitor: str) -> None:
        """Notes whose a file is. The same content under the same name may belong to several visitors.

        Raises:
            MusicFusionError: no input takes such a file; the folder is full. The file is gone then.
        """
        found = Path(path)
        with self._lock:
            mine = visitor in self._owners.get(path, ())
            reason = ""
            if found.suffix.lower() not in self.known:
                reason = f"{found.name}: accepted are {', '.join(self.known)}"
            elif not mine and self._bytes() > ALL:
                reason = f"{found.name}: the studio holds {ALL >> 20} MiB of files already: start it again"
            if reason:
                if path not in self._owners:
                    found.unlink(missing_ok=True)
                raise MusicFusionError(reason)
            while len(self._owners) >= KEPT:
                self._owners.pop(next(iter(self._owners)))
            self._owners.setdefault(path, set()).add(visitor)

    def may_read(self, path: str, visitor: str) -> bool:
        """Whether a visitor may see a file: one that was uploaded by the same browser, or an example."""
        with self._lock:
            mine = visitor in self._owners.get(path, ())
        return mine or (os.path.dirname(path) == str(self.folder / "examples") and os.path.basename(path) in EXAMPLES)

    def check(self, path: str, visitor: str, name: str, given: Input) -> None:
        """Raises MusicFusionError unless this visitor may use a file as this input; the file is not read for that."""
        found = Path(path)
        kind = next((kind for kind in given.kinds if found.suffix.lower() in SUFFIXES[kind]), None)
        if not self.may_read(path, visitor):
            raise MusicFusionError(f"{name}: {found.name} is not there any more: upload it again")
        if kind is None:
            raise MusicFusionError(f"{name}: {found.name}: accepted are {', '.join(suffixes(given))}")
        try:
            size = found.stat().st_size
        except OSError:
            raise MusicFusionError(f"{name}: {found.name} is not there any more: upload it again") from None
        if size > LARGEST[kind]:
            raise MusicFusionError(f"{name}: {found.name} has {size / MIB:.0f} MiB; at most {LARGEST[kind] >> 20} are"
                                   " accepted")

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())


EXAMPLES = {file for own in examples.EXAMPLES.values() for example in own for file in example.files.values()}
