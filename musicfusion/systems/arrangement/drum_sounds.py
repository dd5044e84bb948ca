"""What a transcriber of drums learns from: hits of the corpus, played and altered, as frames with their hits.

The hits are those of windows of a corpus (grid_dataset); they are played by altered kits (drum_kits), in rooms, with
tones and distortion. What is cheap is drawn anew whenever an example is seen: colour, level, noise.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import drum_frames, drums
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drum_frames import BANDS, QUIETEST
from musicfusion.codecs.drums import INSTRUMENTS, STEPS, Hits
from musicfusion.core import progress
from musicfusion.core.contracts import Resident, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import folded
from musicfusion.core.report import working
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.render import kit
from musicfusion.render.kit import Kit
from musicfusion.systems.arrangement import drum_kits
from musicfusion.systems.arrangement.grid_dataset import BEATS, KIT, LENGTH, Sections

CROP = 256  # frames of an example, 3 seconds
TAIL = 0.4  # seconds after a window's last beat
PER_KIT = 8  # windows that one altered kit plays
SALT = 30
_TABLE = 4096  # samples of a period of a tone
_KNOTS = 7  # of a random colour, evenly over the bands
_HATS = tuple(INSTRUMENTS.index(name) for name in ("closed hat", "open hat", "ride", "crash"))
_SKINS = tuple(INSTRUMENTS.index(name) for name in ("kick", "snare", "low tom", "mid tom", "high tom"))


# Hits -----------------------------------------------------------------------------------------------------------------


def rows(corpus: Corpus, begin: int) -> np.ndarray:
    """The hits of the window that begins at the beat `begin`, as a kit plays them: seconds, instrument, velocity."""
    own = slice(begin * STEPS, begin * STEPS + LENGTH)
    played = drums.played(Hits(corpus.arrays["velocity"][own], corpus.arrays["offset"][own]))
    return np.stack([_seconds(corpus, begin)(played.quarter), played.instrument, played.velocity], 1)


def seconds(corpus: Corpus, begin: int) -> float:
    """How long that window lasts, with what rings on after it."""
    return float(_seconds(corpus, begin)(float(BEATS))) + TAIL


def _seconds(corpus: Corpus, begin: int):
    """The function from quarters of a window to seconds."""
    tempo = corpus.arrays["tempo"][begin : begin + BEATS].astype(float)
    times = np.concatenate([[0.0], np.cumsum(60.0 / np.maximum(tempo, 20))])
    return lambda quarter: np.interp(quarter, np.arange(len(times)), times)


def mixed_up(hits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hits with other instruments for some of them, so that rare ones are learned, too, and no pattern is."""
    kind = hits[:, 1].astype(int)
    if rng.uniform() < 0.4:
        for group in (_HATS, _SKINS):
            kinds = np.arange(KIT)
            kinds[list(group)] = rng.permutation(group)
            kind = kinds[kind]
    found = [np.stack([hits[:, 0], kind, hits[:, 2]], 1)]
    if rng.uniform() < 0.3 and len(hits):  # some hits get another instrument beside their own
        chosen = rng.uniform(size=len(hits)) < 0.15
        other = np.stack([hits[chosen, 0], rng.integers(0, KIT, chosen.sum()), rng.integers(20, 128, chosen.sum())], 1)
        found.append(other)
    return np.concatenate(found)


# Sound ----------------------------------------------------------------------------------------------------------------


def sound(hits: np.ndarray, own: Kit, length: float, rng: np.random.Generator) -> np.ndarray:
    """Hits played by a kit for `length` seconds in a room, with tones and distortion: float32 [n] at RATE."""
    found = kit.play(hits, own, seed=int(rng.integers(1 << 30)), rate=RATE, seconds=length)
    level = float(np.sqrt(np.mean(found**2))) + 1e-6
    if rng.uniform() < 0.5:
        found = found + _tones(len(found), rng) * level * 10 ** (rng.uniform(-24, -3) / 20)
    if rng.uniform() < 0.5:
        found = found + _reverberation(found, rng)
    if rng.uniform() < 0.4:
        found = _compressed(found, rng)
    if rng.uniform() < 0.3:
        drive = rng.uniform(0.5, 5) / max(float(np.abs(found).max()), 1e-6)
        found = np.tanh(drive * found) / drive
    return found.astype(np.float32)


