"""Recordings of songs part by part, as mel-spectrograms: stems, songs rendered from notes, mixes taken apart.

    stems      SONG/{bass,drums,vocals,mix}.{wav,flac,ogg,mp3,...}, also in train/ and test/, as MUSDB18's WAV files
               are; their mix is mixture.wav
    rendered   any folder of MIDI files with bass and drums, played by the plain synthesiser or with soundfonts (as
               Slakh was: Manilow et al., WASPAA 2019); the soundfont and the bass's program are drawn for each song
    voices     pieces for four voices that music21 brings: the lowest is the bass, the others stand for what is missing
    mixes      any folder of recordings, taken apart by demucs where that is installed

Of what is played, "marks" say where onsets, beats and bar lines are (data.marks); of other recordings they are 0.
"""

import functools
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicfusion.codecs import audio as files
from musicfusion.codecs import mel, midi, tracks
from musicfusion.codecs.score import Score, Track, pick_melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import bands, licences, marks, reading, voices
from musicfusion.data.corpus import Arrays, Corpus, Progress
from musicfusion.data.reading import Item
from musicfusion.render import audio

PARTS = ("bass", "drums", "vocals", "mix")
ALIASES = {"mix": ("mix", "mixture")}
SOUNDFONTS = (".sf2", ".sf3")
FOLDERS = ("train", "test")  # of MUSDB18
VOICES = 64  # pieces for four voices at most: three quarters of an hour
TEMPO = 90.0  # beats a minute, of pieces that have none
BLOCK = 2048  # frames of a mel-spectrogram that are computed at once
RATE = mel.RATE / mel.HOP  # frames a second


class Sounds(NamedTuple):
    """A song: samples at mel.RATE of the source and of the target, its marks (data.marks) and the bits of its genres,
    None where they are not known.
    """

    parts: list[np.ndarray]
    marks: np.ndarray | None = None
    tags: int | None = None


def mel_spectrogram(samples: np.ndarray, mels: int) -> np.ndarray:
    """The mel-spectrogram of samples [n] with `mels` bands: uint8 [frames(n), mels] (codecs.mel.quantised).

    It is computed in blocks of one size, so that one compiled program does for sounds of every length.
    """
    import jax

    run = _program(mels)
    margin = mel.HOPS  # frames whose windows reach beyond their block
    total = mel.frames(len(samples))
    found = []
    for start in range(0, total, BLOCK):
        first, last = (start - margin) * mel.HOP, (start + BLOCK + margin) * mel.HOP
        part = samples[max(first, 0) : last]
        part = np.pad(part, (max(-first, 0), last - max(first, 0) - len(part)))  # silence before and after
        found.append(mel.quantised(jax.device_get(run(part)))[margin : margin + BLOCK])
    return np.concatenate(found)[:total]


@functools.lru_cache(maxsize=4)
def _program(mels: int) -> Callable:
    import jax

    return jax.jit(functools.partial(mel.spectrogram, bands=mels))


# Stems --------------------------------------------------------------------------------------------------------------


def stem_folders(root: Path) -> list[Path]:
    """The folders under `root`, or under its train/ and test/, that hold recordings of parts, sorted."""
    parents = [root, *(root / name for name in FOLDERS)]
    return sorted(folder for parent in parents if parent.is_dir() for folder in parent.iterdir()
                  if folder.is_dir() and any(stem(folder, part) for part in PARTS))


def is_real(root: Path) -> bool:
    """Whether recordings lie here, in parts or whole, and not notes."""
    return root.is_dir() and bool(stem_folders(root) or mixes(root))


def stem(folder: Path, part: str) -> Path | None:
    """The recording of a part of the song in `folder`, or None; its name may be in capitals."""
    there = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True)}
    names = (f"{name}{kind}" for name in ALIASES.get(part, (part,)) for kind in files.KINDS)
    return next((there[name] for name in names if name in there and there[name].is_file()), None)


