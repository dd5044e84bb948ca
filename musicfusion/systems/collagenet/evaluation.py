"""What a trained CollageNet does on songs that it never saw: the paper's tables, the controls, the reconstruction."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.evaluation import BASELINE, FOOL, OURS, REAL, Evaluation, Overview
from musicfusion.core.report import working
from musicfusion.data import batches
from musicfusion.data.corpus import Corpus
from musicfusion.latent import space as latent
from musicfusion.metrics import bootstrap, retained, statistics
from musicfusion.systems.collagenet import baselines, dataset, published, rules, tables
from musicfusion.systems.collagenet.baselines import Method, Music, TrainedSpace
from musicfusion.systems.collagenet.latent_space import reconstruction_counts
from musicfusion.systems.collagenet.objective import ASPECTS

RATES = {"harmony_rate": "harmony_evaluator", "judge_rate": "judge", "second_judge_rate": "second_judge"}  # -> stage
DISHARMONIC, TRANSPOSITION = "disharmonic pairs", "transposition"
SHUFFLED, MOVED, CHANCE = "own pitches shuffled", "own notes moved", "another pair (chance)"
PLEASED = 0.15  # a judge that takes more of a rule's melodies for real is none
MAJORITY_FROM = 2000  # training segments whose most frequent symbols are taken
RESPONSE_FROM = 2000  # pairs on which the controls' response in latent space is measured
RETENTION_FROM = 100  # and on how many what is kept

Numbers = dict[str, np.ndarray]  # measure -> one number a pair, NaN where a pair has none
Judges = Mapping[str, Callable[[Music], jax.Array]]  # one of RATES -> (music -> logits [B])


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
             distance: float, space: TrainedSpace, actor: Any, methods: Iterable[Method],
             edits: baselines.Edit | None, judges: Judges, retention_pairs: int = RETENTION_FROM) -> Evaluation:
    """Tables 1 to 3, controls and reconstruction on the songs of one split.

    Args:
        corpus, segments: where the segments come from.
        split: which songs are measured.
        count, batch: how many segments at most, and how many at once.
        seed: of partners, of the VAEs' prior and of the intervals.
        preset: the config's.
        distance: lambda of the run.
        space, actor: the trained latent space and the parameters of the run's own actor.
        methods: what Tables 1 to 3 compare; the unchanged pairs, the transposition and the rules that are to please no
            judge among them.
        edits: what finds exact edits, if there is such.
        judges: the trained ones.
        retention_pairs: on how many pairs what is kept under each control is measured.
    """
    pairs = read(corpus, segments, split=split, count=count, batch=batch, seed=seed)
    size = min(batch, len(pairs.songs))
    measure = functools.partial(_measure, numbers=functools.partial(jax.jit(_numbers), judges), size=size)
    means = functools.partial(_means, interval=functools.partial(
        bootstrap.interval, groups=pairs.songs, others=pairs.songs[pairs.partner], seed=seed))
    own_means = functools.partial(_means, interval=functools.partial(bootstrap.interval, groups=pairs.songs, seed=seed))
    through = baselines.reconstruction(space)

    own = measure(baselines.unchanged("harmonic pairs"), pairs.real)
    real = {"harmonic pairs": own} | {
        method.name: measure(method, pairs.real) for method in (through, *_own_rules(seed), _chance(pairs))}
    found = {method.name: measure(method, pairs.unrelated) for method in methods}
    prior = baselines.prior(space, seed)
    made_up = {prior.name: measure(prior, pairs.unrelated)}
    alike = [baselines.fused(f"controls {value:g}", space, actor, controls=dict.fromkeys(ASPECTS, value))
             for value in baselines.CONTROLS]
    steered = {method.name: means(measure(method, pairs.unrelated)) for method in alike}
    response = control_response(space, actor, pairs.unrelated, size)
    retention = {name: retention_response(make, pairs, measure, retention_pairs)
             for name, make in _steered_by(space, actor, edits).items()}
    all_held = baselines.fused("all controls 1", space, actor, controls=dict.fromkeys(ASPECTS, 1.0))

    passes = {RATES[rate]: _passes(rate, real, found) for rate in judges}
    fooled = {rate: tables.fooled(RATES[rate], passes[RATES[rate]], PLEASED)
              for rate in judges if rate != "harmony_rate"}  # the paper's is shown beside the paper's numbers anyway
    out = {rate for rate, line in fooled.items() if line}
    compared = {name: _without(own_means(numbers), out) for name, numbers in real.items()} | {
        name: _without(means(numbers), out) for name, numbers in found.items()}
    differences = {"test set": own_means({name: own[name] for name in tables.TABLE3})} | {
        name: means(_differences(numbers, pairs, own))
        for name, numbers in (made_up | found).items() if name != DISHARMONIC}
    reconstructed = {
        "ours": _rates(through.run, pairs.real, size),
        "majority": majority(corpus, segments, split, pairs.real),
        all_held.name: _rates(all_held.run, pairs.unrelated, size, like=through.run),
    }
    songs = len(np.unique(pairs.songs))
    kinds = {name: _kind(name, name in real) for name in compared}
    overview = next((Overview(table="table1", kept="intervals_kept", fits=rate, kinds=kinds,
                              lines=tables.controlled(compared))
                     for rate in ("judge_rate", "second_judge_rate") if rate in judges and rate not in out), None)
    steered = {name: _without(row, out) for name, row in steered.items()}
    figures = {
        "controls.png": functools.partial(tables.draw_controls, values=baselines.CONTROLS, response=response),
        "retention.png": functools.partial(tables.draw_retention, values=baselines.CONTROLS, retention=retention)}
    if judges:
        figures["harmony.png"] = functools.partial(tables.draw_harmony, methods=compared, steered=steered,
                                                    kinds=kinds)
    return Evaluation(
        system="collagenet",
        preset=preset,
        title=f"CollageNet, preset {preset}",
        about=f"{len(pairs.songs)} segments of {songs} songs ({split} split of {corpus.source}). Intervals are drawn"
              " over the songs of both parts.",
        data={"source": corpus.source, "split": split, "songs": songs, "examples": len(pairs.songs)},
        headlines=tuple(("table1", name, rate) for rate in ("judge_rate", "second_judge_rate")
                        for name in (baselines.HALF, f"CollageNet, lambda {distance:g}", "harmonic pairs",
                                     "disharmonic pairs") if rate in compared.get(name, ())),
        settings={"lambda": distance},
        overview=overview,
        tables=(
            *((tables.judges(passes),) if judges else ()),
            tables.harmony(compared, distance),
            tables.kept(compared),
            tables.pairs(compared, distance),
            tables.parts(differences, distance),
            tables.controls_alike(steered),
            tables.retention(baselines.CONTROLS, retention),
            tables.control_response(baselines.CONTROLS, response),
            tables.reconstruction(reconstructed),
        ),
        remarks=(*filter(None, fooled.values()), *published.REMARKS,
                 *(() if judges else ("No judge is trained in this run.",))),
        details={"controls": {"values": baselines.CONTROLS, "rho": response, "retention": retention}},
        figures=figures,
    )


def _own_rules(seed: int) -> Iterator[Method]:
    """Rules that spoil a melody over its own accompaniment."""

    def spoiled(rule: Callable, number: int) -> Callable[[Music, np.ndarray], Music]:
        return lambda music, index: music | {
            "melody": np.asarray(rule(music["melody"], baselines.keys_of(seed, number, index)))}

    yield Method(SHUFFLED, spoiled(rules.shuffled, 10))
    yield Method(MOVED, spoiled(rules.moved, 11))


def _chance(pairs: Pairs) -> Method:
    """Another song's pair in the place of each: what is kept by chance."""
    return Method(CHANCE, lambda music, index: {name: x[pairs.partner[index]] for name, x in pairs.real.items()})


