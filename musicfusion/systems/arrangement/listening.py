"""Arrangement's listening test (sections 4.4 and 4.5): grades, how far listeners agree, what predicts their verdict.

The paper asks four musicians. It does not say which end of a grade is the better one; here 10 always is.
"""

import functools
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from musicfusion.codecs import mel
from musicfusion.codecs.audio import Audio
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Measure, Row, Table, row
from musicfusion.core.listening import Clip, Findings, ListeningTest, Reference, Screen, Section, scale
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import frechet, grades, spectrograms
from musicfusion.metrics import listening as said
from musicfusion.metrics.listening import Answers
from musicfusion.render import figures
from musicfusion.systems.arrangement import evaluation, published, translation
from musicfusion.systems.arrangement.dataset import RATE, Crops, Song
from musicfusion.systems.arrangement.judges import Features
from musicfusion.systems.arrangement.translation import Translate

SECTION = "grades"
SECONDS = 5.0  # of a clip, at least, in whole crops
QUESTIONS = ("quality", "contamination", "credibility", "time")
GRADES = {
    "clips": Measure(label="clips", digits=0),
    "good": Measure(label="good", unit="%", scale=100, digits=0, better="higher"),
    "predicted": Measure(label="predicted correctly", unit="%", scale=100, digits=0),
    "ungraded": Measure(label="good without grades", unit="%", scale=100, digits=0, better="higher"),
}
UNGRADED = 60  # clips without grades that the regression judges, at most
REAL = "real "  # in front of the target's name: what was not made


def questions(source: str, target: str) -> tuple:
    """The paper's four."""
    return tuple(scale(name, text, low, high, 10) for name, text, low, high in zip(
        QUESTIONS,
        ("Quality: how natural is it, without artefacts or noise?",
         "Contamination: how free is it of other sources?",
         f"Credibility: how credible are the {target}?",
         f"Time: are the {target} on time with the {source}?"),
        ("artefacts, noise", "full of others", "not at all", "never"),
        ("natural", "free of others", "fully", "always"), strict=True))