def read_stems(root: Path, *, source: str, target: str, mels: int, limit: int = 0, progress: Progress | None = None,
               licence: str = "") -> Corpus:
    """Songs recorded in parts as a Corpus; those that lack a part or cannot be read are named in `skipped`.

    source, target: of PARTS; mels: bands of the mel-spectrograms; limit: read only the first so many (0: all); licence:
    of the songs, where the folder does not say it (data.licences).

    Raises:
        MusicFusionError: no song has both parts.
    """
    items = [Item(folder.relative_to(root).as_posix(), folder, folder=root)
             for folder in stem_folders(root)[: limit or None]]
    return _read(items, functools.partial(_stems, parts=(source, target)), mels, f"{root.resolve().name}, stems",
                 progress, licences.of_folder(root) or licence)


def _stems(folder: Path, parts: tuple[str, str]) -> Sounds:
    found = []
    for part in parts:
        path = stem(folder, part)
        if path is None:
            raise MusicFusionError(f"no {part} ({', '.join(part + kind for kind in files.KINDS)})")
        found.append(files.read(path))
    return Sounds(found)


# Rendered -----------------------------------------------------------------------------------------------------------


def read_rendered(root: Path, *, source: str, target: str, mels: int, limit: int = 0, progress: Progress | None = None,
                  soundfonts: Sequence[Path] = ()) -> Corpus:
    """Bands of a folder of MIDI files (data.bands), played part by part; called SONG#FILE.

    soundfonts: each song is played with one of them, drawn by its name; none: the plain synthesiser. The rest as
    `read_stems`. The licence is that of the notes. Genres, and the grooves by which songs are split, come from the
    folder's index.
    """
    genres, items = bands.known_genres(bands.read_index(root)), []
    for name, path, entry in bands.named(root, limit):
        bits = sum(1 << genres.index(genre) for genre in entry.genres if genre in genres)
        items.append(Item(name, (path, bits), folder=root, groove=entry.groove))
    one = functools.partial(_band, parts=(source, target), soundfonts=tuple(soundfonts))
    how = f" with {' and '.join(path.stem for path in soundfonts)}" if soundfonts else ""
    return _read(items, one, mels, f"{root.resolve().name}, rendered{how}", progress, licences.of_folder(root), genres)


