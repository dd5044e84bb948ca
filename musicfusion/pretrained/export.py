"""--mode=export: what later use needs of a trained run, as a folder that travels."""

import fnmatch
import hashlib
import io
import json
import math
import os
import re
from pathlib import Path

import numpy as np

from musicfusion import __version__
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write
from musicfusion.core.results import Results
from musicfusion.core.task import PLACES, Shipped, System
from musicfusion.data import splits
from musicfusion.pretrained import CARD, CONFIG, FORMAT, MANIFEST, WEIGHTS
from musicfusion.render.tables import markdown

SMALL = 4096  # numbers; smaller arrays stay as they are
LICENCES = {  # of the songs, by what a corpus's source says
    "POP909": "MIT",
    "Bach chorales": "public domain",
    "fiddle tunes": "public domain",
    "Weimar Jazz Database": "ODbL 1.0 (Jazzomat Research Project, Hochschule für Musik Franz Liszt Weimar)",
    "grooves, rendered with FluidR3_GM and MuseScore_General_Lite":
        "our own renderings of POP909's chord charts, which are MIT, as are both soundfonts",
    "grooves": "our own renderings of POP909's chord charts, which are MIT",
}


def export(system: System, config, workdir: Path, corpus, out: Path, command: str) -> list[Path]:
    """Writes the weights folder `out` of a trained run, whole or not at all; returns its card.

    corpus: the songs that it was trained on, for the card; command: what trains such a run.
    Raises MusicFusionError if a needed stage was not trained, if half precision cannot hold a number, or if `out` holds
    other files than an earlier export.
    """
    out = Path(os.path.abspath(out))
    if out.is_dir() and any(out.iterdir()) and not exported(out):
        raise MusicFusionError(f"{out} holds other files: give a new folder, or an earlier export, as --out")
    shipped = parts(system, config)
    arrays, stages = parameters(shipped, Results(workdir))
    settings = json.loads(json.dumps(config.to_dict()))
    settings["data"] |= {key: "" for key in settings["data"] if f"data.{key}" in PLACES}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    content = {WEIGHTS: packed.getvalue(), CONFIG: (json.dumps(settings, indent=1) + "\n").encode()}
    manifest = {
        "format": FORMAT,
        "system": system.declaration.name,
        "preset": config.preset,
        "version": __version__,
        "source": corpus.source,
        "stages": stages,
        "sha256": {file: hashlib.sha256(data).hexdigest() for file, data in content.items()},
    }
    content[MANIFEST] = (json.dumps(manifest, indent=1) + "\n").encode()
    trained = sum(splits.of_song(song, config.seed, system.splits).startswith("train") for song in corpus.songs)
    facts = [
        ["system", f"{system.declaration.name}, preset {config.preset} ({system.declaration.paper})"],
        ["data", f"{corpus.source}: {len(corpus.songs)} songs, {trained} of them for training"],
        ["licence of the data", licence(corpus.source)],
        ["seed", config.seed],
        ["musicfusion", __version__],
        [f"size of {WEIGHTS}", f"{len(content[WEIGHTS]):,} bytes"],
        [f"sha256 of {WEIGHTS}", f"`{manifest['sha256'][WEIGHTS]}`"],
    ]
    kept = stage_table({stage.name: stage.steps for stage in system.stages(config)}, shipped, arrays, stages)
    content[CARD] = card(out.name, system, corpus.source, facts, command, kept, figures(workdir)).encode()
    with atomic_folder(out) as work:
        for file, data in content.items():
            atomic_write(work / file, data)
    for file, data in content.items():
        print(f"{file:<14}{len(data):>12,} bytes")
    return [out / CARD]


def exported(folder: Path) -> bool:
    """Whether a folder holds an earlier export."""
    path = folder / MANIFEST
    return path.is_file() and FORMAT in path.read_text(encoding="utf-8", errors="replace")


