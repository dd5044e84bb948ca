"""Recordings of songs part by part, as mel pictures: folders of stems, songs rendered from notes, mixes taken apart.

    stems      SONG/{bass,drums,vocals,mix}.{wav,flac,ogg,mp3}, also in train/ and test/, as MUSDB18's WAV files are;
               their mix is mixture.wav
    rendered   any folder of MIDI files with bass and drums, played by the plain synthesiser or with soundfonts (as
               Slakh was: Manilow et al., WASPAA 2019); the soundfont and the bass's program are drawn for each song
    voices     pieces for four voices that music21 brings: the lowest is the bass, the others stand for what is missing
    mixes      any folder of recordings, taken apart by demucs where that is installed
"""

import functools
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicfusion.codecs import audio as files
from musicfusion.codecs import mel, midi, tracks
from musicfusion.codecs.score import Score, Track, pick_melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import bands, voices
from musicfusion.data.corpus import Arrays, Corpus, Progress, fingerprint
from musicfusion.data.readers import read_all
from musicfusion.render import audio

PARTS = ("bass", "drums", "vocals", "mix")
ALIASES = {"mix": ("mix", "mixture")}
SOUNDFONTS = (".sf2", ".sf3")
FOLDERS = ("train", "test")  # of MUSDB18
VOICES = 64  # pieces for four voices at most: three quarters of an hour
TEMPO = 90.0  # of what has none
BLOCK = 2048  # frames that are made into a picture at once


def pictured(samples: np.ndarray, mels: int) -> np.ndarray:
    """Samples [n] -> uint8 [frames(n), mels] (codecs.mel); so many frames at a time that one program does for all."""
    import jax

    run = _picture(mels)
    margin = mel.PARTS  # frames that a window reaches beyond its block
    total = mel.frames(len(samples))
    padded = np.pad(samples, (margin * mel.HOP, (BLOCK + 2 * margin) * mel.HOP))
    found = []
    for start in range(0, total, BLOCK):
        part = padded[start * mel.HOP : (start + BLOCK + 2 * margin) * mel.HOP]
        found.append(mel.quantised(jax.device_get(run(part)))[margin : margin + BLOCK])
    return np.concatenate(found)[:total]


@functools.lru_cache(maxsize=4)
def _picture(mels: int) -> Callable:
    import jax

    return jax.jit(functools.partial(mel.picture, bands=mels))


# Stems --------------------------------------------------------------------------------------------------------------


def stem_folders(root: Path) -> list[Path]:
    """The folders under `root`, or under its train/ and test/, that hold recordings of parts, sorted."""
    places = [root, *(root / name for name in FOLDERS)]
    return sorted(folder for place in places if place.is_dir() for folder in place.iterdir()
                  if folder.is_dir() and any(stem(folder, part) for part in PARTS))


def is_real(root: Path) -> bool:
    """Whether recordings lie here, in parts or whole; else it is a place of notes."""
    return root.is_dir() and bool(stem_folders(root) or mixes(root))


def stem(folder: Path, part: str) -> Path | None:
    """The recording of a part of a song, if there is one."""
    names = (f"{name}{kind}" for name in ALIASES.get(part, (part,)) for kind in files.KINDS)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_stems(root: Path, source: str, target: str, mels: int, limit: int = 0,
               progress: Progress | None = None) -> Corpus:
    """Songs recorded in parts; a song that lacks one of the two parts is named in `skipped`.

    Raises MusicFusionError if none has both, or a file cannot be read.
    """
    named = {folder.relative_to(root).as_posix(): folder for folder in stem_folders(root)[: limit or None]}
    return _read(named, functools.partial(_stems, parts=(source, target)), mels, f"{root.resolve().name}, stems",
                 progress)


def _stems(folder: Path, parts: tuple[str, str]) -> list[np.ndarray]:
    found = []
    for part in parts:
        path = stem(folder, part)
        if path is None:
            raise MusicFusionError(f"no {part} ({', '.join(part + kind for kind in files.KINDS)})")
        found.append(files.read(path))
    return found


# Rendered -----------------------------------------------------------------------------------------------------------


def read_rendered(root: Path, source: str, target: str, mels: int, limit: int = 0,
                  progress: Progress | None = None, soundfonts: Sequence[Path] = ()) -> Corpus:
    """Bands of a folder of MIDI files (data.bands), played part by part; called SONG#FILE.

    soundfonts: those that songs are played with, in turn by chance; none: the plain synthesiser.
    """
    index = bands.read_index(root)
    named = {}
    for path in bands.files(root, limit):
        name = path.relative_to(root).as_posix()
        song = index[name].song if name in index else name.removesuffix(path.suffix)
        named[f"{song}#{name.removesuffix(path.suffix)}"] = path
    one = functools.partial(_band, parts=(source, target), soundfonts=tuple(soundfonts))
    how = f" with {' and '.join(path.stem for path in soundfonts)}" if soundfonts else ""
    return _read(named, one, mels, f"{root.resolve().name}, rendered{how}", progress)


def read_voices(source: str, target: str, mels: int, limit: int = 0, progress: Progress | None = None) -> Corpus:
    """Pieces for four voices, played."""
    pieces = voices.read(min(limit or VOICES, VOICES), composers=("bach",))
    ends = pieces.first_beat * 4
    named = {name: tracks.score(pieces.arrays["tracks"][begin:end], "voices", TEMPO, name)
             for name, begin, end in zip(pieces.songs, ends[:-1], ends[1:], strict=True)}
    one = functools.partial(_voices, parts=(source, target))
    read = _read(named, one, mels, f"{pieces.source}, rendered", progress)
    return replace(read, skipped={**pieces.skipped, **read.skipped})


