"""The notebooks do what they say: their cells are run, one after the other, as a notebook runs them."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import IPython.display
import numpy as np
import pytest
from flax.traverse_util import flatten_dict as flatten
from micro import ROOT, micro_config

import musicfusion as mf
from musicfusion import launch
from musicfusion.core.evaluation import Evaluation, Measure, Table, row
from musicfusion.core.results import write_config

NOTEBOOKS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "colab").glob("*.ipynb"))}
CODE = {name: {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"}
        for name, notebook in NOTEBOOKS.items()}
DECLARED = mf.systems.declarations()
SYSTEMS = [name for name in CODE if name in DECLARED]
each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
each_system = pytest.mark.parametrize("system", SYSTEMS)


@pytest.fixture
def shown(monkeypatch, tmp_path) -> list:
    """An empty folder to run cells in, and what they display there."""
    displayed: list = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(IPython.display, "display", lambda *objects: displayed.extend(objects))
    return displayed


def run(cells: dict[str, str], given: dict | None = None, **changes: str) -> dict:
    """Runs cells in one namespace, with other values in their form fields; returns the namespace.

    given: what earlier cells have left in it.
    """
    namespace = {"__name__": "__main__", "Path": Path, "subprocess": subprocess, "sys": sys, **(given or {})}
    for name, text in cells.items():
        for field, value in changes.items():
            text = re.sub(rf"(?m)^{field} = \S+", f"{field} = {value}", text)
        exec(compile(text, f"cell {name}", "exec"), namespace)
    return namespace


def upload(monkeypatch, uploaded: dict[str, bytes]) -> None:
    """Makes Colab's upload return these files, whatever is asked for."""
    files = types.ModuleType("google.colab.files")
    files.upload = lambda: dict(uploaded)  # type: ignore[attr-defined]
    colab = types.ModuleType("google.colab")
    colab.files = files  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google.colab.files", files)


def distance(one: dict, other: dict) -> float:
    """Between two sets of parameters of the same names."""
    return float(np.sqrt(sum(np.sum((one[name] - other[name]) ** 2.0) for name in one)))


# What they hold -----------------------------------------------------------------------------------------------------


def test_every_system_has_a_notebook_and_the_readme_names_them_all():
    assert set(SYSTEMS) == set(DECLARED)
    readme = (ROOT / "colab" / "README.md").read_text()
    assert [name for name in NOTEBOOKS if f"`{name}.ipynb`" not in readme] == []


@each_notebook
def test_a_notebook_is_well_formed_and_carries_no_outputs(name):
    notebook = NOTEBOOKS[name]
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_cells_of_one_name_are_the_same_in_all_notebooks_but_for_the_weights():
    for cell in ("install", "keep", "evaluate"):
        assert len({code[cell] for code in CODE.values() if cell in code}) == 1, cell
    assert all("install" in code and "keep" in code for code in CODE.values())
    differs = re.compile(r'WEIGHTS = "\S+"|, \*model.controls.*choices')
    assert len({differs.sub("", CODE[name]["load"]) for name in SYSTEMS}) == 1


@each_system
def test_all_inputs_and_controls_of_the_system_are_in_its_notebook(system):
    text = "\n".join(CODE[system].values())
    declared = DECLARED[system]
    assert [name for name in declared.controls if not re.search(rf"\b{name}=", text)] == []
    assert [name for name in declared.inputs if f'"{name}":' not in text and f"{name}=" not in text] == []
    assert f'WEIGHTS = "{declared.pretrained}"' in text


# What they do -------------------------------------------------------------------------------------------------------


@each_system
def test_the_cells_make_music_to_hear_and_to_see_and_keep_it(system, shown, tmp_path):
    namespace = run(CODE[system])
    results = namespace["results"]
    pages = [it.data for it in shown if type(it).__name__ == "HTML"]
    assert len(pages) == len(results) > 0
    assert all("mf-place" in page and "<img" in page for page in pages)

    for name, result in results.items():
        kept = tmp_path / "fused" / name
        about = json.loads((kept / "metadata.json").read_text())
        assert about["weights"]["name"] == DECLARED[system].pretrained
        assert (kept / "index.html").is_file() and list(kept.glob(f"{result.main}.*"))
    for name in DECLARED[system].controls.keys() & namespace.keys():  # what its form says
        assert namespace[name] in [result.metadata["controls"][name] for result in results.values()]
    assert (tmp_path / "fused.zip").stat().st_size > 0


@each_system
def test_uploaded_files_are_taken_whatever_they_are_called(system, shown, monkeypatch):
    upload(monkeypatch, {"Hello, Goodbye=1.mid": b"content"})
    model = types.SimpleNamespace(inputs=DECLARED[system].inputs)
    namespace = run({"files": CODE[system]["files"]}, {"model": model}, UPLOAD="True")
    assert namespace["inputs"] and set(namespace["inputs"]) <= set(model.inputs)
    assert set(namespace["inputs"].values()) == {b"content"}


