"""A recording of one part -> the part that it lacks, and both together."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicfusion.codecs import inputs as sources
from musicfusion.codecs import mel
from musicfusion.codecs.audio import Audio
from musicfusion.core.contracts import Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import recordings
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.arrangement import DECLARATION, translation
from musicfusion.systems.arrangement.dataset import AUDIBLE, RATE, Song, mean_level
from musicfusion.systems.arrangement.translation import Translate

PEAK = 0.95  # of the loudest sample


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

    def generate(pieces: Sequence[Piece], controls: Mapping[str, Any], seeds: Sequence[int]) -> list[SampleResult]:
        density = controls["density"]
        translated = translate([piece.mels for piece in pieces], density)
        ignored = density != DECLARATION.controls["density"].default and not conditional
        notices = ("these weights take no density: it has no effect",) if ignored else ()
        return [result(piece, mels, source=source, target=target, seed=seed, iterations=iterations, stage=stage,
                       notices=notices) for piece, mels, seed in zip(pieces, translated, seeds, strict=True)]

    return Sampler(read=functools.partial(read, bands=bands), generate=generate)


def read(inputs: Mapping[str, Any], controls: Mapping[str, Any], *, bands: int) -> Piece:
    """The user's recording.

    Raises:
        MusicFusionError: it cannot be read, or is silent.
    """
    samples = sources.read_sound(inputs["source"], "source")
    mels = np.asarray(mel.restored(recordings.mel_spectrogram(samples, bands)))
    if mean_level(mels) < AUDIBLE / 10:
        raise MusicFusionError(f"{sources.described(inputs['source'], 'source')}: hardly a sound in it")
    return Piece(samples=samples, mels=mels)


def result(piece: Piece, mels: np.ndarray, *, source: str, target: str, seed: int, iterations: int, stage: str,
           notices: Sequence[str] = ()) -> SampleResult:
    """A translated piece as sound: the target, and both parts together, none of it so loud that it clips.

    mels: of the target, [T, M]; seed: draws the phases of the target's sound.
    """
    part = translation.reconstruct(mels, samples=len(piece.samples), seed=seed, iterations=iterations)
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
        audio={mix: Audio(gain * both), target: Audio(gain * part), source: Audio(gain * piece.samples)},
        players={mix: f"Your {source} with {target}", target: f"The {target}", source: f"Your {source}"},
        pictures={"spectrograms": Picture(title="Mel-spectrograms", draw=functools.partial(
            _draw, mels={f"your {source}": piece.mels, target: mels}))},
        metadata={"seconds": seconds, "gain": gain, "stage": stage},
        notices=(said, *notices),
    )


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
