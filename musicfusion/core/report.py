"""The records of a run: metrics.jsonl, TensorBoard and the line in the terminal.

The only file that knows TensorBoard.
"""

import json
import math
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from musicfusion.core.files import atomic_write


class Report:
    """The record of one stage in its folder: metrics.jsonl, and event files for TensorBoard.

    With active=False (in every process but the first) its methods do nothing.
    """

    def __init__(self, folder: Path, tensorboard: bool = True, active: bool = True):
        self.path = Path(folder) / "metrics.jsonl"
        self.active = active
        self._wanted = {"add_scalar", "add_image", "add_audio"} if active and tensorboard else set()
        self._board: Any = None  # opened when there is something to show
        self._purge_step: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shows(self) -> bool:
        """Whether pictures and sound are wanted: TensorBoard is, and nothing has shown that it is missing."""
        return bool(self._wanted)

    def rewind(self, step: int) -> None:
        """Drops what was written after `step`, because a resumed run writes it again.

        A line that was cut short when the run was killed is dropped too. A run that starts anew in an old folder gives
        -1.
        """
        if not self.active:
            return
        self.close()
        self._purge_step = step + 1
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            atomic_write(self.path, "".join(line for line in lines if _step(line) <= step))

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Appends one line {"step": ..., "time": seconds since 1970, name: number, ...}.

        A number that is not finite becomes null, because JSON cannot hold it.
        """
        if not self.active:
            return
        numbers = {name: float(value) for name, value in values.items()}
        line: dict[str, Any] = {"step": int(step), "time": round(time.time(), 3)}
        line |= {name: x if math.isfinite(x) else None for name, x in numbers.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, x in numbers.items():
            if math.isfinite(x):
                self._show("add_scalar", name, x, step)

    def image(self, step: int, name: str, pixels: np.ndarray) -> None:
        """Shows an image in TensorBoard.

        Args:
          step: where on the axis.
          name: its title.
          pixels: uint8 [height, width, 3].
        """
        self._show("add_image", name, np.asarray(pixels), step, dataformats="HWC")

    def audio(self, step: int, name: str, samples: np.ndarray, rate: int) -> None:
        """Plays a sound in TensorBoard.

        Args:
          step: where on the axis.
          name: its title.
          samples: float [n], -1 to 1.
          rate: samples a second.
        """
        samples = np.asarray(samples, np.float32)
        self._show("add_audio", name, samples, step, sample_rate=rate)

    def close(self) -> None:
        """Closes TensorBoard's file; a later call of another method opens a new one."""
        if self._board is not None:
            self._board.close()
        self._board = None

    def _show(self, method: str, *args: Any, **kwargs: Any) -> None:
        if method not in self._wanted:
            return
        try:
            if self._board is None:
                from tensorboardX import SummaryWriter

                folder = str(self.path.parent / "tensorboard")
                self._board = SummaryWriter(folder, purge_step=self._purge_step)
            getattr(self._board, method)(*args, **kwargs)
        except ImportError as error:  # tensorboardX; Pillow for images; soundfile for sound
            self._wanted = self._wanted - {method} if self._board is not None else set()
            what = "no event files" if self._board is None else f"event files without {method[4:]}"
            print(f"{error.name} is not installed: {what} for TensorBoard", file=sys.stderr)


def working(what: str) -> None:
    """Says at a terminal what is being done now; silent where standard error is not a terminal."""
    if sys.stderr.isatty():
        print(what, file=sys.stderr, flush=True)


class Progress:
    """One line in the terminal that says how far a stage is; silent where the stream is not a terminal."""

    def __init__(
        self,
        stage: str,
        total: int,
        batch: int,
        stream: TextIO | None = None,
        active: bool = True,
    ):
        """Prepares the line.

        Args:
          stage: its name.
          total: steps of the whole stage.
          batch: examples a step.
          stream: standard error by default.
          active: False in every process but the first.
        """
        self.stage, self.total, self.batch = stage, total, batch
        self.stream = sys.stderr if stream is None else stream
        self.shown = active and self.stream.isatty()
        self._began: tuple[float, int] | None = None  # the first update: by then all is compiled
        self._due = 0.0
        self._width = 0

    def update(self, step: int, loss: float | None) -> None:
        """Rewrites the line, at most five times a second; at the last step in any case."""
        now = time.monotonic()
        if self._began is None:
            self._began = (now, step)
        if not self.shown or (now < self._due and step < self.total):
            return
        self._due = now + 0.2
        began, first = self._began
        words = [self.stage, f"{step}/{self.total}"]
        said = [] if loss is None else [f"loss {loss:.3f}"]
        if step > first and now > began:
            rate = (step - first) / (now - began)
            words += [f"{rate:.1f} steps/s", f"{rate * self.batch:.0f} examples/s"]
            words += [*said, f"{_clock((self.total - step) / rate)} left"]
        else:
            words += said
        # A line that wraps could not be rewritten.
        line = "  ".join(words)[: shutil.get_terminal_size().columns - 1]
        self.stream.write("\r" + line.ljust(self._width))
        self.stream.flush()
        self._width = len(line)

    def done(self) -> None:
        """Ends the line, if there is one."""
        if self._width:
            self.stream.write("\n")
            self.stream.flush()
        self._width = 0


def _step(line: str) -> float:
    """The step of a line of metrics.jsonl; infinity for a line that was cut short."""
    try:
        return json.loads(line)["step"] if line.endswith("\n") else math.inf
    except (ValueError, KeyError, TypeError):
        return math.inf


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
