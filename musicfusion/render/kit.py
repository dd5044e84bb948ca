"""Drum hits to sound, with recorded samples: those that come along (kit/), or a folder of one's own.

A folder's files are named INSTRUMENT[-LAYER][LETTER].KIND, in upper or lower case:

    kick.wav                         one sample for all velocities
    snare-1.wav, snare-2.wav         layers, from soft to loud; any numbers
    closed_hat-1a.flac, ...-1b.flac  takes of one layer, which are played in turn

INSTRUMENT is one of nine (codecs.drums), with spaces, underscores or hyphens between its words.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs import audio
from musicfusion.codecs.audio_bytes import KINDS
from musicfusion.codecs.drums import INSTRUMENTS
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import loudness

RATE = 44100  # Hz, of a kit's samples
FOLDER = Path(__file__).parent / "kit"
LEVELS = (-18.0, -19.5, -28.5, -27.0, -20.5, -20.5, -20.5, -22.0, -29.0)  # LUFS of a full hit, by instrument
WINDOW = 0.1  # seconds: how loud a hit is, its loudest window says
CURVE = 1.5  # a hit's gain is (velocity / 127) to this power
CHOKE = 0.02  # seconds in which an open hat falls silent
PEAK = 0.95  # of the loudest sample; the same as render.audio's
LONGEST_SAMPLE = 20.0  # seconds
LONGEST = 1800.0  # seconds; as render.audio

_CLOSED, _OPEN = INSTRUMENTS.index("closed hat"), INSTRUMENTS.index("open hat")
_LEAD = 0.01  # of a sample's peak: what is softer before its onset is cut off
_RISE = 0.0005  # seconds before that point which stay
_NAME = re.compile(r"(?P<instrument>[a-z]+(?: [a-z]+)?)(?: ?(?P<layer>\d+) ?(?P<take>[a-z])?)?")
_SHOWN = 5  # files that one notice names

Layers = tuple[tuple[np.ndarray, ...], ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Kit:
    """Samples of the nine instruments, levelled: full hits are as loud as LEVELS says.

    Attributes:
        instruments: in the order of INSTRUMENTS; each has layers from soft to loud, one at least; each layer has
            takes, one at least: float32 [n], mono, at RATE.
        notices: what a user should know about it, a sentence each.
    """

    instruments: tuple[Layers, ...]
    notices: tuple[str, ...] = ()


@functools.cache
def shipped() -> Kit:
    """The kit that comes along: nine acoustic instruments. kit/README.md says where they are from."""
    found, _ = _sorted(FOLDER)
    return Kit(tuple(_layers(k, found[k])[0] for k in range(len(INSTRUMENTS))))


def read(folder: str | Path) -> Kit:
    """A kit from the files of a folder; see above for their names. Subfolders are not read.

    Samples of any loudness are accepted: each instrument is brought to the level that it has in the shipped kit, each
    layer to that of its instrument. What comes before the onset of a sample is cut off. An instrument that the folder
    lacks is the shipped kit's, which a notice says.

    Raises:
        MusicFusionError: there is no such folder, no file in it is named like a drum, or one that is cannot be used.
    """
    folder = Path(folder)
    found, unused = _sorted(folder)
    if not found:
        raise MusicFusionError(f"{folder}: no file in it is named like a drum, such as kick.wav or closed_hat-1.flac;"
                               f" there are {', '.join(INSTRUMENTS)}")
    instruments, notices = [], []
    for k in range(len(INSTRUMENTS)):
        layers, said = _layers(k, found[k]) if k in found else (shipped().instruments[k], [])
        instruments.append(layers)
        notices += said
    if lacking := [name for k, name in enumerate(INSTRUMENTS) if k not in found]:
        notices.append(f"no samples of {', '.join(lacking)} in the folder: those of the shipped kit are played")
    if unused:
        more = f" and {len(unused) - _SHOWN} more" if len(unused) > _SHOWN else ""
        notices.append(f"not used, as no drum is named so: {', '.join(unused[:_SHOWN])}{more}")
    return Kit(tuple(instruments), tuple(notices))


def play(hits: np.ndarray, kit: Kit, *, seed: int = 0, rate: int = RATE, seconds: float | None = None) -> np.ndarray:
    """Plays hits: mono samples float32 [n], below PEAK.

    A hit's velocity chooses the layer, of k layers the one of its k-th part of 1..127, and the gain. The takes of a
    layer come in an order that the seed draws, none twice in a row. An open hat ends where the next closed hat begins.
    The same arguments give the same samples.

    Args:
        hits: float [n, 3] rows of seconds, index in INSTRUMENTS, velocity 1..127; in any order. Those before 0 are
            played at 0, velocities beyond the range at its ends.
        kit: what it is played with.
        seed: of the order of takes, 0 or more.
        rate: in Hz.
        seconds: the length; what sounds longer is cut there. None: until the last hit has died away.

    Raises:
        MusicFusionError: it would last longer than LONGEST.
        ValueError: hits that are no numbers, or of instruments that do not exist.
    """
    hits = np.asarray(hits, np.float64).reshape(-1, 3)
    if not np.isfinite(hits).all() or not np.isin(hits[:, 1], np.arange(len(INSTRUMENTS))).all():
        raise ValueError(f"hits are seconds, an instrument 0 to {len(INSTRUMENTS) - 1}, and a velocity")
    end = max(hits[:, 0].max(initial=0.0) if seconds is None else seconds, 0.0)
    if not end <= LONGEST:
        raise MusicFusionError(f"the drums last {end / 60:.0f} minutes; at most {LONGEST / 60:.0f} can be played")
    hits = hits[np.lexsort(hits.T[::-1])]  # sums of floats depend on their order
    starts = np.maximum(np.rint(hits[:, 0] * rate), 0).astype(np.int64)
    velocities = np.clip(hits[:, 2], 1, 127)
    sounds = _chosen(hits[:, 1].astype(np.int64), velocities, _at(kit, rate), seed)
    sounds = _choked(sounds, starts, hits[:, 1], rate)
    return levelled(_sum(sounds, starts, gains(velocities), None if seconds is None else round(seconds * rate)))


def gains(velocities: np.ndarray) -> np.ndarray:
    """The gains float32 [n] of velocities [n], 1..127."""
    return ((velocities / 127) ** CURVE).astype(np.float32)


def levelled(samples: np.ndarray) -> np.ndarray:
    """Samples float32 [n], all softer by one gain if their peak is above PEAK; else as they are."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples * np.float32(PEAK / peak) if peak > PEAK else samples


