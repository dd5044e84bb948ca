"""What an ear and a stopwatch say of translations of songs that nobody learned from; and what people say.

The paper (002, section 5) asks four listeners. Their grades are read here where there are any; besides, without
anybody: is it the target that sounds, does the source leak through, do its strokes fall where they should.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import mel
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.report import working
from musicfusion.data import splits
from musicfusion.metrics import bootstrap, frechet, grades, onsets, spectrograms
from musicfusion.systems.arrangement import crops, nets, songs, tables

METHODS = {
    "silence": "silence", "copy": "the source itself", "random": "the target of another song",
    "steady": "a steady beat at the source's tempo", "pix2pix": "pix2pix, in pairs", "cyclegan": "CycleGAN",
    "tuned": "CycleGAN, tuned on recordings",
}
TRAINED = ("pix2pix", "cyclegan", "tuned")
DENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
RATE = mel.RATE / mel.HOP  # frames a second
STROKE = 8  # frames of the mean stroke of the target


class Song(NamedTuple):
    """A test song's pictures [T, M] in -1..1."""

    name: str
    source: np.ndarray
    target: np.ndarray


def evaluate(config, corpus, results) -> tuple[dict, str, Callable[[Path], list[Path]]]:
    """-> (report, its text, draw(folder) -> figures, and clips with a sheet for listeners)."""
    tested = test_songs(config, corpus)
    hear, features = _ear(config, results)
    if config.evaluate.features:
        features = named(config.evaluate.features)
    made: dict[str, list[np.ndarray]] = {}
    for name, title in METHODS.items():
        working(title)
        if (found := by(name, config, corpus, results, tested)) is not None:
            made[name] = found
    real = [song.target for song in tested]
    lit = {song.name: _cut(config, song.source)[0] for song in tested}
    truth = frechet.fit(features(_crops(config, real))) if features else None
    report: dict = {
        "system": "arrangement", "preset": config.preset, "data": {"source": corpus.source, "split": config.data.split},
        "parts": [config.data.source, config.data.target], "songs": len(tested), "titles": METHODS,
        "features": config.evaluate.features,
        "seconds": sum(len(song.source) for song in tested) / RATE,
        "methods": {name: _measured(config, tested, found, lit, hear, features, truth)
                    for name, found in (*made.items(), ("real", real))},
    }
    best = next((name for name in ("tuned", "cyclegan") if name in made), None)
    if best:
        of = report["methods"]
        ahead = {name: np.subtract(of[best]["each"], of[name]["each"]) for name in made if name != best}
        report["ahead"] = {name: bootstrap.interval(x, np.arange(len(x))) for name, x in ahead.items()}
    if best and config.cyclegan.density:
        report["densities"] = [
            {"density": density, "level": float(np.mean([
                (songs.translated(config, results(best), song.source, density).mean() + 1) / 2 for song in tested]))}
            for density in DENSITIES]
    clips = _clips(config, tested, made[best]) if best else []
    if config.evaluate.grades and features and truth:
        report["grades"] = _graded(config.evaluate.grades, clips, features, truth)
    return report, tables.text(report), lambda folder: tables.draw(report, tested, made, best, clips, config, folder)


