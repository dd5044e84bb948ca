"""The launch scripts, and the files that say who made what."""

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from musicfusion.launch import Command

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "launch").glob("*.sh"))
FLAGS = ["--workdir=a folder/run", "--mode=train", "--config.fusion.steps=3"]
TITLES = (
    "CollageNet: Fusing Arbitrary Melody and Accompaniment into a Coherent Song",
    "Connective Fusion: Learning Transformational Joining of Sequences with Application to Melody Creation",
    "Automatic Music Production Using Generative Adversarial Networks",
    "Learning to Fuse Music Genres with Generative Adversarial Dual Learning",
    "Learning a Latent Space of Style-Aware Symbolic Music Representations by Adversarial Autoencoders",
)


@pytest.fixture
def machine(tmp_path) -> dict[str, str]:
    """An environment whose python prints its arguments and JAX_PLATFORMS, and whose srun runs what it is given."""
    for name, text in (
        ("python", 'printf "%s\\n" "$@" "JAX_PLATFORMS=${JAX_PLATFORMS-}"'),
        ("srun", 'exec "$@"'),
    ):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    return kept | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


def test_there_is_a_script_for_every_kind_of_machine():
    assert [path.stem for path in SCRIPTS] == ["cpu", "gpu", "multi_gpu", "slurm", "tpu_pod"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_passes_config_and_flags_on(script, machine):
    config = "configs/collagenet.py:quick"
    done = subprocess.run([script, config, *FLAGS], env=machine, capture_output=True, text=True, check=True)
    *said, platforms = done.stdout.splitlines()
    own = ["--coordinator=auto"] if script.stem == "tpu_pod" else []
    assert said == ["-m", "musicfusion.launch", f"--config={config}", *own, *FLAGS]
    wanted = {"cpu": "cpu", "gpu": "cuda,cpu", "multi_gpu": "cuda,cpu", "slurm": "", "tpu_pod": "tpu,cpu"}
    assert platforms == f"JAX_PLATFORMS={wanted[script.stem]}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_is_sound_and_says_how_to_use_it(script, machine):
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    done = subprocess.run([script], env=machine, capture_output=True, text=True)
    assert done.returncode != 0
    assert "usage:" in done.stderr
    assert not done.stdout


def test_the_flags_that_the_scripts_use_exist():
    known = {field.name for field in dataclasses.fields(Command)}
    assert {"coordinator", "processes", "process", "workdir", "mode"} <= known


def test_the_readme_names_every_script():
    text = (ROOT / "launch" / "README.md").read_text()
    assert all(f"`{path.name}`" in text for path in SCRIPTS)


def test_the_citation_names_the_five_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == "musicfusion"
    assert tuple(paper["title"] for paper in citation["references"]) == TITLES
    for paper in citation["references"]:
        assert paper["authors"]
        assert 2017 <= paper["year"] <= 2021
        assert paper["conference"]["name"]


def test_version_and_licence_are_the_same_everywhere():
    from musicfusion import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    licence = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in licence
    assert "Copyright 2026 The musicfusion authors" in licence
    assert citation["license"] == "Apache-2.0"
    assert "license = Apache-2.0" in (ROOT / "setup.cfg").read_text()
