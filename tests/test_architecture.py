"""The house stands: imports never go up, systems do not know each other, training and --help import little."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from micro import ROOT, micro, micro_flags

from musicfusion.data import cache

FLOORS = (
    {"core"},
    {"codecs", "data", "losses", "metrics", "nn", "pretrained", "priors", "render"},
    {"latent"},
    {"systems"},
    {"benchmark", "compare", "describe", "evaluate", "sample", "train"},
    {"api"},
    {"studio"},
    {"launch"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted((ROOT / "musicfusion").rglob("*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    known = {module(file) for file in FILES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= inner or {node.module}
    return {name for name in found if name.startswith("musicfusion.")}


@pytest.mark.parametrize("path", FILES, ids=module)
def test_an_import_never_goes_up(path):
    here = module(path).split(".")
    if len(here) == 1:
        return  # the package itself names what is public, and imports it when it is used
    for name in imports(path):
        there = name.split(".")
        assert FLOOR[there[1]] <= FLOOR[here[1]], f"{'.'.join(here)} imports {name}"


@pytest.mark.parametrize("room, allowed", [("core", {"core"}), ("codecs", {"core", "codecs"})])
def test_the_lowest_rooms_stand_on_their_own(room, allowed):
    for path in FILES:
        if module(path).split(".")[1:2] == [room]:
            assert {name.split(".")[1] for name in imports(path)} <= allowed, path


def test_no_system_imports_another():
    for path in FILES:
        here = module(path).split(".")
        if here[1:2] != ["systems"] or len(here) == 2:
            continue
        for name in imports(path):
            there = name.split(".")
            assert there[1] != "systems" or there[2] == here[2], f"{'.'.join(here)} imports {name}"


@pytest.mark.parametrize(
    "only, rooms",
    [
        ("orbax", {"core.checkpoint"}),
        ("tensorboardX", {"core.report"}),
        ("jax.distributed", {"core.parallel"}),
        ("jax.pmap", {"core.parallel"}),
        ("gr.Blocks", {"studio.app"}),
    ],
)
def test_one_file_alone_knows_each_of_these(only, rooms):
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Attribute, ast.ImportFrom)):
                used = ast.unparse(node).removeprefix("from ")
                found |= {module(path).removeprefix("musicfusion.")} if used.startswith(only) else set()
    assert found == rooms


# A machine that has only what training needs: jax, flax, optax, orbax-checkpoint, numpy, absl-py, ml-collections.
BARE_MACHINE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("note_seq", "music21", "matplotlib", "mido", "pretty_midi", "tensorboardX", "soundfile", "PIL"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


def python(program: str, *args: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, cwd=ROOT)


def test_training_goes_on_from_a_cached_corpus_where_nothing_else_is_installed(micro_run, tmp_path):
    cache.save(cache.load("", limit=micro("collagenet")["data.songs"]), tmp_path / "corpus.npz")
    shutil.copytree(micro_run, tmp_path / "run")
    last = micro("collagenet")["fusion.steps"]
    shutil.rmtree(tmp_path / "run" / "fusion" / "checkpoints" / str(last))
    program = BARE_MACHINE + "from musicfusion import launch\nsys.exit(launch.main(['musicfusion', *sys.argv[1:]]))"
    done = python(program, *micro_flags(data__root=tmp_path / "corpus.npz"), f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "fusion: done" in done.stdout
    assert (tmp_path / "run" / "fusion" / "checkpoints" / str(last)).is_dir()
    assert "figures left out: matplotlib is not installed" in done.stdout
    assert "samples left out: mido is not installed" in done.stdout
    assert json.loads((tmp_path / "run" / "report.json").read_text())["data"]["examples"] > 0


HEAVY = {"jax", "flax", "optax", "orbax", "numpy", "note_seq", "music21", "matplotlib", "mido", "tensorboardX"}


def test_the_command_line_starts_without_jax():
    done = python("import musicfusion.launch, musicfusion.systems as s, sys; s.declarations(); print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_the_package_is_imported_in_no_time_and_imports_nothing_heavy():
    program = ("import sys, time; began = time.perf_counter(); import musicfusion as mf;"
               "took = time.perf_counter() - began; names = list(mf.systems()); print(took, *sys.modules)")
    runs = [python(program) for _ in range(3)]
    assert all(done.returncode == 0 for done in runs), runs[0].stderr
    assert min(float(done.stdout.split()[0]) for done in runs) < 0.1
    assert not HEAVY & set(runs[0].stdout.split())


SYSTEM_FILES = [path for path in FILES if module(path).split(".")[1:2] == ["systems"]]


@pytest.mark.parametrize("path", [path for path in SYSTEM_FILES if not path.stem.endswith("system")], ids=module)
def test_config_stops_at_the_door_of_a_system(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            arguments = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs)}
            assert "config" not in arguments, f"{path.name}:{node.lineno} takes a config"


def test_a_reader_who_knows_one_system_knows_all():
    rooms = {"__init__.py", "system.py", "dataset.py", "objective.py", "judges.py", "baselines.py", "evaluation.py",
             "tables.py", "published.py", "sampling.py"}
    for folder in sorted({path.parent for path in SYSTEM_FILES if path.parent.name != "systems"}):
        missing = rooms - {path.name for path in folder.glob("*.py")}
        assert missing <= {"published.py"}, f"{folder.name} lacks {', '.join(sorted(missing))}"


def test_every_public_parameter_is_annotated():
    missing = []
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            functions = [node] if isinstance(node, ast.FunctionDef) else []
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                functions = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            for function in functions:
                if function.name.startswith("_") and function.name not in ("__init__", "__call__"):
                    continue
                arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
                missing += [f"{module(path)}.{function.name}({argument.arg})" for argument in arguments
                            if argument.annotation is None and argument.arg not in ("self", "cls")]
    assert not missing, "\n".join(missing)