def test_songs(config, corpus) -> list[Song]:
    """Songs of the split in which source and target sound, evenly chosen, each from where the source sets in.

    Raises MusicFusionError if there is none.
    """
    numbers = splits.select(corpus, np.arange(len(corpus.songs)), config.data.split, config.seed, crops.SPLITS)
    longest = int(config.evaluate.seconds * RATE)
    found = []
    for number in numbers:
        begin, end = corpus.first_beat[number : number + 2]
        parts = [np.asarray(mel.restored(jnp.asarray(corpus.arrays[part][begin:end]))) for part in ("source", "target")]
        sounds = [np.flatnonzero((part > -1).mean(1) > crops.SOUNDS) for part in parts]
        if end - begin >= config.data.crop and all(map(len, sounds)):
            first = max(min(sounds[0][0], len(parts[0]) - config.data.crop), 0)
            found.append(Song(corpus.songs[number], *(part[first : first + longest] for part in parts)))
    if not found:
        raise MusicFusionError(f"data: no {config.data.split} song with {config.data.source} and {config.data.target}:"
                               " more songs are needed, or data.split=all")
    count = config.evaluate.songs
    return [found[k * len(found) // count] for k in range(count)] if len(found) > count else found


def by(name: str, config, corpus, results, tested: list[Song]) -> list[np.ndarray] | None:
    """What a method makes of each song: pictures [T, M]; None where its stage was not trained."""
    if name in TRAINED:
        if not results.has(name):
            return None
        return [songs.translated(config, results(name), song.source, 0.5) for song in tested]
    if name == "silence":
        return [np.full_like(song.source, -1) for song in tested]
    if name == "copy":
        return [song.source for song in tested]
    start = crops.crops(corpus, config, "train")["b"]
    rng = np.random.default_rng(config.seed)
    if name == "random":
        return [_random(corpus, start, len(song.source), rng) for song in tested]
    stroke = _stroke(corpus, start, config.data.crop)
    return [_steady(stroke, song.source) for song in tested]


def _random(corpus, start: np.ndarray, length: int, rng) -> np.ndarray:
    """The target of a training song, from one of its crops on, repeated where it ends too soon."""
    first = int(rng.choice(start))
    end = int(corpus.first_beat[np.searchsorted(corpus.first_beat, first, "right")])
    rows = first + np.arange(length) % max(end - first, 1)
    return np.asarray(mel.restored(jnp.asarray(corpus.arrays["target"][rows])))


def _stroke(corpus, start: np.ndarray, length: int) -> np.ndarray:
    """The mean of what follows an onset in some training targets: [STROKE, M]."""
    found = []
    for first in start[:: max(len(start) // 100, 1)]:
        picture = np.asarray(mel.restored(jnp.asarray(corpus.arrays["target"][first : first + length])))
        places = np.rint(onsets.onsets(picture, RATE) * RATE).astype(int)
        found += [picture[place : place + STROKE] for place in places if place + STROKE <= len(picture)]
    return np.mean(found, 0) if found else np.full((STROKE, corpus.arrays["target"].shape[1]), -1.0)


def _steady(stroke: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The stroke on every beat of the source's tempo, from its first onset on."""
    made, heard = np.full_like(source, -1), onsets.onsets(source, RATE)
    bpm = onsets.tempo(source, RATE) or 120.0
    for time in onsets.beats(bpm, len(source) / RATE, heard[0] if len(heard) else 0.0):
        place = round(time * RATE)
        made[place : place + STROKE] = stroke[: len(made) - place]
    return made


# Measures -----------------------------------------------------------------------------------------------------------


def _cut(config, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which whole crops of a picture [T, M] have sound in them [n], and the crops [n, T', M]."""
    length = config.data.crop
    parts = picture[: len(picture) // length * length].reshape(-1, length, picture.shape[1])
    return (parts.mean((1, 2)) + 1) / 2 > crops.SOUNDS, parts


def _crops(config, pictures: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([_cut(config, picture)[1] for picture in pictures])


def _measured(config, tested, made, lit, hear, features, truth) -> dict[str, Any]:
    """A method's measures: means over songs, and 95 % intervals over songs.

    target, source: share of crops, where the source sounds, in which the ear hears that part;  strokes, with_source:
    F-measure of onsets with those of the true target and of the source;  tempo: share of songs with the target's tempo;
    apart: dB from the true target;  pearson: with it, mean over bands;  frechet, density: of the ear's features;
    each: every song's strokes
    """
    rows = []
    for song, picture in zip(tested, made, strict=True):
        found, truly = onsets.onsets(picture, RATE), onsets.onsets(song.target, RATE)
        row = {"strokes": onsets.f_measure(found, truly),
               "with_source": onsets.f_measure(found, onsets.onsets(song.source, RATE)),
               "tempo": float(onsets.same_tempo(onsets.tempo(picture, RATE), onsets.tempo(song.target, RATE))),
               "apart": float(np.mean(np.abs(picture - song.target))) / 2 * (mel.HIGH - mel.LOW),
               "pearson": float(np.mean(spectrograms.pearson(picture, song.target)))}
        cut = _cut(config, picture)[1][lit[song.name]]
        if hear and len(cut):
            heard = hear(cut)
            row |= {"source": float(np.mean(heard[:, 0] > 0.5)), "target": float(np.mean(heard[:, 1] > 0.5))}
        rows.append(row)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    values = {key: np.array([row[key] for row in rows if key in row]) for key in keys}
    report: dict[str, Any] = {key: float(x.mean()) for key, x in values.items()}
    report["each"] = values["strokes"].tolist()
    report["ci"] = {key: list(bootstrap.interval(x, np.arange(len(x)))[1:]) for key, x in values.items()}
    if features and truth:
        of = features(_crops(config, made))
        report["frechet"] = frechet.distance(frechet.fit(of), truth)
        report["density"] = float(np.mean(frechet.log_density(of, truth)))
    return report


def _ear(config, results) -> tuple[Callable | None, Callable | None]:
    """(crops [n, T, M] -> that the source and the target sound [n, 2], crops -> features [n, d]), or none of both."""
    if not results.has("ear"):
        return None, None
    ear, params = nets.ear(config), results("ear")

    def batched(run):
        run = jax.jit(run)

        def over(cut: np.ndarray) -> np.ndarray:
            size = 32
            padded = np.resize(cut, (-(-len(cut) // size) * size, *cut.shape[1:]))
            parts = [np.asarray(run(padded[k : k + size, ..., None])) for k in range(0, len(padded), size)]
            return np.concatenate(parts)[: len(cut)]

        return over

    return (batched(lambda x: jax.nn.sigmoid(jnp.asarray(ear.apply({"params": params}, x)))),
            batched(lambda x: ear.apply({"params": params}, x, method="features")))


def named(place: str) -> Callable[[np.ndarray], np.ndarray]:
    """A user's own features, MODULE:FUNCTION: pictures [n, T, M] in -1..1 -> [n, d]. Raises MusicFusionError."""
    module, _, function = place.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise MusicFusionError(f"evaluate.features = {place!r}: accepted is MODULE:FUNCTION ({error})") from error


# People -------------------------------------------------------------------------------------------------------------


class Clip(NamedTuple):
    """A few seconds of a song: what was there, and what was made of it, pictures [T, M]."""

    name: str
    source: np.ndarray
    target: np.ndarray
    made: np.ndarray


def _clips(config, tested: list[Song], made: list[np.ndarray]) -> list[Clip]:
    """As many clips as are to be listened to, of all songs in turn."""
    length, found = config.data.crop, []
    for k in range(config.evaluate.clips):
        song, picture = tested[k % len(tested)], made[k % len(tested)]
        places = max(len(picture) // length, 1)
        at = (k // len(tested)) % places * length
        part = slice(at, at + length)
        found.append(Clip(f"clip-{k + 1:03}", song.source[part], song.target[part], picture[part]))
    return found


def _graded(path: str, clips: list[Clip], features: Callable, truth: frechet.Gaussian) -> dict:
    """What listeners' grades say, and how well they are foretold from the picture (the paper: 87 %)."""
    given = grades.read(path)
    names, matrix = grades.agreement(given)
    good = grades.good(given)
    own = [clip for clip in clips if clip.name in good]
    if len(own) < len(good):
        raise MusicFusionError(f"{path}: grades {len(good) - len(own)} clips that this evaluation has not"
                               " (config.evaluate.clips says how many there are)")
    density = frechet.log_density(features(np.stack([clip.made for clip in own])), truth)
    seen = np.array([[*spectrograms.pearson(clip.made, clip.source), nats]
                     for clip, nats in zip(own, density, strict=True)])
    return {"annotators": names, "agreement": matrix.tolist(), "clips": len(own),
            "good": float(np.mean([good[clip.name] for clip in own])),
            "foretold": grades.foretold(seen, [good[clip.name] for clip in own])}


