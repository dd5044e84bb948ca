"""Where songs come from: places that a user may name as data.root, and who reads them."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from musicfusion.codecs import chords, kern, melody, midi, musicxml, polyphony, score, tracks
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import (
    bands,
    chorales,
    collections,
    corpus,
    midi_folder,
    pop909,
    readers,
    tunes,
    twins,
    voices,
)
from musicfusion.data.corpus import Corpus, Progress

COLLECTIONS = ("chorales", "fiddle", "essen")  # of music21's melodies
_EVERY = (corpus, chords, melody, polyphony, score)  # what every reader uses


class Source(NamedTuple):
    """Songs to be read.

    name: of the cache file;  content: changes when the songs do;  code: the modules that read them
    read(progress) -> their corpus
    """

    name: str
    content: str
    code: tuple[ModuleType, ...]
    read: Callable[[Progress | None], Corpus]


def pairs(root: str, limit: int = 0) -> Source:
    """Songs with a melody and an accompaniment: POP909's at `root`, or the chorales where it is ""."""
    if not root:
        return Source("chorales", chorales.version(), (*_EVERY, musicxml, chorales, twins),
                      lambda progress: chorales.read(limit, progress))
    folder = _folder(root, "a folder with POP909")
    return Source("pop909", _songs_of_pop909(folder, limit), (*_EVERY, midi, pop909, readers),
                  lambda progress: pop909.read(folder, progress, limit))


def melodies(root: str, limit: int = 0) -> Source:
    """Melodies: a collection of music21's by its name, POP909's, Weimar's solos, any folder of **kern or MIDI files."""
    if root in COLLECTIONS:
        return Source(f"{root}-tunes", chorales.version(), (*_EVERY, musicxml, chorales, readers, tunes, twins),
                      lambda progress: tunes.read(root, limit, progress))
    folder = _folder(root, f"{', '.join(COLLECTIONS)}, a folder with POP909, Weimar's solos, **kern or MIDI files")
    if pop909.is_here(folder):
        under = pairs(root, limit)
        return under._replace(name="pop909-melodies", code=(*under.code, tunes),
                              read=lambda progress: tunes.melodies(under.read(progress), "melodies"))
    others = (*_EVERY, collections, kern, readers, tunes, twins)
    if collections.is_jazz(folder):
        content = _digest([folder / collections.INDEX, *collections.solo_files(folder)[: limit or None]])
        return Source("jazz", content, others, lambda progress: collections.read_jazz(folder, progress, limit))
    if scores := collections.kern_files(folder):
        return Source("kern", _digest(scores[: limit or None]), others,
                      lambda progress: collections.read_kern(folder, progress, limit))
    content = _digest(midi_folder.files(folder)[: limit or None])
    return Source("melodies", content, (*_EVERY, midi, midi_folder, readers, tunes, twins),
                  lambda progress: midi_folder.read(folder, progress, limit))


def fine_melodies(root: str, limit: int = 0) -> Source:
    """The same in 32nds (Corpus.finer): read so where a collection has them, else every 16th is two."""
    coarse = melodies(root, limit)
    readers_of = {"jazz": collections.read_jazz, "kern": collections.read_kern}
    folder = Path(root).expanduser()

    def read(progress: Progress | None) -> Corpus:
        if own := readers_of.get(coarse.name):
            return own(folder, progress, limit, stretch=2)
        return corpus.finer(coarse.read(progress))

    return coarse._replace(name=f"{coarse.name}-32nds", read=read)


def arrangements(root: str, limit: int = 0) -> Source:
    """Music in four tracks: music21's pieces for four voices where root is "", or a folder of MIDI files of bands."""
    every = (*_EVERY, tracks, readers, twins, voices)
    if not root:
        return Source("voices", chorales.version(), (*every, kern, musicxml, chorales),
                      lambda progress: voices.read(limit, progress))
    folder = _folder(root, "a folder with MIDI files")
    index = [folder / bands.INDEX] if (folder / bands.INDEX).is_file() else []
    return Source("bands", _digest([*bands.files(folder, limit), *index]), (*every, midi, midi_folder, bands),
                  lambda progress: bands.read(folder, progress, limit))


def sounds(root: str, limit: int = 0, *, source: str, target: str, mels: int, soundfonts: str = "") -> Source:
    """Recordings of two parts of songs (data.recordings): chorales played where root is "", else a folder of stems, of
    whole songs, or of MIDI files to be played, with soundfonts if any are named."""
    from musicfusion.codecs import audio as audio_files  # with jax, which other songs do without
    from musicfusion.codecs import mel
    from musicfusion.data import recordings
    from musicfusion.render import audio

    every = (corpus, mel, recordings, readers, audio, score)
    name, wanted = f"{source}-{target}-{mels}", (source, target, mels, limit)
    if not root:
        return Source(f"voices-{name}", chorales.version(), (*every, tracks, voices, kern, musicxml, chorales),
                      lambda progress: recordings.read_voices(*wanted, progress))
    folder = _folder(root, "a folder with stems, with whole songs, or with MIDI files")
    if stems := recordings.stem_folders(folder):
        found = [path for song in stems[: limit or None] for part in (source, target)
                 if (path := recordings.stem(song, part))]
        return Source(f"stems-{name}", _digest(found), (*every, audio_files),
                      lambda progress: recordings.read_stems(folder, *wanted, progress))
    if mixes := recordings.mixes(folder):
        return Source(f"mixes-{name}", _digest(mixes[: limit or None]), (*every, audio_files),
                      lambda progress: recordings.read_mixes(folder, *wanted, progress))
    fonts = recordings.find_soundfonts(soundfonts)
    notes = _digest([*bands.files(folder, limit), *fonts])
    return Source(f"rendered-{name}", notes, (*every, midi, tracks, midi_folder),
                  lambda progress: recordings.read_rendered(folder, *wanted, progress, fonts))


def _folder(root: str, accepted: str) -> Path:
    path = Path(root).expanduser()
    if not path.is_dir():
        raise MusicFusionError(f"{root}: no such folder; accepted is {accepted}, a cached corpus (.npz), or none")
    return path


def _songs_of_pop909(root: Path, limit: int) -> str:
    songs = pop909.song_folders(root)[: limit or None]
    files = [song / name.format(name=song.name) for song in songs for name in pop909.FILES]
    return _digest(file for file in files if file.is_file())


def code_digest(modules: Iterable[ModuleType]) -> str:
    """sha256 over the source of modules."""
    return _digest(Path(str(module.__file__)) for module in modules)


def _digest(files: Iterable[Path]) -> str:
    """sha256 over the files' folders, names and bytes, wherever they lie together."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.parent.name}/{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
