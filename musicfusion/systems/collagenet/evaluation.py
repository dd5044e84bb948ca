"""What a trained CollageNet does on songs that it never saw: paper 000's tables, the controls, the reconstruction."""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.report import working
from musicfusion.data import batches
from musicfusion.latent import space
from musicfusion.metrics import bootstrap, reconstruction, statistics
from musicfusion.systems.collagenet import actor_critic, evaluator, methods, nets, segments, tables

CONTROLS = (0.0, 0.25, 0.5, 0.75, 1.0)
JUDGES = {"harmony_rate": "harmony_evaluator", "harmony_rate_key_matched": "key_evaluator"}
RHO = ("rho_melody", "rho_accompaniment")
TABLE1 = (*JUDGES, *RHO,
          "onsets_kept", "pitches_kept", "notes_kept", "chords_kept", "changed")
TABLE2 = ("pch_kld", "pch_oa", "oh_kld", "oh_oa", "re")
TABLE3 = ("melody_pc", "melody_pi", "melody_pi_abs", "melody_ioi", "accompaniment_pc", "accompaniment_ioi")

Numbers = dict[str, np.ndarray]  # measure -> one number a pair, NaN where a pair has none


class Pairs(NamedTuple):
    """Segments of the measured songs, each with its own accompaniment (real) and with another song's (unrelated).

    real, unrelated: music as in methods.py, [n, ...]; songs: int [n], of the melody; partner: int [n], the segment
    whose accompaniment a melody meets in `unrelated`.
    """

    real: methods.Music
    unrelated: methods.Music
    songs: np.ndarray
    partner: np.ndarray


def evaluate(config, corpus, results) -> tuple[dict, str, Callable[[Path], list[Path]]]:
    """Tables 1 to 3, controls and reconstruction on the songs of config.data.split -> (report, its text, draw)."""
    pairs = read(config, corpus)
    size = min(config.evaluate.batch, len(pairs.songs))
    here = methods.space(config, results)
    numbers = functools.partial(jax.jit(_numbers), _judges(config, results))
    measure = functools.partial(_measure, numbers=numbers, size=size)
    row = functools.partial(_row, interval=functools.partial(bootstrap.interval, groups=pairs.songs, seed=config.seed))
    through = methods.reconstruction(here)

    own = measure(methods.unchanged("harmonic pairs"), pairs.real)
    real = {"harmonic pairs": own, through.name: measure(through, pairs.real)}
    found = {method.name: measure(method, pairs.unrelated) for method in methods.methods(config, results, here)}
    made_up = {"VAE prior": measure(methods.prior(here, config.seed), pairs.unrelated)}
    steered = {value: measure(methods.at_controls(config, results, here, value), pairs.unrelated) for value in CONTROLS}

    report = {
        "system": "collagenet",
        "preset": config.preset,
        "data": {"source": corpus.source, "split": config.data.split},
        "songs": len(np.unique(pairs.songs)),
        "segments": len(pairs.songs),
        "lambda": config.fusion.distance,
        "table1": [row(name, numbers, TABLE1) for name, numbers in (real | found).items()],
        "table2": [row(name, numbers, TABLE2) for name, numbers in (real | found).items()],
        "table3": [row("test set", own, TABLE3)] + [
            row(name, _differences(numbers, pairs, own), TABLE3)
            for name, numbers in (made_up | found).items() if name != "disharmonic pairs"],
        "curve": [row(f"controls {value:g}", numbers, TABLE1) for value, numbers in steered.items()],
        "evaluator": {stage: _accuracy(own[rate], found["disharmonic pairs"][rate], found["transposition"][rate])
                      for rate, stage in JUDGES.items() if results.has(stage)},
        "reconstruction": {
            "ours": _reconstruct(here, pairs.real, size),
            "majority": majority(corpus, config, pairs.real),
            "controls_1": _likeness(here, methods.at_controls(config, results, here, 1.0), pairs.unrelated, size),
        },
        "controls": {"values": list(CONTROLS), "rho": control_response(config, results, here, pairs.unrelated, size)},
    }
    report["paper"] = tables.paper()
    return report, tables.text(report), lambda folder: tables.draw(report, folder)


# Music ---------------------------------------------------------------------------------------------------------------


