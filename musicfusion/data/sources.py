"""Where songs come from: the data roots that a user may name, and which reader is meant by each."""

import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from musicfusion.codecs import (
    beats,
    chord_symbols,
    chords,
    drums,
    kern,
    melody,
    midi,
    midi_chunks,
    midi_events,
    midi_text,
    musicxml,
    polyphony,
    score,
    tracks,
)
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import (
    bands,
    chorales,
    collections,
    corpus,
    ensembles,
    licences,
    lieder,
    midi_folder,
    midi_pairs,
    near_duplicates,
    pop909,
    reading,
    rhythm_sections,
    tunes,
    voices,
)
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus

COLLECTIONS = ("chorales", "fiddle", "essen")  # of music21's melodies
VOICES = "voices"  # music21's pieces for four voices as a band
# What every reader uses.
_EVERY = (corpus, reading, near_duplicates, licences, chord_symbols, chords, melody, polyphony, score, tracks)
_MIDI = (midi, midi_chunks, midi_events, midi_text)


class Source(NamedTuple):
    """Songs to be read.

    name: of the cache file;  content: changes when the songs do;  code: the modules that read them
    read(progress=...) -> their corpus
    """

    name: str
    content: str
    code: tuple[ModuleType, ...]
    read: Callable[..., Corpus]


def pairs(root: str, limit: int = 0) -> Source:
    """Songs with a melody and an accompaniment.

    Args:
        root: "" for the chorales of music21, a folder with POP909 or the OpenScore Lieder Corpus, or any folder of MIDI
            files (data.midi_pairs).
        limit: read only the first so many (0: all).

    Raises:
        MusicFusionError: there is no such folder, or no song in it.
    """
    if not root:
        return Source("chorales", chorales.version(), (*_EVERY, musicxml, chorales),
                      functools.partial(chorales.read, limit))
    folder = _folder(root, "a folder with POP909, with the OpenScore Lieder Corpus or with MIDI files")
    if pop909.is_here(folder):
        return Source("pop909", _songs_of_pop909(folder, limit), (*_EVERY, *_MIDI, pop909),
                      functools.partial(pop909.read, folder, limit=limit))
    if lieder.is_here(folder):
        return Source("lieder", _digest(lieder.song_files(folder)[: limit or None]), (*_EVERY, musicxml, lieder),
                      functools.partial(lieder.read, folder, limit=limit))
    return Source("pairs", _digest_of(folder, midi_folder.files(folder)[: limit or None]),
                  (*_EVERY, beats, *_MIDI, midi_folder, midi_pairs),
                  functools.partial(midi_pairs.read, folder, limit=limit))


def melodies(root: str, limit: int = 0) -> Source:
    """Melodies in 16ths.

    Args:
        root: a collection of music21's by its name (COLLECTIONS), or a folder with POP909, with the solos of the Weimar
            Jazz Database, with **kern or with MIDI files.
        limit: read only the first so many songs (0: all).

    Raises:
        MusicFusionError: there is no such collection or folder, or no song in it.
    """
    if root in COLLECTIONS:
        return Source(f"{root}-tunes", chorales.version(), (*_EVERY, musicxml, chorales, tunes),
                      functools.partial(tunes.read, root, limit=limit))
    folder = _folder(root, f"{', '.join(COLLECTIONS)}, a folder with POP909, Weimar's solos, **kern or MIDI files")
    if pop909.is_here(folder):
        under = pairs(root, limit)

        def read(**progress) -> Corpus:
            return tunes.melodies(under.read(**progress), "melodies")

        return under._replace(name="pop909-melodies", code=(*under.code, tunes), read=read)
    others = (*_EVERY, collections, kern)
    if collections.is_jazz(folder):
        content = _digest([folder / collections.INDEX, *collections.solo_files(folder)[: limit or None]])
        return Source("jazz", content, others, functools.partial(collections.read_jazz, folder, limit=limit))
    if scores := collections.kern_files(folder):
        return Source("kern", _digest_of(folder, scores[: limit or None]), others,
                      functools.partial(collections.read_kern, folder, limit=limit))
    return Source("melodies", _digest_of(folder, midi_folder.files(folder)[: limit or None]),
                  (*_EVERY, *_MIDI, midi_folder), functools.partial(midi_folder.read, folder, limit=limit))


def fine_melodies(root: str, limit: int = 0) -> Source:
    """The same in 32nds: read so where a collection has them, else every 16th is two 32nds (data.corpus.finer)."""
    coarse = melodies(root, limit)

    def read(**progress) -> Corpus:
        if coarse.name in ("jazz", "kern"):
            return coarse.read(stretch=2, **progress)
        return corpus.finer(coarse.read(**progress))

    return coarse._replace(name=f"{coarse.name}-32nds", read=read)