def find_soundfonts(place: str) -> list[Path]:
    """The soundfonts of `place`, files and folders with a comma between, sorted. Raises MusicFusionError."""
    found: list[Path] = []
    for name in filter(None, place.split(",")):
        path = Path(name).expanduser()
        own = [path] if path.is_file() else [file for file in sorted(path.glob("*")) if file.suffix in SOUNDFONTS]
        if not own:
            raise MusicFusionError(f"{name}: no soundfont ({' or '.join(SOUNDFONTS)}), nor a folder with any")
        found += own
    return sorted({path.resolve() for path in found})


def _band(path: Path, parts: tuple[str, str], soundfonts: tuple[Path, ...]) -> list[np.ndarray]:
    score = midi.read(path)
    if score.seconds(score.length) > files.LONGEST:
        raise MusicFusionError("longer than half an hour")
    roles = dict(tracks.roles(score))
    drawn = zlib.crc32(path.name.encode())
    bass = 32 + drawn % 8
    roles["bass"] = [Track(track.name, bass, False, track.notes) for track in roles["bass"]]
    every = tuple(track for role in roles.values() for track in role)
    chosen = {**roles, "mix": list(every), "vocals": [pick_melody(score)] if "vocals" in parts else []}
    soundfont = soundfonts[drawn // 8 % len(soundfonts)] if soundfonts else audio.PLAIN
    return _played(score, [chosen[part] for part in parts], parts, soundfont)


def _voices(score: Score, parts: tuple[str, str]) -> list[np.ndarray]:
    bass = [track for track in score.tracks if track.name == "BASS"]
    others = [track for track in score.tracks if track.name != "BASS"]
    chosen = {"bass": bass, "drums": others, "vocals": others[:1], "mix": list(score.tracks)}
    return _played(score, [chosen[part] for part in parts], parts)


def _played(score: Score, chosen: list[list[Track]], parts: Iterable[str],
            soundfont: str | Path = audio.PLAIN) -> list[np.ndarray]:
    """Each part's tracks as samples, all of one length."""
    for part, own in zip(parts, chosen, strict=True):
        if not own:
            raise MusicFusionError(f"no {part}")
    sounds = [audio.synthesise(replace(score, tracks=tuple(own)), mel.RATE, soundfont).samples for own in chosen]
    longest = max(map(len, sounds))
    return [np.pad(samples, (0, longest - len(samples))) for samples in sounds]


# Mixes --------------------------------------------------------------------------------------------------------------


def read_mixes(root: Path, source: str, target: str, mels: int, limit: int = 0,
               progress: Progress | None = None) -> Corpus:
    """Whole songs, taken apart by demucs's command line into a folder that is then read as stems.

    Raises MusicFusionError where demucs is not installed, or it fails.
    """
    songs = mixes(root)[: limit or None]
    if shutil.which("demucs") is None:
        raise MusicFusionError(f"{root}: holds whole songs: give stems, or install demucs, which takes them apart")
    with tempfile.TemporaryDirectory(prefix="musicfusion-stems-") as scratch:
        done = subprocess.run(["demucs", "-n", "htdemucs", "-o", scratch, *map(str, songs)], capture_output=True,
                              text=True)
        if done.returncode:
            raise MusicFusionError(f"demucs: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
        apart = Path(scratch) / "htdemucs"
        for song in songs:
            if (folder := apart / song.stem).is_dir():
                shutil.copy(song, folder / f"mix{song.suffix}")
        return read_stems(apart, source, target, mels, 0, progress)


def mixes(root: Path) -> list[Path]:
    """The recordings that lie in a folder itself, sorted."""
    return sorted(path for path in root.iterdir() if path.is_file() and path.suffix.lower() in files.KINDS)


# All ----------------------------------------------------------------------------------------------------------------


def _read(named: dict, one: Callable, mels: int, source: str, progress: Progress | None) -> Corpus:
    """A Corpus of {name: what `one` makes (source samples, target samples) of}."""
    outcomes = read_all(functools.partial(_outcome, one=one, mels=mels), list(named.values()))
    songs: list[tuple[str, Arrays]] = []
    skipped: dict[str, str] = {}
    for done, (name, result) in enumerate(zip(named, outcomes, strict=True), start=1):
        if isinstance(result, str):
            skipped[name] = result
        else:
            songs.append((name, result))
        if progress:
            progress(done, len(named))
    if not songs:
        example = "".join(f" ({name}: {why})" for name, why in list(skipped.items())[:1])
        raise MusicFusionError(f"{source}: none of {len(skipped)} songs can be used{example}")
    names = tuple(name for name, _ in songs)
    arrays = {key: np.concatenate([own[key] for _, own in songs]) for key in songs[0][1]}
    first = np.cumsum([0] + [len(own["source"]) for _, own in songs]).astype(np.int32)
    return Corpus(arrays, names, first, fingerprint(arrays, names, first), skipped, source, unit="frames")


def _outcome(song, one: Callable, mels: int) -> Arrays | str:
    try:
        own, other = (pictured(samples, mels) for samples in one(song))
    except MusicFusionError as error:
        return str(error)
    shorter = min(len(own), len(other))  # stems of a song differ by a few samples at most
    return {"source": own[:shorter], "target": other[:shorter]}