def read(config, corpus) -> Pairs:
    """The segments of config.data.split, evenly chosen, a whole number of batches."""
    starts, songs = segments.measured(corpus, config)
    real = _music(corpus, starts)
    partner = unrelated(songs, config.seed)
    return Pairs(real, {name: x if name == "melody" else x[partner] for name, x in real.items()}, songs, partner)


def _music(corpus, starts) -> methods.Music:
    cut = jax.jit(segments.cut)
    return jax.device_get(cut(corpus.arrays, starts, np.zeros_like(starts)))


def unrelated(songs: np.ndarray, seed: int) -> np.ndarray:
    """For every segment another one, of another song: int [n], seeded."""
    rng = np.random.default_rng(seed)
    partner = rng.permutation(len(songs))
    while len(same := np.flatnonzero(songs[partner] == songs)):
        partner[same] = rng.integers(0, len(songs), len(same))
    return partner


# Numbers -------------------------------------------------------------------------------------------------------------


def _judges(config, results) -> dict[str, Callable[[methods.Music], jax.Array]]:
    """The trained evaluators: rate -> (music -> logits [B])."""
    model = evaluator.create(config)
    score = functools.partial(evaluator.score, model)
    return {rate: jax.tree_util.Partial(score, results(stage))  # its parameters are no constants of a program
            for rate, stage in JUDGES.items() if results.has(stage)}


def _measure(method: methods.Method, music: methods.Music, numbers, size: int) -> Numbers:
    """What a method makes of every pair, in numbers: all measures of Tables 1 to 3."""
    working(f"measuring: {method.name}")
    none = dict.fromkeys(RHO, np.full(size, np.nan, np.float32))  # of a method that moves no latents
    found: Numbers = {}
    for block, rows in _blocks(music, size, method.most):
        for name, part in jax.device_get(numbers(none | method.run(block, rows), block)).items():
            found.setdefault(name, np.full(len(music["melody"]), np.nan, np.float32))[rows] = part
    return found


