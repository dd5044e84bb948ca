"""Drums on a grid: nine instruments by 12 steps a quarter; of each hit its velocity, and how far it lies off the grid.

12 steps have room for 16ths and for triplets. A human hit lies between the steps, so it is decided beat by beat which
of them are meant: 16ths, thirds, or swung 16ths. What is left is the hit's offset.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Real, UInt8

INSTRUMENTS = ("kick", "snare", "closed hat", "open hat", "low tom", "mid tom", "high tom", "crash", "ride")
STEPS = 12  # of a quarter
FINEST = 64  # parts of a step that offsets are counted in
FARTHEST = 1.5  # steps: offsets are no larger

# General MIDI's keys, and those that a Roland TD-11 has beside them, by instrument; the first is what is written.
# Percussion is taken for what would play it on a kit: shakers for a hat, congas and bongos for toms, bells for a ride.
KEYS = (
    (36, 35),
    (38, 37, 39, 40, 28, 75, 76, 77),
    (42, 44, 22, 54, 69, 70, 73, 74, 82),
    (46, 26),
    (43, 41, 58, 64),
    (47, 45, 61, 66),
    (50, 48, 60, 62, 63, 65),
    (49, 52, 55, 57),
    (51, 53, 59, 56, 67, 68, 80, 81),
)
_INSTRUMENT = np.full(128, -1)
for _number, _keys in enumerate(KEYS):
    _INSTRUMENT[list(_keys)] = _number

# Which steps of a beat may be meant, and how much worse than 16ths that may fit, as squared deviations.
_DIVISIONS = ((0, 3, 6, 9, 12), (0, 4, 8, 12), (0, 4, 6, 10, 12))
_PRICE = np.array([0.0, 2.0, 4.0])
_SPREAD = 0.36  # steps: the standard deviation of human hits
_NEIGHBOURS = 0.5  # how much of a beat's evidence counts for the beats beside it


class Hits(NamedTuple):
    """Drums on the grid.

    velocity: uint8 [T, 9], 0 for no hit; offset: int8 [T, 9], FINEST parts of a step after (before, if negative) it.
    """

    velocity: UInt8[np.ndarray, "T 9"]
    offset: Int8[np.ndarray, "T 9"]


def encode(notes: Float[np.ndarray, "n 4"], begin: float, quarters: int) -> Hits:
    """Notes of drums (onset in quarters, duration, General MIDI key, velocity) -> hits on the grid.

    begin: the quarter at which the grid begins, on a beat; quarters: its length. Of several hits of an instrument in
    one step the loudest counts. Keys that are no drum's of the kit, and hits outside of the grid, are left out.
    """
    kind = _INSTRUMENT[np.rint(notes[:, 2]).astype(int)]
    when = (notes[:, 0] - begin) * STEPS
    known = (kind >= 0) & (notes[:, 3] > 0) & (when > -FARTHEST) & (when < quarters * STEPS)
    kind, when, loud = kind[known], when[known], np.maximum(np.rint(notes[known, 3]), 1)
    step = _meant(when, quarters)
    inside = step < quarters * STEPS
    kind, when, loud, step = kind[inside], when[inside], loud[inside], step[inside]
    velocity = np.zeros((quarters * STEPS, len(INSTRUMENTS)), np.uint8)
    offset = np.zeros(velocity.shape, np.int8)
    order = np.argsort(loud, kind="stable")  # the loudest is written last
    velocity[step[order], kind[order]] = loud[order]
    away = np.clip(when - step, -FARTHEST, FARTHEST)
    offset[step[order], kind[order]] = np.rint(away[order] * FINEST)
    return Hits(velocity, offset)


def _meant(when: Float[np.ndarray, " n"], quarters: int) -> np.ndarray:
    """The step that each hit means, int [n]; when: in steps."""
    beat = np.clip(np.floor((when + 0.5) / STEPS).astype(int), 0, max(quarters - 1, 0))
    within = when - beat * STEPS
    nearest = [np.array(division)[np.argmin(np.abs(within[:, None] - division), 1)] for division in _DIVISIONS]
    cost = np.zeros((max(quarters, 1), len(_DIVISIONS)))
    for number, found in enumerate(nearest):
        np.add.at(cost[:, number], beat, np.minimum(((within - found) / _SPREAD) ** 2, 9.0))
    around = cost.copy()
    around[1:] += _NEIGHBOURS * cost[:-1]
    around[:-1] += _NEIGHBOURS * cost[1:]
    chosen = np.argmin(around + _PRICE, 1)[beat]
    return beat * STEPS + np.stack(nearest, 1)[np.arange(len(when)), chosen] if len(when) else beat


class Played(NamedTuple):
    """Hits in order of time: quarter float [n], index in INSTRUMENTS int [n], velocity int [n]."""

    quarter: Float[np.ndarray, " n"]
    instrument: np.ndarray
    velocity: np.ndarray


def played(hits: Hits, begin: float = 0.0) -> Played:
    """When each hit is played; begin: the quarter at which the grid begins. A hit before quarter 0 is played there."""
    step, kind = np.nonzero(hits.velocity)
    quarter = np.maximum(begin + (step + hits.offset[step, kind] / FINEST) / STEPS, 0.0)
    order = np.lexsort((kind, quarter))
    return Played(quarter[order], kind[order], hits.velocity[step, kind][order].astype(int))


def notes(hits: Hits, begin: float = 0.0) -> Float[np.ndarray, "n 4"]:
    """The reverse of `encode`: notes (onset in quarters, duration, General MIDI key, velocity), in order of time."""
    found = played(hits, begin)
    keys = np.array([own[0] for own in KEYS])[found.instrument]
    return np.stack([found.quarter, np.full(len(keys), 1 / STEPS), keys, found.velocity], 1)


def hits_of(pattern: Real[np.ndarray, "T 9"], velocity: int = 90) -> Hits:
    """A pattern, true or not 0 where an instrument is hit, at one velocity and on the grid."""
    loud = np.where(np.asarray(pattern) != 0, velocity, 0).astype(np.uint8)
    return Hits(loud, np.zeros(loud.shape, np.int8))
