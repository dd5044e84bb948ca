"""CollageNet's listening test (section 4.5): what listeners hear and are asked, and figures 3 and 4."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core import listening
from musicfusion.core.evaluation import Measure, Table, row
from musicfusion.core.listening import Clip, Findings, ListeningTest, Question, Reference, Screen, Section
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import listening as said
from musicfusion.metrics.listening import Answer, Answers
from musicfusion.render import figures, sheet
from musicfusion.systems.collagenet import dataset, published
from musicfusion.systems.collagenet.baselines import Music, TrainedSpace
from musicfusion.systems.collagenet.dataset import PARTS
from musicfusion.systems.collagenet.objective import ASPECTS, MELODY

REAL, UNRELATED = "harmonic pairs", "disharmonic pairs"
MELODY_ALONE = ("rule-based",)  # methods that leave the accompaniment as it is
SWEEP = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # c_mel&acc = c_mp = c_mr = 1 - c_ac = 1 - c_at
GROUPS = 2  # pairs on which the controls slide
HARMONY = "harmony"
ONE = {"melody": "A melody", "accompaniment": "An accompaniment"}
SEVERAL = {"melody": "melodies", "accompaniment": "accompaniments"}
MAKER = {"human": "a human", "machine": "a machine"}

@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """Segments of different songs: with their own accompaniment (real), and with that of the next one (unrelated).

    real, unrelated: music as in baselines.py, [n, ...]. names: of the melody's segment and of the accompaniment's in an
    unrelated pair, [n].
    """

    real: Music
    unrelated: Music
    names: tuple[tuple[str, str], ...]


Method = Callable[[Pairs], Music]  # what it makes of all pairs


def made_by(run: Callable[[Music, np.ndarray], Music]) -> Method:
    """A method of baselines.py: what it makes of unrelated pairs."""
    return lambda pairs: jax.device_get(run(pairs.unrelated, np.arange(len(pairs.names))))


def test(*, corpus: Corpus, segments: dataset.Segments, split: str, clips: int, seed: int, preset: str, distance: float,
         methods: Mapping[str, Method], sweep: Callable[[Music, float], Music]) -> ListeningTest:
    """The paper's test; each section is about songs of its own, as long as there are enough.

    Args:
        corpus, segments, split: where the pairs come from.
        clips: of each method that a listener hears in a section.
        seed: of the choice of pairs.
        preset: the config's.
        distance: lambda of the run.
        methods: by their rows' names: the real and the unrelated pairs, and what is compared with them.
        sweep: (music, c_mel&acc) -> music.
    """
    alone = {"melody": [name for name in methods if name != UNRELATED],
             "accompaniment": [name for name in methods if name not in (UNRELATED, *MELODY_ALONE)]}
    counts = [clips * len(methods), *(clips * len(alone[part]) for part in PARTS), GROUPS]
    pairs = read(corpus, segments, split=split, count=sum(counts), seed=seed)
    made = {name: method(pairs) for name, method in methods.items()}
    whole, melodies, accompaniments, swept = (
        range(end - count, end) for count, end in zip(counts, np.cumsum(counts).tolist(), strict=True))
    slid = {value: sweep(pairs.unrelated, value) for value in SWEEP}
    return ListeningTest(
        system="collagenet", preset=preset, title="Listening test: melodies and accompaniments",
        text="You will hear short pieces of music, eight beats each. Some were written by humans, others were changed"
             " by machines.",
        facts={"lambda": distance},
        sections=(
            Section(
                name=HARMONY, title="Harmony",
                text="A melody, played by a violin, over an accompaniment, played by a piano. Please rate their"
                     " harmony. Concentrate on the coherence of melody and accompaniment.",
                questions=(listening.scale(HARMONY, "How harmonic is this piece?", "disharmonic", "harmonic"),),
                screens=tuple(_screens(pairs, made, whole, PARTS))),
            *(Section(
                name=f"{part}_human", title=f"Human or machine: {SEVERAL[part]}", text=f"{ONE[part]} alone.",
                questions=(Question(name="maker", text=f"Who made this {part}?", answers=MAKER),),
                # a real part is the one that the methods change: all versions begin with the same notes
                screens=tuple(_screens(pairs, {name: pairs.unrelated if name == REAL else made[name]
                                               for name in alone[part]}, own, (part,))))
              for part, own in (("melody", melodies), ("accompaniment", accompaniments))),
            *(Section(
                name=f"{part}_similarity", title=f"Similarity of {SEVERAL[part]}",
                text=f"An original {part}, and six versions of it in no particular order.",
                questions=(listening.scale("similarity", "How similar is each version to the original?", "similar",
                                           "different"),),
                screens=tuple(_sweep_screens(pairs, slid, swept, part)))
              for part in PARTS)))


def read(corpus: Corpus, segments: dataset.Segments, *, split: str, count: int, seed: int) -> Pairs:
    """`count` segments that begin with a bar, of as many different songs as there are, each beside the next one's.

    Raises:
        MusicFusionError: there are not two songs.
    """
    segments.measured(corpus, split, count=count, batch=1)  # which says what is missing
    starts, songs = segments.windows(corpus, split)
    on_bar = (starts - corpus.first_beat[songs]) % 4 == 0
    starts, songs = (starts[on_bar], songs[on_bar]) if len(np.unique(songs[on_bar])) > 1 else (starts, songs)
    rng = np.random.default_rng(seed)
    of_song = {song: rng.permutation(starts[songs == song]) for song in rng.permutation(np.unique(songs)).tolist()}
    rounds = range(-(-(count + 1) // len(of_song)))  # one more, whose accompaniment the last melody meets
    turns = [(song, own[k % len(own)]) for k in rounds for song, own in of_song.items()][: count + 1]
    begins = np.array([begin for _, begin in turns], np.int32)
    music = jax.device_get(jax.jit(dataset.cut)(corpus.arrays, begins, np.zeros_like(begins)))
    names = [f"{corpus.songs[song]}, beat {begin - corpus.first_beat[song] + 1}" for song, begin in turns]
    real = {name: x[:-1] for name, x in music.items()}
    return Pairs(real=real, unrelated={name: x[:-1] if name == "melody" else x[1:] for name, x in music.items()},
                 names=tuple(itertools.pairwise(names)))


def opposed(space: TrainedSpace, actor: Any, music: Music, value: float) -> Music:
    """Unrelated pairs fused with c_mp = c_mr = value and c_ac = c_at = 1 - value (section 4.5)."""
    z = space.encode(music)
    controls = jnp.array([value if name in MELODY else 1 - value for name in ASPECTS])
    return jax.device_get(space.decode(space.move(actor, z, jnp.tile(controls, (len(z), 1)))))


def _screens(pairs: Pairs, made: Mapping[str, Music], items: Sequence[int], parts: Sequence[str]) -> Iterator[Screen]:
    """A screen for each version of each item, in a Latin square."""
    for form, number, method in listening.rotated([dict.fromkeys(made)] * len(items)):
        item = items[number]
        first, second = pairs.names[item]
        if "accompaniment" not in parts:
            facts = {"melody": first}
        else:
            facts = {"melody": first} if "melody" in parts else {}
            facts["accompaniment"] = first if method == REAL and "melody" in parts else second
        yield Screen(form=form, clips=(Clip(method=method, item=str(item), facts=facts,
                                            sound=_played(made[method], item, parts)),))


def _sweep_screens(pairs: Pairs, slid: Mapping[float, Music], items: Sequence[int], part: str) -> Iterator[Screen]:
    for item in items:
        original = Reference(label=f"The original {part}", sound=_played(pairs.unrelated, item, (part,)))
        name = pairs.names[item][PARTS.index(part)]
        yield Screen(references=(original,), clips=tuple(
            Clip(method=f"{value:g}", item=str(item), facts={part: name, "control": value},
                 sound=_played(music, item, (part,))) for value, music in slid.items()))


def _played(music: Music, item: int, parts: Sequence[str]) -> Any:
    """Some parts of one segment as sound."""
    notes = dataset.notes(music, item)
    return sheet.play(dataset.score({part: notes[part] for part in parts}, "clip"))


# What they said ------------------------------------------------------------------------------------------------------


def report(answers: Answers) -> Findings:
    """Figures 3 and 4: tables and pictures."""
    harmony_of_paper, makers_of_paper = (published.beside(rows, answers.facts["lambda"])
                                         for rows in (published.FIGURE3A, published.FIGURE3B))
    harmony = {method: said.by_level(own, HARMONY) for method, own in answers.by_method(HARMONY).items()}
    human: dict[str, dict[str, said.Interval]] = {}
    for part in PARTS:
        for method, own in answers.by_method(f"{part}_human").items():
            human.setdefault(method, {}).update(said.by_level(own, part, lambda one: float(one.value == "human")))
    tables = (
        _table("listening_harmony", "Figure 3 (a): harmony, as listeners hear it", harmony, harmony_of_paper,
               {HARMONY: Measure(label="harmony, 1 to 5", digits=2, better="higher")}),
        _table("listening_human", "Figure 3 (b): what listeners take for human-made", human, makers_of_paper,
               {part: Measure(label=part, unit="%", scale=100, digits=1, better="higher") for part in PARTS}),
        _similarity(answers))
    drawn = {
        "listening_harmony.png": functools.partial(
            _draw_bars, values=harmony, paper=harmony_of_paper, parts=(HARMONY,), scale=1.0, limits=(1.0, 5.0),
            ylabel="harmony, 1 to 5", title="How harmonic listeners find a pair"),
        "listening_human.png": functools.partial(
            _draw_bars, values=human, paper=makers_of_paper, parts=PARTS, scale=100.0, limits=(0.0, 101.0),
            ylabel="taken for human-made, %", title="Human or machine"),
        "listening_similarity.png": functools.partial(
            figures.bubbles, points=bubbles(answers), xlabel="difference of the melody, 1 to 5",
            ylabel="difference of the accompaniment, 1 to 5", colour="c_mel&acc, on average",
            title="One control against the other")}
    return Findings(tables=tables, figures=drawn)


def _table(name: str, title: str, values: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Mapping[str, float]],
           measures: Mapping[str, Measure]) -> Table:
    columns: dict[str, Measure] = {}
    for part, measure in measures.items():
        columns |= said.level_measures(part, measure)
    return Table(name=name, title=title, measures=columns,
                 rows=tuple(row(method, own, paper.get(method)) for method, own in values.items()),
                 note="The paper asked 20 trained and 18 other listeners.")


def _similarity(answers: Answers) -> Table:
    rows: dict[str, dict[str, said.Interval]] = {}
    for part in PARTS:
        for value, own in answers.by_method(f"{part}_similarity").items():
            rows.setdefault(value, {})[part] = said.mean(own)
    return Table(
        name="listening_similarity", title="Figure 4: how different the outputs are from the inputs", first="c_mel&acc",
        measures={part: Measure(label=f"{part}, 1 to 5", digits=2) for part in PARTS},
        rows=tuple(row(value, own) for value, own in rows.items()),
        note="1: similar, 5: different. c_mel&acc = c_mp = c_mr = 1 - c_ac = 1 - c_at: as it rises, the melody should"
             " stay and the accompaniment change.")


def bubbles(answers: Answers) -> list[tuple[float, float, float, float]]:
    """Figure 4: (melody's score, accompaniment's score, how many, their mean control) of each pair of scores."""

    def scores(part: str) -> dict[tuple[str, str, str], Answer]:
        return {(one.listener, one.item, one.method): one for one in answers.to(f"{part}_similarity")}

    melodies, accompaniments = map(scores, PARTS)
    found: dict[tuple[float, float], list[float]] = {}
    for place in melodies.keys() & accompaniments.keys():
        one, other = melodies[place], accompaniments[place]
        found.setdefault((one.number, other.number), []).append(float(one.facts["control"]))
    return [(x, y, float(len(controls)), float(np.mean(controls))) for (x, y), controls in sorted(found.items())]


def _draw_bars(path: Path, *, values: Mapping[str, Mapping[str, Any]], paper: Mapping[str, Mapping[str, float]],
               parts: Sequence[str], scale: float, limits: tuple[float, float], ylabel: str, title: str) -> Path:
    series, numbers = {}, {}
    for part in parts:
        for level in ("trained", "not trained"):
            label = f"{level}, {part}" if len(parts) > 1 else level
            key = f"{part}_{level.replace(' ', '_')}"
            own = [values[method].get(key) for method in values]
            series[label] = [None if one is None or np.isnan(one[0]) else tuple(scale * x for x in one) for one in own]
            known = [paper.get(method, {}).get(key) for method in values]
            numbers[label] = [None if number is None else scale * number for number in known]
    return figures.bars(path, list(values), series, numbers, ylabel=ylabel, title=title, limits=limits)
