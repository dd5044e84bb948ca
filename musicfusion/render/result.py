"""What sampling gives back: scores or audio, what explains them, and one function that writes all of it."""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicfusion.codecs import audio as audio_files
from musicfusion.codecs import midi, musicxml_write
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write
from musicfusion.render import audio, page
from musicfusion.render.figures import PALETTE

if TYPE_CHECKING:
    from note_seq import NoteSequence

RATE = 22050  # Hz, of scores that are played
WRITTEN = (".mid", ".musicxml", ".wav", ".json")  # suffixes of files that the page lists
PAGE = 2_900_000  # bytes of sound and pictures in a page; base64 makes it a third more, and it can still be mailed
BEFORE = "before"  # the score that the main one was made of, where there is one
SHIFTS = sorted(range(-12, 13), key=abs)  # semitones by which a track may have been transposed as a whole
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
        pictures: name -> a picture, written as NAME.png.
        tables: numbers about the result.
        metadata: for metadata.json.
        notices: sentences that the user should know: what was dropped, changed or guessed.
    """

    title: str
    main: str
    scores: Mapping[str, Score] = dataclasses.field(default_factory=dict)
    chords: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    audio: Mapping[str, Audio] = dataclasses.field(default_factory=dict)
    players: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pictures: Mapping[str, Picture] = dataclasses.field(default_factory=dict)
    tables: tuple[page.Table, ...] = ()
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notices: tuple[str, ...] = ()

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
        metadata = {**result.metadata, "notices": [*result.notices, *written, *notices]}
        atomic_write(work / "metadata.json", json.dumps(metadata, indent=1) + "\n")
        files = [(path, "") for path in sorted(work.iterdir()) if path.suffix in WRITTEN]
        shown = {key: value for key, value in metadata.items() if key != "config"}
        page.write(work, result.title, [*sections, page.Facts("About", shown), page.Files(files)])
    main = f"{result.main}.mid" if result.main in result.scores else f"{result.main}.wav"
    return [Path(folder) / "index.html", Path(folder) / main]


def _write_notation(result: SampleResult, work: Path) -> list[str]:
    """MusicXML of the scores that matter, in `work`; and its notices. The notes are there without it, too."""
    notices: list[str] = []
    for name in dict.fromkeys([result.main, *result.players]):
        if name not in result.scores:
            continue
        score = result.scores[name]
        before = result.scores.get(BEFORE) if name == result.main else None
        marks = musicxml_write.Marks(
            chords=result.chords.get(name, ()), notes=new_notes(score, before) if before is not None else (),
            colours=[PALETTE[k % len(PALETTE)] for k in range(len(score.tracks))])
        try:
            notices += musicxml_write.write(work / f"{name}.musicxml", score, marks)
        except MusicFusionError as error:
            notices.append(f"no MusicXML: {error}")
    return list(dict.fromkeys(notices))


def new_notes(score: Score, before: Score) -> list[np.ndarray]:
    """For each track which notes another version does not have, bool [n].

    It has a note if one of its pitch begins on the same 16th in the track of that name. A track that was transposed as
    a whole is compared in its new key.
    """
    found = []
    for track in score.tracks:
        own = _onsets(track, 0)
        old = [other for other in before.tracks if other.name == track.name]
        kept = [np.isin(own, np.concatenate([_onsets(other, shift) for other in old])) for shift in SHIFTS if old]
        found.append(~max(kept, key=np.sum) if kept else np.ones(len(own), bool))
    return found


def _onsets(track: Track, shift: int) -> np.ndarray:
    """One number for the 16th and the pitch of each note, int [n]; shift: semitones up."""
    steps = np.floor(track.notes[:, 0] * STEPS_PER_QUARTER + 0.5).astype(int)
    return steps * 512 + track.notes[:, 2].astype(int) + shift


def _sections(result: SampleResult, work: Path, *, sound: bool) -> tuple[list[page.Section], list[str]]:
    """Players, pictures and tables, with their files in `work`; and what the sound gives notice of."""
    sounds = dict(result.audio)
    notices: list[str] = []
    if sound:
        played = {name: result.scores[name] for name in result.players if name in result.scores}
        try:
            synthesised = {name: audio.synthesise(score, RATE) for name, score in played.items()}
            sounds |= {name: Audio(x.samples, x.rate) for name, x in synthesised.items()}
            notices += dict.fromkeys(x.notice for x in synthesised.values() if x.notice)
        except MusicFusionError as error:  # all or none: the notes are there
            notices.append(f"no sound: {error}")
    for name, own in sounds.items():
        audio.write_wav(work / f"{name}.wav", own.samples, own.rate)
    listened = [name for name in result.players if name in sounds]
    drawn = [page.Picture(picture.title, picture.draw(work / f"{name}.png"))
             for name, picture in result.pictures.items()]
    left = PAGE - sum(Path(picture.path).stat().st_size for picture in drawn)
    oggs = audio_files.oggs([sounds[name] for name in listened], max(left, LEAST))
    players = [page.Audio(result.players[name], work / f"{name}.wav", ogg)
               for name, ogg in zip(listened, oggs, strict=True)]
    return [*players, *drawn, *result.tables], notices
