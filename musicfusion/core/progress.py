"""How far a long computation is, told to whoever asked for it, through no argument of any function between them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
