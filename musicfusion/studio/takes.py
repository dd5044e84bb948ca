"""What a visitor has made: takes side by side, which of them is shown, and what of it is locked."""

import dataclasses
import io
import json
import secrets
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicfusion.core import progress
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.studio.uploads import Uploads

if TYPE_CHECKING:
    from musicfusion.render.result import SampleResult

MOST = 30  # takes of a visitor; the oldest without a star goes
BUSY, KNOWN = 32, 1000  # visitors that have takes, and all; of too many, those who were away longest are forgotten
SOUND = 4_000_000  # bytes of a take's sounds in the page
KINDS = {"mid": "audio/midi", "musicxml": "application/vnd.recordare.musicxml+xml", "wav": "audio/wav",
         "ogg": "audio/ogg", "zip": "application/zip"}
NAMES = {"mid": "MIDI", "musicxml": "MusicXML", "wav": "WAV", "ogg": "OGG", "zip": "all files"}

Span = tuple[float, float, str | None]


@dataclasses.dataclass(kw_only=True)
class Take:
    """One fusion.

    Attributes:
        number: counts a visitor's takes from 1.
        token: in the addresses of its files; nobody can guess it.
        files: input -> name of the file.
        result: as `sample` gave it; locks refer to it.
        data: for the player, its sounds by address.
        sounds: name -> bytes, behind these addresses.
        rows: of its table of what was kept: (part, kept, new, gone).
        starred: whether it stays, however many come after it.
    """

    number: int
    token: str
    system: str
    weights: str
    files: Mapping[str, str]
    controls: Mapping[str, Any]
    seed: int
    result: "SampleResult"
    data: Mapping[str, Any]
    sounds: Mapping[str, bytes]
    rows: Sequence[tuple[str, int, int, int]]
    notices: Sequence[str]
    starred: bool = False

    @property
    def kinds(self) -> list[str]:
        """What can be downloaded, keys of KINDS."""
        return [*(["mid", "musicxml"] if self.score else []), "wav", "ogg", "zip"]

    @property
    def score(self) -> str:
        """The score that can be downloaded: the main one, or the first that is listened to; "" for none."""
        return next((name for name in (self.result.main, *self.result.players) if name in self.result.scores), "")

    @property
    def name(self) -> str:
        """Of its files; nothing in it comes from a visitor."""
        return f"{self.system}-take-{self.number}"


def make(number: int, *, system: str, weights: str, files: Mapping[str, str], controls: Mapping[str, Any], seed: int,
         result: "SampleResult", uploads: Uploads) -> Take:
    """A take of a result: it is played here, which takes seconds.

    files: input -> path; uploads: whose folder is nowhere named in what is shown.
    """
    from musicfusion.render import player

    shown = public(result, uploads)
    with progress.within(0, 0.3):
        played, notices = player.sounds(shown)
    token, sounds = secrets.token_urlsafe(16), dict[str, bytes]()

    def address(name: str, content: bytes) -> str:
        sounds[name] = content
        return f"studio/takes/{token}/{name}"

    with progress.within(0.3, 1):
        data = player.data(shown, played, address, most=SOUND)
    main, before = shown.scores.get(shown.main), shown.scores.get(player.BEFORE)
    counts = player.changes(main, before) if main is not None and before is not None else {}
    rows = [(part, found["kept"], found["new"], found["gone"]) for part, found in counts.items()]
    return Take(number=number, token=token, system=system, weights=weights, seed=seed, controls=dict(controls),
                files={name: Path(path).name for name, path in files.items()}, result=result, data=data, sounds=sounds,
                rows=rows, notices=[*shown.notices, *notices])


def public(result: "SampleResult", uploads: Uploads) -> "SampleResult":
    """The same result, in which files are called by their names, without the folder of uploads."""
    return dataclasses.replace(
        result, metadata=json.loads(uploads.public(json.dumps(result.metadata))),
        notices=tuple(map(uploads.public, result.notices)), tables=tuple(result.tables))


# Downloads -----------------------------------------------------------------------------------------------------------