def _passes(rate: str, real: Mapping[str, Numbers], found: Mapping[str, Numbers]) -> dict[str, float]:
    """How many of what a judge should take for real, and of what it should not, it does."""
    shown = {name: real[name] for name in ("harmonic pairs", SHUFFLED, MOVED)} | {
        name: found[name] for name in (DISHARMONIC, TRANSPOSITION, *baselines.FOOLS, *baselines.ACCOMPANIMENT_FOOLS)}
    return {name: float(np.nanmean(numbers[rate])) for name, numbers in shown.items()}


def _kind(name: str, own: bool) -> str:
    """What a row of Table 1 is in a figure. own: whether it is of real pairs."""
    if name in (*baselines.FOOLS, *baselines.ACCOMPANIMENT_FOOLS, SHUFFLED, MOVED, CHANCE, baselines.UNTRAINED):
        return FOOL
    if own:
        return REAL
    return OURS if name.startswith(("CollageNet, ", "edits, ")) else BASELINE


def _without(means: Mapping[str, Any], out: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in means.items() if name not in out}


def _steered_by(space: TrainedSpace, actor: Any, edits: baselines.Edit | None) -> dict[str, Callable]:
    """The methods that have controls: name -> (controls -> Method)."""
    found: dict[str, Callable] = {
        "latent": lambda controls: baselines.fused("latent", space, actor, controls=controls)}
    if edits is not None:
        found["edits"] = lambda controls: baselines.edited("edits", edits, controls=controls)
    return found


