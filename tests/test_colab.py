"""The notebooks do what they say: their cells are run, one after the other, in a process of their own."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from musicfusion import launch
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, from_notes

ROOT = Path(__file__).parents[1]
SYSTEMS = ("collagenet", "connective_fusion", "musae", "fusion_gan", "arrangement")
CELLS = {name: json.loads((ROOT / "colab" / f"{name}.ipynb").read_text())["cells"] for name in SYSTEMS}
CODE = {name: {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"}
        for name, cells in CELLS.items()}
each_system = pytest.mark.parametrize("system", SYSTEMS)

# Runs the cells that come as JSON on stdin in one namespace, as a kernel does; its last line tells what they displayed.
KERNEL = """
import json, sys
import IPython.display
shown = []
IPython.display.display = lambda *objects: shown.extend(objects)
namespace = {"__name__": "__main__"}
for name, cell in json.load(sys.stdin).items():
    exec(compile(cell, f"cell {name}", "exec"), namespace)
print(json.dumps([[type(it).__name__, it.data if isinstance(it.data, str) else len(it.data)] for it in shown]))
"""


@each_system
def test_the_notebook_is_well_formed_and_carries_no_outputs(system):
    notebook = json.loads((ROOT / "colab" / f"{system}.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        assert cell["cell_type"] in ("code", "markdown")
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_what_all_notebooks_need_is_the_same():
    for name in ("install", "keep"):
        first, *others = (code[name] for code in CODE.values())
        assert all(other == first for other in others)


def _run(system: str, folder: Path) -> list:
    """Runs all of a notebook's cells; returns what they displayed, [type, data or its size] each."""
    surroundings = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "MPLBACKEND": "agg",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # nearly all of the time is compilation
    }
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        input=json.dumps(CODE[system]),
        cwd=folder,
        env=os.environ | surroundings,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert not any(line.startswith("installing") for line in lines)
    return json.loads(last)


def test_the_cells_fuse_two_chorales_to_hear_and_to_see(tmp_path):
    shown = _run("collagenet", tmp_path)
    assert [kind for kind, _ in shown].count("Audio") == 4  # both inputs, before, after
    (picture,) = (size for kind, size in shown if kind == "Image")
    assert picture
    table = next(text for kind, text in shown if kind == "Markdown" and text.startswith("| aspect"))
    assert [row.split()[1] for row in table.splitlines()[2:]] == ["pitch", "rhythm", "chord", "texture"]

    fused = tmp_path / "fused"
    about = json.loads((fused / "metadata.json").read_text())
    assert about["weights"]["name"] == "collagenet-lite"
    assert about["controls"] == {"pitch": 0.5, "rhythm": 0.5, "chord": 0.5, "texture": 0.5}
    assert about["seed"] == 1
    assert (fused / "fused.mid").stat().st_size > 0
    assert fused.with_suffix(".zip").is_file()


def test_the_cells_join_two_chorales_and_draw_the_plane_of_styles(tmp_path):
    shown = _run("connective_fusion", tmp_path)
    assert [kind for kind, _ in shown].count("Audio") == 4  # both inputs, before, after
    pictures = [size for kind, size in shown if kind == "Image"]
    assert len(pictures) == 3 and all(pictures)  # before and after, the iterations, the plane of styles
    table = next(text for kind, text in shown if kind == "Markdown" and text.startswith("| iteration"))
    assert [row.split()[1] for row in table.splitlines()[2:]] == ["0", "1", "2", "3"]

    fused = tmp_path / "fused"
    about = json.loads((fused / "metadata.json").read_text())
    assert about["weights"]["name"] == "connective-fusion-lite"
    assert about["controls"] == {"iterations": 3, "style": [0.5, 0.5]}
    assert len(list((fused / "grid").glob("*.mid"))) == 16
    assert fused.with_suffix(".zip").is_file()


def test_the_cells_lead_one_piece_to_another_and_to_another_genre(tmp_path):
    shown = _run("musae", tmp_path)
    assert [kind for kind, _ in shown].count("Audio") == 5  # both pieces, the way, before, after
    pictures = [size for kind, size in shown if kind == "Image"]
    assert len(pictures) == 2 and all(pictures)  # the windows of the way, the song before and after

    fused = tmp_path / "fused"
    moved = json.loads((fused / "moved" / "metadata.json").read_text())
    assert moved["weights"]["name"] == "musae-lite"
    assert moved["controls"]["to"] == "salsa" and moved["genre"] in moved["genres"]
    way = json.loads((fused / "way" / "metadata.json").read_text())
    assert way["controls"]["steps"] == 6 and len(way["apart"]) == 8
    assert fused.with_suffix(".zip").is_file()


