"""How far a long computation is, reported to whoever asked for it, through no argument of any function between them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Report = Callable[[str, float | None], None]

_REPORT: ContextVar[Report | None] = ContextVar("report", default=None)


class Cancelled(Exception):
    """Raised by a callback of `reporting`, to end the computation at its next tick."""


@contextmanager
def reporting(report: Report) -> Iterator[None]:
    """Every tick in the block calls report(what, share), in the thread of the block; what it raises ends the block."""
    token = _REPORT.set(report)
    try:
        yield
    finally:
        _REPORT.reset(token)


def tick(what: str, share: float | None = None) -> None:
    """Tells that a computation goes on; costs nothing where nobody asked.

    Args:
        what: it is doing, in a few words.
        share: how much of that is done, 0..1; None where nobody knows.

    Raises:
        Cancelled: it is to end here.
    """
    report = _REPORT.get()
    if report is not None:
        report(what, share)


def steps(items: Sequence[T], what: str) -> Iterator[T]:
    """The items, with a tick before each that tells the share of them that is done.

    Raises:
        Cancelled: as `tick`.
    """
    for number, item in enumerate(items):
        tick(what, number / len(items))
        yield item


@contextmanager
def within(begin: float, end: float) -> Iterator[None]:
    """Shares that are reported in the block, 0..1, count as shares from `begin` to `end`. Blocks may be nested."""
    report = _REPORT.get()
    if report is None:
        yield
        return
    with reporting(lambda what, share: report(what, None if share is None else begin + (end - begin) * share)):
        yield
