"""The contracts: what a Task, a Stage, a Sampler and a System are. Everything else is written against these.

A system is an ordered set of stages. A stage trains one task on arrays that live on the device, or precomputes
something once. A task is pure functions over pytrees. train.py trains any stage without knowing which it is.

All of them are frozen and, but for Locked, take keywords only: nothing is passed by position.
"""

import dataclasses
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from musicfusion.core.errors import MusicFusionError

Tree = Any  # a pytree of arrays
Metrics = Mapping[str, Any]  # name -> scalar
Kind = Literal["notes", "sound"]

DATA_ROOTS = ("data.root", "data.soundfonts")  # config keys that are paths on one machine, not part of what was learned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """One thing to learn.

    init(key, batch, frozen) -> state: nested dict; state["params"] is what later stages and sampling read, the rest
        (optimisers, counters) is only for going on.
    step(state, batch, frozen, key) -> (state, metrics): pure; gradients averaged over the axis "data"
        (core.parallel.mean). metrics["loss"] must be finite.
    validate(state, batch, frozen, key) -> metrics: pure; means over the batch.
    generate(params, batch, frozen, key) -> arrays: what the trained task makes of a batch; for pictures and timing.

    `frozen` is what earlier stages learned: the same for all examples, never updated. `batch["example_key"]` holds one
    key for each example of the global batch; `key` is the step's, the same on all devices.
    """

    init: Callable[[Tree, Tree, Tree], Tree]
    step: Callable[[Tree, Tree, Tree, Tree], tuple[Tree, Metrics]]
    validate: Callable[[Tree, Tree, Tree, Tree], Metrics]
    generate: Callable[[Tree, Tree, Tree, Tree], Tree] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Precompute:
    """Something that is computed in one pass over the examples, in order, and not learned.

    init(key, batch, frozen) -> state, as of a Task; step(state, batch, frozen) -> state: pure.
    """

    init: Callable[[Tree, Tree, Tree], Tree]
    step: Callable[[Tree, Tree, Tree], Tree]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resident:
    """Arrays that live on the device for a whole stage, and how many examples they hold.

    Examples 0..train-1 are for training, the `validation` that follow are for validation. frozen: what earlier stages
    learned, as a Task gets it.
    """

    arrays: Tree
    train: int
    validation: int = 0
    frozen: Tree = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """A task with its examples, its budget, and the stages that it needs.

    steps: of a Task; a Precompute takes as many as one pass needs.
    data(corpus, trained) -> Resident: on the host, once. `trained(stage, subtree)` reads an earlier stage.
    examples(arrays, index [B], keys [B], training) -> batch: pure, inside the compiled step: windowing, transposition.
    best: the validation metric whose lowest value marks the best checkpoint; "" keeps the latest only.
    show(batch, generated) -> [(title, before, after)]: on the host, pieces for TensorBoard.
    """

    name: str
    task: Task | Precompute
    batch: int
    data: Callable[..., Resident]
    examples: Callable[..., Tree]
    steps: int = 0
    needs: tuple[str, ...] = ()
    best: str = ""
    show: Callable[..., list] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input:
    """A file that the user gives for sampling.

    kinds: which are accepted: notes (MIDI, a score, NoteSequence), sound (an audio file, samples), or either. Weights
        may take fewer of them: then `Sampler.read` refuses the others.
    """

    about: str
    kinds: tuple[Kind, ...] = ("notes",)

    @property
    def accepted(self) -> str:
        """What it may be, for help and tables."""
        return " or ".join(self.kinds)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Control:
    """A number that the user sets for sampling: a whole one if `whole`; if `many`, also several, NUMBER:NUMBER.

    A default that is text makes it a word; `choices` lists the words, where they do not depend on the weights.
    """

    about: str
    default: float | str
    low: float = 0.0
    high: float = 1.0
    whole: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()

    @property
    def accepted(self) -> str:
        """What it may be, for help and tables."""
        if isinstance(self.default, str):
            words = f"one of {', '.join(self.choices)}" if self.choices else "a word"
            return f"{words}, default {self.default or 'none'}"
        return f"{self.low:g} to {self.high:g}, default {self.default:g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportSpec:
    """What of a stage travels with exported weights: groups of its parameters (none named: all of them).

    A run in which a required stage was not trained cannot be exported; one that is not required is left out.
    """

    groups: tuple[str, ...] = ()
    required: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a system is called, takes and offers; importing it costs nothing (no jax).

    package: the system's own, __name__; its module `system` holds SYSTEM, which `load` imports.
    inputs: all that it knows, by name; input_sets: which of them may be given together, a first try's first.
    embedded_corpus: the songs at hand where data.root names none; other_corpora: which others can be had.
    exported: what sampling and evaluation need of each stage; a name may be a pattern (fnmatch).
    pretrained: the weights in musicfusion/pretrained with which sampling works where nothing was trained; "" for none.
    free: config keys that may change after a training, beside those that say how to run, evaluate and sample.
    judges: stages that measure and need no others -> their groups of the config; evaluate.judges takes another run's.
    """

    package: str
    name: str
    title: str
    paper: str
    inputs: Mapping[str, Input]
    input_sets: tuple[tuple[str, ...], ...]
    controls: Mapping[str, Control]
    embedded_corpus: str
    other_corpora: str
    exported: Mapping[str, ExportSpec] = dataclasses.field(default_factory=dict)
    pretrained: str = ""
    free: tuple[str, ...] = ()
    judges: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def demo_inputs(self) -> tuple[str, ...]:
        """The inputs of a first try."""
        return self.input_sets[0]

    def load(self) -> "System":
        """The system itself; this imports jax."""
        return importlib.import_module(f"{self.package}.system").SYSTEM