def test(corpus: Corpus, crops: Crops, translators: Mapping[str, Translate], *, best: str, features: Features | None,
         split: str, songs: int, seconds: float, clips: int, iterations: int, preset: str) -> ListeningTest:
    """The source with each method's target over it. All listeners hear the same clips, so that they can be compared.

    Args:
        corpus, crops: the songs, and how they are cut.
        translators: the trained methods by their rows' names.
        best: the one beside which the paper's numbers stand.
        features: by which the verdict is predicted; None: that is not measured.
        split, songs, seconds: which songs, at most how many, and how much of each.
        clips: of each method.
        iterations: of Griffin and Lim.
        preset: of the config.

    Raises:
        MusicFusionError: there is no such song, or nothing was trained.
    """
    if not translators:
        raise MusicFusionError("evaluate.sheet: no translator is trained in this run")
    tested = crops.songs(corpus, split, count=songs, seconds=seconds)
    chosen = [tested[k * len(tested) // clips] for k in range(clips)] if len(tested) > clips else tested
    longest = min(len(song.source) for song in chosen) // crops.length
    length = crops.length * max(min(math.ceil(SECONDS * RATE / crops.length), longest), 1)
    rules = evaluation.rules(chosen, corpus, crops)
    made = {name: rules[name]() for name in (evaluation.OTHER_TARGET, evaluation.STEADY_BEAT)}
    made |= {name: translate([song.source for song in chosen], evaluation.MIDDLE)
             for name, translate in translators.items()}
    made[REAL + crops.target] = [song.target for song in chosen]
    density: Callable[[np.ndarray], float] | None = None
    facts: dict[str, Any] = {"best": best}
    excerpts = evaluation.excerpts(chosen, count=clips, length=length)
    if features:
        truth = frechet.fit(features(evaluation.all_crops([song.target for song in tested], crops.length)))
        density = functools.partial(_density, features=features, truth=truth, length=crops.length)
        asked = {(chosen[number].name, part.start) for number, part in excerpts}
        facts |= {"ungraded": _ungraded(tested, translators[best], asked, length, density)} if best else {}
    sound = functools.partial(translation.reconstruct, seed=crops.seed, iterations=iterations)
    screens = _screens(chosen, made, excerpts, crops, sound, density)
    return ListeningTest(
        system="arrangement", preset=preset, title=f"Listening test: {crops.target} for a {crops.source}",
        text=f"You will hear a {crops.source} with {crops.target} over it. Some are real, others were made by machines."
             " All of them sound a little dull, since they were turned into pictures and back.",
        facts=facts, sections=(Section(
            name=SECTION, title="Grades", text=f"A {crops.source} with {crops.target}. Please grade from 1 to 10.",
            questions=questions(crops.source, crops.target), screens=tuple(screens)),))


def _density(mels: np.ndarray, *, features: Features, truth: frechet.Gaussian, length: int) -> float:
    """The mean log-density of a clip's crops among the true targets' features (section 4.4)."""
    return float(np.mean(frechet.log_density(features(evaluation.whole_crops(mels, length)), truth)))


def _predictors(mels: np.ndarray, target: np.ndarray, density: Callable[[np.ndarray], float]) -> list[float]:
    """What predicts the verdict on a clip: each band's correlation with the true target, and the density [M + 1]."""
    return [round(float(x), 3) for x in (*spectrograms.pearson(mels, target), density(mels))]


def _ungraded(songs: Sequence[Song], translate: Translate, asked: Container[tuple[str, int]], length: int,
              density: Callable[[np.ndarray], float]) -> list[list[float]]:
    """The predictors of clips that nobody is asked about, UNGRADED at most.

    asked: the songs' names and first frames of the others; length: of clips, in frames.
    """
    made = translate([song.source for song in songs], evaluation.MIDDLE)
    clips = [(mels[first : first + length], song.target[first : first + length])
             for song, mels in zip(songs, made, strict=True)
             for first in range(0, len(mels) - length + 1, length) if (song.name, first) not in asked]
    return [_predictors(mels, target, density) for mels, target in clips[:: -(-len(clips) // UNGRADED) or 1]]


def _screens(songs: Sequence[Song], made: Mapping[str, Sequence[np.ndarray]], excerpts: Sequence[tuple[int, slice]],
             crops: Crops, sound: Any, density: Any) -> Iterator[Screen]:
    for number, part in excerpts:
        source = songs[number].source[part]
        samples = len(source) * mel.HOP
        alone = sound(source, samples=samples)
        reference = Reference(label=f"The {crops.source} alone", sound=Audio(alone, mel.RATE))
        for method, own in made.items():
            mels = own[number][part]
            facts: dict[str, Any] = {"song": songs[number].name, "second": round(part.start / RATE, 2)}
            if density:
                facts["predictors"] = _predictors(mels, songs[number].target[part], density)
            mix = Audio(alone + sound(mels, samples=samples), mel.RATE)
            yield Screen(references=(reference,), clips=(
                Clip(method=method, item=f"{number}/{part.start}", sound=mix, facts=facts),))


# What they said ------------------------------------------------------------------------------------------------------


def report(answers: Answers) -> Findings:
    """Grades by method, the share of good clips and how well that is predicted, and how far listeners agree."""
    by_method = answers.by_method(SECTION)
    means = {method: {name: said.mean([one for one in own if one.question == name]) for name in QUESTIONS}
             for method, own in by_method.items()}
    overall = {method: said.by_level(own, "grade") for method, own in by_method.items()}
    measures = {name: Measure(label=name, digits=2, better="higher") for name in QUESTIONS}
    measures |= said.level_measures("grade", Measure(label="all four", digits=2, better="higher"))
    graded = Table(
        name="listening", title="Grades from 1 to 10", measures=measures,
        rows=tuple(row(method, means[method] | overall[method]) for method in means),
        note="10 is the better end of every question.")
    verdict = Table(
        name="grades", title="What listeners said", measures=GRADES, rows=tuple(_verdicts(answers)),
        note="Good: clips with a mean grade above 5. Predicted correctly: by a logistic regression on each band's"
             " correlation with the true target and on the log-density, cross-validated over songs. Good without"
             " grades: the share of other clips that it calls good; it learns from all clips but real ones. The"
             " paper's two numbers are these two.")
    drawn = functools.partial(
        figures.bars, groups=list(means), limits=(1.0, 10.0), ylabel="grade, 1 to 10", title="What listeners grade",
        series={name: [own[name] for own in means.values()] for name in QUESTIONS})
    counts = {method: grades.distribution(_by_annotator(answers, method)) for method in by_method}
    names = [str(k) for k in range(1, grades.HIGHEST + 1)]
    spread = Table(
        name="distribution", title="How many clips have which grade",
        measures={name: Measure(label=name, digits=0) for name in names},
        rows=tuple(row(method, dict(zip(names, map(float, own), strict=True))) for method, own in counts.items()),
        note="The mean over listeners and questions, rounded; the paper's figure 3.")
    histogram = functools.partial(
        figures.bars, groups=names, ylabel="clips", title="How many clips have which grade",
        series={method: [(float(count), math.nan, math.nan) for count in own] for method, own in counts.items()})
    return Findings(tables=(graded, verdict, spread, _agreement(answers)),
                    figures={"listening.png": drawn, "grades.png": histogram})


def _by_annotator(answers: Answers, method: str | None = None) -> dict[str, dict[str, np.ndarray]]:
    """{annotator: {clip: grades [4]}}, of one method or of all."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in answers.to(SECTION):
        if method in (None, one.method):
            found.setdefault(one.listener, {}).setdefault(one.clip, {})[one.question] = one.number
    return {name: {clip: np.array([own[question] for question in QUESTIONS]) for clip, own in clips.items()}
            for name, clips in found.items()}


def _verdicts(answers: Answers) -> Iterator[Row]:
    by_method, ungraded = answers.by_method(SECTION), answers.facts.get("ungraded")
    made = {method: _with_predictors(answers, method) for method in by_method}
    learned = [clip for method, own in made.items() if not method.startswith(REAL) for clip in own]
    for method, own in made.items():
        good = grades.good(_by_annotator(answers, method))
        values: dict[str, float] = {"clips": float(len(good)), "good": float(np.mean([*good.values()]))}
        if own:
            features, labels, songs = zip(*own, strict=True)
            values["predicted"] = grades.predicted(np.array(features), labels, songs)
        best = method == answers.facts["best"]
        if best and ungraded and len({label for _, label, _ in learned}) == 2:
            fitted = grades.Logistic(np.array([x for x, _, _ in learned]), [label for _, label, _ in learned])
            values["ungraded"] = float(np.mean(fitted.probability(np.array(ungraded)) > 0.5))
        yield row(method, values, published.GRADES if best else None)


def _with_predictors(answers: Answers, method: str) -> list[tuple[list[float], bool, str]]:
    """Of a method's clips that have them: the predictors, whether it is good, and the song."""
    good = grades.good(_by_annotator(answers, method))
    facts = {one.clip: one.facts for one in answers.by_method(SECTION)[method] if "predictors" in one.facts}
    return [(own["predictors"], good[clip], str(own.get("song", clip))) for clip, own in facts.items()]


def _agreement(answers: Answers) -> Table:
    low, high = published.AGREEMENT
    names, matrix = grades.agreement(_by_annotator(answers))
    return Table(
        name="agreement", title="How far listeners agree", first="listener",
        measures={name: Measure(label=name, digits=2) for name in names},
        rows=tuple(row(name, dict(zip(names, own, strict=True)))
                   for name, own in zip(names, matrix.tolist(), strict=True)),
        note=f"Pearson's correlation of two listeners' mean grades of a clip; in the paper {low} to {high}.")
