"""The contracts: what a Task, a Stage and a System are. Everything else is written against these.

A system is an ordered set of stages; a stage trains one task on arrays that live on the device; a task is pure
functions over pytrees. train.py can train any stage without knowing which it is.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Tree = Any  # a pytree of arrays
Metrics = Mapping[str, Any]  # name -> scalar

PLACES = ("data.root", "data.soundfonts")  # of a config: on this machine; the same songs may lie elsewhere on another


@dataclasses.dataclass(frozen=True)
class Task:
    """One thing to train.

    init(key, batch) -> state: nested dict; state["params"] is what later stages and sampling read,
        the rest (optimisers, counters) is only for going on.
    step(state, batch, key) -> (state, metrics): pure; gradients averaged over the axis "data" (core.parallel.mean).
    evaluate(state, batch, key) -> metrics: pure; means over the batch.
    generate(params, batch, key) -> arrays: what the trained task makes of a batch, on device; for pictures and timing.

    `batch["row_key"]` holds one key for each row of the global batch; `key` is the step's, the same on all devices.
    """

    init: Callable[[Tree, Tree], Tree]
    step: Callable[[Tree, Tree, Tree], tuple[Tree, Metrics]]
    evaluate: Callable[[Tree, Tree, Tree], Metrics]
    generate: Callable[[Tree, Tree, Tree], Tree] | None = None


@dataclasses.dataclass(frozen=True)
class Resident:
    """Arrays that live on the device for a whole stage, and how many examples they hold.

    Examples 0..train-1 are for training, the `validation` that follow are for validation.
    """

    arrays: Tree
    train: int
    validation: int
    steps: int | None = None  # instead of the stage's own: one pass over what is there


@dataclasses.dataclass(frozen=True)
class Stage:
    """A task with its batches, its budget, and the stages that it needs.

    data(corpus, results) -> Resident: on the host, once. `results(stage, subtree)` reads an earlier stage's checkpoint.
    examples(arrays, index [b], keys [b], training) -> batch: pure, inside the compiled step: windowing, transposition.
    best: the validation metric whose lowest value marks the best checkpoint; "" keeps the latest only.
    """

    name: str
    task: Task
    steps: int
    batch: int
    data: Callable[..., Resident]
    examples: Callable[..., Tree]
    needs: tuple[str, ...] = ()
    shuffled: bool = True
    best: str = ""
    show: Callable[..., list] | None = None  # (batch, generated) on the host -> [(title, before, after)] as Pieces


@dataclasses.dataclass(frozen=True)
class Control:
    """A number that the user sets for sampling: a whole one if `whole`; if `many`, also several, NUMBER:NUMBER.

    A default that is text makes it a word, of which the system says what it may be.
    """

    about: str
    default: float | str
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    many: bool = False

    @property
    def span(self) -> str:
        """What it may be, in words for a list."""
        if isinstance(self.default, str):
            return f"a word, default {self.default or 'none'}"
        return f"in {self.low:g}..{self.high:g}, default {self.default:g}"


@dataclasses.dataclass(frozen=True)
class Shipped:
    """What of a stage travels with exported weights: groups of its parameters (none named: all of them).

    A run in which a needed stage was not trained cannot be exported; one that is not needed is left out.
    """

    groups: tuple[str, ...] = ()
    needed: bool = True


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What a system is called, wants and offers; importing it costs nothing (no jax).

    data: the songs at hand where data.root names none; more: which others can be had.
    shipped: what sampling and evaluation need of each stage; a name may be a pattern (fnmatch).
    pretrained: the weights in musicfusion/pretrained with which sampling works where nothing was trained; "" for none.
    together: the inputs of a first try, where not all of them can be given at once.
    """

    name: str
    title: str
    paper: str
    inputs: Mapping[str, str]
    controls: Mapping[str, Control]
    data: str
    more: str
    load: Callable[[], "System"]
    shipped: Mapping[str, Shipped] = dataclasses.field(default_factory=dict)
    pretrained: str = ""
    together: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Made:
    """What a system made in a folder: the main file's name, the page's sections, facts for metadata.json."""

    main: str
    sections: list
    facts: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class System:
    """One paper: its corpus, stages, and what it does for a user.

    corpus(config) -> data.corpus.Corpus
    splits: {split: its share of the songs}; models learn from those whose names begin with "train"
    stages(config) -> the stages in the order in which they are trained
    modules(config) -> {module: abstract parameters}, nothing allocated
    evaluate(config, corpus, results) -> (report as JSON would hold it, its text, draw(folder) -> figures written there)
    sample(config, results, inputs, controls, folder, seed) -> Made
    examples(config, corpus, folder) -> inputs for sample: files made out of a few held-out songs
    """

    declaration: Declaration
    corpus: Callable[..., Any]
    splits: Mapping[str, float]
    stages: Callable[..., tuple[Stage, ...]]
    modules: Callable[..., dict[str, Tree]]
    evaluate: Callable[..., tuple[dict, str, Callable[[Any], list]]]
    sample: Callable[..., Made]
    examples: Callable[..., list]