def test_the_cells_make_up_melodies_between_two_genres_and_go_on_with_one(tmp_path):
    shown = _run("fusion_gan", tmp_path)
    assert [kind for kind, _ in shown].count("Audio") == 8  # the beginning, one of each genre, four ways on
    pictures = [size for kind, size in shown if kind == "Image"]
    assert len(pictures) == 4 and all(pictures)

    fused = tmp_path / "fused"
    about = json.loads((fused / "ways" / "metadata.json").read_text())
    assert about["weights"]["name"] == "fusion-gan-lite"
    assert about["controls"] == {"genre": "fusion", "n": 4, "ratio": 0.5} and about["prompt_steps"] == 32
    assert len(list((fused / "fusion").glob("*.mid"))) == 4
    assert fused.with_suffix(".zip").is_file()


def test_the_cells_give_a_bass_line_its_drums(tmp_path):
    shown = _run("arrangement", tmp_path)
    assert [kind for kind, _ in shown].count("Audio") == 3  # the bass line, both together, the drums
    (picture,) = (size for kind, size in shown if kind == "Image")
    assert picture

    drums = tmp_path / "fused" / "drums"
    about = json.loads((drums / "metadata.json").read_text())
    assert about["weights"]["name"] == "arrangement-lite" and about["controls"] == {"density": 0.5}
    assert (drums / "mix.wav").stat().st_size == (drums / "drums.wav").stat().st_size > 0
    assert (tmp_path / "fused.zip").is_file()


@each_system
def test_training_is_asked_for_in_the_command_lines_own_words_and_shows_its_pictures(system, tmp_path, monkeypatch):
    from IPython.display import Image

    cloned, asked, shown = [], [], []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: cloned.append(command))
    kernel = {"Path": Path, "Image": Image, "display": shown.append, "subprocess": subprocess,
              "run": lambda *flags: asked.append(flags)}  # fmt: skip
    cell = CODE[system]["train"]
    exec(cell, kernel)
    assert not (cloned or asked or shown), "nobody asked for it"

    drawn = {"collagenet": ("harmony.png", "controls.png"), "connective_fusion": ("curves_test.png",),
             "musae": ("petals.png",), "fusion_gan": ("histograms.png",), "arrangement": ("translations.png",)}[system]
    workdir = cell.partition('WORKDIR = "')[2].partition('"')[0]
    Path(workdir).mkdir(parents=True)
    for name in drawn:
        shutil.copy(ROOT / "docs" / "fused.png", Path(workdir, name))
    exec(cell.replace("TRAIN = False", "TRAIN = True"), kernel)
    if system in ("musae", "fusion_gan", "arrangement"):
        assert not cloned, "its songs come along"
    else:
        assert cloned[0][:2] == ["git", "clone"] and "POP909" in cloned[0][-1]
    assert len(shown) == len(drawn) and all(picture.data for picture in shown)
    (flags,) = asked
    monkeypatch.chdir(ROOT)
    assert launch.main(["musicfusion", *flags, "--print_config"]) == 0


@each_system
def test_uploaded_files_are_taken_whatever_they_are_called(system, tmp_path, monkeypatch):
    import IPython.display
    import jax  # noqa: F401 - before our google.colab is there, of which it would want more

    track = from_notes("MELODY", 40, np.array([[0, 4, 60], [4, 4, 64]]))
    midi.write(tmp_path / "tune.mid", Score((track,), np.array([[0.0, 90.0]]), ((0.0, 4, 4),), "tune"))
    content = (tmp_path / "tune.mid").read_bytes()

    files = types.ModuleType("google.colab.files")
    files.upload = lambda: {"Hello, Goodbye=1.mid": content}
    colab = types.ModuleType("google.colab")
    colab.files = files
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda *objects: shown.extend(objects))

    monkeypatch.chdir(tmp_path)
    namespace = {"Path": Path}
    exec(CODE[system]["files"].replace("UPLOAD = False", "UPLOAD = True"), namespace)
    for part, path in namespace["inputs"].items():
        assert Path(path) == Path("fused", "inputs", f"{part}{'.wav' if system == 'arrangement' else '.mid'}")
        assert Path(path).read_bytes() == content
    assert len(shown) == 2 * len(namespace["inputs"])


def _install(monkeypatch, folder: Path, repository: str = "") -> list[list[str]]:
    """Runs the first cell where nothing is installed; returns the commands that it would have given."""
    commands: list[list[str]] = []
    monkeypatch.chdir(folder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(CODE["collagenet"]["install"].replace('REPOSITORY = ""', f'REPOSITORY = "{repository}"'), {})
    return commands


def test_a_notebook_opened_in_a_clone_installs_the_clone(monkeypatch):
    (command,) = _install(monkeypatch, ROOT / "colab")
    assert command[1:5] == ["-m", "pip", "install", "-q"]
    assert command[5:7] == ["-e", str(ROOT)]


def test_a_notebook_alone_asks_for_the_repository_and_clones_it(monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="REPOSITORY"):
        _install(monkeypatch, tmp_path)
    address = "https://example.org/musicfusion"
    clone, install = _install(monkeypatch, tmp_path, address)
    assert clone[:2] == ["git", "clone"]
    assert clone[-2:] == [address, str(tmp_path / "musicfusion-repository")]
    assert install[5:7] == ["-e", clone[-1]]
