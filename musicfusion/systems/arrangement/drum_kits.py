"""Kits that a transcriber of drums learns from: the shipped one, altered, and drums that are computed.

So that what is learned holds for other kits: a pitch, a decay, a colour and a level are drawn for each instrument, and
some instruments are synthetic, as those of drum machines are.
"""

import numpy as np

from musicfusion.codecs.audio import resampled
from musicfusion.codecs.drums import INSTRUMENTS
from musicfusion.render import kit
from musicfusion.render.kit import LEVELS, Kit

SYNTHETIC = 0.4  # how often an instrument is computed
TOMS = tuple(k for k, name in enumerate(INSTRUMENTS) if name.endswith("tom"))
CYMBALS = tuple(INSTRUMENTS.index(name) for name in ("crash", "ride"))
_RATE = kit.RATE
_PITCH = 4.0  # semitones at most by which samples are moved
_LEVEL = 4.0  # dB: the standard deviation of an instrument's level
_MOST = 2  # layers and takes of an instrument that are kept
_LONGEST = 2.0  # seconds
_TOM = {"low tom": (60.0, 105.0), "mid tom": (95.0, 150.0), "high tom": (140.0, 240.0)}  # Hz


def altered(own: Kit, rng: np.random.Generator, synthetic: float = SYNTHETIC) -> Kit:
    """A kit that sounds different. synthetic: the share of instruments that are computed."""
    toms = rng.uniform(-_PITCH, _PITCH)
    computed = rng.uniform() < synthetic  # all toms are of one kind
    found = []
    for number, layers in enumerate(own.instruments):
        if (computed if number in TOMS else rng.uniform() < synthetic):
            takes: tuple[tuple[np.ndarray, ...], ...] = ((_levelled(_computed(INSTRUMENTS[number], rng), number),),)
        else:
            pitch = toms + rng.uniform(-0.5, 0.5) if number in TOMS else rng.uniform(-_PITCH, _PITCH)
            takes = _altered(layers, rng, pitch)
        gain = np.float32(10 ** (rng.normal(0, _LEVEL) / 20))
        found.append(tuple(tuple(take * gain for take in layer) for layer in takes))
    return Kit(tuple(found))


def _altered(layers: kit.Layers, rng: np.random.Generator, pitch: float) -> kit.Layers:
    """Samples moved by `pitch` semitones, with another decay, colour and distortion, the same for all of them."""
    from scipy import signal

    tau = np.exp(rng.uniform(np.log(0.05), np.log(2.0)))
    colour, drive = rng.uniform(-0.6, 0.6), rng.uniform(0.1, 4.0) * (rng.uniform() < 0.3)
    chosen = sorted(rng.permutation(len(layers))[:_MOST])

    def one(take: np.ndarray) -> np.ndarray:
        moved = resampled(take, _RATE, round(_RATE * 2 ** (-pitch / 12)))[: int(_LONGEST * _RATE)]
        peak = max(float(np.abs(moved).max(initial=0.0)), 1e-6)
        moved = signal.lfilter([1.0, colour], [1.0], moved) / (1 + abs(colour))
        if drive:
            moved = np.tanh(drive * moved / peak) * peak / drive
        return (moved * np.exp(-np.arange(len(moved)) / (tau * _RATE))).astype(np.float32)

    return tuple(tuple(one(layers[k][take]) for take in rng.permutation(len(layers[k]))[:_MOST]) for k in chosen)


def _levelled(sample: np.ndarray, number: int) -> np.ndarray:
    """A sample as loud as that instrument is in a kit, float32."""
    return (sample * 10 ** ((LEVELS[number] - kit.level_of(sample)) / 20)).astype(np.float32)


# Drum machines -------------------------------------------------------------------------------------------------------


