"""Arrangement as a system, of which there are two: the paper's translators of sound, and a grid of drums.

config.model says which: sound_system.py and grid_system.py have the same functions.
"""

from pathlib import Path
from types import ModuleType

from ml_collections import ConfigDict

from musicfusion.core.contracts import Listening, Sampler, Stage, System, Tree
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.listening import ListeningTest
from musicfusion.core.results import Trained
from musicfusion.data.corpus import Corpus
from musicfusion.systems.arrangement import DECLARATION, dataset, grid_system, listening, sound_system

MODELS: dict[str, ModuleType] = {"cyclegan": sound_system, "grid": grid_system}


def _model(config: ConfigDict) -> ModuleType:
    if config.model not in MODELS:
        raise MusicFusionError(f"model = {config.model!r} is unknown: use {' or '.join(MODELS)}")
    return MODELS[config.model]


def corpus(config: ConfigDict) -> Corpus:
    """Sound of two parts, or drums and basses as notes."""
    return _model(config).corpus(config)


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """In the order in which they are trained."""
    return _model(config).stages(config)


def modules(config: ConfigDict) -> dict[str, Tree]:
    """The abstract parameters of each network; nothing is allocated."""
    return _model(config).modules(config)


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """What was trained beside rules and music that exists."""
    return _model(config).evaluate(config, corpus, trained)


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """The trained model, ready for a user's files."""
    return _model(config).sampler(config, trained)


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """A few held-out songs as files that the sampler reads."""
    return _model(config).demo_inputs(config, corpus, folder)


def listening_test(config: ConfigDict, corpus: Corpus, trained: Trained) -> ListeningTest:
    """What was trained beside rules and real targets, to be graded by listeners."""
    return _model(config).listening_test(config, corpus, trained)


SYSTEM = System(
    declaration=DECLARATION, corpus=corpus, splits=dataset.SPLITS, stages=stages, modules=modules, evaluate=evaluate,
    sampler=sampler, demo_inputs=demo_inputs, listening=Listening(test=listening_test, report=listening.report))
