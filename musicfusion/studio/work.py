"""Long work in a thread of its own: the page sees how far it is, and can end it."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from musicfusion.core import progress

PERIOD = 0.4  # seconds between two words to the page
STAGES: Mapping[str, float] = {"waiting": 1.0, "loading the weights": 8.0, "making music": 20.0, "playing it": 8.0}
ALMOST = 0.95  # share of a stage that is shown while it goes on


class Progress:
    """How far a work of several stages is; the seconds that each of them took are a guess of what the next will take.

    Attributes:
        stage: what is being done.
        detail: more about it, in a few words.
    """

    def __init__(self, expected: dict[str, float]):
        self.stage, self.detail, self._share = "waiting", "", 0.0
        self._took, self._expected = expected, {**STAGES, **expected}
        self._begun = self._started = time.monotonic()

    def enter(self, stage: str) -> None:
        """The next stage begins, one of STAGES."""
        now = time.monotonic()
        if self.stage != "waiting":
            self._took[self.stage] = max(now - self._begun, 0.1)
        self.stage, self.detail, self._share, self._begun = stage, "", 0.0, now
        progress.tick(stage)

    def report(self, what: str, share: float | None) -> None:
        """As core.progress has it."""
        self.detail = "" if what == self.stage else what
        self._share = max(self._share, share or 0.0)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Of all that is to be done, 0..1."""
        stages, seconds = list(STAGES), list(map(self._expected.__getitem__, STAGES))
        at = stages.index(self.stage)
        inside = max(self._share, (time.monotonic() - self._begun) / seconds[at])
        return (sum(seconds[:at]) + seconds[at] * min(inside, ALMOST)) / sum(seconds)


def background(function: Callable[[Progress], Any], expected: dict[str, float]) -> Iterator[tuple[Progress, Any]]:
    """Runs function(progress) in a thread; gives (progress, None) again and again, and (progress, its result) last.

    Closing the iterator ends the thread at its next tick. What the function raises is raised here.

    Args:
        function: ticks of core.progress in it reach `progress`.
        expected: seconds of each stage the last time; kept up to date.
    """
    state, stopped = Progress(expected), threading.Event()
    ended: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def report(what: str, share: float | None) -> None:
        if stopped.is_set():
            raise progress.Cancelled
        state.report(what, share)

    def body() -> None:
        try:
            with progress.reporting(report):
                ended.put((function(state), None))
        except BaseException as error:  # it is raised where the result is awaited
            ended.put((None, error))

    threading.Thread(target=body, daemon=True).start()
    try:
        while True:
            try:
                result, error = ended.get(timeout=PERIOD)
            except queue.Empty:
                yield state, None
                continue
            if error is not None:
                raise error
            yield state, result
            return
    finally:
        stopped.set()