def retention_response(make: Callable[[Mapping[str, float]], Method], pairs: Pairs, measure: Callable,
                   count: int) -> dict[str, dict[str, list[float]]]:
    """What is kept as one control goes from 0 to 1 while the others stay at .5: {control: {measure: [share]}}."""
    response: dict[str, dict[str, list[float]]] = {}
    for control in ASPECTS:
        curves: dict[str, list[float]] = {name: [] for name in tables.RETENTION.values()}
        for value in baselines.CONTROLS:
            method = make({aspect: value if aspect == control else 0.5 for aspect in ASPECTS})
            found = measure(dataclasses.replace(method, most=count), pairs.unrelated)
            for name, curve in curves.items():
                curve.append(float(np.nanmean(found[name])))
        response[control] = curves
    return response


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
        full = np.minimum(np.arange(size), len(index) - 1)  # so that one compiled program measures all
        made = {name: np.asarray(x)[full] for name, x in method.run(block, index).items()}
        for name, part in jax.device_get(numbers(none | made, {name: x[full] for name, x in block.items()})).items():
            found.setdefault(name, np.full(len(music["melody"]), np.nan, np.float32))[index] = part[: len(index)]
    return found


def _blocks(music: Music, size: int, most: int | None = None) -> Iterator[tuple[Music, np.ndarray]]:
    """Music in blocks of `size` pairs, each with the numbers of its pairs; of so many pairs at most, evenly chosen."""
    count = len(music["melody"])
    size = min(size, most or size)
    chosen = batches.fixed(count, max(min(most or count, count) // size, 1) * size)
    for index in np.split(chosen, len(chosen) // size):
        yield {name: x[index] for name, x in music.items()}, index


def _numbers(judges: Judges, new: Music, old: Music) -> dict[str, jax.Array]:
    """The measures of new music that was made of old, one number a pair: {measure: [B]}."""
    tokens, slots = new["melody"], (new["pitch"], new["duration"])
    sounds = jnp.any(tokens < melody.HOLD, 1) & jnp.any(slots[1] > 0, (1, 2))  # silence is no harmony
    kept = retained.of_melody(tokens, old["melody"], new.get("melody_shift", 0), jnp)
    kept |= retained.of_accompaniment(new, old, new.get("accompaniment_shift", 0), jnp)
    return {
        **{rate: 1.0 * (sounds & (judge(new) > 0)) for rate, judge in judges.items()},
        **{name: new[name] for name in tables.RHO if name in new},
        **kept,
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

    {control moved: {aspect: [rho at each of baselines.CONTROLS]}}
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
        for value in baselines.CONTROLS:
            controls = np.full(len(aspects), 0.5, np.float32)
            controls[i] = value
            parts = [run(z, controls) for z in latents]
            for name, curve in curves.items():
                curve.append(float(np.mean([part[name] for part in parts])))
        response[control] = curves
    return response
