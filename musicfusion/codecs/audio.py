"""Audio files <-> samples: WAV, FLAC, OGG, MP3, by soundfile; one channel, one rate."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Num

from musicfusion.core.errors import MusicFusionError

RATE = 22050  # Hz, at which all audio is read
KINDS = (".wav", ".flac", ".ogg", ".mp3")
LONGEST = 1800.0  # seconds
QUALITIES = (0.3, 0.5, 0.7, 1.0)  # Vorbis compression levels to be tried, the best sound first


class Audio(NamedTuple):
    """Mono samples float32 [n] in [-1, 1], and their rate in Hz."""

    samples: Float32[np.ndarray, " n"]
    rate: int = RATE

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


def read(path: str | Path, rate: int = RATE) -> Float32[np.ndarray, " n"]:
    """A file's samples float32 [n], all channels in one, at `rate`; as loud as they are there.

    Raises MusicFusionError for a file that cannot be read, is empty, or lasts longer than half an hour.
    """
    return _read(str(path), str(path), rate)


def parse(data: bytes, name: str, rate: int = RATE) -> Float32[np.ndarray, " n"]:
    """The same from a file's bytes; `name` is what errors call it."""
    return _read(io.BytesIO(data), name, rate)


def _read(source: str | io.BytesIO, name: str, rate: int) -> Float32[np.ndarray, " n"]:
    import soundfile

    try:
        with soundfile.SoundFile(source) as file:
            seconds = file.frames / file.samplerate
            if seconds > LONGEST:
                raise MusicFusionError(f"{name}: lasts {seconds / 60:.0f} minutes; at most 30 can be read")
            samples, own = file.read(dtype="float32", always_2d=True), file.samplerate
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise MusicFusionError(f"{name}: cannot be read as audio ({reason}); accepted are {', '.join(KINDS)}") from None
    if not len(samples):
        raise MusicFusionError(f"{name}: holds no sound")
    if not np.isfinite(samples).all():
        raise MusicFusionError(f"{name}: holds samples that are no numbers")
    return resampled(samples.mean(axis=1), own, rate)


def resampled(samples: Num[np.ndarray, " n"], own: int, rate: int = RATE) -> Float32[np.ndarray, " m"]:
    """Samples [n] of one rate at another, float32."""
    import soxr

    samples = np.asarray(samples, np.float32)
    return soxr.resample(samples, own, rate).astype(np.float32) if own != rate else samples


def oggs(sounds: Iterable[Audio], most: int) -> list[bytes]:
    """Sounds as OGG Vorbis files, as good as `most` bytes for all of them allow, or else as small as can be."""
    import soundfile

    sounds = list(sounds)
    files: list[bytes] = []
    for level in QUALITIES:
        files = []
        for sound in sounds:
            buffer = io.BytesIO()
            with soundfile.SoundFile(buffer, "w", sound.rate, 1, format="OGG", subtype="VORBIS",
                                     compression_level=level) as file:
                for first in range(0, len(sound.samples), 1 << 16):  # libsndfile's encoder overflows on long blocks
                    file.write(np.clip(sound.samples[first : first + (1 << 16)], -1, 1))
            files.append(buffer.getvalue())
        if sum(map(len, files)) <= most:
            break
    return files