class Downloads:
    """The files of takes, made when they are asked for; those of the latest takes are kept.

    uploads: whose folder lends room meanwhile.
    """

    def __init__(self, uploads: Uploads, kept: int = 8):
        self._uploads, self._kept, self._lock = uploads, kept, threading.Lock()
        self._made = OrderedDict[str, dict[str, bytes]]()

    def __call__(self, take: Take, kind: str) -> bytes:
        """A file of a take; kind: one of take.kinds. MusicFusionError: no such file, or it cannot be made."""
        if kind not in take.kinds:
            raise MusicFusionError(f"take {take.number} has no {NAMES.get(kind, 'such file')}")
        with self._lock:
            if take.token not in self._made:
                self._made[take.token] = _files(take, self._uploads)
            self._made.move_to_end(take.token)
            while len(self._made) > self._kept:
                self._made.popitem(last=False)
            made = self._made[take.token]
        if kind not in made:
            raise MusicFusionError(f"take {take.number} has no {NAMES[kind]}: {'; '.join(take.notices) or 'no sound'}")
        return made[kind]


def _files(take: Take, uploads: Uploads) -> dict[str, bytes]:
    """All files of a take by kind."""
    from musicfusion.codecs import audio
    from musicfusion.codecs.audio import Audio

    found = {}
    with uploads.scratch() as folder:
        result = public(take.result, uploads)
        result.save(folder)
        for kind, name in (("mid", take.score), ("musicxml", take.score), ("wav", result.main)):
            path = folder / f"{name}.{kind}"
            if path.is_file():
                found[kind] = path.read_bytes()
        if "wav" in found:
            import soundfile

            samples, rate = soundfile.read(io.BytesIO(found["wav"]), dtype="float32")
            found["ogg"] = audio.oggs([Audio(samples, rate)], SOUND)[0]
            (folder / f"{result.main}.ogg").write_bytes(found["ogg"])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, f"{take.name}/{path.relative_to(folder)}")
        found["zip"] = buffer.getvalue()
    return found


# Visitors ------------------------------------------------------------------------------------------------------------


