"""FusionGAN's listening test (section IV-B): qualification, fusion recognition, musicality; and Table II."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.core.listening import Clip, Findings, ListeningTest, Question, Screen, Section
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import listening as said
from musicfusion.metrics.listening import Answers
from musicfusion.render import sheet
from musicfusion.systems.fusion_gan import dataset, evaluation, published, sampling, tables
from musicfusion.systems.fusion_gan.dataset import GENRES, Dataset

FORMS = 4  # sets of melodies, of which a listener hears one
QUALIFYING = 3  # pieces of each genre by which listeners qualify
GENRE, COMPOSER = "genre", "composer"
KINDS = ("first", "second", "mixture", "neither")  # what a melody may be, in the order of metrics.listening
COMPOSERS = ("expert", "newbie", "robot")


def test(corpus: Corpus, models: evaluation.Models, *, data: Dataset, split: str, clips: int,
         preset: str) -> ListeningTest:
    """The paper's three steps, with real melodies of both genres among the generated ones.

    Args:
        corpus: of two genres.
        models: what was trained.
        data: how windows are cut.
        split: of the songs, for the real melodies.
        clips: melodies of each method that a listener hears.
        preset: for the report.

    Raises:
        MusicFusionError: a genre has no windows.
    """
    training = {genre: dataset.tokens(own.symbols)
                for genre, own in dataset.evenly(data.windows(corpus, "train")).items()}
    held_out = {genre: dataset.tokens(own.symbols) for genre, own in data.windows(corpus, split).items()}
    play = evaluation.playing(models.generator, seed=data.seed)
    count, names = clips * FORMS, dict(zip(GENRES, corpus.tags, strict=False))
    found = {method: evaluation.by(method, models.generators, play, training=training, count=count, seed=data.seed)
             for method in tables.METHODS}
    methods = {tables.METHODS[method]: own for method, own in found.items() if own is not None}
    methods |= {_real(names[genre]): _drawn(own, count, data.seed) for genre, own in held_out.items()}
    first, second = names.values()
    known = {_real(names[genre]): _drawn(own, QUALIFYING * FORMS, data.seed) for genre, own in training.items()}
    return ListeningTest(
        system="fusion_gan", preset=preset, title="Listening test: melodies", facts={"genres": [first, second]},
        text=f"You will hear short melodies, some {first}, some {second}, some in between. Some were written by humans,"
             " others by machines.",
        sections=(
            Section(name="qualification", title="Genres",
                    text="Listen to the music, and choose one genre below that most matches the music.",
                    questions=(Question(name=GENRE, text="Which genre is it?", answers={
                        "first": first, "second": second, "neither": "neither"}),),
                    screens=tuple(_screens(known, data.grid))),
            Section(name="fusion", title="Melodies",
                    text="Listen to the music, then choose the choices that most match it.",
                    questions=(
                        Question(name=GENRE, text="What is this music?", answers={
                            "first": f"pure {first}", "second": f"pure {second}",
                            "mixture": f"mixture of {first} and {second}", "neither": "neither"}),
                        Question(name=COMPOSER, text="Who do you think is its composer?", answers={
                            name: f"{'an' if name == 'expert' else 'a'} {name}" for name in COMPOSERS})),
                    screens=tuple(_screens(methods, data.grid)))))


def _real(genre: str) -> str:
    return f"real: {genre}"


def _drawn(tokens: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of the windows [N, 36] at random, each as rarely as can be: [count, 36]."""
    order = np.random.default_rng(seed).permutation(len(tokens))
    return tokens[np.resize(order, count)]


def _screens(melodies: Mapping[str, np.ndarray], grid: int) -> Iterator[Screen]:
    """A screen for each melody, tokens [n, 36] by method; the forms take turns."""
    for method, own in melodies.items():
        for number, tokens in enumerate(own):
            sound = sheet.play(sampling.score(tokens, "clip", grid=grid))
            yield Screen(form=number % FORMS, clips=(Clip(method=method, item=str(number), sound=sound),))


# What they said ------------------------------------------------------------------------------------------------------


def report(answers: Answers) -> Findings:
    """Table II by those who qualified, and who qualified."""
    genres = answers.facts["genres"]
    right = {name: _right([one for one in answers.to("qualification") if one.listener == name], genres)
             for name in answers.listeners}
    qualified = {name for name, share in right.items() if share > 0.5}
    asked = qualified or set(answers.listeners)
    note = (f"By the {len(qualified)} of {len(right)} listeners who named more than half of the pieces' genres right."
            if qualified else "Nobody named more than half of the pieces' genres right, so all answers are counted.")
    by_kind = {method: [one for one in own if one.listener in asked]
               for method, own in answers.by_method("fusion", GENRE).items()}
    by_composer = {method: [one for one in own if one.listener in asked]
                   for method, own in answers.by_method("fusion", COMPOSER).items()}
    paper = {title: published.TABLE2[method] for method, title in tables.METHODS.items()}
    rows = []
    for method, own in by_kind.items():
        values = said.shares(own, KINDS) | said.shares(by_composer[method], COMPOSERS)
        rows.append(row(method, values | {"level": said.statistic(own, KINDS, said.fusion_level)}, paper.get(method)))
    labels = dict(zip(KINDS, genres, strict=False))
    measures = {name: Measure(label=labels.get(name, name), unit="%", scale=100, digits=1) for name in KINDS}
    measures["level"] = Measure(label="fusion level", digits=2, better="higher")
    measures |= {name: Measure(label=name, unit="%", scale=100, digits=1) for name in COMPOSERS}
    return Findings(tables=(_qualification(answers, right, len(qualified)), Table(
        name="listening", title="Table II: what listeners said", measures=measures, rows=tuple(rows), note=note)))


def _right(answers: Sequence[said.Answer], genres: Sequence[str]) -> float:
    """The share of pieces whose genre was named right."""
    truth = {_real(genre): kind for genre, kind in zip(genres, KINDS, strict=False)}
    return float(np.mean([one.value == truth[one.method] for one in answers]))


def _qualification(answers: Answers, right: Mapping[str, float], qualified: int) -> Table:
    """How often genres were named right."""
    truth = {_real(genre): kind for genre, kind in zip(answers.facts["genres"], KINDS, strict=False)}
    share = said.mean(answers.to("qualification"), lambda one: float(one.value == truth[one.method]))
    return Table(
        name="qualification", title="Qualification", first="listeners",
        measures={"right": Measure(label="genres named right", unit="%", scale=100, digits=1),
                  "qualified": Measure(label="qualified", digits=0)},
        rows=(row(f"all {len(right)}", {"right": share, "qualified": qualified}, {"right": published.QUALIFIED}),))
