"""What a trained run makes of songs that it never saw, measured without listeners.

The paper asks four listeners (section 4.4; listening.py). Without listeners it is measured whether the target is
detected, whether the source leaks through, and whether the onsets fall where they should.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.report import working
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import bootstrap, frechet, onsets, spectrograms
from musicfusion.systems.arrangement import baselines, tables
from musicfusion.systems.arrangement.dataset import AUDIBLE, RATE, Crops, Song, mean_level
from musicfusion.systems.arrangement.judges import Features, Judge
from musicfusion.systems.arrangement.tables import Clip, Interval
from musicfusion.systems.arrangement.translation import Translate

MIDDLE = 0.5  # the density at which methods are compared
SHOWN = 4  # crops that are drawn
OTHER_TARGET, STEADY_BEAT = "the target of another song", "a steady beat at the source's tempo"
DENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Measured(NamedTuple):
    """A method's measures: values: name -> mean, or (mean, low, high) over songs; onset_f1: [songs]."""

    values: dict[str, float | Interval]
    onset_f1: np.ndarray


def evaluate(corpus: Corpus, crops: Crops, translators: Mapping[str, Translate], *, best: str | None, conditional: bool,
             judge: Judge | None, features: Features | None, features_name: str, split: str, songs: int,
             seconds: float, training: Mapping[str, int], preset: str) -> Evaluation:
    """Measures translators beside the baselines that take no training.

    Args:
        corpus, crops: the songs, and how they are cut.
        translators: the trained methods by their rows' names.
        best: the translator that is compared with all others, and drawn; None: there is none.
        conditional: whether the best translator takes a density.
        judge: which parts are audible; None: that is not measured.
        features: for the Frechet distance and the log-density; None: they are not measured.
        features_name: MODULE:FUNCTION of features of the user's own, or "".
        split, songs, seconds: which songs, at most how many, and how much of each.
        training: how many crops each translator was trained on.
        preset: of the config.

    Raises:
        MusicFusionError: there is no such song.
    """
    tested = crops.songs(corpus, split, count=songs, seconds=seconds)
    given, real = [song.source for song in tested], [song.target for song in tested]
    methods: dict[str, Callable[[], list[np.ndarray]]] = {
        **rules(tested, corpus, crops),
        **{name: functools.partial(translate, given, MIDDLE) for name, translate in translators.items()},
    }
    truth = frechet.fit(features(all_crops(real, crops.length))) if features else None
    measured_by = functools.partial(
        measure, tested, length=crops.length, judge=judge, features=features, truth=truth)
    generated, measured = {}, {}
    for name, method in methods.items():
        working(name)
        generated[name] = method()
        measured[name] = measured_by(generated[name])
    densities: dict[float, float] = {}
    chosen: list[Clip] = []
    if best is not None:
        for name, own in measured.items():
            if name != best:
                difference = measured[best].onset_f1 - own.onset_f1
                own.values["paired_difference"] = bootstrap.interval(difference, np.arange(len(difference)))
        if conditional:
            densities = {density: float(np.mean([mean_level(mels) for mels in translators[best](given, density)]))
                         for density in DENSITIES}
        chosen = choose_clips(tested, generated[best], count=SHOWN, length=crops.length)
    measured[f"real {crops.target}"] = measured_by(real)
    return tables.evaluation(
        preset=preset, parts=(crops.source, crops.target), best=best, features=features_name,
        data={"source": corpus.source, "split": split, "songs": len(tested),
              "examples": sum(len(song.source) // crops.length for song in tested),
              "seconds": sum(len(song.source) for song in tested) / RATE},
        settings={"seed": crops.seed, "density": MIDDLE},
        methods={name: found.values for name, found in measured.items()},
        onset_f1={name: found.onset_f1.tolist() for name, found in measured.items()},
        densities=densities, clips=chosen, song=tested[0],
        translated=None if best is None else generated[best][0],
        shown=4 * crops.length, training=training)


def rules(tested: Sequence[Song], corpus: Corpus, crops: Crops) -> dict[str, Callable[[], list[np.ndarray]]]:
    """The baselines that take no training, by name: what each makes of the songs, [T, M]."""
    start = crops.starts(corpus, "train")["b"]
    return {
        "silence": lambda: baselines.silence(tested),
        "the source itself": lambda: baselines.source_itself(tested),
        OTHER_TARGET: lambda: baselines.other_target(tested, corpus, start, seed=crops.seed),
        STEADY_BEAT: lambda: baselines.steady_beat(tested, corpus, start, length=crops.length),
    }


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
        own = features(all_crops(generated, length))
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


def all_crops(songs: Sequence[np.ndarray], length: int) -> np.ndarray:
    """The whole crops of several songs: [n, length, M]."""
    return np.concatenate([whole_crops(mels, length) for mels in songs])


# Clips ----------------------------------------------------------------------------------------------------------------


def choose_clips(songs: Sequence[Song], generated: Sequence[np.ndarray], *, count: int, length: int) -> list[Clip]:
    """Clips of `length` frames, from all songs in turn."""
    return [Clip(*(mels[part] for mels in (songs[number].source, songs[number].target, generated[number])))
            for number, part in places(songs, count=count, length=length)]


def places(songs: Sequence[Song], *, count: int, length: int) -> list[tuple[int, slice]]:
    """Where clips of `length` frames lie, in all songs in turn: the number of the song, and its frames."""
    found = []
    for k in range(count):
        number = k % len(songs)
        first = (k // len(songs)) % max(len(songs[number].source) // length, 1) * length
        found.append((number, slice(first, first + length)))
    return found