class Visitor:
    """One browser's takes.

    Attributes:
        takes: oldest first.
        shown: numbers of the takes in the player: none, one, or two that are compared.
        spans: what is locked of the take that is shown.
        next: number of the take that is added next.
    """

    def __init__(self) -> None:
        self.takes: list[Take] = []
        self.shown: tuple[int, ...] = ()
        self.spans: tuple[Span, ...] = ()
        self.next = 1

    def add(self, take: Take) -> str:
        """Adds a take, and shows it; what was locked stays locked. Returns what is to be said of it, or ""."""
        self.takes.append(take)
        self.next = take.number + 1
        base = self.base
        self.spans = self.spans if base is not None and base.system == take.system else ()
        self.shown = (take.number,)
        if len(self.takes) <= MOST:
            return ""
        old = next((one for one in self.takes if not one.starred), self.takes[0])
        self.delete(old.number)
        return f"take {old.number} was let go: {MOST} are kept, those with a star first"

    def find(self, number: object) -> Take | None:
        """The take of this number, if it is still there."""
        return next((take for take in self.takes if take.number == number), None)

    def of_token(self, token: str) -> Take | None:
        """The take of this token, if it is this visitor's."""
        return next((take for take in self.takes if secrets.compare_digest(take.token.encode(), token.encode())), None)

    @property
    def base(self) -> Take | None:
        """The take whose notes can be locked: the one that is shown alone."""
        return self.find(self.shown[0]) if len(self.shown) == 1 else None

    def show(self, number: object) -> None:
        """Shows a take alone. What was locked of another is free."""
        if (take := self.find(number)) is not None:
            self.spans = self.spans if self.shown == (take.number,) else ()
            self.shown = (take.number,)

    def rebase(self, number: object) -> None:
        """Shows a take, and locks in it what was locked in the take that was shown."""
        take, base = self.find(number), self.base
        if take is not None:
            self.spans = self.spans if base is not None and base.system == take.system else ()
            self.shown = (take.number,)

    def compare(self, number: object) -> None:
        """Shows a take beside the one that is shown."""
        take, first = self.find(number), self.shown[:1]
        if take is not None and take.number not in first:
            self.shown, self.spans = tuple(sorted({*first, take.number})), ()

    def star(self, number: object) -> None:
        """Gives a take a star, or takes it away."""
        if (take := self.find(number)) is not None:
            take.starred = not take.starred

    def delete(self, number: object) -> None:
        """Forgets a take; the latest of the others is shown if it was in the player."""
        self.takes = [take for take in self.takes if take.number != number]
        if number in self.shown:
            self.shown, self.spans = tuple(take.number for take in self.takes[-1:]), ()

    def lock(self, spans: object) -> None:
        """Locks these spans of the take that is shown, [[start, end, part or null], ...] as the player tells them.

        Raises:
            MusicFusionError: they are no spans, or no take is shown alone.
        """
        take = self.base
        if take is None:
            raise MusicFusionError("locked: no single take is shown")
        tracks = [track for version in take.data["versions"] for track in version["tracks"]]
        parts = {name for track in tracks for name in (track["part"], *_lanes(track))}
        if not isinstance(spans, (list, tuple)) or len(spans) > 500:
            raise MusicFusionError("locked: spans are rows of start, end and part")
        rows = Locked(take.result, tuple(map(tuple, spans))).spans
        if any(part is not None and part not in parts for *_, part in rows):
            raise MusicFusionError(f"locked: there are the parts {', '.join(sorted(parts))}")
        self.spans = rows

    def locked(self, system: str) -> Locked | None:
        """What the next fusion of a system keeps."""
        take = self.base
        if take is None or not self.spans or take.system != system:
            return None
        main = next((version for version in take.data["versions"] if version["name"] == take.score), None)
        meant: dict[str | None, list[str | None]] = {None: [None]}  # what a part of the player is called in the score
        for track in main["tracks"] if main is not None else []:
            meant.setdefault(track["part"], []).append(track["name"])
        for track in main["tracks"] if main is not None else []:
            for name in _lanes(track):
                meant.setdefault(name, [name])
        spans = dict.fromkeys((begin, end, name) for begin, end, part in self.spans for name in meant.get(part, ()))
        return Locked(take.result, tuple(spans))


def _lanes(track: Mapping[str, Any]) -> list[str]:
    """The names of a track's lanes."""
    return [name for _, name in track["lanes"]]


def player_data(visitor: Visitor) -> dict[str, Any] | None:
    """What the player shows: a take's versions, or the main ones of two takes and what they were made of; and whether
    bars can be locked in it."""
    takes = [take for number in visitor.shown if (take := visitor.find(number)) is not None]
    if not takes:
        return None
    if len(takes) == 1:
        return {**takes[0].data, "title": f"take {takes[0].number}", "lockable": True,
                "locked": [list(span) for span in visitor.spans]}
    versions = []
    for take in takes:
        for version in take.data["versions"]:
            if version["name"] == take.result.main:
                versions.append({**version, "name": f"take {take.number}", "label": f"take {take.number}"})
    versions += [version for version in takes[0].data["versions"] if version["name"] == "before"]
    title = " and ".join(f"take {take.number}" for take in takes)
    return {"title": title, "rate": takes[0].data["rate"], "versions": versions, "lockable": False, "locked": []}


class Visitors:
    """Everyone who has the page open, by a key that the guard gave to the browser."""

    def __init__(self) -> None:
        self._known, self._lock = OrderedDict[str, Visitor](), threading.Lock()

    def welcome(self) -> str:
        """A new visitor's key."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._known[key] = Visitor()
            busy = [name for name, visitor in self._known.items() if visitor.takes]
            idle = [name for name, visitor in self._known.items() if not visitor.takes]
            for name in [*busy[: max(len(busy) - BUSY, 0)], *idle[: max(len(idle) - KNOWN, 0)]]:
                del self._known[name]
        return key

    def get(self, key: str) -> Visitor | None:
        """The visitor with this key."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)
