"""Audio files -> blocks of samples, by libsndfile: as many as decode, in as much memory as one block takes."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float32

from musicfusion.codecs.audio_bytes import View

BLOCK = 1 << 17  # samples of all channels together

_GAPS = 50  # places in a file that cannot be decoded and are stepped over
_SEEKING = ("FLAC",)  # formats whose decoders stop at damage, and find what is behind it
_UNKNOWN = 2**62  # frames: a stream that does not say how many there are
_STANDARD_ERROR = 2
_LOCK = threading.Lock()


class Decoder:
    """An audio file that is read once, from its beginning to its end.

    Attributes:
        rate: in Hz.
        channels: how many.
        frames: as many as its header announces; None where it does not say.
        position: frames that were read, gaps among them.
        decoded: frames that could be decoded.
        failed: whether an error ended it, or a part of it.
    """

    def __init__(self, view: View, noisy: bool = False):
        """Opens it. noisy: its decoder writes to standard error, which is kept from doing so.

        Raises what soundfile raises, of any kind.
        """
        import soundfile

        class Stream(soundfile.SoundFile):
            """Read on and on: soundfile would seek after every block, and MP3 does not survive that to the bit."""

            def seekable(self) -> bool:
                """Never."""
                return False

        self._stream, self._view, self._noisy = Stream, view, noisy
        self._error: Any = soundfile.LibsndfileError
        self._file = self._opened()
        self.rate, self.channels = int(self._file.samplerate), int(self._file.channels)
        frames = int(self._file.frames)
        self.frames = frames if 0 <= frames < _UNKNOWN else None
        self.position = self.decoded = 0
        self.failed = False

    def _opened(self) -> Any:
        self._view.seek(0)
        with _quiet(self._noisy):
            return self._stream(self._view)

    def close(self) -> None:
        """Closes it; the bytes under it stay open."""
        with _quiet(self._noisy):
            self._file.close()

    def blocks(self) -> Iterator[Float32[np.ndarray, "n channels"]]:
        """All its samples, float32 [n, channels], n up to BLOCK / channels; silence where something cannot be decoded.

        A block is overwritten by the next one.
        """
        block = np.empty((max(BLOCK // self.channels, 1), self.channels), np.float32)
        silence = np.zeros_like(block)
        gaps = 0
        while True:
            count = self._read(block)
            if not count:
                found = self._step_over(block) if gaps < _GAPS else None
                if found is None:
                    return
                gaps, (silent, count) = gaps + 1, found
                self.position += silent
                for first in range(0, silent, len(block)):
                    yield silence[: silent - first]
            self.position += count
            self.decoded += count
            yield block[:count]

    def _read(self, block: np.ndarray) -> int:
        """Fills the block; returns how many frames of it. What decodes before an error counts."""
        block.fill(np.nan)
        try:
            with _quiet(self._noisy):
                return max(int(self._file.buffer_read_into(block, "float32")), 0)
        except self._error:
            self.failed = True
            return int(np.isfinite(block[:, 0]).sum())

    def _step_over(self, block: np.ndarray) -> tuple[int, int] | None:
        """Looks for sound behind a place that cannot be decoded, farther and farther away.

        Returns how many frames were stepped over, and how many the block holds now; None: there is no more.
        """
        step = max(self.rate // 10, 1)
        if self._file.format not in _SEEKING or self.frames is None:
            return None
        while self.position + step < self.frames:
            self.close()  # after an error some decoders do not seek any more
            try:
                self._file = self._opened()
                with _quiet(self._noisy):
                    there = int(self._file.seek(self.position + step))
                if there == self.position + step and (count := self._read(block)):
                    return step, count
            except self._error:
                pass
            step *= 2
        return None


@contextmanager
def _quiet(noisy: bool) -> Iterator[None]:
    """Keeps libraries in C from writing to standard error meanwhile; without effect unless noisy.

    libmpg123 says there what it does about damage, whether it is asked to or not.
    """
    if not noisy:
        yield
        return
    with _LOCK:
        try:
            kept = os.dup(_STANDARD_ERROR)
        except OSError:  # there is none
            kept = -1
        if kept >= 0:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, _STANDARD_ERROR)
            os.close(nowhere)
        try:
            yield
        finally:
            if kept >= 0:
                os.dup2(kept, _STANDARD_ERROR)
                os.close(kept)
