"""What sampling gives back: scores or audio, what explains them, and one function that writes all of it."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicfusion.codecs import midi, musicxml_write
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import Score
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write
from musicfusion.render import audio, page, player
from musicfusion.render.figures import PALETTE
from musicfusion.render.player import BEFORE

if TYPE_CHECKING:
    from note_seq import NoteSequence

WRITTEN = (".mid", ".musicxml", ".wav", ".json")  # suffixes of files that the page lists
PAGE = 2_900_000  # bytes of sound and pictures in a page; base64 makes it a third more, and it can still be mailed
LEAST = 600_000  # bytes of sound, however large the pictures are


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that is drawn when it is asked for: draw(path) writes a PNG. It reads nothing but what it holds."""

    title: str
    draw: Callable[[Path], Path]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleResult:
    """New music, and what explains it.

    Attributes:
        title: of the page.
        main: the score or audio that is the result; others are versions of it, or what went in.
        scores: name -> song; each is written as NAME.mid, in a folder of its own where the name has a "/". The main one
            and those that are listened to are written as NAME.musicxml, too; in the main one the notes are coloured
            that the score "before" does not have.
        chords: name of a score -> names of its chords, one a quarter, as codecs.chords writes them; "" or N for none.
        audio: name -> sound; each is written as NAME.wav.
        players: name -> words: which scores and sounds are to be listened to, in order.
        lanes: name of a track of drums -> {pitch: name of its instrument}, low ones first: a player draws a lane for
            each, and each can be locked alone under this name.
        pictures: name -> a picture, written as NAME.png.
        tables: numbers about the result.
        metadata: for metadata.json.
        notices: sentences that the user should know: what was dropped, changed or guessed.
        memory: what the system that made it needs to keep parts of it in a next one; nothing that is written.
    """

    title: str
    main: str
    scores: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    chords: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    audio: Mapping[str, Audio] = dataclasses.field(default_factory=dict)
    players: Mapping[str, str] = dataclasses.field(default_factory=dict)
    lanes: Mapping[str, Mapping[int, str]] = dataclasses.field(default_factory=dict)
    pictures: Mapping[str, Picture] = dataclasses.field(default_factory=dict)
    tables: tuple[page.Table, ...] = ()
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notices: tuple[str, ...] = ()
    memory: Any = dataclasses.field(default=None, repr=False, compare=False)

    def to_note_sequence(self, name: str = "") -> "NoteSequence":
        """One of the scores, the main one by default, as a note_seq.NoteSequence."""
        from musicfusion.codecs import note_sequence

        name = name or self.main
        if name not in self.scores:
            raise MusicFusionError(f"{name!r} is not a score of this result: there are"
                                   f" {', '.join(self.scores) or 'none'}")
        return note_sequence.to_note_sequence(self.scores[name])

    def save(self, folder: str | Path, *, sound: bool = True, notation: bool = True) -> list[Path]:
        """Writes everything into a folder, whole or not at all; returns the files to open, the page first.

        Args:
            folder: made if it is not there; files of the same names are replaced, others stay.
            sound: play the scores, too (WAV).
            notation: write the scores for notation programs, too (MusicXML).

        Raises:
            MusicFusionError: the folder cannot be written.
        """
        return write(self, Path(folder), sound=sound, notation=notation)

    def show(self) -> None:
        """Shows players and pictures in a notebook; elsewhere, names what there is."""
        try:
            from IPython.display import HTML, display
        except ImportError:
            print(repr(self))
        else:
            display(HTML(self._repr_html_()))

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory(prefix="musicfusion-") as scratch:
            sections, notices = _sections(self, Path(scratch), sound=True)
            lines = "".join(f"<p>{escape(notice)}</p>" for notice in (*self.notices, *notices))
            return page.fragment(sections, Path(scratch), links=False) + lines

    def __repr__(self) -> str:
        return (f"SampleResult({self.title!r}, main={self.main!r}, scores={list(self.scores)},"
                f" audio={list(self.audio)}, pictures={list(self.pictures)})")


def write(result: SampleResult, folder: Path, *, sound: bool = True, notation: bool = True) -> list[Path]:
    """Everything of a result in a folder: MIDI, MusicXML, WAV, pictures, metadata.json, and index.html with it all."""
    with atomic_folder(folder) as work:
        for name, score in result.scores.items():
            target = work / f"{name}.mid"
            target.parent.mkdir(parents=True, exist_ok=True)
            midi.write(target, score)
        written = _write_notation(result, work) if notation else []
        sections, notices = _sections(result, work, sound=sound)
        metadata = {**result.metadata, **_changed(result), "notices": [*result.notices, *written, *notices]}
        atomic_write(work / "metadata.json", json.dumps(metadata, indent=1) + "\n")
        files = [(path, "") for path in sorted(work.iterdir()) if path.suffix in WRITTEN]
        shown = {key: value for key, value in metadata.items() if key != "config"}
        page.write(work, result.title, [*sections, page.Facts("About", shown), page.Files(files)])
    main = f"{result.main}.mid" if result.main in result.scores else f"{result.main}.wav"
    return [Path(folder) / "index.html", Path(folder) / main]


def _changed(result: SampleResult) -> dict[str, Any]:
    """How many notes of each track the main score kept of what it was made of, for metadata.json."""
    main, before = result.scores.get(result.main), result.scores.get(BEFORE)
    return {"changed": player.changes(main, before)} if main is not None and before is not None else {}


def _write_notation(result: SampleResult, work: Path) -> list[str]:
    """MusicXML of the scores that matter, in `work`; and its notices. The notes are there without it, too."""
    notices: list[str] = []
    for name in dict.fromkeys([result.main, *result.players]):
        if name not in result.scores:
            continue
        score = result.scores[name]
        before = result.scores.get(BEFORE) if name == result.main else None
        marks = musicxml_write.Marks(
            chords=result.chords.get(name, ()), notes=player.compared(score, before)[0] if before is not None else (),
            colours=[PALETTE[k % len(PALETTE)] for k in range(len(score.tracks))])
        try:
            notices += musicxml_write.write(work / f"{name}.musicxml", score, marks)
        except MusicFusionError as error:
            notices.append(f"no MusicXML: {error}")
    return list(dict.fromkeys(notices))


def _sections(result: SampleResult, work: Path, *, sound: bool) -> tuple[list[page.Section], list[str]]:
    """Player, pictures and tables, with their files in `work`; and what the sound gives notice of."""
    played, notices = player.sounds(result, play=sound)
    for name, own in {**result.audio, **{name: player.mix(parts) for name, parts in played.items()}}.items():
        audio.write_wav(work / f"{name}.wav", own.samples, own.rate)
    drawn = [page.Picture(picture.title, picture.draw(work / f"{name}.png"))
             for name, picture in result.pictures.items()]
    left = PAGE - sum(Path(picture.path).stat().st_size for picture in drawn)
    content = player.data(result, played, most=max(left, LEAST))
    players = [page.Player(content, [work / f"{name}.wav" for name in played])] if content["versions"] else []
    return [*players, *drawn, *result.tables], notices