def _computed(name: str, rng: np.random.Generator) -> np.ndarray:
    """A sample of one of INSTRUMENTS, float64 [n] at the kit's rate: falling tones, noise, and metal."""
    if name == "kick":
        sound = _falling(rng, rng.uniform(38, 75), rng.uniform(90, 450), rng.uniform(0.06, 0.4))
        click = _noise(rng, 0.004, rng.uniform(500, 5000)) * rng.uniform(0, 0.7)
        sound[: len(click)] += click[: len(sound)]
        drive = rng.uniform(0.3, 4)
        return np.tanh(drive * sound) / drive
    if name == "snare":
        body = _falling(rng, rng.uniform(140, 280), rng.uniform(200, 500), rng.uniform(0.04, 0.15))
        rattle = _noise(rng, rng.uniform(0.04, 0.25), rng.uniform(400, 3500))
        if rng.uniform() < 0.3:  # a clap
            body, rattle = 0 * body, _clap(rng, rattle)
        return _sum((rng.uniform(0.2, 1.0) * body, rattle))
    if name in _TOM:
        low = rng.uniform(*_TOM[name])
        tone = _falling(rng, low, low * rng.uniform(1.1, 2.0), rng.uniform(0.12, 0.5))
        return _sum((tone, rng.uniform(0, 0.2) * _noise(rng, 0.03, 300.0)))
    decay, lowest = {"closed hat": ((0.015, 0.07), (3000, 8000)), "open hat": ((0.18, 0.7), (2500, 7000)),
                     "crash": ((0.5, 1.5), (800, 3500)), "ride": ((0.35, 1.0), (2500, 6000))}[name]
    length, low = rng.uniform(*decay), rng.uniform(*lowest)
    share = rng.uniform(0.4, 0.9) if name == "ride" else rng.uniform(0, 0.6)
    sound = _sum(((1 - share) * _noise(rng, length, low), share * _metal(rng, length, low)))
    if name == "ride":
        sound = _sum((sound, rng.uniform(0.3, 1.5) * _metal(rng, 0.04, low)))
    return sound


def _time(decay: float) -> np.ndarray:
    return np.arange(int(min(6 * decay + 0.01, _LONGEST) * _RATE)) / _RATE


def _falling(rng: np.random.Generator, end: float, start: float, decay: float) -> np.ndarray:
    """A sine from `start` Hz to `end`, which dies away with `decay` seconds."""
    time = _time(decay)
    pitch = end + (start - end) * np.exp(-time / rng.uniform(0.005, 0.05))
    return np.sin(2 * np.pi * np.cumsum(pitch) / _RATE + 0.5) * np.exp(-time / decay)


def _noise(rng: np.random.Generator, decay: float, low: float) -> np.ndarray:
    """Noise above `low` Hz."""
    from scipy import signal

    time = _time(decay)
    filters = signal.butter(2, min(low, 0.4 * _RATE), "highpass", fs=_RATE, output="sos")
    return np.asarray(signal.sosfilt(filters, rng.normal(size=len(time)))) * 0.3 * np.exp(-time / decay)


def _metal(rng: np.random.Generator, decay: float, low: float) -> np.ndarray:
    """Eight tones that are no harmonics of one."""
    time = _time(decay).astype(np.float32)
    pitches, phases = rng.uniform(low, 11_000, (2, 8)).astype(np.float32)
    tones = sum(np.sin(2 * np.pi * f * time + p) for f, p in zip(pitches, phases, strict=True))
    return np.asarray(tones) / 8 * np.exp(-time / decay)


def _clap(rng: np.random.Generator, tail: np.ndarray) -> np.ndarray:
    """Three bursts, then the tail."""
    gap, burst = int(rng.uniform(0.007, 0.013) * _RATE), tail.copy()
    burst *= np.exp(-np.arange(len(tail)) / (0.004 * _RATE))
    return _sum(tuple(np.concatenate([np.zeros(k * gap), part]) for k, part in enumerate((burst, burst, tail))))


def _sum(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    found = np.zeros(max(map(len, parts)))
    for part in parts:
        found[: len(part)] += part
    return found
