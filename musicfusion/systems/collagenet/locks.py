"""What a search for edits holds of an earlier one's: the edits in locked spans, and those that they depend on."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from musicfusion.codecs import melody
from musicfusion.systems.collagenet import edits as editing
from musicfusion.systems.collagenet import reharmony
from musicfusion.systems.collagenet.edits import Edits, Source
from musicfusion.systems.collagenet.reharmony import OWN
from musicfusion.systems.collagenet.search_space import SLIDES, SearchSpace, layout


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """The edits of one song that stay.

    Attributes:
        edits: the earlier ones. The key stays in any case.
        chords: whether a place keeps its chord  # [cells]
        nudges, slides: whether the note that begins at a step of the source keeps its nudge, its slide  # [T]
        closed: steps to which no other note may slide  # [T]
    """

    edits: Edits
    chords: np.ndarray
    nudges: np.ndarray
    slides: np.ndarray
    closed: np.ndarray


def held(source: Source, earlier: Edits, locked: Mapping[str, np.ndarray]) -> Held:
    """What stays of earlier edits so that the music of locked steps does; locked: by part, bool [T].

    Places that are locked in part are held whole. Of the melody these notes are held: that sound at a locked step, or
    began at one before they slid. The one that follows keeps its slide, by which it may end them.
    """
    made = editing.made_slides(source.tokens, earlier)
    after = editing.melody_after(source.tokens, earlier)
    onsets = np.flatnonzero(source.tokens < melody.HOLD)
    latest = np.searchsorted(onsets + made[onsets], np.arange(source.steps), side="right") - 1
    stays = locked["melody"][onsets]
    stays[latest[locked["melody"] & (after != melody.REST) & (latest >= 0)]] = True
    nudges, slides = np.zeros(source.steps, bool), np.zeros(source.steps, bool)
    nudges[onsets] = stays
    slides[onsets] = stays | np.concatenate([[False], stays])[: len(stays)]
    return Held(edits=dataclasses.replace(earlier, slides=made), nudges=nudges, slides=slides, closed=locked["melody"],
                chords=np.logical_or.reduceat(locked["accompaniment"], earlier.cells[:-1]))


# In a search ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fixed:
    """The same for the numbers of a SearchSpace, and so for all that repeats.

    Attributes:
        places, nudges, slides: whether a place keeps its chord, a note its nudge, its slide  # [places], [notes] x 2
        option, nudge, slide: what these are, 0 where they are not kept  # [places], [notes] x 2
        barred: whether a note may not slide by each of SLIDES  # [notes, 4]
    """

    places: np.ndarray
    nudges: np.ndarray
    slides: np.ndarray
    option: np.ndarray
    nudge: np.ndarray
    slide: np.ndarray
    barred: np.ndarray

    @classmethod
    def of(cls, p: SearchSpace, holds: Sequence[Held | None]) -> "Fixed":
        """Of all songs; None for one of which nothing is held."""
        places, notes = len(p.members), len(p.note_members)
        found = cls(places=np.zeros(places, bool), nudges=np.zeros(notes, bool), slides=np.zeros(notes, bool),
                    option=np.zeros(places, int), nudge=np.zeros(notes, int), slide=np.zeros(notes, int),
                    barred=np.zeros((notes, len(SLIDES)), bool))
        for own, hold in zip(p.layouts, holds, strict=True):
            if hold is None:
                continue
            place = own.place[own.cells[:-1]][hold.chords]
            found.places[place], found.option[place] = True, hold.edits.options[hold.chords]
            for stays, values, marked, given in ((found.nudges, found.nudge, hold.nudges, hold.edits.nudges),
                                                 (found.slides, found.slide, hold.slides, hold.edits.slides)):
                stays[own.note[marked]], values[own.note[marked]] = True, given[marked]
            steps = np.flatnonzero(own.note >= 0)
            targets = np.clip(steps[:, None] + SLIDES, 0, len(own.note) - 1)
            np.logical_or.at(found.barred, own.note[steps], hold.closed[targets])
        return found


def kept(source: Source, found: Edits, hold: Held) -> Edits:
    """Edits that a search found, with those that are held.

    A note before a held one, whose new slide leaves no room for that one's, keeps its own, too.
    """
    slides, before = hold.slides.copy(), hold.edits
    targets = np.clip(np.arange(source.steps) + found.slides, 0, source.steps - 1)
    new = np.where(hold.closed[targets], 0, found.slides)
    while True:
        own = dataclasses.replace(before, options=np.where(hold.chords, before.options, found.options),
                                  nudges=np.where(hold.nudges, before.nudges, found.nudges),
                                  slides=np.where(slides, before.slides, new))
        lost = np.flatnonzero(slides & (editing.made_slides(source.tokens, own) != before.slides))
        if not len(lost):
            return own
        free = (source.tokens < melody.HOLD) & ~slides
        slides[np.flatnonzero(free[: lost[0]])[-1]] = True


# What is said of it --------------------------------------------------------------------------------------------------


def repeats(source: Source, hold: Held, locked: Mapping[str, np.ndarray]) -> int:
    """How many bars without a locked step are held, in part at least, since they are like others that have one."""
    own = layout(source)
    chords = np.repeat(hold.chords, np.diff(own.cells))
    again = np.isin(own.place, own.place[chords]) & ~chords & (source.duration > 0).any(1)
    again |= np.isin(own.note, own.note[hold.nudges]) & ~hold.nudges
    touched = locked["melody"] | locked["accompaniment"]
    return sum(bool(again[begin:end].any() and not touched[begin:end].any())
               for begin, end in pairwise(source.bars.tolist()))


def overruled(hold: Held, controls: Mapping[str, Any]) -> list[str]:
    """The controls that would not have allowed what is held, as "name=value"."""
    chords = hold.edits.options[hold.chords]
    against = {
        "pitch": hold.edits.nudges[hold.nudges].any(),
        "rhythm": hold.edits.slides[hold.slides].any(),
        "chord": (chords != OWN).any() or hold.edits.accompaniment_shift != 0,
        "texture": reharmony.is_near(chords).any(),
    }
    found = [f"{name}=1" for name, edited in against.items() if edited and controls[name] == 1]
    moved = {"melody": hold.edits.melody_shift, "accompaniment": hold.edits.accompaniment_shift}
    return found + [f"key={part}" for part, shift in moved.items() if shift and controls["key"] == part]
