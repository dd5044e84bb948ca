"""From what a user gives (inputs, controls, a seed) to results that explain themselves; and demos after training."""

import datetime
import difflib
import functools
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from musicfusion import __version__
from musicfusion.codecs import inputs as sources
from musicfusion.core.contracts import Control, Declaration, Locked, Sampler, System
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder
from musicfusion.core.results import Results, Trained
from musicfusion.data.corpus import Corpus
from musicfusion.render.result import SampleResult

SEEDS = 2**31  # seeds are below


def sample(
    system: System, config: ConfigDict, trained: Trained, sampler: Sampler, requests: Sequence[Mapping[str, Any]],
    seeds: Sequence[int], locked: Sequence[Locked | None],
) -> list[SampleResult]:
    """Music for each request, inputs and controls by name; controls must be equal in all of them.

    What was passed over, changed or guessed in reading the inputs is among the notices of their result. locked: what
    each keeps of an earlier result, if anything.

    Raises:
        MusicFusionError: an unknown name, inputs that do not go together, a control or seed out of range, a file that
            cannot be used, a lock that cannot be kept.
    """
    declared = system.declaration
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < SEEDS:
            raise MusicFusionError(f"seed={seed} is out of range: accepted is a whole number from 0 to {SEEDS - 1}")
    given = [split(declared, request) for request in requests]
    controls = [resolve(declared, chosen, sampler.words) for _, chosen in given]
    if any(own != controls[0] for own in controls):
        raise MusicFusionError("sample_many: controls are set for all requests alike")
    called = [{name: sources.described(x, name) for name, x in files.items()} for files, _ in given]
    for lock, names in zip(locked, called, strict=True):
        if lock is not None:
            check_locked(declared, lock, names)
    pieces, noticed = [], []
    for files, _ in given:
        with sources.noticing() as notices:
            pieces.append(sampler.read(files, controls[0]))
        noticed.append(notices)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    kept = [lock if lock is not None and lock.spans else None for lock in locked]
    results = sampler.generate(pieces, controls[0], list(map(int, seeds)), kept)
    about = {"system": declared.name, "preset": config.preset, "controls": controls[0], **trained.origin(),
             "revision": revision(), "version": __version__, "made": made}
    return [_explained(result, about | {"inputs": names, "seed": int(seed)} | _said_of(lock), notices, config)
            for result, names, notices, seed, lock in zip(results, called, noticed, seeds, locked, strict=True)]


def _said_of(locked: Locked | None) -> dict[str, Any]:
    """What metadata say of a lock."""
    return {} if locked is None else {"locked": [list(span) for span in locked.spans]}


def _explained(result: SampleResult, about: Mapping[str, Any], notices: Sequence[str], config) -> SampleResult:
    """The result with what is known about it, and with the notices of its inputs after its own."""
    both = about.keys() & result.metadata.keys()
    if both:
        raise ValueError(f"a system's metadata may not replace {', '.join(sorted(both))}")
    metadata = {**about, **result.metadata, "config": config.to_dict()}
    fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
    return SampleResult(**fields | {"metadata": metadata, "notices": (*result.notices, *notices)})


# What the user gives ------------------------------------------------------------------------------------------------