@dataclasses.dataclass(frozen=True)
class Locked:
    """What the next song keeps of an earlier one: `Locked(song, ((16, 32, None), (40, 48, "melody")))`.

    In each span the main score of the new song has exactly the notes of the locked parts that begin there in the
    earlier one, with onset, duration, pitch and velocity, and no others. A note from before a span is cut where the
    span begins, unless the earlier song had a note of this pitch sounding on there: so nothing sounds in a span that
    did not. A note that begins in a span keeps its length, also beyond the span's end; a melody goes on after it.

    Notes count as beginning on their 16th, or whatever the grid of the system is: one that is played a little early for
    the first beat of a span is in it. In music that swings, the 16ths are those that are played.

    A system may keep more than that. CollageNet's edits keep the key of the whole song; the chords of all half bars
    that a span touches in the accompaniment, for all of its tracks; the melody notes that sound into a span; and since
    equal bars have equal edits, a lock on one of them holds them all. A notice says so where that concerns other bars.

    Where locks and controls disagree, locks win.

    Attributes:
        result: of the same system, from the same inputs, as `sample` returned it (render.result.SampleResult).
        spans: rows (start, end, part): start and end in quarters of the song, and the name of a part or a track of the
            main score; None for all parts.

    Raises:
        MusicFusionError: spans are no such rows.
    """

    result: Any
    spans: tuple[tuple[float, float, str | None], ...]

    def __post_init__(self) -> None:
        try:
            rows = tuple((float(start), float(end), part) for start, end, part in self.spans)
        except (TypeError, ValueError):
            raise MusicFusionError("locked: spans are rows of start, end and part, as in ((16, 32, None),)") from None
        object.__setattr__(self, "spans", rows)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampler:
    """A trained system that is ready to make music; it keeps its compiled programs.

    read(inputs, controls) -> piece: the user's files as arrays, on the host. inputs: name -> whatever codecs.inputs
        reads; controls: name -> value, complete. Raises MusicFusionError.
    generate(pieces, controls, seeds, locked) -> one render.result.SampleResult for each piece. Several pieces share one
        compiled program; a piece's music does not depend on which others stand beside it. locked: for each piece what
        it keeps of an earlier result, one span at least, or None. A result carries in `memory` what the next one needs
        for that. Raises MusicFusionError where spans and result do not fit the piece.
    words: of controls that are words, those that these weights know: control -> words.
    """

    read: Callable[[Mapping[str, Any], Mapping[str, Any]], Any]
    generate: Callable[[Sequence[Any], Mapping[str, Any], Sequence[int], Sequence[Locked | None]], list]
    words: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listening:
    """How a system asks listeners, and what it makes of what they say.

    test(config, corpus, trained) -> core.listening.ListeningTest
    report(answers) -> core.listening.Findings; answers: metrics.listening.Answers
    """

    test: Callable[..., Any]
    report: Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class System:
    """One paper: its corpus, its stages, and what it does for a user.

    `config` stops here: each of these builds networks, objectives, judges and data sets from it, once, and what lies
    deeper takes what it needs by name. `trained` is a core.results.Trained.

    corpus(config) -> data.corpus.Corpus
    splits: {split: its share of the songs}; models learn from those whose names begin with "train"
    stages(config) -> the stages in the order in which they are trained
    modules(config) -> {module: abstract parameters}, nothing allocated
    evaluate(config, corpus, trained) -> core.evaluation.Evaluation
    sampler(config, trained) -> Sampler
    demo_inputs(config, corpus, folder) -> inputs for a Sampler: files made out of a few held-out songs, written there
    listening: its listening test; None: it has none
    """

    declaration: Declaration
    corpus: Callable[..., Any]
    splits: Mapping[str, float]
    stages: Callable[..., tuple[Stage, ...]]
    modules: Callable[..., dict[str, Tree]]
    evaluate: Callable[..., Any]
    sampler: Callable[..., Sampler]
    demo_inputs: Callable[..., list[dict[str, str]]]
    listening: Listening | None = None
