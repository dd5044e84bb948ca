"""A listening test of MusAE. The paper had none: the questions are ours."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.listening import (
    MUSICALITY,
    RESEMBLANCE,
    Clip,
    Findings,
    ListeningTest,
    Reference,
    Screen,
    Section,
    rotated,
)
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import listening as said
from musicfusion.metrics.listening import Answers
from musicfusion.render import sheet
from musicfusion.systems.musae import baselines, evaluation, sampling
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.latent_space import LatentSpace

SECTION, REAL, MIXED = "halfway", "real songs", "mixed in data space"
HALF = 0.5  # of the way from one window to the other
ENOUGH = 8  # onsets that a window has at least, all tracks together


def test(corpus: Corpus, selection: evaluation.Selection, *, bars: int, components: Components,
         spaces: Mapping[str, LatentSpace], clips: int, preset: str) -> ListeningTest:
    """Music halfway between two windows of different songs (section 4.3), each beside these windows.

    Args:
        corpus: of the songs.
        selection: which windows there are.
        bars: of a window.
        components: of the prior.
        spaces: the trained methods by the titles of their rows.
        clips: of each method that a listener hears.
        preset: of the config.

    Raises:
        MusicFusionError: no two songs have a window with enough onsets.
    """
    examples = evaluation.read(corpus, selection, bars=bars, components=components)
    one, other = chosen(examples, clips * (len(spaces) + 2), selection.seed)
    first, second = examples.tokens[one], examples.tokens[other]
    versions: dict[str, np.ndarray] = {MIXED: baselines.mixed(first, second, HALF, selection.seed)}
    for title, space in spaces.items():
        between = (1 - HALF) * space.encode(first) + HALF * space.encode(second)
        versions[title] = space.decode(between.astype(np.float32))
    turn = np.arange(len(one)) // (len(versions) + 1) % 2  # for every listener the first as often as the second
    versions[REAL] = np.where(turn[:, None, None] > 0, second, first)
    names = [(corpus.songs[a], corpus.songs[b])
             for a, b in zip(examples.song[one].tolist(), examples.song[other].tolist(), strict=True)]
    return ListeningTest(
        system="musae", preset=preset, title="Listening test: music for a band",
        text=f"You will hear {bars} bars of a band at a time, and two sources that they were made of. Some are by"
             " humans alone, others were made by machines.",
        sections=(Section(
            name=SECTION, title="Between two songs", text="A clip, and the two sources that it was made of.",
            questions=(MUSICALITY, RESEMBLANCE),
            screens=tuple(_screens((first, second), versions, names, corpus))),))


def chosen(examples: Examples, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of windows of different songs, at most `count`, each window once: int [n] x 2.

    Raises:
        MusicFusionError: there is none.
    """
    rng = np.random.default_rng(seed)
    windows = rng.permutation(np.flatnonzero(np.sum(examples.tokens < HOLD, (1, 2)) >= ENOUGH))
    one, other = np.array_split(windows, 2)
    one, other = one[: len(other)], other[: len(one)]
    different = examples.song[one] != examples.song[other]
    if not different.any():
        raise MusicFusionError("evaluate.sheet: no two songs have a window with enough notes: more songs are needed")
    return one[different][:count], other[different][:count]


def _screens(sources: tuple[np.ndarray, np.ndarray], versions: Mapping[str, np.ndarray], names: list[tuple[str, str]],
             corpus: Corpus) -> Iterator[Screen]:
    """A screen for each version of each pair of windows, in a Latin square."""

    def played(tokens: np.ndarray) -> Any:
        return sheet.play(tracks.score(tokens, corpus.instrumentation, sampling.TEMPO, "clip", corpus.steps))

    for form, item, method in rotated([dict.fromkeys(versions)] * len(names)):
        yield Screen(
            form=form,
            clips=(Clip(method=method, item=str(item), facts=dict(zip(("first", "second"), names[item], strict=True)),
                        sound=played(versions[method][item])),),
            references=tuple(Reference(label=f"The {which} source", sound=played(tokens[item]))
                             for which, tokens in zip(("first", "second"), sources, strict=True)))


def report(answers: Answers) -> Findings:
    """Musicality, and which source a clip resembles."""
    return Findings(tables=(said.resemblance(
        answers, SECTION, "The paper had no listening test; these questions are ours. All clips but the real songs are"
        " halfway between two windows; real songs are one of the two windows, the first as often as the second."),))
