"""What a trained CollageNet does on songs that it never saw: reconstruction, and the response to the four controls."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.data import batches
from musicfusion.render import figures
from musicfusion.render.tables import markdown
from musicfusion.systems.collagenet import actor_critic, nets, segments

CONTROLS = (0.0, 0.25, 0.5, 0.75, 1.0)
MEASURES = {
    "token_accuracy": "melody tokens",
    "onset_accuracy": "melody onsets",
    "rhythm_accuracy": "melody rhythm",
    "note_f1": "accompaniment notes, F1 (onset, pitch)",
    "note_duration_f1": "the same with duration",
    "root_accuracy": "chord roots",
    "chord_accuracy": "whole chords",
}


def evaluate(config, corpus, results) -> tuple[dict, str, Callable[[Path], list[Path]]]:
    """Reconstruction and control response on the songs of config.data.split -> (report, its text, draw)."""
    sides = nets.models(config)
    params = nets.parameters(config, results)
    starts, songs = segments.windows(corpus, config, config.data.split, ("melody", "accompaniment"))
    total = min(config.evaluate.segments, len(starts))
    size = min(config.evaluate.batch, total)
    chosen = batches.fixed(len(starts), total // size * size)
    starts, songs = starts[chosen], songs[chosen]
    arrays = jax.tree.map(jnp.asarray, dict(corpus.arrays))

    rates, z = _reconstruct(sides, params, arrays, starts.reshape(-1, size))
    baseline = majority(corpus, config)
    response = control_response(config, params, np.concatenate(z), unrelated(songs, config.seed), size)
    report = {
        "system": "collagenet",
        "preset": config.preset,
        "data": {"source": corpus.source, "split": config.data.split},
        "songs": len(np.unique(songs)),
        "segments": len(starts),
        "reconstruction": {"ours": rates, "majority": baseline},
        "controls": {"values": list(CONTROLS), "rho": response},
    }
    return report, _text(report), lambda folder: [_draw(response, folder / "controls.png")]


def _reconstruct(sides, params, arrays, starts) -> tuple[dict[str, float], list[np.ndarray]]:
    """Greedy reconstruction from the posterior mean: rates over all segments, and the means of z."""

    @jax.jit
    def run(starts):
        batch = segments.cut(arrays, starts, jnp.zeros_like(starts))
        mean, _ = nets.encode(sides, params, batch)
        return nets.reconstructions(batch, nets.decode(sides, params, mean)), mean

    counts, z = zip(*(jax.device_get(run(block)) for block in starts), strict=True)
    return _rates(counts), list(z)


def _rates(counts) -> dict[str, float]:
    rates = {}
    for name in counts[0]:
        right, whole = (sum(float(part[name][i]) for part in counts) for i in range(2))
        rates[name] = right / max(whole, 1.0)
    return rates


def majority(corpus, config) -> dict[str, float]:
    """What the same measures say of always answering the training songs' most frequent symbol.

    The most frequent token, pitch of an onset, rhythm symbol, root and chord; and no note at all, the most frequent
    content of an accompaniment's cell.
    """
    train, _ = segments.windows(corpus, config, "train", ("melody", "accompaniment"))
    test, _ = segments.windows(corpus, config, config.data.split, ("melody", "accompaniment"))
    known, asked = (
        jax.device_get(segments.cut(corpus.arrays, jnp.asarray(starts[batches.fixed(len(starts), 2000)]),
                                    jnp.zeros(2000, jnp.int32)))
        for starts in (train, test)
    )
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


def unrelated(songs: np.ndarray, seed: int) -> np.ndarray:
    """For every segment another one, of another song where there is one: int [n], seeded."""
    rng = np.random.default_rng(seed)
    partner = rng.permutation(len(songs))
    for _ in range(100):
        same = np.flatnonzero(songs[partner] == songs)
        if not len(same):
            break
        partner[same] = rng.integers(0, len(songs), len(same))
    return partner


def control_response(config, params, z, partner, size) -> dict[str, dict[str, list[float]]]:
    """rho of every aspect as one control goes from 0 to 1 while the others stay at .5, over unrelated pairs.

    {control moved: {aspect: [rho at each of CONTROLS]}}
    """
    actor, _ = nets.actor_and_critic(config, nets.models(config))
    aspects = actor.aspects
    cut = actor_critic.melody_size(aspects)
    pairs = np.concatenate([z[:, :cut], z[partner][:, cut:]], -1)[: max(2000 // size, 1) * size]

    @jax.jit
    def run(z, controls):
        moved = actor.apply({"params": params["actor"]}, z, jnp.broadcast_to(controls, (len(z), 4)))
        rho = actor_critic.distances(moved, z, params["sbar"], aspects)
        return {name: jnp.mean(value) for name, value in rho.items()}

    response: dict[str, dict[str, list[float]]] = {}
    for i, control in enumerate(actor_critic.ASPECTS):
        rows = []
        for value in CONTROLS:
            knobs = np.full(4, 0.5, np.float32)
            knobs[i] = value
            parts = [run(block, knobs) for block in pairs.reshape(-1, size, pairs.shape[-1])]
            rows.append({name: float(np.mean([part[name] for part in parts])) for name in aspects})
        response[control] = {name: [row[name] for row in rows] for name in aspects}
    return response


def falls(values: list[float]) -> bool:
    """Whether every value is below the one before."""
    return bool(np.all(np.diff(values) < 0))


def _draw(response: dict, path: Path) -> Path:
    panels = [(f"control: {control}", list(CONTROLS), curves) for control, curves in response.items()]
    return figures.lines_grid(
        path, panels, xlabel="control", ylabel="latent distance rho", title="What each control holds fast")


def _text(report: dict) -> str:
    ours, majority_of = report["reconstruction"]["ours"], report["reconstruction"]["majority"]
    rows = [[label, f"{100 * ours[name]:.2f}", f"{100 * majority_of[name]:.2f}"] for name, label in MEASURES.items()]
    lines = [
        f"# CollageNet, preset {report['preset']}",
        "",
        f"{report['segments']} segments of {report['songs']} songs ({report['data']['split']} split of"
        f" {report['data']['source']})",
        "",
        "## Reconstruction: greedy, from the posterior mean",
        "",
        markdown(["%", "ours", "majority"], rows),
        "",
        "## Control response: latent distance rho of each aspect; the other controls at .5",
        "",
    ]
    rows = []
    for control, curves in report["controls"]["rho"].items():
        for i, value in enumerate(report["controls"]["values"]):
            own = ("falls" if falls(curves[control]) else "does not fall") if i == 0 else ""
            rows.append([control if i == 0 else "", value, *(curves[name][i] for name in curves), own])
    names = list(report["controls"]["rho"])
    lines.append(markdown(["control", "c", *names, "own distance"], rows))
    return "\n".join(lines)