def arrangements(root: str, limit: int = 0, *, steps: int = STEPS_PER_BEAT) -> Source:
    """Music in four tracks.

    Args:
        root: "" for the pieces for four voices of music21, or a folder of MIDI files of bands (data.bands). Other music
            as a band's four tracks (data.ensembles): VOICES for the same pieces, or a folder with POP909, with the
            Groove MIDI Dataset or with the OpenScore String Quartets.
        limit: read only so many songs, of all that there are (0: all).
        steps: of a beat; with 12 triplets are on the grid, too.

    Raises:
        MusicFusionError: there is no such folder, or no song in it.
    """
    grid = "" if steps == STEPS_PER_BEAT else f"-{steps}"  # part of the name of the cache file
    of_voices = (*_EVERY, voices, kern, musicxml, chorales)
    others = (*of_voices, *_MIDI, pop909, ensembles)
    if not root:
        return Source(f"voices{grid}", chorales.version(), of_voices,
                      functools.partial(voices.read, limit, steps=steps))
    if root == VOICES:
        return Source(f"voices-band{grid}", chorales.version(), others,
                      functools.partial(ensembles.read_voices, limit=limit, steps=steps))
    folder = _folder(root, f"{VOICES}, a folder with POP909, with the Groove MIDI Dataset, with the OpenScore String"
                           " Quartets or with MIDI files of bands")
    if pop909.is_here(folder):
        return Source(f"pop909-band{grid}", _songs_of_pop909(folder, limit), others,
                      functools.partial(ensembles.read_pop909, folder, limit=limit, steps=steps))
    if ensembles.is_drums(folder):
        takes = [path for _, path, _ in ensembles.drum_files(folder)[: limit or None]]
        return Source(f"drums{grid}", _digest([folder / ensembles.INFO, *takes]), others,
                      functools.partial(ensembles.read_drums, folder, limit=limit, steps=steps))
    if scores := ensembles.quartet_files(folder):
        return Source(f"quartets{grid}", _digest(scores[: limit or None]), others,
                      functools.partial(ensembles.read_quartets, folder, limit=limit, steps=steps))
    index = [folder / bands.INDEX] if (folder / bands.INDEX).is_file() else []
    return Source(f"bands{grid}", _digest_of(folder, [*bands.files(folder, limit), *index]),
                  (*_EVERY, *_MIDI, midi_folder, bands),
                  functools.partial(bands.read, folder, limit=limit, steps=steps))


def sections(root: str, limit: int = 0) -> Source:
    """Drums and the bass that they play with (data.rhythm_sections).

    Args:
        root: a folder of MIDI files of bands, or with the Groove MIDI Dataset.
        limit: read only so many songs, of all that there are (0: all).

    Raises:
        MusicFusionError: there is no such folder, or no song in it.
    """
    accepted = "a folder of MIDI files with drums, or with the Groove MIDI Dataset"
    if not root:
        raise MusicFusionError(f"data.root is empty: accepted is {accepted}")
    folder, every = _folder(root, accepted), (*_EVERY, *_MIDI, drums, midi_folder, bands, ensembles, rhythm_sections)
    if ensembles.is_drums(folder):
        takes = [path for _, path, _ in ensembles.drum_files(folder)[: limit or None]]
        return Source("takes", _digest([folder / ensembles.INFO, *takes]), every,
                      functools.partial(rhythm_sections.read_drums, folder, limit=limit))
    index = [folder / bands.INDEX] if (folder / bands.INDEX).is_file() else []
    return Source("sections", _digest_of(folder, [*bands.files(folder, limit), *index]), every,
                  functools.partial(rhythm_sections.read, folder, limit=limit))


def sounds(root: str, limit: int = 0, *, source: str, target: str, mels: int, soundfonts: str = "") -> Source:
    """Recordings of two parts of songs (data.recordings) as mel-spectrograms.

    Args:
        root: "" for chorales of music21 that are played, or a folder of stems, of whole songs, or of MIDI files to be
            played.
        limit: read only so many songs (0: all).
        source, target: the parts, of data.recordings.PARTS.
        mels: bands of the mel-spectrograms.
        soundfonts: files or folders, with a comma between, that MIDI files are played with; "": a plain synthesiser.

    Raises:
        MusicFusionError: there is no such folder, or no song in it.
    """
    from musicfusion.codecs import audio as audio_files
    from musicfusion.codecs import audio_bytes, audio_decode, audio_mpeg, mel
    from musicfusion.data import marks, recordings
    from musicfusion.render import audio

    every = (corpus, reading, licences, mel, recordings, marks, drums, audio, score)
    decoders = (audio_files, audio_bytes, audio_decode, audio_mpeg)
    name = f"{source}-{target}-{mels}"
    wanted: dict[str, Any] = {"source": source, "target": target, "mels": mels, "limit": limit}
    if not root:
        return Source(f"voices-{name}", chorales.version(),
                      (*every, near_duplicates, tracks, voices, kern, musicxml, chorales),
                      functools.partial(recordings.read_voices, **wanted))
    folder = _folder(root, "a folder with stems, with whole songs, or with MIDI files")
    if stems := recordings.stem_folders(folder):
        found = [path for song in stems[: limit or None] for part in (source, target)
                 if (path := recordings.stem(song, part))]
        return Source(f"stems-{name}", _digest_of(folder, found), (*every, *decoders),
                      functools.partial(recordings.read_stems, folder, **wanted))
    if mixes := recordings.mixes(folder):
        return Source(f"mixes-{name}", _digest_of(folder, mixes[: limit or None]), (*every, *decoders),
                      functools.partial(recordings.read_mixes, folder, **wanted))
    fonts = recordings.find_soundfonts(soundfonts)
    index = [folder / bands.INDEX] if (folder / bands.INDEX).is_file() else []
    return Source(f"rendered-{name}", _digest_of(folder, [*bands.files(folder, limit), *index, *fonts]),
                  (*every, *_MIDI, tracks, midi_folder, bands),
                  functools.partial(recordings.read_rendered, folder, **wanted, soundfonts=fonts))


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


def _digest_of(folder: Path, files: Iterable[Path]) -> str:
    """The digest of files in a user's folder, and of what it says of their licence."""
    licence = folder / licences.FILE
    return _digest([*files, *([licence] if licence.is_file() else [])])


def _digest(files: Iterable[Path]) -> str:
    """sha256 over the files' folders, names and bytes, wherever they lie together."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.parent.name}/{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
