"""Bigram as a system. It is so small that all rooms fit into one file; the published systems have a file for each."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from ml_collections import ConfigDict

from musicfusion.codecs import melody, midi
from musicfusion.codecs.inputs import read_score
from musicfusion.codecs.score import Score, from_notes, grid, monophonic, pick_melody
from musicfusion.core import optimizers
from musicfusion.core.contracts import Locked, Resident, Sampler, Stage, System, Task
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Evaluation, Measure, Table, row
from musicfusion.core.results import Trained
from musicfusion.data import cache, sources, splits
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus
from musicfusion.metrics import bootstrap
from musicfusion.render.result import SampleResult
from musicfusion.systems.bigram import DECLARATION

BEATS = 8  # of a window
SYMBOLS = melody.VOCABULARY


# Data set: a corpus -> windows -> batches -----------------------------------------------------------------------------


def corpus(config: ConfigDict) -> Corpus:
    """The melodies at config.data.root, the chorales' sopranos where it is ""."""
    return cache.load(config.data.root or "chorales", limit=config.data.songs, source=sources.melodies)


def windows(corpus: Corpus, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The windows of a split -> (tokens int32 [n, steps], song int32 [n])."""
    start, song = corpus.windows(BEATS, stride=4, require={"melody": 2})
    chosen = splits.select(corpus, song, split, seed)
    steps = start[chosen, None] * STEPS_PER_BEAT + np.arange(BEATS * STEPS_PER_BEAT)
    return corpus.arrays["melody"][steps].astype(np.int32), song[chosen]


def resident(corpus: Corpus, trained: Trained, *, seed: int) -> Resident:
    """What lies on the device while the stage is trained."""
    train, validation = (windows(corpus, split, seed)[0] for split in ("train", "validation"))
    return Resident(arrays={"tokens": np.concatenate([train, validation])}, train=len(train),
                    validation=len(validation))


def examples(arrays, index: jax.Array, keys: jax.Array, training: bool):
    """Examples `index` [B] as a batch; inside the compiled step."""
    return {"tokens": arrays["tokens"][index], "example_key": keys}


# Objective ------------------------------------------------------------------------------------------------------------


def nats(params, tokens: jax.Array) -> jax.Array:
    """Negative log-likelihood of each window, nats per step: tokens [B, T] -> [B]."""
    logits = params["logits"][tokens[:, :-1]]
    return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean(axis=1)


def task(*, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Maximum likelihood."""

    def parameters(key, batch, frozen):
        return {"logits": jnp.zeros((SYMBOLS, SYMBOLS))}

    def loss(params, batch, frozen, key, fraction):
        value = nats(params, batch["tokens"]).mean()
        return value, {"loss": value}

    def validate(state, batch, frozen, key):
        return {"loss": nats(state["params"], batch["tokens"]).mean()}

    init, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=init, step=step, validate=validate)


def stages(config: ConfigDict) -> tuple[Stage, ...]:
    """The one stage."""
    group = config.bigram
    optimizer = optimizers.create(**group.optimizer, steps=group.steps)
    return (Stage(name="bigram", task=task(optimizer=optimizer, steps=group.steps), steps=group.steps,
                  batch=group.batch, data=functools.partial(resident, seed=config.seed), examples=examples,
                  best="loss"),)


def modules(config: ConfigDict):
    """What --mode=describe counts."""
    return {"bigram": {"logits": jax.ShapeDtypeStruct((SYMBOLS, SYMBOLS), jnp.float32)}}


# Evaluation -----------------------------------------------------------------------------------------------------------


def evaluate(config: ConfigDict, corpus: Corpus, trained: Trained) -> Evaluation:
    """How well it predicts songs that it never saw, beside a cheap rule."""
    tokens, song = windows(corpus, config.data.split, config.seed)
    learned = np.asarray(nats(trained("bigram"), tokens))
    guess = np.full(len(tokens), np.log(SYMBOLS))
    rows = [row(name, {"nats": bootstrap.interval(values, song)})
            for name, values in (("any symbol alike", guess), ("bigram", learned))]
    table = Table(name="likelihood", title="Prediction of the next symbol", rows=tuple(rows),
                  measures={"nats": Measure(label="nats a step", better="lower")})
    data = {"source": corpus.source, "split": config.data.split, "songs": len(np.unique(song)), "examples": len(tokens)}
    return Evaluation(system="bigram", preset=config.preset, title=f"Bigram, preset {config.preset}",
                      about=f"{len(tokens)} windows of {data['songs']} songs.", data=data, tables=(table,))


# Sampling -------------------------------------------------------------------------------------------------------------


def sampler(config: ConfigDict, trained: Trained) -> Sampler:
    """Ready to continue melodies; the compiled program is kept."""
    logits = jnp.asarray(trained("bigram")["logits"])
    steps = config.sample.steps

    @jax.jit
    def continued(last, temperature, keys):
        """The last symbols [n] and a key for each -> what follows, [n, steps]."""

        def line(symbol, key):
            def step(symbol, key):
                symbol = jax.random.categorical(key, logits[symbol] / temperature)
                return symbol, symbol

            return jax.lax.scan(step, symbol, jax.random.split(key, steps))[1]

        return jax.vmap(line)(last, keys)

    def read(inputs: Mapping, controls: Mapping) -> np.ndarray:
        score = read_score(inputs["prompt"], "prompt", pitched=True)
        notes = monophonic(grid(pick_melody(score)))
        return melody.tokens_from_notes(notes, int((notes[:, 0] + notes[:, 1]).max()))

    def generate(pieces: Sequence[np.ndarray], controls: Mapping, seeds: Sequence[int],
                 locked: Sequence[Locked | None]) -> list[SampleResult]:
        if any(locked):
            raise MusicFusionError("locked: bigram keeps nothing of earlier results")
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        last = jnp.array([piece[-1] for piece in pieces], jnp.int32)
        added = np.asarray(continued(last, controls["temperature"], keys))
        return [result(piece, new) for piece, new in zip(pieces, added, strict=True)]

    return Sampler(read=read, generate=generate)


def result(prompt: np.ndarray, added: np.ndarray) -> SampleResult:
    """Tokens of the prompt [T] and of what follows [S], as music."""
    song = as_score(np.concatenate([prompt, added]))
    return SampleResult(title="A melody, continued", main="continued", scores={"continued": song},
                        players={"continued": "the prompt, and what follows"}, metadata={"added_steps": len(added)},
                        notices=("The melody is one voice on a grid of 16ths.",))


def as_score(tokens: np.ndarray) -> Score:
    """Tokens [T] as a song of one track."""
    track = from_notes("melody", 0, melody.notes_from_tokens(tokens))
    return Score((track,), np.array([[0.0, 100.0]]), ((0.0, 4, 4),), "melody")


def demo_inputs(config: ConfigDict, corpus: Corpus, folder: Path) -> list[dict[str, str]]:
    """One window of the split that is measured, as a file."""
    tokens, _ = windows(corpus, config.data.split, config.seed)
    midi.write(folder / "prompt.mid", as_score(tokens[0]))
    return [{"prompt": str(folder / "prompt.mid")}]


SYSTEM = System(declaration=DECLARATION, corpus=corpus, splits=splits.SPLITS, stages=stages, modules=modules,
                evaluate=evaluate, sampler=sampler, demo_inputs=demo_inputs)