# Hits to a sum ------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4)
def _at(kit: Kit, rate: int) -> tuple[Layers, ...]:
    """A kit's samples at another rate."""
    return tuple(tuple(tuple(audio.resampled(take, RATE, rate) for take in layer) for layer in layers)
                 for layers in kit.instruments)


def _chosen(instruments: np.ndarray, velocities: np.ndarray, kit: Sequence[Layers], seed: int) -> list[np.ndarray]:
    """The sample of each hit. Hits are sorted by time; what one instrument plays does not depend on the others."""
    sounds = [np.zeros(0, np.float32)] * len(instruments)
    for k in np.unique(instruments):
        layers = kit[k]
        layer = np.minimum((velocities * len(layers) / 128).astype(int), len(layers) - 1)
        for number, takes in enumerate(layers):
            where = np.flatnonzero((instruments == k) & (layer == number))
            random = np.random.default_rng([seed, k, number])
            # Each is 1 to len(takes) - 1 takes further than the one before: never the same again.
            steps = random.integers(1, max(len(takes), 2), len(where))
            turns = (random.integers(len(takes)) + np.cumsum(steps)) % len(takes)
            for hit, turn in zip(where.tolist(), turns.tolist(), strict=True):
                sounds[hit] = takes[turn]
    return sounds


