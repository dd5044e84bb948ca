"""A trained system and a user's files -> new files, with everything that explains them."""

import datetime
import functools
import json
import subprocess
from pathlib import Path

from musicfusion import __version__
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write
from musicfusion.core.results import Results, Trained
from musicfusion.core.task import System


def sample(
    system: System, config, results: Trained, inputs: dict, controls: dict, out: Path, seed: int
) -> list[Path]:
    """Makes music into the folder `out`, whole or not at all; returns the files to open, the page first."""
    from musicfusion.render import page

    if not 0 <= seed < 2**31:
        raise MusicFusionError(f"--seed={seed} is out of range: accepted is a number from 0 to {2**31 - 1}")
    out = Path(out)
    with atomic_folder(out) as work:
        made = system.sample(config, results, inputs, controls, work, seed)
        about = {
            "system": system.declaration.name,
            "preset": config.preset,
            "inputs": {name: str(path) for name, path in inputs.items()},
            "controls": controls,
            "seed": seed,
            **results.origin(),
            "revision": revision(),
            "version": __version__,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            **made.facts,
        }
        atomic_write(work / "metadata.json", json.dumps(about | {"config": config.to_dict()}, indent=1) + "\n")
        files = [(path, "") for path in sorted(work.iterdir()) if path.suffix in (".mid", ".json")]
        sections = [*made.sections, page.Facts("About", about), page.Files(files)]
        page.write(work, system.declaration.title, sections)
    for key in ("note", "sound"):
        if key in made.facts:
            _say(made.facts[key])
    return [out / "index.html", out / made.main]


@functools.cache
def _say(line: str) -> None:
    """Tells the user something, once."""
    print(line)


def examples(system: System, config, workdir: Path, corpus) -> list[Path]:
    """Makes music out of a few held-out songs: WORKDIR/samples/1, 2, ... Returns the pages."""
    try:
        import mido  # noqa: F401
    except ModuleNotFoundError:  # a bare accelerator machine: music is made elsewhere
        print("samples left out: mido is not installed; --mode=sample makes them where it is")
        return []
    defaults = {name: control.default for name, control in system.declaration.controls.items()}
    folder = Path(workdir) / "samples"
    files: list[Path] = []
    with atomic_folder(folder / "inputs") as work:
        chosen = system.examples(config, corpus, work)
    for number, inputs in enumerate(chosen, start=1):
        moved = {name: str(folder / "inputs" / Path(path).name) for name, path in inputs.items()}
        files += sample(system, config, Results(workdir), moved, defaults, folder / str(number), config.seed)
    return files


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
