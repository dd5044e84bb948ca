"""What was measured as the tables and figures of an Evaluation: pure functions, and what they take."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.evaluation import Evaluation, Measure, Row, Table, row
from musicfusion.metrics import grades as sheets
from musicfusion.metrics import onsets
from musicfusion.render import audio, figures
from musicfusion.systems.arrangement import published, translation
from musicfusion.systems.arrangement.dataset import Song

Interval = tuple[float, float, float]  # mean, low, high
Drawings = dict[str, Callable[[Path], Path]]

HEADLINES = tuple(("methods", name, "onset_f1") for name in ("CycleGAN", "the source itself"))
LEVEL = {"level": Measure(label="mean level")}
GRADES = {
    "clips": Measure(label="clips", digits=0),
    "good": Measure(label="good", unit="%", scale=100, digits=0, better="higher"),
    "predicted": Measure(label="predicted correctly", unit="%", scale=100, digits=0),
}
SPECTROGRAMS = {
    "mel_l1": Measure(label="mel L1", unit="dB", digits=1, better="lower"),
    "pearson": Measure(label="Pearson", digits=2, better="higher"),
    "frechet": Measure(label="Frechet distance", digits=2, better="lower"),
    "log_density": Measure(label="log-density", unit="nats", digits=0, better="higher"),
}


class Clip(NamedTuple):
    """A part of a song, and what was made of it: mel-spectrograms [T, M] in -1..1."""

    name: str
    source: np.ndarray
    target: np.ndarray
    generated: np.ndarray


class Grades(NamedTuple):
    """What listeners said: agreement: correlations [annotators, annotators]; good, predicted: shares of the clips."""

    annotators: tuple[str, ...]
    agreement: np.ndarray
    clips: int
    good: float
    predicted: float


def evaluation(*, preset: str, parts: tuple[str, str], best: str | None, features: str, data: Mapping,
               settings: Mapping, methods: Mapping[str, Mapping[str, float | Interval]],
               onset_f1: Mapping[str, Sequence[float]], densities: Mapping[float, float], grades: Grades | None,
               clips: Sequence[Clip], song: Song, translated: np.ndarray | None, shown: int, seed: int,
               iterations: int, training: Mapping[str, int]) -> Evaluation:
    """All that evaluation.py measured, put into tables and figures.

    Args:
        preset: of the config.
        parts: the names of source and target.
        best: the method that the others are compared with, or None.
        features: MODULE:FUNCTION of features of the user's own, or "".
        data, settings: of the Evaluation.
        methods: each method's values by measure.
        onset_f1: each method's onset F1 by song.
        densities: the mean level of translations by the density that was asked for; empty where there is none.
        grades: of listeners, or None.
        clips: for listeners.
        song, translated: of the curves, with its translation, of which `shown` frames are drawn.
        seed, iterations: of the phases of the clips.
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
                   " that learned on other songs detects that part. Onset F1: against the true onsets, within 70 ms."
                   + (f" Paired difference: {best}'s onset F1 minus this row's, song by song." if best else "")
                   + " Tempo: the share of songs with the true tempo, an octave allowed."),
        Table(name="spectrograms", title="Mel-spectrograms", measures=SPECTROGRAMS, rows=rows(SPECTROGRAMS),
              note=f"Against the true {target}. Pearson: over time, the mean over bands. "
                   + (f"Frechet distance and log-density are of features by {features}." if features else
                      "Frechet distance and log-density are of the part classifier's features: Inception's weights,"
                      " which the paper takes, do not come along; evaluate.features=MODULE:FUNCTION takes others.")),
    ]
    if densities:
        found.append(Table(name="densities", title=f"How dense the {target} are", measures=LEVEL, first="density",
                           rows=tuple(row(f"{density:g}", {"level": level}) for density, level in densities.items())))
    if grades is not None:
        found += grade_tables(grades, best or "")
    return Evaluation(
        system="arrangement", preset=preset, title=f"Arrangement, preset {preset}",
        about=f"From {source} to {target}: {data['songs']} songs, {data['seconds'] / 60:.0f} minutes"
              f" ({data['split']} split of {data['source']}).",
        data=data, settings={**settings, "parts": list(parts), "features": features or "part classifier"},
        tables=tuple(found), headlines=HEADLINES, details={"onset_f1": onset_f1},
        remarks=(
            "All measures are of mel-spectrograms, before they are turned into sound. Onsets of all instruments count"
            " as one stream.",
            *([f"Crops in training: {', '.join(f'{name} {count}' for name, count in training.items())}."]
              if len(training) > 1 else ()),
        ),
        figures={} if translated is None else drawings(
            parts, clips, song, translated, shown=shown, seed=seed, iterations=iterations))


