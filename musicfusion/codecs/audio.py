"""Audio files <-> samples: WAV, AIFF, FLAC, OGG, MP3, by soundfile; one channel, one rate.

Files are read block by block (audio_decode), after their headers were mended (audio_bytes, audio_mpeg).
"""

import dataclasses
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Num

from musicfusion.codecs import audio_bytes, audio_decode
from musicfusion.codecs.audio_bytes import KINDS
from musicfusion.core import progress
from musicfusion.core.errors import MusicFusionError

RATE = 22050  # Hz, at which all audio is read
LONGEST = 4 * 3600.0  # seconds
NOTABLE_OFFSET = 0.01  # of full scale: a smaller DC offset is left as it is
NOTABLE_SILENCE = 2.0  # seconds at the beginning or the end
QUALITIES = (0.3, 0.5, 0.7, 1.0)  # Vorbis compression levels to be tried, the best sound first

_RATES = (1_000, 1_000_000)  # Hz
_LEAST = 0.01  # bytes a sample of all channels takes: a header that announces hours in less is not believed
_TOLERANCE = 0.1  # seconds that encoders add or leave out
_BROKEN = 0.001  # of all samples: if more of them are no numbers, the file is damaged
_LARGEST = 1e6  # of full scale: beyond it a sample is no number, either
_OFFSET_FROM = 2.0  # seconds: the mean of something shorter is a part of a wave
_CANCELLED = 0.1  # of the power of channels that have nothing to do with each other
_SILENT = 0.001  # of the loudest sample: -60 dB
_EXCERPT = 10.0  # seconds of a sound from which its size is estimated
_LOUDER = 1.3  # how much larger an estimate may be: an excerpt may be louder than the rest
_HOPELESS = 4  # times too large: the worst sound is half as large as the best
_CHUNK = 1 << 17  # samples that are looked through at once


class Audio(NamedTuple):
    """Mono samples float32 [n] in [-1, 1], and their rate in Hz."""

    samples: Float32[np.ndarray, " n"]
    rate: int = RATE

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate


class Recording(NamedTuple):
    """Mono samples float32 [n], and what was noticed in reading them: sentences without the file's name."""

    samples: Float32[np.ndarray, " n"]
    notices: tuple[str, ...] = ()


def read(path: str | Path, rate: int = RATE) -> Float32[np.ndarray, " n"]:
    """A file's samples float32 [n], all channels in one, at `rate`; as loud as they are there. As `recording`."""
    return recording(path, str(path), rate).samples


def parse(data: bytes, name: str, rate: int = RATE) -> Float32[np.ndarray, " n"]:
    """The same from a file's bytes; `name` is what errors call it."""
    return recording(data, name, rate).samples


def recording(source: str | Path | bytes, name: str, rate: int = RATE) -> Recording:
    """A file's samples, all channels in one, at `rate`, as loud as they are there; and what was noticed.

    What a file is, its content says: WAV (of any depth, also RF64 and W64), AIFF, FLAC, OGG (Vorbis, Opus), MP3, and
    what else libsndfile knows. Of a file that is cut or damaged, what can be decoded is used, in its place (but for
    holes in OGG files, which its decoder leaves out). Channels are averaged; where they cancel each other, the loudest
    one stands for all. A notable DC offset is taken off. Silence is kept. Beside the result it takes little memory,
    however long the file is.

    Args:
        source: a path, or a file's bytes.
        name: what errors call it.
        rate: in Hz.

    Raises:
        MusicFusionError: it cannot be read, is empty, or lasts longer than LONGEST.
    """
    try:
        with open(source, "rb") if isinstance(source, (str, Path)) else io.BytesIO(source) as file:
            found = audio_bytes.opened(file, name, isinstance(source, (str, Path)))
            return _decoded(found, name, rate)
    except audio_bytes.Refused as error:
        raise MusicFusionError(f"{name}: {error}") from None
    except MusicFusionError:
        raise
    except Exception as error:  # whatever a stranger's file provokes, no traceback
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
        line = " ".join(str(reason).split()).rstrip(".")[:200]
        if "nternal error" in line or "does not exist" in line:  # libsndfile means the file's header
            line = "its header makes no sense"
        raise MusicFusionError(f"{name}: cannot be read as audio ({line}); accepted are {', '.join(KINDS)}, and what"
                               " ffmpeg converts: ffmpeg -i IN OUT.wav") from None


