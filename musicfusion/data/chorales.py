"""The embedded corpus: the Bach chorales that the music21 package carries, as MusicXML.

Melody = soprano, accompaniment = the other voices; doubling instruments are left out. Chords are estimated
(codecs/chords.py), as the files have none.
"""

import importlib.metadata
from pathlib import Path

import numpy as np

from musicfusion.codecs import musicxml
from musicfusion.codecs.score import by_onset, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import licences, near_duplicates, reading
from musicfusion.data.corpus import Arrays, Corpus, Progress, pair
from musicfusion.data.reading import Item

BAR = musicxml.BAR
VOICES = ("soprano", "alto", "tenor", "bass")


def read(limit: int = 0, *, progress: Progress | None = None) -> Corpus:
    """The chorales in 4/4 as a Corpus of pairs, sorted by name; `limit` > 0 reads only the first files.

    Names are those of music21's corpus, such as bach/bwv1.6. What is not in 4/4, not for voices, or a near-duplicate of
    an earlier chorale (most bars the same, in whatever key) is named in `skipped`.

    Raises:
        MusicFusionError: music21 is not installed.
    """
    items = [Item(f"bach/{path.stem}", path, folder=path.parent) for path in song_files()[: limit or None]]
    return reading.read(items, song, f"Bach chorales of music21 {version()}", passages=near_duplicates.of_pair,
                        progress=progress, licence=licences.PUBLIC_DOMAIN)


def version() -> str:
    """The version of music21, and so of its corpus. Raises MusicFusionError without music21."""
    return _music21().version


def song_files() -> list[Path]:
    """The chorales' MusicXML files, sorted by name."""
    return corpus_files("bach", (".mxl", ".xml"))


def corpus_files(folder: str, kinds: tuple[str, ...]) -> list[Path]:
    """The files of these kinds under a folder of music21's corpus, sorted. Raises MusicFusionError without it."""
    root = Path(str(_music21().locate_file(f"music21/corpus/{folder}")))
    return sorted(path for path in root.rglob("*") if path.suffix in kinds)


def _music21() -> importlib.metadata.Distribution:
    """The installed package, found without importing it."""
    try:
        return importlib.metadata.distribution("music21")
    except importlib.metadata.PackageNotFoundError:
        raise MusicFusionError(
            "the embedded corpus is part of the package music21, which is not installed: "
            "pip install music21, or give the folder of another corpus as data.root"
        ) from None


def song(path: Path) -> Arrays:
    """One chorale as a pair (see Corpus); a pickup is padded with rests to a whole bar.

    Raises:
        MusicFusionError: it is not in 4/4, or not for voices.
    """
    root = musicxml.document(path)
    metres = musicxml.metres(root)
    if metres != {("4", "4")}:
        raise MusicFusionError(
            "not in 4/4 but " + ", ".join(sorted(f"{above}/{below}" for above, below in metres))
        )
    starts, length = musicxml.bars(root)
    voices = [
        (part.name.lower(), musicxml.notes(part.element, starts))
        for part in musicxml.parts(root)
        if part.name.lower().startswith(VOICES)
    ]
    sopranos = [notes for title, notes in voices if title.startswith("soprano")]
    if not sopranos or len(voices) < 2:
        raise MusicFusionError("no soprano with other voices")
    others = np.concatenate([notes for _, notes in voices if notes is not sopranos[0]])

    return pair(monophonic(by_onset(sopranos[0])), others, -(-length // BAR) * BAR)
