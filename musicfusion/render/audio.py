"""Scores to sound: fluidsynth where it is installed, else a plain synthesiser of our own."""

import functools
import importlib.util
import io
import os
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicfusion.codecs.score import Score, Track
from musicfusion.core import progress
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_write

TAIL = 1.2  # seconds after the last note, for what still rings
LOUDNESS = 0.1  # RMS aimed at, -20 dB of full scale: two renderings compare at equal loudness
PEAK = 0.95  # never louder than this, so that nothing clips
PLAIN = "plain"  # in place of a soundfont: the plain synthesiser
LONGEST = 1800.0  # seconds; a damaged file may claim days, and a day is 15 GB of samples
NOTICE = (
    "played by the built-in plain synthesiser; for sampled instruments install fluidsynth"
    " (Debian: apt-get install libfluidsynth3) and pyfluidsynth (pip install pyfluidsynth)"
)


class Sound(NamedTuple):
    """Mono samples float32 [n] in [-1, 1], their rate in Hz, and a line for the user, or ""."""

    samples: np.ndarray
    rate: int
    notice: str


def synthesise(score: Score, rate: int = 44100, soundfont: str | Path | None = None) -> Sound:
    """Play a score, levelled to one loudness.

    soundfont: a file (.sf2, .sf3) that fluidsynth is to play with; PLAIN: the plain synthesiser, wherever this runs;
    None: fluidsynth with General MIDI where it is installed, else the plain synthesiser.

    Returns the sound from quarter 0 to `TAIL` seconds after the last note; its notice is not
    empty when the plain synthesiser stood in for fluidsynth. The same score gives the same samples.
    Raises MusicFusionError for a score of more than half an hour, and where a soundfont that is named cannot be played.
    """
    return synthesise_parts(score, {"": score.tracks}, rate, soundfont)[""]


def synthesise_parts(
    score: Score, parts: Mapping[str, Sequence[Track]], rate: int = 44100, soundfont: str | Path | None = None
) -> dict[str, Sound]:
    """Play the parts of a score apart, {name: some of its tracks}; their sum is at one loudness, as by `synthesise`.

    All have the length of the score, and one gain. See `synthesise` for the rest.
    """
    parts_voices = [[_timed(score, track) for track in tracks] for tracks in parts.values()]
    ends = [v[-1, 1] for voices in parts_voices for v in voices if len(v)]
    end = max([float(score.seconds(score.length)), *ends])
    if not end <= LONGEST:
        name = score.name or "the score"
        raise MusicFusionError(f"{name} lasts {end / 60:.0f} minutes; at most 30 can be played")
    length = int(np.ceil((end + TAIL) * rate))
    plain = soundfont == PLAIN
    named = Path(soundfont) if soundfont and not plain else None
    played, notice = [], ""
    for tracks, voices in progress.steps([*zip(parts.values(), parts_voices, strict=True)], "playing"):
        # Notes become samples: onset, end (both in samples), pitch, velocity. int64 [n, 4]
        voices = [np.rint(v * (rate, rate, 1, 1)).astype(np.int64) for v in voices]
        samples = None if plain else _fluidsynth(tracks, voices, length, rate, named or _soundfont())
        if samples is None:
            if named:
                raise MusicFusionError(f"{named}: fluidsynth cannot play with it, or is not installed"
                                       " (Debian: apt-get install libfluidsynth3; pip install pyfluidsynth)")
            samples, notice = _plain(tracks, voices, length, rate), "" if plain else NOTICE
        played.append(samples)
    return {name: Sound(samples, rate, notice) for name, samples in zip(parts, _levelled(played, rate), strict=True)}


def write_wav(path: str | Path, samples: np.ndarray, rate: int) -> Path:
    """Write mono samples [n] as a 16 bit WAV file that appears whole; beyond [-1, 1] they clip."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return atomic_write(path, buffer.getvalue())


def mixed(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The sum of parts, one at least: samples float32 [n] each."""
    return functools.reduce(np.add, parts)


def _timed(score: Score, track: Track) -> np.ndarray:
    """A track's notes in seconds, float64 [n, 4]: onset, end, pitch, velocity; sorted by end.

    A pitch that is struck again while it sounds ends there, as on a keyboard.
    """
    notes = np.asarray(track.notes, np.float64).reshape(-1, 4)
    onset, pitch = notes[:, 0], notes[:, 2]
    end = onset + notes[:, 1]
    order = np.lexsort((onset, pitch))
    first, second = order[:-1], order[1:]
    again = pitch[first] == pitch[second]
    end[first] = np.where(again, np.minimum(end[first], onset[second]), end[first])
    timed = np.column_stack([score.seconds(onset), score.seconds(end), pitch, notes[:, 3]])
    timed = timed[end > onset]
    return timed[np.argsort(timed[:, 1], kind="stable")]