def _choked(sounds: list[np.ndarray], starts: np.ndarray, instruments: np.ndarray, rate: int) -> list[np.ndarray]:
    """Sounds of hits; open hats end, within CHOKE, where the next closed hat begins."""
    closed = starts[instruments == _CLOSED]
    falling = np.cos(np.linspace(0, np.pi / 2, round(CHOKE * rate) + 2, dtype=np.float32)[1:-1]) ** 2
    for hit in np.flatnonzero(instruments == _OPEN).tolist():
        following = np.searchsorted(closed, starts[hit], side="right")
        if following < len(closed):
            last = int(closed[following] - starts[hit])
            sound = sounds[hit][: last + len(falling)].copy()
            tail = sound[last:]
            tail *= falling[: len(tail)]
            sounds[hit] = sound
    return sounds


def _sum(sounds: list[np.ndarray], starts: np.ndarray, gain: np.ndarray, length: int | None) -> np.ndarray:
    """All sounds at their starts, float32 [length], or as long as they need."""
    ends = starts + [len(sound) for sound in sounds]
    total = np.zeros(int(ends.max(initial=0)) if length is None else length, np.float32)
    for sound, start, loud in zip(sounds, starts.tolist(), gain, strict=True):
        span = total[start : start + len(sound)]
        span += sound[: len(span)] * loud
    return total


# Files to a kit -----------------------------------------------------------------------------------------------------


def _sorted(folder: Path) -> tuple[dict[int, list[tuple[int, Path]]], list[str]]:
    """A folder's audio files: (layer, path) in order, by instrument; and names of those that are no drum's."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS and path.name[0] != ".")
    except OSError as error:
        raise MusicFusionError(f"{folder}: cannot be read as a folder of drum samples ({error.strerror})") from None
    found: dict[int, list[tuple[int, Path]]] = {}
    unused = []
    for path in paths:
        match = _NAME.fullmatch(" ".join(re.split(r"[\s_-]+", path.stem.lower().strip())))
        if match and match["instrument"] in INSTRUMENTS:
            found.setdefault(INSTRUMENTS.index(match["instrument"]), []).append((int(match["layer"] or 1), path))
        else:
            unused.append(path.name)
    return {k: sorted(files) for k, files in found.items()}, unused


def _layers(instrument: int, files: Iterable[tuple[int, Path]]) -> tuple[Layers, list[str]]:
    """An instrument's samples, all at its level; and what was noticed in reading them."""
    layers: dict[int, list[np.ndarray]] = {}
    said = []
    for layer, path in files:
        sample, notices = audio.recording(path, str(path), RATE)
        said += [f"{path.name}: {notice}" for notice in notices]
        layers.setdefault(layer, []).append(_at_level(_cut(sample, path), LEVELS[instrument]))
    return tuple(tuple(takes) for takes in layers.values()), said


def _cut(sample: np.ndarray, path: Path) -> np.ndarray:
    """A sample from its onset on."""
    if len(sample) > LONGEST_SAMPLE * RATE:
        raise MusicFusionError(f"{path}: lasts {len(sample) / RATE:.0f} s; a drum hit of at most {LONGEST_SAMPLE:.0f} s"
                               " is accepted")
    peak = np.abs(sample).max(initial=0.0)
    if not peak > 1e-4:  # below is the dither of 16 bits
        raise MusicFusionError(f"{path}: is silent; a drum hit is accepted")
    onset = int(np.argmax(np.abs(sample) > _LEAD * peak))
    return sample[max(onset - round(_RISE * RATE), 0) :]


def _at_level(sample: np.ndarray, level: float) -> np.ndarray:
    """A sample whose loudest window has that level in LUFS; it cannot be written to."""
    found = (sample * np.float32(10 ** ((level - level_of(sample)) / 20))).astype(np.float32)
    found.setflags(write=False)
    return found


def level_of(samples: np.ndarray) -> float:
    """How loud samples [n] at RATE are in their loudest WINDOW: LUFS, K-weighted as in ITU-R BS.1770-4."""
    length = round(WINDOW * RATE)
    sums = np.cumsum(np.pad(np.square(loudness.weighted(samples, RATE)), (length, length)))
    return float(10 * np.log10(max((sums[length:] - sums[:-length]).max() / length, 1e-12)) - 0.691)
