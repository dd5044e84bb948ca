"""FusionGAN from the command line: one small run is trained, measured, sampled from, exported."""

import json

import numpy as np
import pytest
from listeners import answered, save
from micro import launch, micro_flags

from musicfusion import launch as command_line
from musicfusion.codecs import melody, midi
from musicfusion.codecs.score import Score, from_notes
from musicfusion.data import chorales

QUIET = "--config.sample.audio=false"
METHODS = ["random mixing (RM)", "Monte Carlo (MC)", "maximum likelihood (MLE)", "GAN on the mixture",
           "exchanged critics (RL)", "FusionGAN"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("fusion_gan") / "run"
    done = launch(*micro_flags("fusion_gan", train__baselines="true"), f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return workdir


@pytest.fixture(scope="module")
def prompt(tmp_path_factory):
    """The soprano of a chorale."""
    corpus = chorales.read(limit=1)
    notes = melody.notes_from_tokens(corpus.arrays["melody"])
    path = tmp_path_factory.mktemp("prompt") / "soprano.mid"
    midi.write(path, Score((from_notes("soprano", 52, notes),), np.array([[0.0, 80.0]]), ((0.0, 4, 4),), "soprano"))
    return path


def command(capsys, *flags) -> tuple[int, str, str]:
    code = command_line.main(["musicfusion", *map(str, flags)])
    said = capsys.readouterr()
    return code, said.out, said.err


def values(report: dict, table: str) -> dict[str, dict[str, float]]:
    """The measured values of a table by row."""
    return {row["name"]: {name: value["mean"] for name, value in row["values"].items()}
            for row in report["tables"][table]["rows"]}


def test_a_run_measures_all_methods_and_draws_figures(run):
    report = json.loads((run / "report.json").read_text())
    durations, detected = values(report, "durations"), values(report, "detected")
    assert list(durations) == METHODS and report["data"]["genres"] == ["fiddle", "chorales"]
    assert list(detected) == ["real: fiddle", "real: chorales", *METHODS]
    for own in detected.values():
        assert 0 <= own["probability"] <= 1 and 0 < own["distinct"] <= 1
    drawn, uniform = (durations[name]["em_ratio"] for name in ("Monte Carlo (MC)", "random mixing (RM)"))
    assert 1 <= drawn < 1.5 < uniform, "notes as often as they occur lie between; notes that are all alike do not"
    assert list(values(report, "ratios")) == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert set(values(report, "critics")) == {"D_A", "D_B", "D_F"}
    assert report["details"]["progress"]["step"][-1] == 20
    for name in ("histograms", "ratios", "progress"):
        assert (run / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    text = (run / "report.md").read_text()
    assert "1.306" in text and "FusionGAN" in text
    assert (run / "samples" / "1" / "1.mid").is_file()


def test_new_melodies_depend_on_the_seed_and_the_genre(run, tmp_path, capsys):
    played = []
    for genre, seed in (("fusion", 1), ("fusion", 1), ("fusion", 2), ("a", 1)):
        out = tmp_path / f"out{len(played)}"
        code, said, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--controls=genre={genre},n=2",
                                     f"--seed={seed}", f"--out={out}", QUIET)
        assert code == 0, errors
        assert f"{out / 'index.html'}" in said and (out / "melodies.png").is_file()
        assert (out / "2.mid").is_file() and not (out / "3.mid").exists()
        played.append(midi.read(out / "1.mid").tracks[0].notes)
    np.testing.assert_array_equal(played[0], played[1])
    assert any(x.shape != played[0].shape or np.any(x != played[0]) for x in played[2:])


def test_a_prompt_is_continued_and_kept(run, prompt, tmp_path, capsys):
    out = tmp_path / "out"
    code, said, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=prompt={prompt}",
                                 "--controls=n=1", f"--out={out}", QUIET)
    assert code == 0, errors
    about = json.loads((out / "metadata.json").read_text())
    begun, continued = midi.read(prompt), midi.read(out / "1.mid")
    own, notes = begun.tracks[0].notes, continued.tracks[0].notes
    count = len(own) - 1  # the last one may go on
    np.testing.assert_allclose(notes[:count, :3], own[:count, :3] + [notes[0, 0] - own[0, 0], 0, 0], atol=0.01)
    assert about["prompt_steps"] % 16 == 0
    assert continued.length <= (about["prompt_steps"] + about["length_steps"]) / 4
    assert about["steps"] == {"fusion": 20}, "the steps of the stage that plays"
    assert continued.tempos[0, 1] == pytest.approx(80.0, abs=0.01)
    assert "Melodies of one voice" in said


@pytest.mark.parametrize(("flags", "words"), [
    (["--controls=genre=jazz"], "genre 'jazz' is unknown: there are fusion, a, b"),
    (["--controls=n=0"], "n=0 is out of range"),
    (["--config.sample.steps=0"], "sample.steps = 0 is out of range"),
    (["--inputs=song=setup.cfg"], "'song' is unknown: there are prompt"),
])
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(run, tmp_path, capsys, flags, words):
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--out={tmp_path / 'out'}", *flags)
    assert code == 2 and words in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_one_genre_alone_is_refused_in_one_line(tmp_path, capsys):
    code, _, errors = command(capsys, *micro_flags("fusion_gan", data__root="fiddle"), f"--workdir={tmp_path / 'run'}")
    assert code == 2 and "accepted are two data roots" in errors and errors.count("\n") == 1


def test_what_listeners_say_gives_the_second_table(run, tmp_path, capsys):
    folder, said = tmp_path / "sheet", tmp_path / "said"
    code, _, errors = command(capsys, "--mode=evaluate", f"--workdir={run}", f"--config.evaluate.sheet={folder}",
                              "--config.evaluate.clips=1")
    assert code == 0, errors
    save(answered(folder, "1"), said)
    code, text, errors = command(capsys, "--mode=evaluate", f"--workdir={run}", f"--config.evaluate.answers={said}",
                                 f"--config.evaluate.sheet={folder}")
    assert code == 0, errors
    assert "Table II: what listeners said" in text and "fusion level" in text


def test_exported_weights_play_like_the_run(run, tmp_path, capsys):
    weights = tmp_path / "weights"
    code, _, errors = command(capsys, "--mode=export", f"--workdir={run}", f"--out={weights}")
    assert code == 0, errors
    assert sum(path.stat().st_size for path in weights.iterdir()) < 2_000_000
    played = []
    for source in (f"--workdir={run}", f"--pretrained={weights}"):
        out = tmp_path / source.partition("=")[0].strip("-")
        code, _, errors = command(capsys, "--mode=sample", source, "--controls=n=1", f"--out={out}", QUIET)
        assert code == 0, errors
        played.append(midi.read(out / "1.mid").tracks[0].notes)
    assert all(len(notes) for notes in played)
