"""The loop that reads a corpus song by song. What cannot be used is skipped with a reason, and so are near-duplicates.

A reader lists its items and says how one is read; everything else stands here.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from musicfusion.core.errors import MusicFusionError
from musicfusion.data import near_duplicates
from musicfusion.data.corpus import Arrays, Corpus, Progress, concatenate, whole
from musicfusion.data.near_duplicates import NearDuplicates
from musicfusion.data.worker import call_in_processes

ENOUGH = 25  # items for each process: it takes as long to start as ten songs to read
_UNUSABLE = (MusicFusionError, UnicodeDecodeError, OSError)


class Item(NamedTuple):
    """Something that is read: a file, a folder, a text.

    name: what `Corpus.skipped` calls it;  content: what the reader's function gets (it is pickled)
    song: what the corpus calls the song, where that is not the name
    folder: left out of reasons, since a cached corpus travels and tells nobody's paths
    groove: the rhythm pattern that its songs were generated from, "" for none
    """

    name: str
    content: Any
    song: str = ""
    folder: Path | None = None
    groove: str = ""


def read(
    items: Sequence[Item],
    song: Callable[[Any], Any],
    source: str,
    *,
    several: bool = False,
    passages: Callable[[Arrays], frozenset[bytes]] | None = None,
    versions: bool = False,
    progress: Progress | None = None,
    **facts: Any,
) -> Corpus:
    """The items' songs as a Corpus, in the order given, read by several processes where that pays.

    What has a melody like that of another song is of its family (near_duplicates.families).

    Args:
        items: what to read.
        song: content -> arrays of the song (see Corpus); or, if `several`, {number: arrays} of songs in one item, which
            are called SONG#NUMBER. A function of a module. It raises MusicFusionError for what cannot be used.
        source: where the songs come from, in words.
        passages: what makes two songs so alike that the later one is left out (data.near_duplicates); None: nothing.
        versions: several songs that are called alike up to a "#" are versions of one, and kept however alike they are.
        progress: called with the items done and the items in all.
        facts: of the Corpus, as `concatenate` takes them: root, licence, tags, instrumentation, unit, steps.

    Raises:
        MusicFusionError: none of the items can be used.
    """
    songs: list[tuple[str, Arrays]] = []
    grooves: list[str] = []
    skipped: dict[str, str] = {}
    known = NearDuplicates()
    processes = min(os.cpu_count() or 1, len(items) // ENOUGH)
    with contextlib.closing(call_in_processes(functools.partial(_outcome, song=song), items, processes)) as outcomes:
        for done, (item, outcome) in enumerate(zip(items, outcomes, strict=True), start=1):
            if isinstance(outcome, str):
                skipped[item.name] = outcome
            else:
                name = item.song or item.name
                owner = whole(name) if versions else name
                parts = {f"#{number}": arrays for number, arrays in outcome.items()} if several else {"": outcome}
                own = {part: passages(arrays) if passages else frozenset() for part, arrays in parts.items()}
                earlier = {part: known.of(own[part]) for part in parts}  # before the item's own songs are known
                for part, arrays in parts.items():
                    other = earlier[part] if versions else known.of(own[part])
                    if other is None or (versions and other == owner):
                        known.add(owner, own[part])
                        songs.append((name + part, arrays))
                        grooves.append(item.groove)
                    else:
                        skipped[item.name + part] = f"most of it is {other}"
            if progress:
                progress(done, len(items))
    families: tuple[str, ...] = ()
    if songs and "melody" in songs[0][1]:
        families = near_duplicates.families([whole(name) for name, _ in songs], [own["melody"] for _, own in songs])
    return concatenate(songs, skipped, source, families=families, grooves=tuple(grooves), **facts)


def _outcome(item: Item, song: Callable[[Any], Any]) -> Any:
    """What `song` makes of an item, or why it cannot be used."""
    try:
        return song(item.content)
    except _UNUSABLE as error:
        return str(error).replace(f"{item.folder}{os.sep}", "") if item.folder else str(error)
