"""The documentation says what is true: it builds, its links lead somewhere, its commands and code blocks work."""

import ast
import configparser
import functools
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from micro import ROOT

from musicfusion import launch, pretrained, sample, systems
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, from_notes
from musicfusion.core import config as configs
from musicfusion.core.evaluation import Evaluation, Measure, Table, row

PAGES = sorted([
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "launch" / "README.md", ROOT / "colab" / "README.md",
    *(ROOT / "docs").glob("*.md"), *(ROOT / "musicfusion" / "pretrained").glob("*/README.md"),
])
DECLARED = systems.declarations()
LAUNCH = "python -m musicfusion.launch"
EXAMPLE = "docs/example/bigram.py"
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


# Size, links, the site -----------------------------------------------------------------------------------------------


def test_the_readme_is_read_in_two_minutes():
    assert len((ROOT / "README.md").read_bytes()) <= 9216


@each_page
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+:", target) and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_pages_build_without_a_warning(tmp_path):
    for module in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-d", str(tmp_path / "trees")]
    done = subprocess.run([*command, str(ROOT / "docs"), str(tmp_path / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "index.html").is_file()


@pytest.mark.parametrize("name", DECLARED)
def test_every_system_has_a_page_which_says_what_its_figures_cannot_show(name):
    page = (ROOT / "docs" / f"{name}.md").read_text()
    assert "### What these figures cannot show" in page
    assert f"](docs/{name}.md)" in (ROOT / "README.md").read_text()
    assert f"({name}.md)" in (ROOT / "docs" / "index.md").read_text()
    for control in DECLARED[name].controls:
        assert f"`{control}`" in page, control


# Commands ------------------------------------------------------------------------------------------------------------


def commands(page: Path) -> Iterator[str]:
    """The commands in a page's code blocks and between backticks, each on one line."""
    text = page.read_text()
    blocks = re.findall(r"(?m)^ *```(?:sh|bash|text)?\n(.*?)^ *```", text, flags=re.DOTALL)
    blocks += re.findall(r"(?m)(?:^ {4,}\S.*\n)+", text)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    for line in [*lines, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))]:
        for part in re.split(r"\s&&\s", line.strip()):
            if part.startswith((f"{LAUNCH} ", "musicfusion ", "pip install ")) or re.match(r"launch/\w+\.sh ", part):
                yield part


def is_usage(command: str) -> bool:
    """Whether it stands for many commands: [optional], NAME in the place of a word, or dots."""
    return bool(re.search(r"\[|\.\.\.|=NAME|NAME\.py", command))


@functools.cache
def words(weights: str) -> dict:
    """What the controls that are words may be, by the weights."""
    from musicfusion import api

    return {name: control.choices for name, control in api.load(weights).controls.items()
            if isinstance(control.default, str)}


def system_of(command: launch.Command) -> tuple[str, str]:
    """The system that a command means, and the shipped weights, if it means those."""
    if command.config:
        return configs.load(str(ROOT / command.config)).system, ""
    if command.pretrained.startswith("hf:"):
        return "", ""
    if command.pretrained:
        weights = pretrained.Pretrained(command.pretrained)
        return weights.config["system"], weights.name
    if run := re.fullmatch(r"runs/(\w+)-(quick|lite|paper|cyclegan)", command.workdir):
        return run[1], ""
    given = {name for name, _ in command.inputs}
    (name,) = [name for name, one in DECLARED.items() if given and given in map(set, one.input_sets)]
    return name, "" if command.workdir else DECLARED[name].pretrained


def check_launch(flags: list[str]) -> None:
    command = launch.parse(["musicfusion", *flags])
    if command is None or command.mode == "studio" or (command.mode == "compare" and command.reports):  # no system
        return
    name, weights = system_of(command)
    if not name:
        return
    if name == "bigram":  # the worked example, which is run below
        return
    config = configs.load(str(ROOT / (command.config or f"configs/{name}.py")))
    configs.override(config, command.overrides)
    declared = DECLARED[name]
    if command.mode == "sample":
        sample.check_inputs(declared, [given for given, _ in command.inputs])
    sample.resolve(declared, {
        control: tuple(text.split(":")) if ":" in text else text for control, text in command.controls
    }, words(weights) if weights and declared.controls else None)


@each_page
def test_every_command_is_one_that_the_program_takes(page):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for command in commands(page):
        if is_usage(command):
            continue
        program, *rest = shlex.split(command, comments=True)
        if program == "pip":
            for extras in re.findall(r"\.\[([\w,-]+)\]", command):
                assert set(extras.split(",")) <= set(setup["options.extras_require"]), command
        elif program.startswith("launch/"):
            assert (ROOT / program).is_file(), command
            check_launch([f"--config={rest[0]}", *rest[1:]])
        else:
            check_launch(rest[2:] if program == "python" else rest)


def test_the_checks_above_find_what_is_wrong():
    for flags in (["--config=configs/collagenet.py:huge"], ["--mode=dance"],
                  ["--config=configs/collagenet.py", "--config.fusion.stebs=3"],
                  ["--mode=sample", "--pretrained=collagenet-lite", "--inputs=melody=a.mid"],
                  ["--mode=sample", "--inputs=song=a.mid", "--controls=amount=9"]):
        with pytest.raises(Exception, match=r"\w"):
            check_launch(flags)
    found = list(commands(ROOT / "README.md"))
    assert f"{LAUNCH} --config=configs/collagenet.py:quick --workdir=runs/quick" in found
    assert "pip install -e ." in found and len(found) > 15


# Code blocks ---------------------------------------------------------------------------------------------------------


