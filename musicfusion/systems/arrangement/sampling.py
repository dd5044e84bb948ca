"""A recording of one part -> the part that it lacks, and both together."""

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicfusion.codecs import inputs as sources
from musicfusion.codecs import mel
from musicfusion.codecs.audio import Audio
from musicfusion.core import progress
from musicfusion.core.contracts import Locked, Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.report import working
from musicfusion.data import recordings
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.arrangement import DECLARATION, translation
from musicfusion.systems.arrangement.dataset import AUDIBLE, RATE, Song, mean_level
from musicfusion.systems.arrangement.translation import Translate

PEAK = 0.95  # of the loudest sample
WHOLE = mel.frames(1800 * mel.RATE)  # frames that are turned into sound at once; half an hour takes a few gigabytes
PIECE = 12 * translation.BLOCK  # frames of the pieces of something longer: five minutes
FADE = 8  # frames over which a piece is faded into the next: 0.2 s
LONG = 120.0  # seconds: from here on the terminal shows what is being done
TRANSLATED = 0.1  # share of the time that translation takes; the rest makes sound
LARGE = 1 << 24  # bytes of a file of which it is said that it is being read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """A recording of the source: samples float32 [n] at codecs.mel.RATE; its mel-spectrogram [T, M] in -1..1."""

    samples: np.ndarray
    mels: np.ndarray


def sampler(translate: Translate, *, source: str, target: str, bands: int, iterations: int, stage: str,
            conditional: bool) -> Sampler:
    """A Sampler of the part that recordings lack.

    Args:
        translate: the translator (translation.translator).
        source, target: the parts' names.
        bands: of mel-spectrograms.
        iterations: of Griffin and Lim.
        stage: whose parameters translate, for the metadata.
        conditional: whether the translator takes a density.
    """

    def generate(pieces: Sequence[Piece], controls: Mapping[str, Any], seeds: Sequence[int],
                 locked: Sequence[Locked | None]) -> list[SampleResult]:
        if any(locked):
            raise MusicFusionError(f"locked: {DECLARATION.name} makes sound, of which nothing can be locked; results of"
                                   " the systems that write notes are accepted")
        density = controls["density"]
        seconds = sum(len(piece.samples) for piece in pieces) / mel.RATE
        if seconds > LONG:
            working(f"{target} for {seconds / 60:.0f} minutes of {source}: mel-spectrogram")
        with progress.within(0, TRANSLATED):
            translated = translate([piece.mels for piece in pieces], density, seeds)
        ignored = density != DECLARATION.controls["density"].default and not conditional
        notices = ("these weights take no density: it has no effect",) if ignored else ()
        made, share = [], (1 - TRANSLATED) / len(pieces)
        for k, (piece, mels, seed) in enumerate(zip(pieces, translated, seeds, strict=True)):
            with progress.within(TRANSLATED + k * share, TRANSLATED + (k + 1) * share):
                made.append(result(piece, mels, source=source, target=target, seed=seed, iterations=iterations,
                                   stage=stage, notices=notices))
        return made

    return Sampler(read=functools.partial(read, bands=bands), generate=generate)


def read(inputs: Mapping[str, Any], controls: Mapping[str, Any], *, bands: int) -> Piece:
    """The user's recording, with the silence that it may begin and end with: so its target fits it.

    Raises:
        MusicFusionError: it is notes, cannot be read, or is silent; a control that only the grid has is set.
    """
    for control in ("style", "intro", "bpm"):
        if controls[control]:
            raise MusicFusionError(f"{control}: these weights translate sound and do not take it; weights of the grid"
                                   " do")
    sources.kind_of(inputs["source"], "source", ("sound",))
    name = sources.described(inputs["source"], "source")
    if os.path.isfile(name) and os.path.getsize(name) > LARGE:
        working(f"reading {name}")
    samples = sources.read_sound(inputs["source"], "source")
    mels = np.asarray(mel.restored(recordings.mel_spectrogram(samples, bands)))
    if mean_level(mels) < AUDIBLE / 10:
        said = "hardly a sound in it" if samples.any() else "silent from beginning to end"
        raise MusicFusionError(f"{name}: {said}; a recording of a part that can be heard is accepted")
    return Piece(samples=samples, mels=mels)


