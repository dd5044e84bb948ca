"""What was measured as the tables and figures of an Evaluation: pure functions, and what they take."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.evaluation import Evaluation, Measure, Row, Table, row
from musicfusion.metrics import onsets
from musicfusion.render import figures
from musicfusion.systems.arrangement.dataset import Song

Interval = tuple[float, float, float]  # mean, low, high
Drawings = dict[str, Callable[[Path], Path]]

HEADLINES = tuple(("methods", name, "onset_f1") for name in ("CycleGAN", "the source itself"))
LEVEL = {"level": Measure(label="mean level")}
SPECTROGRAMS = {
    "mel_l1": Measure(label="mel L1", unit="dB", digits=1, better="lower"),
    "pearson": Measure(label="Pearson", digits=2, better="higher"),
    "frechet": Measure(label="Frechet distance", digits=2, better="lower"),
    "log_density": Measure(label="log-density", unit="nats", digits=0, better="higher"),
}
SYNTHESISED = {
    "onset_f1": Measure(label="onset F1", digits=2, better="higher"),
    "bands_f1": Measure(label="of bands", digits=2, better="higher"),
    "frechet": Measure(label="Frechet distance", digits=2, better="lower"),
    "level_error": Measure(label="changed", unit="dB", digits=1, better="lower"),
}
PREFERRED = {
    "log_probability": Measure(label="log-probability", unit="nats", digits=2),
    "right": Measure(label="likeliest", unit="%", scale=100, digits=0),
}
SEEDS = {"onset_f1": Measure(label="onset F1", digits=2), "mel_l1": Measure(label="mel L1", unit="dB", digits=1)}


class Clip(NamedTuple):
    """A part of a song, and what was made of it: mel-spectrograms [T, M] in -1..1."""

    source: np.ndarray
    target: np.ndarray
    generated: np.ndarray


def evaluation(*, preset: str, parts: tuple[str, str], best: str | None, features: str, data: Mapping,
               settings: Mapping, methods: Mapping[str, Mapping[str, float | Interval]],
               synthesised: Mapping[str, Mapping[str, float | Interval]], details: Mapping[str, Any],
               preferred: Mapping[str, Mapping[str, float | Interval]], seeds: Mapping[str, float],
               densities: Mapping[float, float], clips: Sequence[Clip], song: Song,
               translated: np.ndarray | None, shown: int, training: Mapping[str, int]) -> Evaluation:
    """All that evaluation.py measured, put into tables and figures.

    Args:
        preset: of the config.
        parts: the names of source and target.
        best: the method that the others are compared with, or None.
        features: MODULE:FUNCTION of features of the user's own, or "".
        data, settings: of the Evaluation.
        methods: each method's values by measure.
        synthesised: each method's values after synthesis, empty where that was not measured.
        preferred: what the network that rewards synchrony says of each method; empty where there is none.
        seeds: how far two seeds of the best method agree; empty where it has none.
        details: each method's onset F1 and synchrony by song, and the songs' groups.
        densities: the mean level of translations by the density that was asked for; empty where there is none.
        clips: to be drawn.
        song, translated: of the curves, with its translation, of which `shown` frames are drawn.
        training: how many crops each trained method was trained on.
    """
    source, target = parts

    def rows(measures: Mapping[str, Measure]) -> tuple[Row, ...]:
        return tuple(row(name, {measure: own[measure] for measure in measures if measure in own})
                     for name, own in methods.items())

    measures = translations(source, target)
    found = [
        Table(name="methods", title="Translations", measures=measures, rows=rows(measures),
              note=f"{target}, {source} detected: the share of crops, where the {source} sounds, in which a classifier"
                   " that learned on other songs detects that part. Onset F1: against the true onsets, within 70 ms; of"
                   " bands: the mean of three bands, in which about kicks, snares and hats are loud."
                   + (f" Paired difference: {best}'s onset F1 minus this row's, song by song." if best else "")
                   + " Synchrony: onset F1 less its mean when onsets are moved by one, two or three beats, so that what"
                   f" is alike on every beat has 0. A copy of the {source} is perfectly synchronous with it: what true"
                   f" {target} have is right, not more. Tempo: the share of songs with the true tempo, an octave"
                   " allowed."),
        Table(name="spectrograms", title="Mel-spectrograms", measures=SPECTROGRAMS, rows=rows(SPECTROGRAMS),
              note=f"Against the true {target}. Pearson: over time, the mean over bands. "
                   + (f"Frechet distance and log-density are of features by {features}." if features else
                      "Frechet distance and log-density are of the part classifier's features: Inception's weights,"
                      " which the paper takes, do not come along; evaluate.features=MODULE:FUNCTION takes others.")),
    ]
    if synthesised:
        found.append(Table(
            name="synthesised", title="After synthesis", measures=SYNTHESISED,
            rows=tuple(row(name, own) for name, own in synthesised.items()),
            note="The same of the sound that mel-spectrograms become by Griffin and Lim's algorithm, turned into"
                 f" mel-spectrograms again, beside the true {target} before it: of {data['sounding']} songs the seconds"
                 f" with the most {source}. Changed: how far both mel-spectrograms are apart."))
    if preferred:
        found.append(Table(
            name="preferred", title="What the network that rewards synchrony prefers", measures=PREFERRED,
            rows=tuple(row(name, own) for name, own in preferred.items()),
            note=f"Of crops where the {source} sounds: the log-probability that it gives to the {target} as they are,"
                 " against the same ones earlier or later, and in how many of them that is the likeliest. A row above"
                 f" the true {target} is one that fools it."))
    if seeds:
        found.append(Table(name="seeds", title="How far two seeds agree", measures=SEEDS,
                           rows=(row(str(best), seeds),)))
    if densities:
        found.append(Table(name="densities", title=f"How dense the {target} are", measures=LEVEL, first="density",
                           rows=tuple(row(f"{density:g}", {"level": level}) for density, level in densities.items())))
    return Evaluation(
        system="arrangement", preset=preset, title=f"Arrangement, preset {preset}",
        about=f"From {source} to {target}: {data['songs']} songs, {data['seconds'] / 60:.0f} minutes"
              f" ({data['split']} split of {data['source']}).",
        data=data, settings={**settings, "parts": list(parts), "features": features or "part classifier"},
        tables=tuple(found), headlines=HEADLINES, details=details,
        remarks=(
            "All measures but those after synthesis are of mel-spectrograms, before they are turned into sound. Onsets"
            " of all instruments count as one stream, but for those of bands.",
            "Intervals are drawn over grooves where songs have one, else over songs. Rules that are in time know the"
            " beats and the onsets of the notes that were played; where there are none, they are found in the sound.",
            *([f"Crops in training: {', '.join(f'{name} {count}' for name, count in training.items())}."]
              if len(training) > 1 else ()),
        ),
        figures={} if translated is None else drawings(
            parts, clips, song, translated, shown=shown))


def translations(source: str, target: str) -> dict[str, Measure]:
    """The measures of the first table."""
    return {
        "target_detected": Measure(label=f"{target} detected", unit="%", scale=100, digits=0),
        "source_detected": Measure(label=f"{source} detected", unit="%", scale=100, digits=0),
        "onset_f1": Measure(label="onset F1", digits=2, better="higher"),
        "bands_f1": Measure(label="of bands", digits=2, better="higher"),
        "paired_difference": Measure(label="paired difference", digits=2),
        "synchrony": Measure(label=f"synchrony with the true {target}", digits=2, better="higher"),
        "source_synchrony": Measure(label=f"with the {source}", digits=2),
        "source_onset_f1": Measure(label=f"onset F1 with the {source}", digits=2),
        "tempo": Measure(label="tempo", unit="%", scale=100, digits=0, better="higher"),
    }


# Figures --------------------------------------------------------------------------------------------------------------


def drawings(parts: tuple[str, str], clips: Sequence[Clip], song: Song, translated: np.ndarray, *,
             shown: int) -> Drawings:
    """translations.png, onsets.png."""
    source, target = parts
    drawn: Drawings = {}
    if clips:
        drawn["translations.png"] = functools.partial(
            figures.images, title="Mel-spectrograms: time to the right", rows=[
                [(source, _image(clip.source)), (f"{target}, generated", _image(clip.generated)),
                 (f"{target}, real", _image(clip.target))] for clip in clips])
    length = min(len(translated), shown)
    mels = {source: song.source, f"{target}, generated": translated, f"{target}, real": song.target}
    drawn["onsets.png"] = functools.partial(
        figures.curves, x=np.arange(length) * mel.HOP / mel.RATE, xlabel="seconds", ylabel="spectral flux",
        lines={label: onsets.flux(own)[:length] for label, own in mels.items()}, title=song.name)
    return drawn


def _image(mels: np.ndarray) -> np.ndarray:
    """[T, M] in -1..1 -> [M, T] in 0..1."""
    return (mels.T + 1) / 2