def mixed(samples: Num[np.ndarray, " n *channels"], own: int, name: str, rate: int = RATE) -> Recording:
    """Samples [n] or [n, channels] of one rate (Hz) as `recording` gives a file's.

    samples: floats in [-1, 1], or signed integers at full scale. Raises MusicFusionError as `recording` does.
    """
    columns = samples.reshape(len(samples), -1)
    scale = -float(np.iinfo(columns.dtype).min) if columns.dtype.kind == "i" else 1.0
    rows = max(audio_decode.BLOCK // columns.shape[1], 1)

    def blocks() -> Iterator[np.ndarray]:
        for first in range(0, len(columns), rows):
            with np.errstate(over="ignore"):  # beyond float32: counted as no numbers
                block = np.asarray(columns[first : first + rows], np.float32)
            yield block / np.float32(scale)

    _check(own, len(columns), name)
    return _recording(blocks, own, columns.shape[1], len(columns), name, rate)


def _decoded(found: audio_bytes.Opened, name: str, rate: int) -> Recording:
    """The recording in a file that is open."""
    decoder = audio_decode.Decoder(found.view, found.noisy)
    first = decoder
    try:
        _check(decoder.rate, 0, name)
        frames = decoder.frames
        if frames is not None and frames > LONGEST * decoder.rate:
            if found.view.size > _LEAST * frames:
                _check(decoder.rate, frames, name)
            frames = None  # a damaged header

        def blocks() -> Iterator[np.ndarray]:
            nonlocal decoder
            if decoder.position:
                decoder.close()
                decoder = audio_decode.Decoder(found.view, found.noisy)
            return decoder.blocks()

        made = _recording(blocks, decoder.rate, decoder.channels, frames, name, rate)
    finally:
        decoder.close()
        first.close()
    return made._replace(notices=(*found.said, *_missing(found, decoder), *made.notices))


def _missing(found: audio_bytes.Opened, decoder: audio_decode.Decoder) -> list[str]:
    """What a file announces and does not have, in words."""
    there = decoder.decoded / decoder.rate
    announced = max(decoder.frames or 0, decoder.position) / decoder.rate * found.announced
    said = []
    if announced == math.inf or (decoder.frames is None and decoder.failed):
        said.append(f"it is cut off: its end is missing, and {_clock(there)} are there")
    elif announced - decoder.position / decoder.rate > max(_TOLERANCE, 0.001 * announced):
        said.append(f"it is incomplete: {_clock(there)} of {_clock(announced)} could be decoded")
    if decoder.position > decoder.decoded:
        said.append(f"{_clock((decoder.position - decoder.decoded) / decoder.rate)} of it, in the middle, cannot be"
                    " decoded and are silent")
    return said


# Blocks -> a recording ----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Levels:
    """Sums over a recording's blocks, float64: of each channel, and of the average of all."""

    count: int
    total: np.ndarray  # [channels]
    squares: np.ndarray  # [channels]
    mean: float
    power: float
    broken: int

    def variances(self) -> np.ndarray:
        """Of the channels, [channels]."""
        return np.maximum(self.squares / self.count - (self.total / self.count) ** 2, 0)

    def loudest(self) -> int | None:
        """The loudest channel, where channels cancel each other in their average; else None."""
        own, count = self.variances(), len(self.total)
        average = max(self.power / self.count - (self.mean / self.count) ** 2, 0.0)
        # Channels that have nothing to do with each other would leave a sum of that power.
        return int(own.argmax()) if count > 1 and average < _CANCELLED * own.sum() / count**2 else None


def _recording(blocks: Callable[[], Iterator[np.ndarray]], own: int, channels: int, frames: int | None, name: str,
               rate: int) -> Recording:
    """Blocks [n, channels] of one rate as a recording of another.

    They are read once as they are, and once more where that shows that they have to be mixed in another way.
    """
    samples, levels = _mix(blocks(), own, channels, frames, name, rate)
    if not levels.count:
        raise MusicFusionError(f"{name}: holds no sound")
    if levels.broken > _BROKEN * levels.count * channels:
        raise MusicFusionError(f"{name}: holds samples that are no numbers")
    said = []
    if levels.broken:
        said.append(f"{levels.broken:,} samples that are no numbers are taken for silence")
    channel = levels.loudest()
    offset = (levels.mean if channel is None else levels.total[channel]) / levels.count
    offset = float(offset) if abs(offset) > NOTABLE_OFFSET and levels.count >= _OFFSET_FROM * own else 0.0
    if channel is not None or offset:
        del samples
        samples, _ = _mix(blocks(), own, channels, frames, name, rate, channel, offset)
    if channel is not None:
        said.append(f"its {channels} channels cancel each other: only the loudest is used, number {channel + 1}")
    elif channels > 2:
        said.append(f"its {channels} channels are averaged")
    if offset:
        said.append(f"a DC offset of {offset:.3f} is taken off")
    return Recording(samples, (*said, *_silence(samples, rate)))


def _mix(blocks: Iterator[np.ndarray], own: int, channels: int, frames: int | None, name: str, rate: int,
         channel: int | None = None, offset: float = 0.0) -> tuple[np.ndarray, _Levels]:
    """Blocks as samples [n] at `rate`: their average, or one channel, less an offset; and their levels."""
    import soxr

    levels = _Levels(0, np.zeros(channels), np.zeros(channels), 0.0, 0.0, 0)
    stream = soxr.ResampleStream(own, rate, 1, dtype="float32") if own != rate else None
    samples = np.empty(int((frames or 0) * rate / own) + 1024, np.float32)
    end = 0
    for block in blocks:
        _check(own, levels.count + len(block), name)
        if not np.abs(block).max(initial=0) < _LARGEST:
            broken = ~(np.abs(block) < _LARGEST)
            levels.broken += int(broken.sum())
            block = np.where(broken, np.float32(0), block)
        mono = block.mean(axis=1) if channel is None else block[:, channel].copy()
        levels.count += len(block)
        levels.total += block.sum(axis=0, dtype=np.float64)
        levels.squares += np.einsum("nc,nc->c", block, block, dtype=np.float64)
        levels.mean += float(mono.sum(dtype=np.float64))
        levels.power += float(np.einsum("n,n->", mono, mono, dtype=np.float64))
        mono = mono - np.float32(offset) if offset else mono
        if stream is not None:
            mono = stream.resample_chunk(mono)
        samples, end = _appended(samples, end, mono)
    if stream is not None:
        samples, end = _appended(samples, end, stream.resample_chunk(np.zeros(0, np.float32), last=True))
    return samples[:end], levels


def _appended(samples: np.ndarray, end: int, more: np.ndarray) -> tuple[np.ndarray, int]:
    """Samples with more of them behind `end`, in an array that grows by half when it is full; and the new end."""
    if end + len(more) > len(samples):
        grown = np.empty(max(len(samples) * 3 // 2, end + len(more)), np.float32)
        grown[:end] = samples[:end]
        samples = grown
    samples[end : end + len(more)] = more
    return samples, end + len(more)


def _check(own: int, frames: int, name: str) -> None:
    """Raises MusicFusionError unless so many frames at a rate of `own` Hz are neither too long nor nonsense."""
    if not _RATES[0] <= own <= _RATES[1]:
        raise MusicFusionError(f"{name}: says that it has {own:,} samples a second; {_RATES[0]:,} to {_RATES[1]:,} are"
                               " accepted")
    if frames > LONGEST * own:
        raise MusicFusionError(f"{name}: lasts longer than {LONGEST / 3600:.0f} hours, which is the most that can be"
                               " read; a part of it is accepted")


def _silence(samples: np.ndarray, rate: int) -> list[str]:
    """What is said of silence at both ends."""
    starts = range(0, len(samples), _CHUNK)
    peaks = np.array([np.abs(samples[k : k + _CHUNK]).max() for k in starts])
    level = _SILENT * peaks.max(initial=0)
    loud = np.flatnonzero(peaks > level)
    if not len(loud):
        return []
    first, last = (np.flatnonzero(np.abs(samples[k : k + _CHUNK]) > level) + k for k in (loud[[0, -1]] * _CHUNK))
    silent = {"begins": first[0] / rate, "ends": (len(samples) - 1 - last[-1]) / rate}
    said = [f"{word} with {_clock(seconds)}" for word, seconds in silent.items()
            if seconds >= NOTABLE_SILENCE]
    return [f"it {' and '.join(said)} of silence, which is kept"] if said else []


def _clock(seconds: float) -> str:
    """Seconds as people say them: 2.5 s, 61:05 minutes."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{round(seconds) // 60}:{round(seconds) % 60:02} minutes"


def resampled(samples: Num[np.ndarray, " n"], own: int, rate: int = RATE) -> Float32[np.ndarray, " m"]:
    """Samples [n] of one rate at another, float32."""
    import soxr

    samples = np.asarray(samples, np.float32)
    return soxr.resample(samples, own, rate).astype(np.float32) if own != rate else samples


def oggs(sounds: Iterable[Audio], most: int) -> list[bytes]:
    """Sounds as OGG Vorbis files, as good as `most` bytes for all of them allow, or else as small as can be."""
    sounds = list(sounds)
    levels = list(QUALITIES[_likely(sounds, most) :])
    files: list[bytes] = []
    while levels:
        begin, level = 1 - len(levels) / len(QUALITIES), levels.pop(0)
        with progress.within(begin, 1 - len(levels) / len(QUALITIES)), ThreadPoolExecutor(os.cpu_count()) as pool:
            encoded = [pool.submit(copy_context().run, _ogg, sound, level) for sound in sounds]  # each can be cancelled
            files = [one.result() for one in progress.steps(encoded, "compressing sound")]
        total = sum(map(len, files))
        if total <= most:
            break
        if total > _HOPELESS * most:  # hours of sound: only the last level counts
            levels = levels[-1:]
    return files


def _likely(sounds: Sequence[Audio], most: int) -> int:
    """Which of QUALITIES is the first that may be small enough, by excerpts; none better is worth trying."""
    if _are_short(sounds):
        return 0
    for number, level in enumerate(QUALITIES[:-1]):
        if _estimated(sounds, level) <= _LOUDER * most:
            return number
    return len(QUALITIES) - 1


def are_too_large(sounds: Sequence[Audio], most: int) -> bool:
    """Whether `most` bytes are too few for sounds as OGG Vorbis files, however bad, by excerpts; False where unsure."""
    return not _are_short(sounds) and _estimated(sounds, QUALITIES[-1]) > _LOUDER * most


def _are_short(sounds: Sequence[Audio]) -> bool:
    """Whether excerpts of them take as long as they themselves."""
    return sum(sound.seconds for sound in sounds) < 2 * _EXCERPT * len(sounds)


def _estimated(sounds: Sequence[Audio], level: float) -> float:
    """How many bytes sounds take, by an excerpt from the middle of each."""
    total = 0.0
    for sound in sounds:
        length = min(int(_EXCERPT * sound.rate), len(sound.samples))
        begin = (len(sound.samples) - length) // 2
        excerpt = Audio(sound.samples[begin : begin + length], sound.rate)
        total += len(_ogg(excerpt, level)) * len(sound.samples) / max(length, 1)
    return total


def _ogg(sound: Audio, level: float) -> bytes:
    """A sound as an OGG Vorbis file; level: of compression, 0..1."""
    import soundfile

    buffer, how = io.BytesIO(), {"format": "OGG", "subtype": "VORBIS", "compression_level": level}
    with soundfile.SoundFile(buffer, "w", sound.rate, 1, **how) as file:
        for first in range(0, len(sound.samples), 1 << 16):  # libsndfile's encoder overflows on long blocks
            progress.tick("compressing sound")
            file.write(np.clip(sound.samples[first : first + (1 << 16)], -1, 1))
    return buffer.getvalue()