def _tones(length: int, rng: np.random.Generator) -> np.ndarray:
    """Notes of something pitched, short or long, at random times: float [length], RMS 1."""
    found = np.zeros(length, np.float32)
    low, bright = rng.uniform(28, 70), rng.uniform(0.8, 2.5)
    decay, attack = np.exp(rng.uniform(np.log(0.1), np.log(1.5))), rng.uniform(0.003, 0.08)
    turn = np.arange(_TABLE) / _TABLE * 2 * np.pi
    period = sum(np.sin(k * turn) / k**bright for k in range(1, 7)).astype(np.float32)
    time = np.arange(RATE, dtype=np.float32) / RATE
    shape = np.exp(-time / decay) * np.minimum(time / attack, 1)
    for _ in range(int(length / RATE * rng.uniform(0.5, 4)) + 1):
        begin = int(rng.integers(length))
        size = min(int(RATE * rng.uniform(0.1, 1.0)), length - begin)
        pitch = 440 * 2 ** ((low + rng.integers(13) - 69) / 12)
        tone = period[(time[:size] * (pitch * _TABLE)).astype(np.int32) % _TABLE]
        found[begin : begin + size] += tone * shape[:size]
    return found / (np.sqrt(np.mean(found**2)) + 1e-6)


def _reverberation(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a room adds: float [n]."""
    from scipy import signal

    length, wet = np.exp(rng.uniform(np.log(0.08), np.log(1.2))), 10 ** (rng.uniform(-25, -4) / 20)
    time = np.arange(int(length * RATE)) / RATE
    answer = rng.normal(size=len(time)) * 10 ** (-3 * time / length)
    answer = signal.lfilter([1.0, rng.uniform(-0.3, 0.9)], [1.0], answer)
    answer = np.concatenate([np.zeros(int(rng.uniform(0.002, 0.03) * RATE)), answer / np.sqrt(np.sum(answer**2))])
    return np.asarray(signal.fftconvolve(samples, answer)[: len(samples)]) * wet


def _compressed(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Loud passages softer, within 5 to 50 ms."""
    from scipy import signal

    pole = np.exp(-1 / (rng.uniform(0.005, 0.05) * RATE))
    level = np.sqrt(np.maximum(signal.lfilter([1 - pole], [1, -pole], samples**2), 0)) + 1e-5
    level = level / level.max()
    return samples * np.maximum(level, 0.01) ** -rng.uniform(0.2, 0.6)


# Training data --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sounds:
    """How a corpus becomes sound to learn from.

    sections: how the corpus is split and cut; windows: of the training, a tenth of them more for validation.
    """

    sections: Sections
    windows: int

    @property
    def validation(self) -> int:
        """How many windows are for validation."""
        return max(self.windows // 10, 1)

    def played(self, corpus: Corpus, split: str, count: int, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Windows of a split, played: frames float16 [T, BANDS] of each, and hits [n, 3] (seconds, ...) of each.

        Raises:
            MusicFusionError: the split has no windows.
        """
        start = self.sections.windows(corpus, split)
        if not len(start):
            raise MusicFusionError(f"data: no {split} windows of drums; {len(corpus.songs)} songs were read: more are"
                                   " needed")
        start = start[batches.fixed(len(start), count)]
        rng = np.random.default_rng([seed, self.sections.seed])
        start = rng.permutation(start)
        working(f"playing {count} windows of drums ({split})")
        frames, hits, own = [], [], kit.shipped()
        for number in progress.steps(range(count), "playing drums"):
            if number % PER_KIT == 0:
                own = drum_kits.altered(kit.shipped(), rng) if rng.uniform() < 0.9 else kit.shipped()
            begin = int(start[number])
            hits.append(mixed_up(rows(corpus, begin), rng))
            frames.append(drum_frames.frames(sound(hits[-1], own, seconds(corpus, begin), rng)))
        return frames, hits

    def resident(self, corpus: Corpus) -> Resident:
        """All of it, one after the other, and where examples begin, for a stage's device."""
        every: dict[str, list[np.ndarray]] = {"frames": [], "hits": []}
        starts, end = [], 0
        counts = []
        for number, (split, count) in enumerate((("train", self.windows), ("validation", self.validation))):
            frames, hits = self.played(corpus, split, count, number)
            every["frames"] += frames
            every["hits"] += [drum_frames.at_frames(own, len(x), KIT) for own, x in zip(hits, frames, strict=True)]
            length = sum(map(len, frames))
            starts.append(end + np.arange(0, max(length - 2 * CROP, 0) + 1, CROP))
            counts.append(len(starts[-1]))
            end += length
        pad = max(2 * CROP - end, 0) + CROP
        arrays = {"frames": np.pad(np.concatenate(every["frames"]), ((0, pad), (0, 0)), constant_values=QUIETEST),
                  "hits": np.pad(np.concatenate(every["hits"]), ((0, pad), (0, 0))),
                  "start": np.concatenate(starts).astype(np.int32)}
        return Resident(arrays=arrays, train=counts[0], validation=counts[1])


def examples(arrays: Tree, index: jax.Array, example_keys: jax.Array, training: bool) -> dict[str, jax.Array]:
    """Crops for a batch: frames float32 [B, CROP, BANDS] in dB; hits float32 [B, CROP, 9], velocities, 0 for none.

    In training they begin anywhere, and have another colour, level, and noise each time.
    """
    start = arrays["start"][index]
    if training:
        start += jax.vmap(lambda key: jax.random.randint(key, (), 0, CROP))(folded(example_keys, SALT))

    def cut(x, begin):
        return jax.lax.dynamic_slice(x, (begin, 0), (CROP, x.shape[1]))

    frames = jax.vmap(lambda begin: cut(arrays["frames"], begin))(start).astype(jnp.float32)
    hits = jax.vmap(lambda begin: cut(arrays["hits"], begin))(start).astype(jnp.float32)
    if training:
        frames = jax.vmap(recoloured)(frames, folded(example_keys, SALT + 1))
    return {"frames": frames, "hits": hits, "example_key": example_keys}


def recoloured(frames: jax.Array, key: jax.Array) -> jax.Array:
    """Frames [T, BANDS] in dB with a random colour (6 dB), level (4 dB), noise, and sometimes without what is high."""
    colour, strength, level, noise, loud, slope, dull, cutoff = jax.random.split(key, 8)
    knots = 6 * jax.random.normal(colour, (_KNOTS,)) * jax.random.uniform(strength)
    bands = jnp.arange(BANDS)
    curve = jnp.interp(bands, jnp.linspace(0, BANDS - 1, _KNOTS), knots)
    high = jnp.where(jax.random.uniform(dull) < 0.15, 40 + 20 * jax.random.uniform(cutoff), BANDS)
    curve = curve - jnp.maximum(bands - high, 0) * 8
    frames = frames + curve + 4 * jax.random.normal(level)
    floor = jax.random.uniform(loud, minval=QUIETEST - 20, maxval=-35)
    floor = floor + jax.random.uniform(slope, minval=-10, maxval=10) * jnp.linspace(-1, 1, BANDS)
    floor = floor + 2 * jax.random.normal(noise, frames.shape)
    return jnp.maximum(10 * jnp.log10(10 ** (frames / 10) + 10 ** (floor / 10)), QUIETEST)
