"""What the paired middle is set beside: rules that nobody needs a network for, and drums that exist already.

All are patterns bool [n, LENGTH, 9] of windows that begin on a bar line.
"""

from collections.abc import Callable

import numpy as np

from musicfusion.codecs.drums import INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD
from musicfusion.systems.arrangement import grid_repertoire
from musicfusion.systems.arrangement.grid_dataset import BAR, KIT, LENGTH

KICK, SNARE, HAT = (INSTRUMENTS.index(name) for name in ("kick", "snare", "closed hat"))


def bass_as_kick(bass: np.ndarray) -> np.ndarray:
    """The bass itself: a kick wherever one of its notes begins. bass: tokens int [n, LENGTH]."""
    found = np.zeros((*bass.shape, KIT), bool)
    found[..., KICK] = bass < HOLD
    return found


def eighths(bass: np.ndarray) -> np.ndarray:
    """A closed hat on every eighth."""
    found = np.zeros((*bass.shape, KIT), bool)
    found[:, :: STEPS // 2, HAT] = True
    return found


def backbeat(bass: np.ndarray) -> np.ndarray:
    """Eighths, the kick on beats 1 and 3, the snare on 2 and 4."""
    found = eighths(bass)
    found[:, :: 2 * STEPS, KICK] = True
    found[:, STEPS :: 2 * STEPS, SNARE] = True
    return found


def bass_and_eighths(bass: np.ndarray) -> np.ndarray:
    """Eighths, and a kick wherever a note of the bass begins."""
    return bass_as_kick(bass) | eighths(bass)


def bass_and_backbeat(bass: np.ndarray) -> np.ndarray:
    """Eighths, the snare on 2 and 4, and a kick wherever a note of the bass begins."""
    found = bass_and_eighths(bass)
    found[:, STEPS :: 2 * STEPS, SNARE] = True
    return found


RULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the bass itself, as kick": bass_as_kick, "eighths": eighths, "backbeat with eighths": backbeat,
    "bass and eighths": bass_and_eighths, "bass, snare and eighths": bass_and_backbeat,
}


def other_drums(pattern: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The drums of training windows drawn at random. pattern: theirs, bool [m, LENGTH, 9]."""
    return pattern[np.random.default_rng(seed).integers(0, len(pattern), count)]


def nearest_bass(bass: np.ndarray, known_bass: np.ndarray, known: np.ndarray, sounding: float = 0.0) -> np.ndarray:
    """The drums of the training window with the most similar bass (`grid_repertoire.similar`).

    bass: tokens int [n, LENGTH]; known_bass, known: of the training windows, int [m, LENGTH] and bool [m, LENGTH, 9];
    sounding: weight of where basses sound.
    """
    every = grid_repertoire.of(known, known_bass, np.zeros(len(known), np.uint32))
    return known[grid_repertoire.similar(bass, every, 1, sounding=sounding)[:, 0]]


def mean_pattern(known: np.ndarray, count: int) -> np.ndarray:
    """What is hit in most bars of the training windows, in every bar: each instrument as often as it is on average.

    Of each instrument those steps of a bar count that are hit most, as many as a bar has hits of it.
    """
    share = known.reshape(-1, BAR * STEPS, KIT).mean(0)
    bar = np.zeros(share.shape, bool)
    for kind, often in enumerate(np.rint(share.sum(0)).astype(int)):
        bar[np.argsort(-share[:, kind], kind="stable")[:often], kind] = True
    return np.broadcast_to(np.tile(bar, (LENGTH // len(bar), 1)), (count, LENGTH, KIT))
