"""Configs and what reads them belong together: no key that nothing reads, no read of a key that some variant lacks."""

import ast
import re
from pathlib import Path

import pytest
from micro import CONFIGS, ROOT, SYSTEMS, variant
from ml_collections import ConfigDict

from musicfusion.core import config as configs

PACKAGE = ROOT / "musicfusion"
COMMON = [*PACKAGE.glob("*.py"), *(PACKAGE / "core").glob("*.py")]
VARIANTS = [(system, name) for system in SYSTEMS for name in ("quick", "lite", "paper")]
OTHERS = [("arrangement", "cyclegan")]  # variants beside those that all systems have
MODELS = {"cyclegan": "sound_system.py", "grid": "grid_system.py"}  # of arrangement, which has two


def readers(system: str, name: str) -> list[Path]:
    """The files that read a variant's config."""
    folder = PACKAGE / "systems" / system
    model = variant(system, name).to_dict().get("model")
    return [folder / "system.py", *([folder / MODELS[model]] if model else [])]


def attributes(paths: list[Path]) -> set[str]:
    """Every name behind a dot, and every string, in some files."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def parameters(paths: list[Path]) -> set[str]:
    """Every name that a function or a class takes: what groups of a config are handed to as keyword arguments."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                found |= {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def chains(path: Path) -> list[list[str]]:
    """config.a.b as ["a", "b"], wherever it stands in a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Name) and node.id == "config" and names:
            found.append(names)
    return found


@pytest.mark.parametrize("system, name", VARIANTS + OTHERS)
def test_every_key_is_read_by_something(system, name):
    own = list((PACKAGE / "systems" / system).glob("*.py"))
    shared = [*(PACKAGE / "nn").glob("*.py"), *(PACKAGE / "latent").glob("*.py"), PACKAGE / "core" / "optimizers.py"]
    read = attributes([*COMMON, *readers(system, name)]) | parameters([*own, *shared])
    unread = [key for key in configs.flat(variant(system, name)) if not set(key.split(".")[-1:]) & read]
    # a group that maps names to numbers (a KL weight for each aspect) has keys that are not names in the code
    unread = [key for key in unread if key.rpartition(".")[0].rpartition(".")[2] not in read | {"kl"}]
    assert not unread, f"nothing reads {', '.join(unread)}"


@pytest.mark.parametrize("system, name", VARIANTS + OTHERS)
def test_every_variant_has_every_key_that_is_read(system, name):
    config = variant(system, name)
    for names in (names for path in readers(system, name) for names in chains(path)):
        value = config
        for position, key in enumerate(names):
            if not isinstance(value, ConfigDict) or hasattr(ConfigDict, key):
                break
            assert key in value, f"config.{'.'.join(names[: position + 1])}"
            value = value[key]


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_reads_a_config_by_guess(system):
    """No .get with a default, no question whether a key is there: every variant has it."""
    text = "".join(path.read_text() for path in (PACKAGE / "systems" / system).glob("*system.py"))
    default = r"(?:config|group)(?:\.\w+)*\.get\("
    question = r"(?:else|not) [\w\"']+ in (?:config|group)\b|(?:has|get)attr\((?:config|group)"
    assert not re.findall(f"{default}|{question}", text)


@pytest.mark.parametrize("system, name", VARIANTS)
def test_every_variant_of_a_model_has_the_same_groups(system, name):
    config, lite = variant(system, name), variant(system, "lite")
    if system == "arrangement" and name != "lite":
        lite = variant(system, "cyclegan")
    for group in ("data", "train", "sample", "evaluate", "run"):
        assert set(config[group]) == set(lite[group]), group


def test_what_a_run_is_like_is_said_once():
    for path in CONFIGS.values():
        text = path.read_text()
        assert "tensorboard" not in text and '"parallel"' not in text, f"{path.name} repeats common.RUN"


def test_an_unknown_variant_is_refused_with_those_that_are_known():
    for system in SYSTEMS:
        with pytest.raises(ValueError, match=r"variant 'huge' is unknown: use one of .*quick"):
            variant(system, "huge")