def _blocks(music: methods.Music, size: int, most: int | None = None):
    """Music in blocks of `size` pairs, each with the numbers of its pairs; of so many pairs at most, evenly chosen."""
    count = len(music["melody"])
    chosen = batches.fixed(count, max(min(most or count, count) // size, 1) * size)
    for rows in np.split(chosen, len(chosen) // size):
        yield {name: x[rows] for name, x in music.items()}, rows


def _numbers(judges, new: methods.Music, old: methods.Music) -> dict[str, jax.Array]:
    """The measures of new music that was made of old, one number a pair: {measure: [B]}."""
    tokens, slots = new["melody"], (new["pitch"], new["duration"])
    heard = jnp.any(tokens < melody.HOLD, 1) & jnp.any(slots[1] > 0, (1, 2))  # silence is no harmony
    kept = reconstruction.kept({"tokens": tokens, **new}, old)
    return {
        **{rate: 1.0 * (heard & (judge(new) > 0)) for rate, judge in judges.items()},
        **{name: new[name] for name in RHO if name in new},
        **kept,
        "changed": 1.0 - 0.5 * (kept["pitches_kept"] + kept["notes_kept"]),
        **statistics.of_pair(tokens, *slots),
        **{f"melody_{name}": x for name, x in statistics.of_melody(tokens).items()},
        **{f"accompaniment_{name}": x for name, x in statistics.of_accompaniment(*slots).items()},
    }


def _differences(numbers: Numbers, pairs: Pairs, own: Numbers) -> Numbers:
    """What a method changed in the statistics of either part (Table 3 reports differences from the test set)."""
    before = {name: own[name] if name.startswith("melody") else own[name][pairs.partner] for name in TABLE3}
    return {name: numbers[name] - before[name] for name in TABLE3}


def _row(name: str, numbers: Numbers, measures: tuple[str, ...], interval) -> dict:
    """One row of a table: the means, and 95 % bootstrap intervals over songs under "ci"; None where there is none."""
    means: dict[str, float | None] = {}
    ci: dict[str, list[float] | None] = {}
    for measure in measures:
        mean, low, high = interval(numbers[measure]) if measure in numbers else (np.nan,) * 3
        means[measure] = None if np.isnan(mean) else mean
        ci[measure] = None if np.isnan(mean) else [low, high]
    return {"method": name, **means, "ci": ci}


def _accuracy(real: np.ndarray, other: np.ndarray, transposed: np.ndarray) -> dict[str, float]:
    """How often an evaluator is right, on random negatives and on key-matched ones, from what passes."""
    passed = [float(np.mean(x)) for x in (real, other, transposed)]
    return {
        "passes_real": passed[0], "passes_random": passed[1], "passes_key_matched": passed[2],
        "accuracy_random": (passed[0] + 1.0 - passed[1]) / 2,
        "accuracy_key_matched": (passed[0] + 1.0 - passed[2]) / 2,
    }


# Reconstruction and controls -----------------------------------------------------------------------------------------


def _reconstruct(here: methods.Space, music: methods.Music, size: int) -> dict[str, float]:
    """Greedy reconstruction from the posterior mean: rates over all segments."""
    through = methods.reconstruction(here)
    return _rates([jax.device_get(_counts(through.run(block, rows), block)) for block, rows in _blocks(music, size)])


def _likeness(here: methods.Space, method: methods.Method, music: methods.Music, size: int) -> dict[str, float]:
    """How much a method's music is like the VAEs' own reconstruction of what it was given."""
    through = methods.reconstruction(here)
    counts = [jax.device_get(_counts(method.run(block, rows), through.run(block, rows)))
              for block, rows in _blocks(music, size)]
    return _rates(counts)


@jax.jit
def _counts(new: methods.Music, old: methods.Music) -> dict:
    return nets.reconstructions(old, {"tokens": new["melody"], **new})


def _rates(counts) -> dict[str, float]:
    rates = {}
    for name in counts[0]:
        right, whole = (sum(float(part[name][i]) for part in counts) for i in range(2))
        rates[name] = right / max(whole, 1.0)
    return rates


def majority(corpus, config, asked: methods.Music) -> dict[str, float]:
    """What the same measures say of always answering the training songs' most frequent symbol.

    The most frequent token, pitch of an onset, rhythm symbol, root and chord; and no note at all, the most frequent
    content of an accompaniment's cell. Where the corpus is measured whole, the most frequent symbol of the whole.
    """
    split = "all" if config.data.split == "all" else "train"
    train, _ = segments.windows(corpus, config, split, ("melody", "accompaniment"))
    known = _music(corpus, train[batches.fixed(len(train), 2000)])
    tokens, wanted = known["melody"], asked["melody"]
    pitch = _mode(tokens[tokens < melody.HOLD])
    chord = np.array(_mode_row(known["chords"].reshape(-1, 3)))
    return {
        "token_accuracy": float(np.mean(wanted == _mode(tokens))),
        "onset_accuracy": float(np.mean(wanted[wanted < melody.HOLD] == pitch)),
        "rhythm_accuracy": float(np.mean(melody.rhythm(wanted) == _mode(melody.rhythm(tokens)))),
        "note_f1": 0.0,
        "note_duration_f1": 0.0,
        "root_accuracy": float(np.mean(asked["chords"][..., 0] == _mode(known["chords"][..., 0]))),
        "chord_accuracy": float(np.mean(np.all(asked["chords"] == chord, -1))),
    }


def _mode(values) -> int:
    return int(np.argmax(np.bincount(np.asarray(values).reshape(-1))))


def _mode_row(rows):
    unique, count = np.unique(rows, axis=0, return_counts=True)
    return unique[np.argmax(count)]


def control_response(config, results, here, music, size) -> dict[str, dict[str, list[float]]]:
    """rho of every aspect as one control goes from 0 to 1 while the others stay at .5, over unrelated pairs.

    {control moved: {aspect: [rho at each of CONTROLS]}}
    """
    actor, aspects = results("fusion")["actor"], here.aspects

    @jax.jit
    def rho(moved, z):
        return {name: jnp.mean(x) for name, x in space.distances(moved, z, here.sbar, aspects).items()}

    def run(z, controls):
        return rho(here.move(actor, z, np.tile(controls, (len(z), 1))), z)

    some = itertools.islice(_blocks(music, size), max(2000 // size, 1))
    latents = [here.encode(block) for block, _ in some]
    response: dict[str, dict[str, list[float]]] = {}
    for i, control in enumerate(actor_critic.ASPECTS):
        rows = []
        for value in CONTROLS:
            knobs = np.full(len(aspects), 0.5, np.float32)
            knobs[i] = value
            parts = [run(z, knobs) for z in latents]
            rows.append({name: float(np.mean([part[name] for part in parts])) for name in aspects})
        response[control] = {name: [row[name] for row in rows] for name in aspects}
    return response