def code(page: Path) -> list[str]:
    return re.findall(r"(?m)^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_registered():
    """The example is a system only for these tests."""
    before = list(systems.__path__)
    yield
    systems.__path__[:] = before


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    """A folder with two songs of eight bars: a melody over chords."""
    folder = tmp_path_factory.mktemp("songs")
    for name, key in (("a", 0), ("b", 5)):
        scale = np.array([0, 2, 4, 5, 7, 9, 11, 12]) + 67 + key
        lead = from_notes("melody", 40, np.array([[4 * k, 4, scale[k * 3 % 8]] for k in range(32)]))
        back = from_notes("piano", 0, np.array([[8 * k, 8, pitch + key] for k in range(16) for pitch in (48, 55, 64)]))
        midi.write(folder / f"{name}.mid", Score((lead, back), np.array([[0.0, 100.0]]), ((0.0, 4, 4),), name))
    return folder


RUNNER = """
import json, sys
for page, blocks in json.load(sys.stdin).items():
    namespace = {"__name__": "__main__"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)
"""


def test_the_python_of_the_readme_and_of_the_api_page_runs(songs):
    pages = {page.name: code(page) for page in (ROOT / "README.md", ROOT / "docs" / "api.md")}
    assert all(pages.values())
    done = subprocess.run([sys.executable, "-c", RUNNER], input=json.dumps(pages), cwd=songs, capture_output=True,
                          text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (songs / "fused" / "index.html").is_file()
    assert "did you mean melody" in done.stdout


def test_configs_that_the_api_page_asks_for_exist():
    from musicfusion import api

    text = (ROOT / "docs" / "api.md").read_text()
    calls = re.findall(r"mf\.(config\([^)]*\))", text)
    assert len(calls) >= 2
    for call in calls:
        assert eval(call, {"config": api.config}).system == "collagenet"


@pytest.mark.parametrize("name", DECLARED)
def test_the_python_of_a_systems_page_calls_what_there_is(name):
    calls = [node for block in code(ROOT / "docs" / f"{name}.md") for node in ast.walk(ast.parse(block))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    assert [call.args[0].value for call in calls if call.func.attr == "load"] == [DECLARED[name].pretrained]
    samples = [call for call in calls if call.func.attr == "sample"]
    assert samples
    for call in samples:
        given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords
                 if keyword.arg != "seed"}
        sample.resolve(DECLARED[name], sample.split(DECLARED[name], given)[1], words(DECLARED[name].pretrained))


def test_the_report_schema_is_that_of_the_code(tmp_path):
    page = ROOT / "docs" / "report-schema.md"
    (text,) = re.findall(r"(?m)^```json\n(.*?)^```", page.read_text(), flags=re.DOTALL)
    shown = json.loads(text)
    table = Table(name="table1", title="", measures={"rate": Measure(label="rate")},
                  rows=(row("one", {"rate": (0.5, 0.4, 0.6)}, {"rate": 0.7}),))
    written = Evaluation(system="s", preset="p", title="", about="", data={
        "source": "", "split": "", "songs": 1, "examples": 1}, tables=(table,)).to_json()
    assert shown["schema"] == written["schema"] and shown.keys() == written.keys()
    assert shown["data"].keys() == written["data"].keys()
    (ours,), (theirs,) = shown["tables"].values(), written["tables"].values()
    assert ours.keys() == theirs.keys()
    assert ours["measures"]["harmony_rate"].keys() == theirs["measures"]["rate"].keys()
    assert ours["rows"][0]["values"]["harmony_rate"].keys() == theirs["rows"][0]["values"]["rate"].keys()
    (tmp_path / "runs" / "quick").mkdir(parents=True)
    (tmp_path / "runs" / "quick" / "report.json").write_text(text)
    done = subprocess.run([sys.executable, "-c", *code(page)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "CollageNet, lambda 1" in done.stdout, done.stderr


# The worked example --------------------------------------------------------------------------------------------------

COMMANDS = """
import json, sys
from musicfusion import launch
for flags in json.load(sys.stdin):
    assert launch.main(["musicfusion", *flags]) == 0, flags
"""


def test_the_worked_example_trains_evaluates_samples_describes_and_exports(songs, tmp_path):
    page = ROOT / "docs" / "adding_a_system.md"
    found = [shlex.split(command)[3:] for command in commands(page) if EXAMPLE in command]
    assert {"--mode=describe", "--mode=sample", "--mode=export"} <= {flag for flags in found for flag in flags}
    found = list({tuple(flags): None for flags in found})
    small = [f"--config={ROOT / EXAMPLE}", "--config.data.songs=60", "--config.bigram.steps=40"]
    flags = [[*small, *(flag for flag in flags if not flag.startswith("--config="))] for flags in found]
    flags += [[*small, "--workdir=runs/bigram", "--mode=evaluate"]]
    (tmp_path / "a.mid").write_bytes((songs / "a.mid").read_bytes())
    done = subprocess.run([sys.executable, "-c", COMMANDS], input=json.dumps(flags), cwd=tmp_path, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "runs" / "bigram" / "report.json").read_text())
    guess, learned = (values["values"]["nats"]["mean"] for values in report["tables"]["likelihood"]["rows"])
    assert learned < guess / 2
    assert (tmp_path / "continued" / "index.html").is_file() and (tmp_path / "continued" / "continued.mid").is_file()
    assert (tmp_path / "runs" / "bigram" / "samples" / "1" / "metadata.json").is_file()
    assert "16,900 parameters" in done.stdout
    assert "# bigram-lite" in (tmp_path / "bigram-lite" / "README.md").read_text()
