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
from musicfusion.systems.arrangement.synchrony import Scored
from musicfusion.systems.arrangement.tables import Clip, Interval
from musicfusion.systems.arrangement.timing import timing
from musicfusion.systems.arrangement.translation import Translate

MIDDLE = 0.5  # the density at which methods are compared
SHOWN = 4  # crops that are drawn
SOUNDING = 20.0  # seconds of a song whose sound is measured
OTHER_TARGET, STEADY_BEAT = "the target of another song", "a steady beat at the source's tempo"
BASS_AND_EIGHTHS = "the source's onsets and eighths"
NEAREST = "the training target with the nearest source"
DENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)

Sound = Callable[[np.ndarray], np.ndarray]  # a mel-spectrogram [T, M] -> that of the sound that it becomes


class Measured(NamedTuple):
    """A method's measures: values: name -> mean, or (mean, low, high); onset_f1, synchrony: [songs]."""

    values: dict[str, float | Interval]
    onset_f1: np.ndarray
    synchrony: np.ndarray


def evaluate(corpus: Corpus, crops: Crops, translators: Mapping[str, Translate], *, best: str | None, conditional: bool,
             judge: Judge | None, features: Features | None, features_name: str, split: str, songs: int,
             seconds: float, sounding: int, sound: Sound, scored: Scored | None, latent: int,
             training: Mapping[str, int], preset: str) -> Evaluation:
    """Measures translators beside the baselines that take no training.

    Args:
        corpus, crops: the songs, and how they are cut.
        translators: the trained methods, and as a fool an untrained one, by their rows' names.
        best: the translator that is compared with all others, and drawn; None: there is none. As another fool it is
            given another song's source.
        conditional: whether the best translator takes a density.
        judge: which parts are audible; None: that is not measured.
        features: for the Frechet distance and the log-density; None: they are not measured.
        features_name: MODULE:FUNCTION of features of the user's own, or "".
        split, songs, seconds: which songs, at most how many, and how much of each.
        sounding: of how many songs the sound is measured, too; 0: of none.
        sound: of a mel-spectrogram, what is measured of its sound: [T, M] -> [T, M].
        scored: what rewarded synchrony, None where nothing did; the translations are shown to it.
        latent: of the best translator; not 0: two seeds of it are compared.
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
    if best is not None and len(tested) > 1:
        methods[f"{best}, given another song's {crops.source}"] = functools.partial(
            translators[best], of_another(given), MIDDLE)
    truth = frechet.fit(features(all_crops(real, crops.length))) if features else None
    measured_by = functools.partial(
        measure, tested, length=crops.length, judge=judge, features=features, truth=truth)
    groups = np.array([song.group for song in tested])
    generated, measured = {}, {}
    for name, method in methods.items():
        working(name)
        generated[name] = method()
        measured[name] = measured_by(generated[name])
    densities: dict[float, float] = {}
    seeds: dict[str, float] = {}
    chosen: list[Clip] = []
    if best is not None:
        for name, own in measured.items():
            if name != best:
                own.values["paired_difference"] = bootstrap.interval(measured[best].onset_f1 - own.onset_f1, groups)
        if conditional:
            densities = {density: float(np.mean([mean_level(mels) for mels in translators[best](given, density)]))
                         for density in DENSITIES}
        if latent:
            seeds = between_seeds(*(translators[best](given, MIDDLE, [first + k for k in range(len(given))])
                                    for first in (0, len(given))))
        chosen = choose_clips(tested, generated[best], count=SHOWN, length=crops.length)
    generated[f"real {crops.target}"] = real
    measured[f"real {crops.target}"] = measured_by(real)
    preferred = {name: preferences(tested, own, length=crops.length, scored=scored)
                 for name, own in generated.items()} if scored else {}
    sounding = min(sounding, len(tested))
    synthesised = {}
    for name, mels in generated.items() if sounding else ():
        working(f"{name}, as sound")
        some = [k * len(tested) // sounding for k in range(sounding)]
        synthesised[name] = after_synthesis(
            [tested[k] for k in some], [mels[k] for k in some], length=crops.length, sound=sound, features=features,
            truth=truth)
    return tables.evaluation(
        preset=preset, parts=(crops.source, crops.target), best=best, features=features_name,
        data={"source": corpus.source, "split": split, "songs": len(tested),
              "examples": sum(len(song.source) // crops.length for song in tested),
              "seconds": sum(len(song.source) for song in tested) / RATE, "sounding": sounding},
        settings={"seed": crops.seed, "density": MIDDLE},
        methods={name: found.values for name, found in measured.items()}, synthesised=synthesised,
        preferred=preferred, seeds=seeds,
        details={"onset_f1": {name: found.onset_f1.tolist() for name, found in measured.items()},
                 "synchrony": {name: found.synchrony.tolist() for name, found in measured.items()},
                 "groups": groups.tolist()},
        densities=densities, clips=chosen, song=tested[0],
        translated=None if best is None else generated[best][0],
        shown=4 * crops.length, training=training)


def rules(tested: Sequence[Song], corpus: Corpus, crops: Crops) -> dict[str, Callable[[], list[np.ndarray]]]:
    """The baselines that take no training, by name: what each makes of the songs, [T, M]."""
    start = crops.starts(corpus, "train")["b"]
    kit = baselines.kit(corpus, start, crops.length)
    return {
        "silence": lambda: baselines.silence(tested),
        "the source itself": lambda: baselines.source_itself(tested),
        OTHER_TARGET: lambda: baselines.other_target(tested, corpus, start, seed=crops.seed),
        STEADY_BEAT: lambda: baselines.steady_beat(tested, kit),
        "eighths in time": lambda: baselines.eighths(tested, kit),
        "backbeat with eighths": lambda: baselines.backbeat(tested, kit),
        BASS_AND_EIGHTHS: lambda: baselines.bass_and_eighths(tested, kit),
        NEAREST: lambda: baselines.nearest_bass(tested, corpus, seed=crops.seed),
    }


def of_another(sources: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each source another song's, half of them further on, as long as its own: [T, M] each."""
    return [np.resize(sources[(k + len(sources) // 2) % len(sources)], own.shape) for k, own in enumerate(sources)]


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
        "bands_f1": the mean of it for the onsets of the low, the middle and the high bands, against the true target's
        "synchrony", "source_synchrony": how much lower it is where they are moved by beats, against either
        "tempo": the share of songs with the true target's tempo
        "mel_l1": the mean absolute difference from the true target, dB
        "pearson": the correlation with it, the mean over bands
        "frechet", "log_density": of the features, against those of the true targets
    """
    rows = []
    for song, mels in zip(songs, generated, strict=True):
        found, true = onsets.onsets(mels, RATE), onsets.onsets(song.target, RATE)
        time = timing(song)
        row = {"onset_f1": onsets.f_measure(found, true), "bands_f1": bands_f1(mels, song.target),
               "synchrony": onsets.synchrony(found, true, time.beats),
               "source_synchrony": onsets.synchrony(found, time.onsets, time.beats),
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
    columns = {key: np.array([row.get(key, np.nan) for row in rows])
               for key in dict.fromkeys(key for row in rows for key in row)}
    groups = np.array([song.group for song in songs])
    values: dict[str, float | Interval] = {key: bootstrap.interval(x, groups) for key, x in columns.items()}
    if features and truth:
        own = features(all_crops(generated, length))
        values["frechet"] = frechet.distance(frechet.fit(own), truth)
        values["log_density"] = float(np.mean(frechet.log_density(own, truth)))
    return Measured(values, columns["onset_f1"], columns["synchrony"])


def preferences(songs: Sequence[Song], generated: Sequence[np.ndarray], *, length: int,
                scored: Scored) -> dict[str, float | Interval]:
    """What the network that rewards synchrony says of crops whose source sounds.

    Returns:
        "log_probability": of lag 0, nats; "right": the share of crops of which that lag is the likeliest
    """
    rows = []
    for song, mels in zip(songs, generated, strict=True):
        source, target = whole_crops(song.source, length), whole_crops(mels, length)
        sounding = (source.mean((1, 2)) + 1) / 2 > AUDIBLE
        rows.append([float(np.mean(x)) for x in scored(source[sounding], target[sounding])] if sounding.any()
                    else [np.nan, np.nan])
    groups = np.array([song.group for song in songs])
    return {name: bootstrap.interval(x, groups)
            for name, x in zip(("log_probability", "right"), np.transpose(rows), strict=True)}


def between_seeds(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> dict[str, float]:
    """How far two translations of each song agree: "onset_f1"; "mel_l1", dB, the means over songs."""
    return {"onset_f1": float(np.mean([onsets.f_measure(onsets.onsets(x, RATE), onsets.onsets(y, RATE))
                                       for x, y in zip(one, other, strict=True)])),
            "mel_l1": float(np.mean([np.mean(np.abs(x - y)) for x, y in zip(one, other, strict=True)]))
            / 2 * (mel.HIGH - mel.LOW)}


def bands_f1(mels: np.ndarray, target: np.ndarray) -> float:
    """The mean onset F1 of three bands: whether kicks, snares and hats are where they should be. [T, M] each."""
    return float(np.mean([onsets.f_measure(found, true) for found, true in zip(
        onsets.by_band(mels, RATE), onsets.by_band(target, RATE), strict=True)]))


def after_synthesis(songs: Sequence[Song], generated: Sequence[np.ndarray], *, length: int, sound: Sound,
                    features: Features | None, truth: frechet.Gaussian | None) -> dict[str, float | Interval]:
    """The same of the sound that SOUNDING seconds of a method's mel-spectrograms become, those with the most source.

    sound: of a mel-spectrogram, what is measured of its sound: [T, M] -> [T, M]. The rest as `measure`.

    Returns:
        "onset_f1", "bands_f1": against the true target as it was before
        "level_error": the mean absolute difference of both mel-spectrograms, dB: what the synthesis changes
        "frechet": of the features, against those of the true targets as they were before
    """
    longest = max(int(SOUNDING * RATE), length)
    parts = [loudest(song.source, longest) for song in songs]
    targets = [song.target[part] for song, part in zip(songs, parts, strict=True)]
    generated = [mels[part] for mels, part in zip(generated, parts, strict=True)]
    synthesised = [sound(mels) for mels in generated]
    columns = {
        "onset_f1": [onsets.f_measure(onsets.onsets(mels, RATE), onsets.onsets(target, RATE))
                     for mels, target in zip(synthesised, targets, strict=True)],
        "bands_f1": [bands_f1(mels, target) for mels, target in zip(synthesised, targets, strict=True)],
        "level_error": [float(np.mean(np.abs(mels - before))) / 2 * (mel.HIGH - mel.LOW)
                        for mels, before in zip(synthesised, generated, strict=True)],
    }
    groups = np.array([song.group for song in songs])
    values: dict[str, float | Interval] = {
        key: bootstrap.interval(np.array(x), groups) for key, x in columns.items()}
    if features and truth:
        values["frechet"] = frechet.distance(frechet.fit(features(all_crops(synthesised, length))), truth)
    return values


def loudest(mels: np.ndarray, length: int) -> slice:
    """The `length` frames of a mel-spectrogram [T, M] with the highest level, or all of them."""
    total = np.concatenate([[0.0], np.cumsum(mels.mean(1, dtype=np.float64) + 1)])
    begin = int(np.argmax(total[length:] - total[:-length])) if len(mels) > length else 0
    return slice(begin, begin + length)


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
            for number, part in excerpts(songs, count=count, length=length)]


def excerpts(songs: Sequence[Song], *, count: int, length: int) -> list[tuple[int, slice]]:
    """Where clips of `length` frames lie, in all songs in turn: the number of the song, and its frames."""
    found = []
    for k in range(count):
        number = k % len(songs)
        first = (k // len(songs)) % max(len(songs[number].source) // length, 1) * length
        found.append((number, slice(first, first + length)))
    return found
