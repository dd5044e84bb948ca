"""The studio starts soon, refuses bad flags in one line, and leaves nothing behind."""

import inspect
import os
import runpy
import signal
import socket
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from micro import ROOT, launch

from musicfusion import pretrained
from musicfusion.core.errors import MusicFusionError
from musicfusion.studio import models, serve
from musicfusion.systems import declarations

HEAVY = {"jax", "flax", "orbax", "music21", "note_seq", "matplotlib", "scipy", "soundfile"}


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 0)])
def test_it_ends_when_it_is_told_to_and_its_private_folder_goes(start, tmp_path, number, code):
    studio = start(tmp_path)
    assert stat.S_IMODE(studio.folder.stat().st_mode) == 0o700
    assert studio.end(number) == code
    assert not studio.folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["said.txt"]
    assert (tmp_path / "said.txt").read_text() == ""


def test_nothing_heavy_is_imported_before_the_page_is_there():
    program = "from musicfusion.studio import app, serve; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def refused(*flags: str) -> str:
    done = launch("studio", *flags)
    assert done.returncode == 2, done.stderr
    assert done.stdout == "" and done.stderr.startswith("musicfusion: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(f"--port={port}")
    assert f"--port={port} at --host=127.0.0.1: cannot be used (Address already in use)" in said


@pytest.mark.parametrize("flags, words", [
    (["--pretrained=nonsense"], "nonsense: no such weights or workdir; shipped are arrangement-lite"),
    (["--port=70000"], "--port=70000"),
    (["--port=many"], "port"),
    (["--host=no.such.host.invalid"], "--host=no.such.host.invalid"),
])
def test_other_bad_flags_are_one_line(flags, words):
    assert words in refused(*flags)


def test_without_gradio_it_says_what_to_install():
    program = ("import sys; sys.modules['gradio'] = None; from musicfusion import launch;"
               "sys.exit(launch.main(['musicfusion', 'studio', '--port=0']))")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert done.returncode == 2
    assert done.stderr == "musicfusion: the studio needs Gradio: pip install 'musicfusion[studio]'\n"


# Weights -------------------------------------------------------------------------------------------------------------


def test_each_system_offers_what_ships_with_it_and_what_was_named_before_that(tmp_path):
    declared = declarations()
    shipped = models.offered(declared)
    assert shipped["collagenet"] == ["collagenet-lite"] and set(shipped) == set(declared)
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in (pretrained.SHIPPED / "musae-lite").iterdir():
        (folder / file.name).symlink_to(file)
    assert models.offered(declared, [str(folder)])["musae"] == [str(folder), "musae-lite"]


def test_weights_of_a_hub_are_downloaded_before_the_page_opens_and_the_hub_is_not_asked_again(monkeypatch):
    asked = []

    def snapshot_download(repository, **settings):
        asked.append(repository)
        return str(pretrained.SHIPPED / "musae-lite")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    assert models.offered(declarations(), ["hf:somebody/tiny"])["musae"] == ["hf:somebody/tiny", "musae-lite"]
    assert asked == ["somebody/tiny"]
    model = models.Shelf()("hf:somebody/tiny")
    assert model.name == "hf:somebody/tiny" and model.declaration.name == "musae"
    assert asked == ["somebody/tiny"]


def test_weights_that_a_hub_does_not_have_are_one_line_before_the_page_opens():
    assert "weights 'hf:nobody': accepted is hf:OWNER/NAME" in refused("--pretrained=hf:nobody")


def test_the_latest_models_stay_ready(monkeypatch):
    from musicfusion import api

    loaded = []
    monkeypatch.setattr(api, "load", lambda name: loaded.append(name) or SimpleNamespace(controls={}))
    shelf = models.Shelf(kept=2)
    first = shelf("a")
    assert shelf("a") is first and loaded == ["a"]
    shelf("b")
    shelf("a")
    shelf("c")
    assert shelf("a") is first and loaded == ["a", "b", "c"]
    shelf("b")
    assert loaded == ["a", "b", "c", "b"]


def test_weights_that_cannot_be_loaded_are_an_error_each_time():
    shelf = models.Shelf()
    for _ in range(2):
        with pytest.raises(MusicFusionError, match="no such weights"):
            shelf("nonsense")


# As a Space ----------------------------------------------------------------------------------------------------------

SPACE = ROOT / "launch" / "space"


def test_the_space_starts_the_same_page_for_its_own_host(monkeypatch):
    started, original = [], serve.serve
    monkeypatch.setattr(serve, "serve", lambda **settings: started.append(settings))
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    runpy.run_path(str(SPACE / "app.py"), run_name="__main__")
    assert started == [{"host": "0.0.0.0", "port": 7860, "names": ["owner-name.hf.space"],
                        "frames": "https://huggingface.co https://*.hf.space"}]
    inspect.signature(original).bind(**started[0])


def test_the_space_says_what_a_hub_needs():
    front = yaml.safe_load((SPACE / "README.md").read_text().split("---")[1])
    assert front["sdk"] == "gradio" and front["license"] == "apache-2.0"
    assert front["python_version"] in ("3.11", "3.12", "3.13") and front["sdk_version"].startswith("6.")
    assert (SPACE / front["app_file"]).is_file() and len(front["short_description"]) <= 60
    assert (SPACE / "requirements.txt").read_text() == "musicfusion[studio]\n"
