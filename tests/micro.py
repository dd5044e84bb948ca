"""The micro variants and the command line as a user runs it.

A module of its own: several folders have a conftest, so that name does not say which of them.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from musicfusion.systems import declarations

ROOT = Path(__file__).parents[1]
SYSTEMS = tuple(declarations())
CONFIGS = {name: ROOT / "configs" / f"{name}.py" for name in SYSTEMS}
CONFIG = CONFIGS["collagenet"]
RUN = {
    "run.steps_per_dispatch": 5, "run.log_every": 10, "run.validate_every": 20, "run.checkpoint_every": 10,
    "run.show_every": 40, "run.validate_batches": 1,
}


def micro(system: str) -> dict:
    """The quick variant shrunk until all stages train in about a minute: tests/systems/SYSTEM/settings.py."""
    return RUN | _module(ROOT / "tests" / "systems" / system / "settings.py").MICRO


def micro_flags(system: str = "collagenet", **overrides) -> list[str]:
    """Flags of the micro variant; overrides by key with dots written as __."""
    values = micro(system) | {key.replace("__", "."): value for key, value in overrides.items()}
    return [f"--config={CONFIGS[system]}:quick", *(f"--config.{key}={value}" for key, value in values.items())]


def micro_config(system: str = "collagenet", **overrides):
    """The same as a config."""
    config = variant(system)
    config.update_from_flattened_dict(
        micro(system) | {key.replace("__", "."): value for key, value in overrides.items()})
    return config


def variant(system: str, name: str = "quick"):
    """A system's config as it is published."""
    return _module(CONFIGS[system]).get_config(name)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def launch(*flags: str, **settings) -> subprocess.CompletedProcess:
    """Runs the command line in a process of its own, as a user does."""
    command = [sys.executable, "-m", "musicfusion.launch", *flags]
    return subprocess.run(command, capture_output=True, text=True, **settings)
