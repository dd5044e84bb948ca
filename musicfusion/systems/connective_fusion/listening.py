"""A listening test of Connective Fusion. The paper had none: the questions are ours."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

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
from musicfusion.systems.connective_fusion import baselines, dataset, evaluation, sampling
from musicfusion.systems.connective_fusion.inference import RIVAL, Inference

SECTION, REAL = "joined", "real pairs"


def test(corpus: Corpus, networks: Inference, *, distance: float, style: int, clips: int, split: str, seed: int,
         preset: str) -> ListeningTest:
    """Melodies of eight bars, each beside the four bars that its left and its right half were made of.

    Args:
        corpus: the songs.
        networks: the trained networks.
        distance: lambda of the actor.
        style: d_s; styles are random, as in evaluation.py.
        clips: of each method that a listener hears.
        split, seed, preset: of the config.

    Raises:
        MusicFusionError: there are not two songs.
    """
    count = clips * (4 if networks.has(RIVAL) else 3)
    dataset.require_pairs(corpus, split, seed=seed, count=count, batch=1)
    pairs = evaluation.read(corpus, networks, split=split, seed=seed, count=count, batch=1)
    styles = np.random.default_rng(seed).uniform(size=(len(pairs.z), style)).astype(np.float32)
    versions: dict[str, np.ndarray] = {"random pairs": pairs.random}
    if networks.has(RIVAL):
        versions["one transposition"] = baselines.best_transposition(
            lambda symbols: networks.logits(symbols, stage=RIVAL), pairs.random)
    versions[f"Connective Fusion, lambda {distance:g}"] = networks.decode(networks.move(pairs.z, styles))
    versions[REAL] = pairs.real
    files = np.unique([name.partition("#")[0] for name in corpus.songs])  # which pairs.songs counts
    return ListeningTest(
        system="connective_fusion", preset=preset, title="Listening test: melodies",
        text="You will hear melodies of eight bars. Each was made of two sources of four bars, which you may hear, too."
             " Some are by humans alone, others were changed by machines.",
        facts={"lambda": distance}, sections=(
            Section(name=SECTION, title="Melodies",
                    text="A melody, and the two sources that it was made of. Judge the melody as a whole.",
                    questions=(MUSICALITY, RESEMBLANCE),
                    screens=tuple(_screens(pairs, versions, files[pairs.songs].tolist()))),))


def _screens(pairs: evaluation.Pairs, versions: Mapping[str, np.ndarray], names: list[str]) -> Iterator[Screen]:
    """A screen for each version of each pair, in a Latin square."""
    for form, item, method in rotated([dict.fromkeys(versions)] * len(names)):
        before = pairs.real if method == REAL else pairs.random
        halves = np.split(before[item], 2)
        yield Screen(
            form=form,
            clips=(Clip(method=method, item=str(item), facts={"left": names[item]},
                        sound=_played(versions[method][item])),),
            references=tuple(Reference(label=f"The {which} source", sound=_played(half))
                             for which, half in zip(("first", "second"), halves, strict=True)))


def _played(symbols: np.ndarray) -> Any:
    """Symbols int [T] as sound."""
    return sheet.play(sampling.melody_score(dataset.notes(symbols), "clip"))


def report(answers: Answers) -> Findings:
    """Musicality, and which source a melody resembles."""
    return Findings(tables=(said.resemblance(
        answers, SECTION, "The paper had no listening test; these questions are ours. The sources are the four bars on"
        " the left and on the right before anything was changed. Of real pairs they are the melody's own halves."),))
