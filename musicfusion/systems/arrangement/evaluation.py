"""What a trained run makes of songs that it never saw, measured without listeners, and by listeners' grades.

The paper asks four listeners (section 4.4). Their grades are read where there are any. Without listeners it is measured
whether the target is detected, whether the source leaks through, and whether the onsets fall where they should.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.report import working
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import bootstrap, frechet, grades, onsets, spectrograms
from musicfusion.systems.arrangement import baselines, tables
from musicfusion.systems.arrangement.dataset import AUDIBLE, RATE, Crops, Song, mean_level
from musicfusion.systems.arrangement.judges import Features, Judge
from musicfusion.systems.arrangement.tables import Clip, Grades, Interval
from musicfusion.systems.arrangement.translation import Translate

MIDDLE = 0.5  # the density at which methods are compared
DENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Measured(NamedTuple):
    """A method's measures: values: name -> mean, or (mean, low, high) over songs; onset_f1: [songs]."""

    values: dict[str, float | Interval]
    onset_f1: np.ndarray


def evaluate(corpus: Corpus, crops: Crops, translators: Mapping[str, Translate], *, best: str | None, conditional: bool,
             judge: Judge | None, features: Features | None, features_name: str, grades_file: str, split: str,
             songs: int, seconds: float, clips: int, iterations: int, training: Mapping[str, int],
             preset: str) -> Evaluation:
    """Measures translators beside the baselines that take no training.

    Args:
        corpus, crops: the songs, and how they are cut.
        translators: the trained methods by their rows' names.
        best: the translator that is compared with all others, and that clips are of; None: there is none.
        conditional: whether the best translator takes a density.
        judge: which parts are audible; None: that is not measured.
        features: for the Frechet distance and the log-density; None: they are not measured.
        features_name: MODULE:FUNCTION of features of the user's own, or "".
        grades_file: a CSV of listeners' grades of the clips, or "".
        split, songs, seconds: which songs, at most how many, and how much of each.
        clips: how many to write for listeners.
        iterations: of Griffin and Lim, for the clips.
        training: how many crops each translator was trained on.
        preset: of the config.

    Raises:
        MusicFusionError: there is no such song, or the grades cannot be used.
    """
    tested = crops.songs(corpus, split, count=songs, seconds=seconds)
    start = crops.starts(corpus, "train")["b"]
    given, real = [song.source for song in tested], [song.target for song in tested]
    methods: dict[str, Callable[[], list[np.ndarray]]] = {
        "silence": lambda: baselines.silence(tested),
        "the source itself": lambda: baselines.source_itself(tested),
        "the target of another song": lambda: baselines.other_target(tested, corpus, start, seed=crops.seed),
        "a steady beat at the source's tempo": lambda: baselines.steady_beat(
            tested, corpus, start, length=crops.length),
        **{name: functools.partial(translate, given, MIDDLE) for name, translate in translators.items()},
    }
    truth = frechet.fit(features(_all_crops(real, crops.length))) if features else None
    measured_by = functools.partial(
        measure, tested, length=crops.length, judge=judge, features=features, truth=truth)
    generated, measured = {}, {}
    for name, method in methods.items():
        working(name)
        generated[name] = method()
        measured[name] = measured_by(generated[name])
    densities, chosen = {}, []
    if best is not None:
        for name, own in measured.items():
            if name != best:
                difference = measured[best].onset_f1 - own.onset_f1
                own.values["paired_difference"] = bootstrap.interval(difference, np.arange(len(difference)))
        if conditional:
            densities = {density: float(np.mean([mean_level(mels) for mels in translators[best](given, density)]))
                         for density in DENSITIES}
        chosen = choose_clips(tested, generated[best], count=clips, length=crops.length)
    said = None
    if grades_file:
        if not features or not truth:
            raise MusicFusionError("evaluate.grades needs features: a trained part classifier, or evaluate.features")
        said = graded(grades_file, chosen, features, truth)
    measured[f"real {crops.target}"] = measured_by(real)
    return tables.evaluation(
        preset=preset, parts=(crops.source, crops.target), best=best, features=features_name,
        data={"source": corpus.source, "split": split, "songs": len(tested),
              "examples": sum(len(song.source) // crops.length for song in tested),
              "seconds": sum(len(song.source) for song in tested) / RATE},
        settings={"seed": crops.seed, "density": MIDDLE},
        methods={name: found.values for name, found in measured.items()},
        onset_f1={name: found.onset_f1.tolist() for name, found in measured.items()},
        densities=densities, grades=said, clips=chosen, song=tested[0],
        translated=None if best is None else generated[best][0],
        shown=4 * crops.length, seed=crops.seed, iterations=iterations, training=training)


# Measures -------------------------------------------------------------------------------------------------------------


def measure(songs: Sequence[Song], generated: Sequence[np.ndarray], *, length: int, judge: Judge | None,
            features: Features | None, truth: frechet.Gaussian | None) -> Measured:
    """A method's measures: means over songs, with their intervals.

    Args:
        songs: the test songs.
        generated: what the method makes of each, [T, M].
        length: of crops, in frames.
        judge, features: as of `evaluate`.
        truth: the Gaussian of the real targets' features.

    Returns:
        "target_detected", "source_detected": the share of crops with an audible source in which the part is detected
        "onset_f1", "source_onset_f1": of the onsets, against those of the true target and of the source
        "tempo": the share of songs with the true target's tempo
        "mel_l1": the mean absolute difference from the true target, dB
        "pearson": the correlation with it, the mean over bands
        "frechet", "log_density": of the features, against those of the true targets
    """
    rows = []
    for song, mels in zip(songs, generated, strict=True):
        found, true = onsets.onsets(mels, RATE), onsets.onsets(song.target, RATE)
        row = {"onset_f1": onsets.f_measure(found, true),
               "source_onset_f1": onsets.f_measure(found, onsets.onsets(song.source, RATE)),
               "tempo": float(onsets.same_tempo(onsets.tempo(mels, RATE), onsets.tempo(song.target, RATE))),
               "mel_l1": float(np.mean(np.abs(mels - song.target))) / 2 * (mel.HIGH - mel.LOW),
               "pearson": float(np.mean(spectrograms.pearson(mels, song.target)))}
        sounding = (whole_crops(song.source, length).mean((1, 2)) + 1) / 2 > AUDIBLE
        cut = whole_crops(mels, length)[sounding]
        if judge and len(cut):
            detected = judge.detect(cut) > 0.5
            row |= {"source_detected": float(np.mean(detected[:, 0])),
                    "target_detected": float(np.mean(detected[:, 1]))}
        rows.append(row)
    columns = {key: np.array([row[key] for row in rows if key in row])
               for key in dict.fromkeys(key for row in rows for key in row)}
    values: dict[str, float | Interval] = {key: over_songs(x) for key, x in columns.items()}
    if features and truth:
        own = features(_all_crops(generated, length))
        values["frechet"] = frechet.distance(frechet.fit(own), truth)
        values["log_density"] = float(np.mean(frechet.log_density(own, truth)))
    return Measured(values, columns["onset_f1"])


def over_songs(values: np.ndarray) -> Interval:
    """The mean of one value a song, and its bootstrap interval: (mean, low, high)."""
    _, low, high = bootstrap.interval(values, np.arange(len(values)))
    return float(values.mean()), low, high


def whole_crops(mels: np.ndarray, length: int) -> np.ndarray:
    """A mel-spectrogram [T, M] in crops that do not overlap, without the rest: [T // length, length, M]."""
    return mels[: len(mels) // length * length].reshape(-1, length, mels.shape[1])


def _all_crops(songs: Sequence[np.ndarray], length: int) -> np.ndarray:
    return np.concatenate([whole_crops(mels, length) for mels in songs])


# Listeners ------------------------------------------------------------------------------------------------------------


def choose_clips(songs: Sequence[Song], generated: Sequence[np.ndarray], *, count: int, length: int) -> list[Clip]:
    """Clips of `length` frames to be listened to, from all songs in turn."""
    found = []
    for k in range(count):
        song, mels = songs[k % len(songs)], generated[k % len(songs)]
        first = (k // len(songs)) % max(len(mels) // length, 1) * length
        part = slice(first, first + length)
        found.append(Clip(f"clip-{k + 1:03}", song.source[part], song.target[part], mels[part]))
    return found


def graded(path: str, clips: Sequence[Clip], features: Features, truth: frechet.Gaussian) -> Grades:
    """What listeners' grades say, and how well they are predicted from mel-spectrograms (section 4.4).

    Raises:
        MusicFusionError: the file cannot be read, or grades a clip that is not among `clips`.
    """
    given = grades.read(path)
    annotators, agreement = grades.agreement(given)
    good = grades.good(given)
    own = [clip for clip in clips if clip.name in good]
    if len(own) < len(good):
        raise MusicFusionError(f"{path}: grades {len(good) - len(own)} clips that this evaluation has not"
                               " (config.evaluate.clips says how many there are)")
    density = frechet.log_density(features(np.stack([clip.generated for clip in own])), truth)
    predictors = np.array([[*spectrograms.pearson(clip.generated, clip.source), nats]
                           for clip, nats in zip(own, density, strict=True)])
    labels = [good[clip.name] for clip in own]
    return Grades(annotators=tuple(annotators), agreement=agreement, clips=len(own), good=float(np.mean(labels)),
                  predicted=grades.predicted(predictors, labels))