def translations(source: str, target: str) -> dict[str, Measure]:
    """The measures of the first table."""
    return {
        "target_detected": Measure(label=f"{target} detected", unit="%", scale=100, digits=0),
        "source_detected": Measure(label=f"{source} detected", unit="%", scale=100, digits=0),
        "onset_f1": Measure(label="onset F1", digits=2, better="higher"),
        "paired_difference": Measure(label="paired difference", digits=2),
        "source_onset_f1": Measure(label=f"onset F1 with the {source}", digits=2),
        "tempo": Measure(label="tempo", unit="%", scale=100, digits=0, better="higher"),
    }


def grade_tables(grades: Grades, method: str) -> list[Table]:
    """What listeners said of a method's clips, and how far they agree."""
    low, high = published.AGREEMENT
    rows = tuple(row(name, dict(zip(grades.annotators, own, strict=True)))
                 for name, own in zip(grades.annotators, grades.agreement.tolist(), strict=True))
    said = {"clips": grades.clips, "good": grades.good, "predicted": grades.predicted}
    return [
        Table(name="grades", title="What listeners said", measures=GRADES,
              rows=(row(method, said, published.GRADES),),
              note="Good: clips with a mean grade above 5. Predicted correctly: by a logistic regression on each band's"
                   " correlation with the source and on the log-density, cross-validated. The paper correlates with the"
                   " true drums."),
        Table(name="agreement", title="How far listeners agree", first="annotator",
              measures={name: Measure(label=name, digits=2) for name in grades.annotators}, rows=rows,
              note=f"Pearson's correlation of two annotators' mean grades of a clip; in the paper {low} to {high}."),
    ]


# Figures --------------------------------------------------------------------------------------------------------------


def drawings(parts: tuple[str, str], clips: Sequence[Clip], song: Song, translated: np.ndarray, *, shown: int,
             seed: int, iterations: int) -> Drawings:
    """translations.png, onsets.png; listening/ with clips and a sheet for listeners."""
    source, target = parts
    drawn: Drawings = {}
    if clips:
        drawn["translations.png"] = functools.partial(
            figures.images, title="Mel-spectrograms: time to the right", rows=[
                [(source, _image(clip.source)), (f"{target}, generated", _image(clip.generated)),
                 (f"{target}, real", _image(clip.target))] for clip in clips[:4]])
    length = min(len(translated), shown)
    mels = {source: song.source, f"{target}, generated": translated, f"{target}, real": song.target}
    drawn["onsets.png"] = functools.partial(
        figures.curves, x=np.arange(length) * mel.HOP / mel.RATE, xlabel="seconds", ylabel="spectral flux",
        lines={label: onsets.flux(own)[:length] for label, own in mels.items()}, title=song.name)
    for clip in clips:
        drawn[f"listening/{clip.name}.wav"] = functools.partial(write_clip, clip=clip, seed=seed, iterations=iterations)
    if clips:
        drawn["listening/sheet.csv"] = functools.partial(sheets.sheet, clips=[clip.name for clip in clips])
    return drawn


def write_clip(path: Path, *, clip: Clip, seed: int, iterations: int) -> Path:
    """The source and what was made of it, together, as a WAV file."""
    samples = len(clip.generated) * mel.HOP
    source, generated = (translation.reconstruct(mels, samples=samples, seed=seed, iterations=iterations)
                         for mels in (clip.source, clip.generated))
    mix = source + generated
    return audio.write_wav(path, mix / max(1.0, float(np.abs(mix).max())), mel.RATE)


def _image(mels: np.ndarray) -> np.ndarray:
    """[T, M] in -1..1 -> [M, T] in 0..1."""
    return (mels.T + 1) / 2