def result(piece: Piece, mels: np.ndarray, *, source: str, target: str, seed: int, iterations: int, stage: str,
           notices: Sequence[str] = ()) -> SampleResult:
    """A translated piece as sound: the target, and both parts together, none of it so loud that it clips.

    mels: of the target, [T, M]; seed: draws the phases of the target's sound.
    """
    part = reconstruct(mels, samples=len(piece.samples), seed=seed, iterations=iterations, name=target)
    both = piece.samples + part
    loudest = max(float(np.abs(both).max()), float(np.abs(part).max()))
    gain = min(1.0, PEAK / loudest) if loudest else 1.0
    mix = "mix" if "mix" not in (source, target) else f"{source}-{target}"
    seconds = len(piece.samples) / mel.RATE
    said = f"{target} of {seconds:.0f} s, {mel.RATE} Hz, one channel"
    if gain < 1:
        said += f"; all {-20 * np.log10(gain):.1f} dB softer, so that nothing clips"
    return SampleResult(
        title=DECLARATION.title,
        main=mix,
        audio={name: Audio(gain * sound if gain < 1 else sound)
               for name, sound in ((mix, both), (target, part), (source, piece.samples))},
        players={mix: f"Your {source} with {target}", target: f"The {target}", source: f"Your {source}"},
        pictures={"spectrograms": Picture(title="Mel-spectrograms", draw=functools.partial(
            _draw, mels={f"your {source}": piece.mels, target: mels}))},
        metadata={"seconds": seconds, "gain": gain, "stage": stage},
        notices=(said, *notices),
    )


def reconstruct(mels: np.ndarray, *, samples: int, seed: int, iterations: int, name: str) -> np.ndarray:
    """translation.reconstruct for a mel-spectrogram [T, M] of any length: float32 [samples] at codecs.mel.RATE.

    What is longer than WHOLE is turned into sound piece by piece, so that memory does not grow with its spectrum, which
    is 16 times as large as the sound. The pieces' phases differ, so they are faded at equal power. name: what the
    terminal calls it.
    """
    if len(mels) <= WHOLE:
        return translation.reconstruct(mels, samples=samples, seed=seed, iterations=iterations)
    found = np.zeros(samples, np.float32)
    minutes = samples / mel.RATE / 60
    ramp = np.sqrt((np.arange(FADE * mel.HOP, dtype=np.float32) + 0.5) / (FADE * mel.HOP))
    for begin in range(0, len(mels) - FADE, PIECE - FADE):
        working(f"{name}: minute {begin * mel.HOP / mel.RATE / 60:.0f} of {minutes:.0f} as sound")
        piece = mels[begin : begin + PIECE]
        start = begin * mel.HOP
        length = min(len(piece) * mel.HOP, samples - start)
        with progress.within(begin / len(mels), min(begin + PIECE, len(mels)) / len(mels)):
            own = translation.reconstruct(piece, samples=length, seed=seed, iterations=iterations)
        if begin:
            own[: len(ramp)] *= ramp[: len(own)]
        if begin + PIECE < len(mels):
            own[-len(ramp) :] *= ramp[::-1]
        found[start : start + length] += own
    return found


def _draw(path: Path, mels: Mapping[str, np.ndarray]) -> Path:
    """Mel-spectrograms one above the other."""
    from musicfusion.render import figures

    return figures.spectrograms(path, mels, mel.HOP / mel.RATE)


def demo_inputs(songs: Sequence[Song], folder: Path, *, source: str, seconds: float, seed: int,
                iterations: int) -> list[dict[str, str]]:
    """The sources of songs, up to `seconds` of each, as files: inputs for `read`."""
    from musicfusion.render import audio

    written = []
    for number, song in enumerate(songs, start=1):
        length = min(len(song.source), int(seconds * RATE))
        samples = translation.reconstruct(song.source[:length], samples=length * mel.HOP, seed=seed,
                                          iterations=iterations)
        path = audio.write_wav(folder / f"{number}-{source}.wav", samples, mel.RATE)
        written.append({"source": str(path)})
    return written
