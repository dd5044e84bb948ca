"""What a trained CollageNet does on songs that it never saw: the paper's tables, the controls, the reconstruction."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.evaluation import Evaluation
from musicfusion.core.report import working
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.latent import space as latent
from musicfusion.metrics import bootstrap, reconstruction, statistics
from musicfusion.systems.collagenet import baselines, dataset, published, tables
from musicfusion.systems.collagenet.baselines import Method, Music, TrainedSpace
from musicfusion.systems.collagenet.latent_space import reconstruction_counts
from musicfusion.systems.collagenet.objective import ASPECTS

CONTROLS = (0.0, 0.25, 0.5, 0.75, 1.0)
JUDGES = {"harmony_rate": "harmony_evaluator", "harmony_rate_key_matched": "key_evaluator"}  # rate -> stage
DISHARMONIC, TRANSPOSITION = "disharmonic pairs", "transposition"
MAJORITY_FROM = 2000  # training segments whose most frequent symbols are taken
RESPONSE_FROM = 2000  # pairs on which the controls' response is measured

Numbers = dict[str, np.ndarray]  # measure -> one number a pair, NaN where a pair has none
Judges = Mapping[str, Callable[[Music], jax.Array]]  # rate -> (music -> logits [B])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs:
    """Segments of the measured songs, each with its own accompaniment (real) and with another song's (unrelated).

    Attributes:
        real, unrelated: music as in baselines.py, [n, ...].
        songs: of the melody, int [n].
        partner: the segment whose accompaniment a melody meets in `unrelated`, int [n].
    """

    real: Music
    unrelated: Music
    songs: np.ndarray
    partner: np.ndarray


def evaluate(*, corpus: Corpus, segments: dataset.Segments, split: str, count: int, batch: int, seed: int, preset: str,
             distance: float, space: TrainedSpace, actor: Any, methods: Iterable[Method], judges: Judges) -> Evaluation:
    """Tables 1 to 3, controls and reconstruction on the songs of one split.

    Args:
        corpus, segments: where the segments come from.
        split: which songs are measured.
        count, batch: how many segments at most, and how many at once.
        seed: of partners, of the VAEs' prior and of the intervals.
        preset: the config's.
        distance: lambda of the run.
        space, actor: the trained latent space and the parameters of the run's own actor.
        methods: what Tables 1 to 3 compare; the unchanged pairs and the transposition among them.
        judges: the trained evaluators.
    """
    pairs = read(corpus, segments, split=split, count=count, batch=batch, seed=seed)
    size = min(batch, len(pairs.songs))
    measure = functools.partial(_measure, numbers=functools.partial(jax.jit(_numbers), judges), size=size)
    interval = functools.partial(bootstrap.interval, groups=pairs.songs, seed=seed)
    means = functools.partial(_means, interval=interval)
    through = baselines.reconstruction(space)

    own = measure(baselines.unchanged("harmonic pairs"), pairs.real)
    real = {"harmonic pairs": own, through.name: measure(through, pairs.real)}
    found = {method.name: measure(method, pairs.unrelated) for method in methods}
    prior = baselines.prior(space, seed)
    made_up = {prior.name: measure(prior, pairs.unrelated)}
    alike = [baselines.fused(f"controls {value:g}", space, actor, controls=value) for value in CONTROLS]
    steered = {method.name: means(measure(method, pairs.unrelated)) for method in alike}
    response = control_response(space, actor, pairs.unrelated, size)
    all_held = baselines.fused("all controls 1", space, actor, controls=1.0)

    compared = {name: means(numbers) for name, numbers in (real | found).items()}
    differences = {"test set": means({name: own[name] for name in tables.TABLE3})} | {
        name: means(_differences(numbers, pairs, own))
        for name, numbers in (made_up | found).items() if name != DISHARMONIC}
    accuracies = {JUDGES[rate]: _accuracy(own[rate], found[DISHARMONIC][rate], found[TRANSPOSITION][rate])
                  for rate in judges}
    reconstructed = {
        "ours": _rates(through.run, pairs.real, size),
        "majority": majority(corpus, segments, split, pairs.real),
        all_held.name: _rates(all_held.run, pairs.unrelated, size, like=through.run),
    }
    songs = len(np.unique(pairs.songs))
    figures = {"controls.png": functools.partial(tables.draw_controls, values=CONTROLS, response=response)}
    if judges:
        figures["harmony.png"] = functools.partial(tables.draw_harmony, methods=compared, steered=steered)
    return Evaluation(
        system="collagenet",
        preset=preset,
        title=f"CollageNet, preset {preset}",
        about=f"{len(pairs.songs)} segments of {songs} songs ({split} split of {corpus.source}). Intervals are drawn"
              " over songs.",
        data={"source": corpus.source, "split": split, "songs": songs, "examples": len(pairs.songs)},
        headlines=tuple(("table1", name, "harmony_rate") for name in (
            f"CollageNet, lambda {distance:g}", "harmonic pairs", "disharmonic pairs")),
        settings={"lambda": distance},
        tables=(
            tables.harmony(compared, steered, distance),
            tables.kept(compared),
            *((tables.evaluators(accuracies),) if judges else ()),
            tables.pairs(compared, distance),
            tables.parts(differences, distance),
            tables.controls_alike(steered),
            tables.control_response(CONTROLS, response),
            tables.reconstruction(reconstructed),
        ),
        remarks=(*published.REMARKS, *(() if judges else ("No harmony evaluator is trained in this run.",))),
        details={"controls": {"values": CONTROLS, "rho": response}},
        figures=figures,
    )


# Music ---------------------------------------------------------------------------------------------------------------


def read(corpus: Corpus, segments: dataset.Segments, *, split: str, count: int, batch: int, seed: int) -> Pairs:
    """The segments of a split, evenly chosen, a whole number of batches, and a partner for each."""
    starts, songs = segments.measured(corpus, split, count=count, batch=batch)
    real = _music(corpus, starts)
    partner = unrelated(songs, seed)
    return Pairs(real=real, unrelated={name: x if name == "melody" else x[partner] for name, x in real.items()},
                 songs=songs, partner=partner)


def _music(corpus: Corpus, starts) -> Music:
    cut = jax.jit(dataset.cut)
    return jax.device_get(cut(corpus.arrays, starts, np.zeros_like(starts)))


def unrelated(songs: np.ndarray, seed: int) -> np.ndarray:
    """For every segment another one, of another song: int [n], seeded."""
    rng = np.random.default_rng(seed)
    partner = rng.permutation(len(songs))
    while len(same := np.flatnonzero(songs[partner] == songs)):
        partner[same] = rng.integers(0, len(songs), len(same))
    return partner


# Numbers -------------------------------------------------------------------------------------------------------------


def _measure(method: Method, music: Music, numbers: Callable, size: int) -> Numbers:
    """What a method makes of every pair, in numbers: all measures of Tables 1 to 3."""
    working(f"measuring: {method.name}")
    none = dict.fromkeys(tables.RHO, np.full(size, np.nan, np.float32))  # of a method that moves no latents
    found: Numbers = {}
    for block, index in _blocks(music, size, method.most):
        for name, part in jax.device_get(numbers(none | method.run(block, index), block)).items():
            found.setdefault(name, np.full(len(music["melody"]), np.nan, np.float32))[index] = part
    return found


def _blocks(music: Music, size: int, most: int | None = None) -> Iterator[tuple[Music, np.ndarray]]:
    """Music in blocks of `size` pairs, each with the numbers of its pairs; of so many pairs at most, evenly chosen."""
    count = len(music["melody"])
    chosen = batches.fixed(count, max(min(most or count, count) // size, 1) * size)
    for index in np.split(chosen, len(chosen) // size):
        yield {name: x[index] for name, x in music.items()}, index


def _numbers(judges: Judges, new: Music, old: Music) -> dict[str, jax.Array]:
    """The measures of new music that was made of old, one number a pair: {measure: [B]}."""
    tokens, slots = new["melody"], (new["pitch"], new["duration"])
    sounds = jnp.any(tokens < melody.HOLD, 1) & jnp.any(slots[1] > 0, (1, 2))  # silence is no harmony
    kept = reconstruction.kept({"tokens": tokens, **new}, old)
    return {
        **{rate: 1.0 * (sounds & (judge(new) > 0)) for rate, judge in judges.items()},
        **{name: new[name] for name in tables.RHO if name in new},
        **kept,
        "changed": 1.0 - 0.5 * (kept["pitches_kept"] + kept["notes_kept"]),
        **statistics.of_pair(tokens, *slots),
        **{f"melody_{name}": x for name, x in statistics.of_melody(tokens).items()},
        **{f"accompaniment_{name}": x for name, x in statistics.of_accompaniment(*slots).items()},
    }


def _differences(numbers: Numbers, pairs: Pairs, own: Numbers) -> Numbers:
    """What a method changed in the statistics of either part (Table 3 reports differences from the test set)."""
    before = {name: own[name] if name.startswith("melody") else own[name][pairs.partner] for name in tables.TABLE3}
    return {name: numbers[name] - before[name] for name in tables.TABLE3}


def _means(numbers: Numbers, interval: Callable) -> dict[str, tuple[float, float, float]]:
    """Means with their 95 % bootstrap intervals, all NaN where there is no number."""
    return {name: interval(values) for name, values in numbers.items()}


def _accuracy(real: np.ndarray, other: np.ndarray, transposed: np.ndarray) -> dict[str, float]:
    """How often an evaluator is right, on random negatives and on key-matched ones, from what passes."""
    passed = [float(np.mean(x)) for x in (real, other, transposed)]
    return {
        "passes_real": passed[0], "passes_random": passed[1], "passes_key_matched": passed[2],
        "accuracy_random": (passed[0] + 1.0 - passed[1]) / 2,
        "accuracy_key_matched": (passed[0] + 1.0 - passed[2]) / 2,
    }


# Reconstruction and controls -----------------------------------------------------------------------------------------


def _rates(run: Callable, music: Music, size: int, like: Callable | None = None) -> dict[str, float]:
    """How much of the music is still there in what a method makes of it, over all segments.

    like: compare with what this method makes of it instead.
    """
    counts = [jax.device_get(_counts(run(block, index), like(block, index) if like else block))
              for block, index in _blocks(music, size)]
    rates = {}
    for name in counts[0]:
        right, whole = (sum(float(part[name][i]) for part in counts) for i in range(2))
        rates[name] = right / max(whole, 1.0)
    return rates


@jax.jit
def _counts(new: Music, old: Music) -> dict:
    return reconstruction_counts(old, {"tokens": new["melody"], **new})


def majority(corpus: Corpus, segments: dataset.Segments, split: str, asked: Music) -> dict[str, float]:
    """What the same measures give for always answering the training songs' most frequent symbol.

    The most frequent token, pitch of an onset, rhythm symbol, root and chord; and no note at all, the most frequent
    content of an accompaniment's cell. Where the corpus is measured whole (split "all"), the most frequent symbol of
    the whole.
    """
    train, _ = segments.windows(corpus, "all" if split == "all" else "train")
    known = _music(corpus, train[batches.fixed(len(train), MAJORITY_FROM)])
    tokens, wanted = known["melody"], asked["melody"]
    pitch = _mode(tokens[tokens < melody.HOLD])
    chords, count = np.unique(known["chords"].reshape(-1, 3), axis=0, return_counts=True)
    return {
        "token_accuracy": float(np.mean(wanted == _mode(tokens))),
        "onset_accuracy": float(np.mean(wanted[wanted < melody.HOLD] == pitch)),
        "rhythm_accuracy": float(np.mean(melody.rhythm(wanted) == _mode(melody.rhythm(tokens)))),
        "note_f1": 0.0,
        "note_duration_f1": 0.0,
        "root_accuracy": float(np.mean(asked["chords"][..., 0] == _mode(known["chords"][..., 0]))),
        "chord_accuracy": float(np.mean(np.all(asked["chords"] == chords[np.argmax(count)], -1))),
    }


def _mode(values) -> int:
    return int(np.argmax(np.bincount(np.asarray(values).reshape(-1))))


def control_response(space: TrainedSpace, actor: Any, music: Music, size: int) -> dict[str, dict[str, list[float]]]:
    """rho of every aspect as one control goes from 0 to 1 while the others stay at .5, over unrelated pairs.

    {control moved: {aspect: [rho at each of CONTROLS]}}
    """
    aspects, sbar = space.aspects, jnp.asarray(space.sbar)

    @jax.jit
    def rho(moved, z):
        return {name: jnp.mean(x) for name, x in latent.distances(moved, z, sbar, aspects).items()}

    def run(z, controls):
        return rho(space.move(actor, z, np.tile(controls, (len(z), 1))), z)

    some = itertools.islice(_blocks(music, size), max(RESPONSE_FROM // size, 1))
    latents = [space.encode(block) for block, _ in some]
    response: dict[str, dict[str, list[float]]] = {}
    for i, control in enumerate(ASPECTS):
        curves: dict[str, list[float]] = {name: [] for name in aspects}
        for value in CONTROLS:
            controls = np.full(len(aspects), 0.5, np.float32)
            controls[i] = value
            parts = [run(z, controls) for z in latents]
            for name, curve in curves.items():
                curve.append(float(np.mean([part[name] for part in parts])))
        response[control] = curves
    return response