def parts(system: System, config) -> dict[str, Shipped]:
    """What of each stage travels, in the stages' order; stages of which nothing does are left out."""
    declared = system.declaration.shipped
    names = [stage.name for stage in system.stages(config)]
    found = {name: part for name in names for pattern, part in declared.items() if fnmatch.fnmatch(name, pattern)}
    if not found:
        raise MusicFusionError(f"{system.declaration.name} does not say what of its stages can be exported")
    return found


def parameters(shipped: dict[str, Shipped], results: Results) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """What was trained of the parts that travel -> ({"stage/path/to/leaf": array}, {stage: step})."""
    from flax import traverse_util

    arrays: dict[str, np.ndarray] = {}
    stages: dict[str, int] = {}
    for stage, part in shipped.items():
        if not part.needed and not results.has(stage):
            continue
        params = results(stage)
        tree = {stage: {group: params[group] for group in part.groups or params}}
        arrays |= {path: half(leaf, path) for path, leaf in traverse_util.flatten_dict(tree, sep="/").items()}
        stages[stage] = results.step(stage)
    return arrays, stages


def half(leaf: np.ndarray, path: str) -> np.ndarray:
    """A float32 array in half precision, where that costs no more than its last digits.

    A small array stays as it is, and so does one whose largest number is below half's normal range. MusicFusionError
    for a number that is not finite, or that is to be rounded and above the range.
    """
    if leaf.dtype != np.float32:
        return leaf
    least, most = float(np.finfo(np.float16).smallest_normal), float(np.finfo(np.float16).max)
    peak = float(np.max(np.abs(leaf), initial=0.0))
    kept = leaf.size < SMALL or peak < least
    if not math.isfinite(peak) or (peak > most and not kept):
        raise MusicFusionError(f"{path} holds {peak:g}: half precision ends at {most:g}; train again")
    return leaf if kept else leaf.astype(np.float16)


def licence(source: str) -> str:
    """The licence of a corpus's songs, or of each where it was joined from several."""
    parts = source.split(" + ")
    found = [next((text for words, text in LICENCES.items() if words in part), "not known here") for part in parts]
    if len(parts) == 1:
        return found[0]
    return "; ".join(f"{part}: {text}" for part, text in zip(parts, found, strict=True))


def stage_table(budget: dict[str, int], shipped: dict[str, Shipped], arrays: dict[str, np.ndarray],
                stages: dict[str, int]) -> str:
    """Each exported stage: its step, its budget, which of its parameters, how many numbers."""
    rows = []
    for stage, step in stages.items():
        numbers = sum(array.size for path, array in arrays.items() if path.startswith(f"{stage}/"))
        rows.append([stage, step, budget[stage], ", ".join(shipped[stage].groups) or "all", numbers])
    return markdown(["stage", "step", "budget", "parameters", "numbers"], rows)


def figures(workdir: Path) -> str:
    """The run's report.md, its headings two levels lower; where there is none, a line that says so."""
    path = Path(workdir) / "report.md"
    if not path.is_file():
        return "None: the run was not evaluated before it was exported (`--mode=evaluate`)."
    return re.sub(r"(?m)^(#+) ", r"##\1 ", path.read_text(encoding="utf-8")).strip()


def card(name: str, system: System, source: str, facts: list, command: str, kept: str, measured: str) -> str:
    """The card of exported weights, Markdown: what they are, what they learned from, how well, and how far."""
    inputs = ",".join(f"{key}=FILE" for key in system.declaration.together or system.declaration.inputs)
    return f"""# {name}

{system.declaration.title}.

    python -m musicfusion.launch --mode=sample --pretrained={name} --inputs={inputs} --out=fused

{markdown(["", ""], facts)}

## Training

    {command}

{kept}

The step is that of the best validation score where a stage is validated, else its last. `{CONFIG}` is the whole config.

## Figures

Those of the run, before rounding; `--mode=evaluate --pretrained={name}` measures the weights themselves.

{measured}

## Limits

The weights know the music that they learned from: {source}. Other styles and other metres are new to them. Arrays of
{SMALL:,} numbers or more are rounded to half precision. What only training needs was left out, so training cannot go on
from here. `{MANIFEST}` holds the sha256 of `{WEIGHTS}` and of `{CONFIG}`; both are verified when they are read.
"""
