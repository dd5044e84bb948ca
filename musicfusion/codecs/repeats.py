"""The order in which the bars of a score are played: repeats, endings, da capo, dal segno, coda and fine."""

import dataclasses
from collections.abc import Sequence
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """What a bar of a score says about the order of play.

    Attributes:
        start: a repeat begins with it.
        times: how often what ends with it is played in all; 0 if no repeat ends here.
        endings: the passes in which it is played, from 1; empty: in all.
        segno, coda: the sign stands at its beginning.
        to_coda, fine: the music goes on at the coda, or ends, after it, once it has jumped.
        jump: where the music goes after it, for once.
    """

    start: bool = False
    times: int = 0
    endings: frozenset[int] = frozenset()
    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    jump: Literal["", "capo", "segno"] = ""


def order(bars: Sequence[Bar], longest: int) -> list[tuple[int, int]]:
    """The bars as they are played: rows (index, pass from 1), at most `longest`.

    A repeat goes back to the last start, or to where the last one ended. After a jump, repeats are not taken again and
    of several endings the last is played. A jump to a segno that is not there goes to the beginning.
    """
    played: list[tuple[int, int]] = []
    k, begin, number, jumped = 0, 0, 1, False
    while k < len(bars) and len(played) < longest:
        bar = bars[k]
        if bar.start and k > begin:
            begin, number = k, 1
        passes = _endings(bars, k)
        now = max(passes, default=number) if jumped else number
        if bar.endings and now not in bar.endings:
            k += 1
            if k == len(bars) or not bars[k].endings:  # no bracket for this pass: the music goes on behind them
                begin, number = k, 1
            continue
        played.append((k, now))
        more = number < max(passes) or passes == bar.endings if bar.endings else number < bar.times
        if bar.times and more and not jumped:
            k, number = begin, number + 1
            continue
        if bar.times or (bar.endings and (k + 1 == len(bars) or not bars[k + 1].endings)):
            begin, number = k + 1, 1
        if jumped and bar.fine:
            break
        if bar.jump and not jumped:
            jumped = True
            k = _first(bars, "segno", 0) if bar.jump == "segno" else 0
        elif jumped and bar.to_coda:
            k = _first(bars, "coda", len(bars), after=k)
        else:
            k += 1
    return played


def _endings(bars: Sequence[Bar], k: int) -> frozenset[int]:
    """The passes of all brackets that stand together with that over bar k."""
    first = last = k
    while first > 0 and bars[k].endings and bars[first - 1].endings:
        first -= 1
    while last + 1 < len(bars) and bars[k].endings and bars[last + 1].endings:
        last += 1
    return frozenset().union(*(bar.endings for bar in bars[first : last + 1]))


def _first(bars: Sequence[Bar], sign: str, otherwise: int, after: int = -1) -> int:
    return next((k for k in range(after + 1, len(bars)) if getattr(bars[k], sign)), otherwise)