@each_system
def test_a_training_is_asked_for_and_then_measured_and_shown(system, shown, tmp_path, monkeypatch):
    commands, trained = [], []
    table = Table(name="one", title="One", measures={"x": Measure(label="x")}, rows=(row("ours", {"x": 1.0}),))

    def draw(path: Path) -> Path:
        path.write_bytes((ROOT / "docs" / "fused.png").read_bytes())
        return path

    evaluation = Evaluation(system=system, preset="lite", title="T", about="", data={}, tables=(table,),
                            figures={"one.png": draw})

    def train_model(config, workdir):
        trained.append((config, workdir))
        Path(workdir).mkdir(parents=True)
        return types.SimpleNamespace(evaluate=lambda: evaluation)

    monkeypatch.setattr(mf, "train_model", train_model, raising=False)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    cells = {cell: CODE[system][cell] for cell in ("train", "evaluate")}
    run(cells, {"mf": mf})
    assert not (commands or trained or shown), "nobody asked for it"

    run(cells, {"mf": mf}, TRAIN="True")
    ((config, workdir),) = trained
    assert config.system == system and config.preset == "lite"
    clones = [command for command in commands if command[:2] == ["git", "clone"]]
    assert bool(clones) == ("POP909" in config.data.root)
    text, *pictures = shown
    assert "| ours" in text.data and len(pictures) == 1 and pictures[0].data
    assert json.loads((tmp_path / workdir / "report.json").read_text())["tables"]["one"]


def test_fine_tuning_begins_from_weights_and_is_measured_before_and_after(shown, tmp_path, micro_run, monkeypatch):
    """Every cell, on few songs. The weights are those of a small run, and all judges are trained already."""
    weights, workdir = tmp_path / "weights", tmp_path / "runs" / "finetune"
    assert launch.main(["musicfusion", "--mode=export", f"--workdir={micro_run}", f"--out={weights}"]) == 0
    for stage in ("harmony_evaluator", "judge", "second_judge"):
        shutil.copytree(micro_run / stage, workdir / stage)

    def config(system, variant, **changes):
        assert mf.api.config(system, variant, **changes).system == "collagenet"
        found = micro_config(system, **{key: value for key, value in changes.items() if not key.startswith("latents")})
        write_config(found.to_dict(), workdir)
        return found

    monkeypatch.setattr(mf, "config", config, raising=False)
    cells = {cell: text.replace("SEGMENTS, EDITED = 100, 20", "SEGMENTS, EDITED = 50, 2")
             for cell, text in CODE["finetune"].items()}
    namespace = run(cells, WEIGHTS=repr(str(weights)), EXAMPLES="60", STEPS="4")
    assert (namespace["config"].evaluate.segments, namespace["config"].evaluate.edited) == (50, 2)
    assert len(list((tmp_path / "songs").glob("*.mid"))) > 30
    assert (namespace["config"].run.init, namespace["config"].data.root) == (str(weights), "songs")
    tables = [it.data for it in shown if type(it).__name__ == "Markdown" and "|" in it.data]
    assert len(tables) == 3 and all(", before" in text and ", after" in text for text in tables)
    assert [type(it).__name__ for it in shown].count("HTML") == 2
    before, after = (namespace["results"][name].metadata for name in ("before", "after"))
    assert before["inputs"] == after["inputs"] and before["seed"] == after["seed"]
    assert before != after and (tmp_path / "fused" / "after" / "fused.mid").is_file()

    exported = mf.load(tmp_path / "fused" / "weights")
    assert exported.trained.stages["fusion"] == 4 and "What each judge takes for real" in exported.card
    assert exported.config.data.root == exported.config.run.init == ""
    for stage in ("melody_vae", "accompaniment_vae", "fusion"):  # four steps from where the weights are
        old, new = (flatten(model.trained(stage)) for model in (mf.load(weights), exported))
        assert 0 < distance(old, new) < 0.1 * distance(old, {name: 0 * leaf for name, leaf in old.items()})


def test_songs_to_fine_tune_on_stay_in_their_folder_whatever_they_are_called(shown, tmp_path, monkeypatch):
    upload(monkeypatch, {"Hello, Goodbye=1.mid": b"one", "../../etc/Über.MID": b"two"})
    run({"files": CODE["finetune"]["files"]}, UPLOAD="True")
    assert {path.name: path.read_bytes() for path in (tmp_path / "songs").iterdir()} == {
        "Hello, Goodbye=1.mid": b"one", "Über.MID": b"two"}


# How they are installed ---------------------------------------------------------------------------------------------


def install(monkeypatch, folder: Path, repository: str = "") -> list[str]:
    """Runs the first cell where nothing is installed; returns the command that it would have given."""
    commands: list[list[str]] = []
    monkeypatch.chdir(folder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(sys, "path", list(sys.path))
    run({"install": CODE["finetune"]["install"]}, REPOSITORY=repr(repository))
    (command,) = commands
    assert command[:5] == [sys.executable, "-m", "pip", "install", "-q"]
    return command[5:]


def test_a_notebook_opened_in_a_clone_installs_the_clone(monkeypatch):
    assert install(monkeypatch, ROOT / "colab")[:2] == ["-e", str(ROOT)]
    assert sys.path[0] == str(ROOT)


def test_a_notebook_alone_asks_for_the_repository_and_installs_it(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="REPOSITORY"):
        install(monkeypatch, tmp_path)
    address = "https://example.org/musicfusion"
    assert install(monkeypatch, tmp_path, address)[0] == f"git+{address}"


def test_nothing_is_installed_where_musicfusion_is(monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda command, **_: pytest.fail(f"it ran {command}"))
    run({"install": CODE["finetune"]["install"]})