def split(declared: Declaration, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and controls apart; inputs of None count as not given. MusicFusionError for what is neither."""
    files: dict[str, Any] = {}
    controls: dict[str, Any] = {}
    for name, value in given.items():
        if name in declared.inputs:
            if value is not None:
                files[name] = value
        elif name in declared.controls:
            controls[name] = value
        else:
            raise MusicFusionError(unknown("input or control", name, [*declared.inputs, *declared.controls]))
    check_inputs(declared, files)
    return files, controls


def check_inputs(declared: Declaration, names: Collection[str]) -> None:
    """Raises MusicFusionError unless these inputs may be given together."""
    if set(names) not in map(set, declared.input_sets):
        accepted = " or ".join(" and ".join(one) or "none" for one in declared.input_sets)
        said = " and ".join(sorted(names)) or "none"
        raise MusicFusionError(f"inputs: {said} given; {declared.name} takes {accepted}")


def check_locked(declared: Declaration, locked: Locked, inputs: Mapping[str, str]) -> None:
    """Raises MusicFusionError unless it locks a result of this system from these inputs, as metadata name them."""
    if not isinstance(locked, Locked):
        raise MusicFusionError(f"locked: {type(locked).__name__} is no lock: give Locked(result, spans)")
    result = locked.result
    if not isinstance(result, SampleResult):
        raise MusicFusionError(f"locked: {type(result).__name__} is no result: lock what `sample` returned")
    if result.metadata.get("system") != declared.name:
        raise MusicFusionError(f"locked: the result is of {result.metadata.get('system') or 'no system'}, not of"
                               f" {declared.name}")
    if result.metadata.get("inputs") != inputs:
        before, now = (", ".join(f"{name}={x}" for name, x in given.items()) or "none"
                       for given in (result.metadata.get("inputs") or {}, inputs))
        raise MusicFusionError(f"locked: the result was made of other inputs ({before}), not of {now}")


def resolve(
    declared: Declaration, given: Mapping[str, Any], words: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """All controls, the user's over the defaults. words: what those that are words may be, where the weights say so.

    Raises:
        MusicFusionError: a name that is unknown, a value out of range.
    """
    controls: dict[str, Any] = {name: control.default for name, control in declared.controls.items()}
    for name, value in given.items():
        if name not in controls:
            raise MusicFusionError(unknown("control", name, controls))
        controls[name] = _value(name, value, declared.controls[name])
        known = (words or {}).get(name) or declared.controls[name].choices
        if known and controls[name] and controls[name] not in known:
            raise MusicFusionError(unknown(name, controls[name], known))
    return controls


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """The line for a name that is none of those that are known."""
    near = difflib.get_close_matches(str(name), known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{what} {name!r} is unknown: {hint}there are {', '.join(known)}"


def _value(name: str, value: Any, control: Control) -> Any:
    """One control's value: a word, a number in its range, a tuple of such where it takes several."""
    if isinstance(control.default, str):
        return str(value)
    several = value if control.many and isinstance(value, (tuple, list, np.ndarray)) else [value]
    try:
        numbers = [float(x) for x in several]
        if control.whole:
            if any(number != int(number) for number in numbers):
                numbers = [float("nan")]
            else:
                numbers = [int(number) for number in numbers]
    except (TypeError, ValueError, OverflowError):
        numbers = [float("nan")]
    if not numbers or not all(control.low <= number <= control.high for number in numbers):
        kind = "a whole number" if control.whole else "a number"
        more = ", or several" if control.many else ""
        raise MusicFusionError(f"control {name}={value} is out of range: accepted is {kind} from {control.low:g} to"
                               f" {control.high:g}{more}")
    return tuple(numbers) if control.many and not isinstance(value, (int, float)) else numbers[0]


# Demos --------------------------------------------------------------------------------------------------------------


def demos(system: System, config: ConfigDict, workdir: Path, corpus: Corpus) -> list[Path]:
    """Makes music out of a few held-out songs: WORKDIR/samples/1, 2, ... Returns the files to open."""
    try:
        import mido  # noqa: F401
    except ModuleNotFoundError:  # a bare accelerator machine: music is made elsewhere
        print("samples left out: mido is not installed; --mode=sample makes them where it is")
        return []
    folder = Path(workdir) / "samples"
    with atomic_folder(folder / "inputs") as work:
        chosen = system.demo_inputs(config, corpus, work)
    trained = Results(workdir)
    sampler = system.sampler(config, trained)
    files: list[Path] = []
    for number, given in enumerate(chosen, start=1):
        moved = {name: str(folder / "inputs" / Path(path).name) for name, path in given.items()}
        for result in sample(system, config, trained, sampler, [moved], [config.seed], [None]):
            files += result.save(folder / str(number), sound=config.sample.audio)
    return files


@functools.cache
def revision() -> str:
    """The git revision of the code that runs, or ""."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