def _levelled(parts: Sequence[np.ndarray], rate: int) -> list[np.ndarray]:
    """Parts, samples float [n] each, their sum at the common loudness, faded out at the end; silence stays silence."""
    faded = [np.asarray(samples, np.float32) for samples in parts]
    for samples in faded:
        fade = min(len(samples), rate // 20)
        samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    mix = mixed(faded)
    peak = float(np.max(np.abs(mix), initial=0.0))
    if peak > 1e-4:  # below is the dither of 16 bits, not music
        loud = np.abs(mix) > peak / 100  # rests do not make the rest louder
        rms = float(np.sqrt(np.mean(np.square(mix[loud], dtype=np.float64))))
        gain = np.float32(min(LOUDNESS / rms, PEAK / peak))
        faded = [samples * gain for samples in faded]
    return faded


# Fluidsynth


def _fluidsynth(
    tracks: Sequence[Track], voices: list[np.ndarray], length: int, rate: int, soundfont: Path | None
) -> np.ndarray | None:
    """Samples float32 [length] with a soundfont, or None where that cannot be."""
    try:
        import fluidsynth  # raises ImportError itself where the C library is missing
    except (ImportError, OSError, AttributeError):
        return None
    if soundfont is None:
        return None
    synth = fluidsynth.Synth(samplerate=float(rate), channels=max(16, 16 * -(-len(tracks) // 16)))
    try:
        bank = synth.sfload(str(soundfont))
        if bank < 0:
            return None
        # (sample, 0 off | 1 on, channel, pitch, velocity): ends come before onsets of their moment
        events = []
        for channel, (track, notes) in enumerate(zip(tracks, voices, strict=True)):
            kind = 128 if track.is_drum else 0
            if synth.program_select(channel, bank, kind, track.program) < 0:  # not every soundfont has every kit
                synth.program_select(channel, bank, kind, 0)
            for onset, end, pitch, velocity in notes.tolist():
                events.append((onset, 1, channel, pitch, velocity))
                events.append((end, 0, channel, pitch, 0))
        samples, now = np.zeros(length, np.float32), 0
        for when, on, channel, pitch, velocity in [*sorted(events), (length, 0, 0, 0, 0)]:
            if when > now:
                progress.tick("playing")
                stereo = synth.get_samples(when - now).astype(np.float32)
                samples[now:when] = stereo.reshape(-1, 2).mean(axis=1) / 32768
                now = when
            if on:
                synth.noteon(channel, pitch, velocity)
            else:
                synth.noteoff(channel, pitch)
        return samples
    finally:
        synth.delete()


def _soundfont() -> Path | None:
    """The soundfont that pretty_midi ships, found without importing pretty_midi."""
    spec = importlib.util.find_spec("pretty_midi")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(os.path.join(folder, "TimGM6mb.sf2"))
        if path.is_file():
            return path
    return None


# The plain synthesiser: damped harmonics under an envelope


class Timbre(NamedTuple):
    """How a family of instruments sounds."""

    harmonics: tuple[float, ...]  # amplitudes of harmonic 1, 2, ...
    decay: float  # per second at middle C, of the whole tone; 0 holds until the release
    damping: float  # per second at middle C, of harmonic k again k times this
    attack: float  # seconds
    release: float  # seconds
    vibrato: float  # semitones either way
    level: float


PIANO = Timbre(
    (1, 0.45, 0.25, 0.15, 0.1, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02),
    0.7,
    0.35,
    0.003,
    0.18,
    0,
    1.0,
)
MALLET = Timbre((1, 0.05, 0.05, 0.35, 0.02, 0.1), 2.5, 0.8, 0.002, 0.4, 0, 1.0)
ORGAN = Timbre((1, 0.8, 0.5, 0.5, 0, 0.25, 0, 0.2), 0, 0, 0.012, 0.06, 0, 0.7)
GUITAR = Timbre((1, 0.75, 0.5, 0.33, 0.28, 0.2, 0.12, 0.1), 1.3, 0.6, 0.002, 0.12, 0, 1.0)
BASS = Timbre((1, 0.6, 0.3, 0.15, 0.08), 1.0, 0.7, 0.005, 0.08, 0, 1.3)
VIOLIN = Timbre((1, 0.8, 0.62, 0.5, 0.3, 0.28, 0.2, 0.12, 0.1, 0.08), 0, 0, 0.05, 0.1, 0.16, 1.4)
ENSEMBLE = Timbre((1, 0.6, 0.4, 0.25, 0.15, 0.1), 0, 0, 0.09, 0.25, 0.08, 0.9)
BRASS = Timbre((1, 0.95, 0.85, 0.65, 0.5, 0.35, 0.25, 0.15), 0, 0, 0.035, 0.09, 0.05, 1.2)
REED = Timbre((1, 0.12, 0.7, 0.1, 0.45, 0.08, 0.25, 0.05, 0.12), 0, 0, 0.03, 0.08, 0.07, 1.2)
FLUTE = Timbre((1, 0.25, 0.12, 0.04), 0, 0, 0.045, 0.1, 0.12, 1.4)
LEAD = Timbre((1, 0.5, 0.33, 0.25, 0.2, 0.16, 0.14, 0.12), 0, 0, 0.01, 0.08, 0.04, 1.1)

# General MIDI's sixteen families of eight programs, in order.
FAMILIES = [PIANO, MALLET, ORGAN, GUITAR, BASS, VIOLIN, ENSEMBLE, BRASS, REED, FLUTE, LEAD]
FAMILIES += [ENSEMBLE, ENSEMBLE, GUITAR, MALLET, FLUTE]


def _plain(tracks: Sequence[Track], voices: list[np.ndarray], length: int, rate: int) -> np.ndarray:
    """Samples float32 [length]. A tone is made once, for the longest note that needs it."""
    samples = np.zeros(length, np.float32)
    for track, notes in zip(tracks, voices, strict=True):
        timbre = FAMILIES[track.program // 8]
        release = int((0.02 if track.is_drum else timbre.release) * rate)
        falling = np.cos(np.linspace(0, np.pi / 2, release + 1, dtype=np.float32)[1:]) ** 2
        for pitch in np.unique(notes[:, 2]):
            progress.tick("playing")
            same = notes[notes[:, 2] == pitch]
            if track.is_drum:  # a drum rings as long as it likes
                tone = _hit(int(pitch), rate)
                lasts = np.full(len(same), len(tone) - release)
            else:
                lasts = same[:, 1] - same[:, 0]
                tone = _tone(int(pitch), timbre, int(lasts.max()) + release, rate)
            for (onset, _, _, velocity), last in zip(same.tolist(), lasts.tolist(), strict=True):
                loudness = (velocity / 127) ** 1.5
                stop = min(length, onset + last + release)
                part = tone[: stop - onset] * np.float32(loudness)
                tail = part[last:]
                tail *= falling[: len(tail)]
                samples[onset:stop] += part
    return samples


def _tone(pitch: int, timbre: Timbre, length: int, rate: int) -> np.ndarray:
    """One tone before its release, float32 [length]."""
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    audible = [a for k, a in enumerate(timbre.harmonics, 1) if k * frequency < 0.45 * rate]
    if not audible:
        return np.zeros(length, np.float32)
    time = np.arange(length) / rate
    phase = 2 * np.pi * frequency * time
    if timbre.vibrato:  # comes in after the attack, as a player's does; 5.5 Hz
        depth = (2 ** (timbre.vibrato / 12) - 1) * frequency / 5.5
        phase += depth * np.clip((time - 0.15) / 0.3, 0, 1) * np.sin(2 * np.pi * 5.5 * time)
    faster = 2 ** ((pitch - 60) / 24)  # short strings ring for a shorter time
    # Im(sum_k a_k z^k) with z = exp(i phase - damping t): all harmonics, each damped by its number,
    # for one exponential and Horner's rule.
    z = np.exp(1j * phase - timbre.damping * faster * time)
    total = np.zeros(length, np.complex128)
    for amplitude in reversed(audible):
        total += amplitude
        total *= z
    tone = total.imag * np.exp(-timbre.decay * faster * time)
    attack = min(length, max(1, int(timbre.attack * rate)))
    tone[:attack] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(attack) / attack)
    power = np.sqrt(np.sum(np.square(timbre.harmonics)))  # alike in power, whatever the spectrum
    return (tone * (timbre.level / power)).astype(np.float32)


def _hit(pitch: int, rate: int) -> np.ndarray:
    """One drum hit, float32 [n]: General MIDI's kit as falling tones and filtered noise."""
    drums = {35: "kick", 36: "kick", 37: "hat", 42: "hat", 44: "hat", 46: "open", 54: "hat"}
    drums |= dict.fromkeys((38, 39, 40), "snare") | dict.fromkeys((49, 51, 52, 55, 57, 59), "open")
    drums |= dict.fromkeys((41, 43, 45, 47, 48, 50), "tom") | {53: "open", 69: "hat", 70: "hat"}
    kind = drums.get(pitch, "hat")
    # Seconds, decay per second, start and end of the falling tone in Hz, tone, noise.
    seconds, decay, high, low, tone, noise = {
        "kick": (0.3, 14.0, 130.0, 48.0, 1.0, 0.02),
        "tom": (0.4, 10.0, 4.2 * pitch, 2.6 * pitch, 0.8, 0.05),
        "snare": (0.25, 20.0, 220.0, 170.0, 0.4, 0.5),
        "hat": (0.09, 60.0, 0.0, 0.0, 0.0, 0.35),
        "open": (0.8, 6.0, 0.0, 0.0, 0.0, 0.3),
    }[kind]
    time = np.arange(int(seconds * rate)) / rate
    swing = low * time + (high - low) * (1 - np.exp(-30 * time)) / 30
    hiss = np.random.default_rng(pitch).uniform(-1, 1, len(time))
    if kind in ("hat", "open"):
        hiss = np.diff(hiss, prepend=hiss[0])  # cymbals have no low end
    hit = tone * np.sin(2 * np.pi * swing) + noise * hiss
    rise = np.minimum(1, time / 0.001)
    return (hit * rise * np.exp(-decay * time)).astype(np.float32)
