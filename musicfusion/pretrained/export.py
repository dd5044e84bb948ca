"""--mode=export: what later use needs of a trained run, as a folder that travels."""

import fnmatch
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ml_collections import ConfigDict

from musicfusion import __version__
from musicfusion.core.contracts import DATA_ROOTS, ExportSpec, Precompute, System
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write
from musicfusion.core.results import Results
from musicfusion.data import splits
from musicfusion.data.corpus import Corpus
from musicfusion.pretrained import CARD, CONFIG, FORMAT, MANIFEST, WEIGHTS
from musicfusion.render.tables import markdown

SMALL = 4096  # numbers; smaller arrays stay as they are
UNKNOWN = "unknown: whoever passes these weights on must find out"
HUB_LICENCES = {"MIT": "mit", "CC0 1.0": "cc0-1.0", "CC BY 4.0": "cc-by-4.0", "ODbL 1.0": "odbl"}


def export(system: System, config: ConfigDict, workdir: Path, corpus: Corpus, out: Path, command: str) -> list[Path]:
    """Writes the weights folder `out` of a trained run, whole or not at all; returns its card.

    corpus: the songs that it was trained on, for the card; command: what trains such a run.
    Raises MusicFusionError if a needed stage was not trained, if half precision cannot hold a number, or if `out` holds
    other files than an earlier export.
    """
    from safetensors.numpy import save

    out = Path(os.path.abspath(out))
    if out.is_dir() and any(out.iterdir()) and not exported(out):
        raise MusicFusionError(f"{out} holds other files: give a new folder, or an earlier export, as --out")
    shipped = parts(system, config)
    arrays, stages = parameters(shipped, Results(workdir))
    settings = json.loads(json.dumps(config.to_dict()))
    settings["data"] |= {key: "" for key in settings["data"] if f"data.{key}" in DATA_ROOTS}
    settings["run"]["init"] = ""  # a path of this machine, maybe
    content = {WEIGHTS: save(dict(sorted(arrays.items()))), CONFIG: (json.dumps(settings, indent=1) + "\n").encode()}
    manifest = {
        "format": FORMAT,
        "system": system.declaration.name,
        "preset": config.preset,
        "version": __version__,
        "source": corpus.source,
        "licence": corpus.licence or UNKNOWN,
        "stages": stages,
        "sha256": {file: hashlib.sha256(data).hexdigest() for file, data in content.items()},
    }
    content[MANIFEST] = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    trained = sum(split.startswith("train") for split in splits.of_songs(corpus, config.seed, system.splits))
    facts = [
        ["system", f"{system.declaration.name}, preset {config.preset} ({system.declaration.paper})"],
        ["data", f"{corpus.source}: {len(corpus.songs)} songs, {trained} of them for training"],
        ["licence of the data", manifest["licence"]],
        ["seed", config.seed],
        ["musicfusion", __version__],
        [f"size of {WEIGHTS}", f"{len(content[WEIGHTS]):,} bytes"],
        [f"sha256 of {WEIGHTS}", f"`{manifest['sha256'][WEIGHTS]}`"],
    ]
    budget = {stage.name: "one pass" if isinstance(stage.task, Precompute) else f"{stage.steps:,}"
              for stage in system.stages(config)}
    kept = stage_table(budget, shipped, arrays, stages)
    text = card(out.name, system, corpus.source, facts, command, kept, figures(workdir))
    front = front_matter(out.name, system.declaration.name, corpus.source, manifest["licence"], report_of(workdir))
    content[CARD] = (front + text).encode()
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


def parts(system: System, config: ConfigDict) -> dict[str, ExportSpec]:
    """What of each stage travels, in the stages' order; stages of which nothing does are left out."""
    declared = system.declaration.exported
    names = [stage.name for stage in system.stages(config)]
    found = {name: part for name in names for pattern, part in declared.items() if fnmatch.fnmatch(name, pattern)}
    if not found:
        raise MusicFusionError(f"{system.declaration.name} does not say what of its stages can be exported")
    return found