def read_voices(*, source: str, target: str, mels: int, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """Pieces for four voices, played, VOICES at most. As `read_stems` otherwise."""
    pieces = voices.read(min(limit or VOICES, VOICES), composers=("bach",))
    ends = pieces.first_beat * 4
    items = [Item(name, tracks.score(pieces.arrays["tracks"][begin:end], "voices", TEMPO, name))
             for name, begin, end in zip(pieces.songs, ends[:-1], ends[1:], strict=True)]
    one = functools.partial(_voices, parts=(source, target))
    read = _read(items, one, mels, f"{pieces.source}, rendered", progress, pieces.licence)
    return replace(read, skipped={**pieces.skipped, **read.skipped})


def find_soundfonts(names: str) -> list[Path]:
    """The soundfonts that are named, files and folders with a comma between, sorted. Raises MusicFusionError."""
    found: list[Path] = []
    for name in filter(None, names.split(",")):
        path = Path(name).expanduser()
        own = [path] if path.is_file() else [file for file in sorted(path.glob("*")) if file.suffix in SOUNDFONTS]
        if not own:
            raise MusicFusionError(f"{name}: no soundfont ({' or '.join(SOUNDFONTS)}), nor a folder with any")
        found += own
    return sorted({path.resolve() for path in found})


def _band(content: tuple[Path, int], parts: tuple[str, str], soundfonts: tuple[Path, ...]) -> Sounds:
    path, bits = content
    score = midi.read(path)
    if score.seconds(score.length) > audio.LONGEST:
        raise MusicFusionError("longer than half an hour")
    roles = dict(tracks.roles(score))
    drawn = zlib.crc32(path.name.encode())
    bass = 32 + drawn % 8
    roles["bass"] = [Track(track.name, bass, False, track.notes) for track in roles["bass"]]
    every = tuple(track for role in roles.values() for track in role)
    chosen = {**roles, "mix": list(every), "vocals": [pick_melody(score)] if "vocals" in parts else []}
    soundfont = soundfonts[drawn // 8 % len(soundfonts)] if soundfonts else audio.PLAIN
    return _played(score, [chosen[part] for part in parts], parts, soundfont)._replace(tags=bits)


def _voices(score: Score, parts: tuple[str, str]) -> Sounds:
    bass = [track for track in score.tracks if track.name == "BASS"]
    others = [track for track in score.tracks if track.name != "BASS"]
    chosen = {"bass": bass, "drums": others, "vocals": others[:1], "mix": list(score.tracks)}
    return _played(score, [chosen[part] for part in parts], parts)


def _played(score: Score, chosen: list[list[Track]], parts: Iterable[str],
            soundfont: str | Path = audio.PLAIN) -> Sounds:
    """The tracks of each part, played; the shorter parts are padded with silence."""
    for part, own in zip(parts, chosen, strict=True):
        if not own:
            raise MusicFusionError(f"no {part}")
    sounds = [audio.synthesise(replace(score, tracks=tuple(own)), mel.RATE, soundfont).samples for own in chosen]
    longest = max(map(len, sounds))
    return Sounds([np.pad(samples, (0, longest - len(samples))) for samples in sounds],
                  marks.of_score(score, chosen[0], chosen[1], frames=mel.frames(longest), rate=RATE))


# Mixes --------------------------------------------------------------------------------------------------------------


def read_mixes(root: Path, *, source: str, target: str, mels: int, limit: int = 0,
               progress: Progress | None = None) -> Corpus:
    """Whole songs, taken apart by demucs's command line into a folder that is then read as stems (`read_stems`).

    Raises:
        MusicFusionError: demucs is not installed, or it fails.
    """
    songs = mixes(root)[: limit or None]
    if shutil.which("demucs") is None:
        raise MusicFusionError(f"{root}: holds whole songs: give stems, or install demucs, which takes them apart")
    with tempfile.TemporaryDirectory(prefix="musicfusion-stems-") as scratch:
        done = subprocess.run(["demucs", "-n", "htdemucs", "-o", scratch, *map(str, songs)], capture_output=True,
                              text=True)
        if done.returncode:
            raise MusicFusionError(f"demucs: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
        separated = Path(scratch) / "htdemucs"
        for song in songs:
            if (folder := separated / song.stem).is_dir():
                shutil.copy(song, folder / f"mix{song.suffix}")
        return read_stems(separated, source=source, target=target, mels=mels, progress=progress,
                          licence=licences.of_folder(root))


def mixes(root: Path) -> list[Path]:
    """The recordings in `root` itself, sorted."""
    return sorted(path for path in root.iterdir() if path.is_file() and path.suffix.lower() in files.KINDS)


# All ----------------------------------------------------------------------------------------------------------------


def _read(items: list[Item], one: Callable[..., Sounds], mels: int, source: str, progress: Progress | None,
          licence: str, genres: tuple[str, ...] = ()) -> Corpus:
    """A Corpus of what `one` makes of the items' contents."""
    return reading.read(items, functools.partial(_arrays, one=one, mels=mels), source, progress=progress,
                        licence=licence, unit="frames", tags=genres)


def _arrays(content: Any, one: Callable[..., Sounds], mels: int) -> Arrays:
    found = one(content)
    own, other = (mel_spectrogram(samples, mels) for samples in found.parts)
    shorter = min(len(own), len(other))  # stems of a song differ by a few samples at most
    known = np.zeros(shorter, np.uint8) if found.marks is None else found.marks[:shorter]
    arrays = {"source": own[:shorter], "target": other[:shorter], "marks": known}
    return arrays if found.tags is None else arrays | {"tags": np.full(shorter, found.tags, np.uint32)}