def parameters(shipped: dict[str, ExportSpec], results: Results) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """What was trained of the parts that travel -> ({"stage/path/to/leaf": array}, {stage: step})."""
    from flax import traverse_util

    arrays: dict[str, np.ndarray] = {}
    stages: dict[str, int] = {}
    for stage, part in shipped.items():
        if not part.required and not results.has(stage):
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


def front_matter(name: str, system: str, source: str, licence: str, report: Mapping[str, Any]) -> str:
    """What a Hub reads of a card: YAML between lines of dashes.

    Args:
        name: of the weights.
        system: whose they are.
        source, licence: of the songs.
        report: of the run's evaluation (core.evaluation.Evaluation.to_json), for its headlines; may be empty.
    """
    known = next((hub for text, hub in HUB_LICENCES.items() if licence == text), "other")
    said: dict[str, Any] = {"license": known}
    if known == "other":
        said |= {"license_name": "of-the-data", "license_link": "README.md"}
    said |= {"library_name": "musicfusion", "tags": ["music", "midi", "jax", "flax", system],
             "datasets": source.split(" + ")}
    figures = []
    for table, row, measure in report.get("headlines", []):
        own = report["tables"][table]
        values: Mapping[str, Any] = next((one["values"] for one in own["rows"] if one["name"] == row), {})
        value = values.get(measure, {}).get("mean")  # none where that method was not trained
        if value is not None:
            column = own["measures"][measure]
            figures.append({"type": measure, "name": f"{row}: {column['label']}",
                            "value": round(value * column["scale"], column["digits"])})
    if figures:
        data = {"type": "music", "name": f"{report['data']['source']}, {report['data']['split']} split"}
        said["model-index"] = [{"name": name, "results": [
            {"task": {"type": "other", "name": system}, "dataset": data, "metrics": figures}]}]
    return f"---\n{yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120)}---\n\n"


def stage_table(budget: dict[str, str], shipped: dict[str, ExportSpec], arrays: dict[str, np.ndarray],
                stages: dict[str, int]) -> str:
    """Each exported stage: its step, its budget, which of its parameters, how many numbers."""
    rows = []
    for stage, step in stages.items():
        numbers = sum(array.size for path, array in arrays.items() if path.startswith(f"{stage}/"))
        rows.append([stage, step, budget[stage], ", ".join(shipped[stage].groups) or "all", numbers])
    return markdown(["stage", "step", "budget", "parameters", "numbers"], rows)


def report_of(workdir: Path) -> dict[str, Any]:
    """The run's report.json; empty where it was not evaluated."""
    path = Path(workdir) / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def figures(workdir: Path) -> str:
    """The run's report.md, its headings two levels lower; where there is none, a line that says so."""
    path = Path(workdir) / "report.md"
    if not path.is_file():
        return "None: the run was not evaluated before it was exported (`--mode=evaluate`)."
    return re.sub(r"(?m)^(#+) ", r"##\1 ", path.read_text(encoding="utf-8")).strip()


def card(name: str, system: System, source: str, facts: list, command: str, kept: str, measured: str) -> str:
    """The card of exported weights, Markdown: what they are, what they learned from, how well, and how far."""
    given = ",".join(f"{key}=FILE" for key in system.declaration.demo_inputs)
    inputs = f"--inputs={given} " if given else ""
    arguments = ", ".join(f'{key}="FILE"' for key in system.declaration.demo_inputs)
    return f"""# {name}

{system.declaration.title}.

    python -m musicfusion.launch --mode=sample --pretrained={name} {inputs}--out=fused

or in Python

    import musicfusion

    musicfusion.load("{name}").sample({arguments}).save("fused")

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
{SMALL:,} numbers or more are rounded to half precision. What only training needs was left out;
`--config.run.init={name}` begins another training here. `{MANIFEST}` holds the sha256 of `{WEIGHTS}` and of
`{CONFIG}`; both are verified when they are read.
"""
