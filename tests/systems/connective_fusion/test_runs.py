"""Connective Fusion from the command line: one small run is trained, measured, sampled from, exported."""

import json

import numpy as np
import pytest
from micro import launch, micro_flags

from musicfusion import launch as command_line
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, from_notes

QUIET = "--config.sample.audio=false"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("connective") / "run"
    flags = micro_flags("connective_fusion", train__baselines="true", train__lambdas="()")
    done = launch(*flags, f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return workdir


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> str:
    """--inputs of eight bars and of six."""
    folder = tmp_path_factory.mktemp("pair")
    for name, notes in (("left", [(4 * k, 4, 67 + (5 * k) % 12) for k in range(32)]),
                        ("right", [(2 * k, 2, 60 + (7 * k) % 12) for k in range(48)])):
        track = from_notes("tune", 0, np.array(notes))
        midi.write(folder / f"{name}.mid", Score((track,), np.array([[0.0, 100.0]]), ((0.0, 4, 4),), name))
    return f"--inputs=left={folder / 'left.mid'},right={folder / 'right.mid'}"


def command(capsys, *flags) -> tuple[int, str, str]:
    code = command_line.main(["musicfusion", *map(str, flags)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_run_leaves_all_stages_a_report_pictures_and_samples(run):
    stages = ["melody_vae", "latents", "fusion", "reality_classifier", "reality_classifier_1"]
    assert all((run / stage / "checkpoints").is_dir() for stage in stages)
    report = json.loads((run / "report.json").read_text())
    assert report["data"]["examples"] == 20 and report["data"]["songs"] > 1
    text = (run / "report.md").read_text()
    for words in ("Latent Perturb", "one transposition", "lambda 0.3 x 5", "Pairs drawn from the prior",
                  "Connective Fusion is higher at", "0.953"):
        assert words in text
    for name in ("curves_test.png", "curves_prior.png", "matrices.png", "distances.png"):
        assert (run / name).read_bytes()[:4] == b"\x89PNG"
    assert (run / "samples" / "1" / "fused.mid").is_file()


def test_the_report_measures_every_method_on_both_kinds_of_pairs(run):
    tables = json.loads((run / "report.json").read_text())["tables"]
    for inputs in ("test", "prior"):
        rows = {row["name"]: row["values"] for row in tables[inputs]["rows"]}
        assert len(rows) == len(tables[inputs]["rows"]) == 2 + 3 + 5 + 4 * 3
        for name, values in rows.items():
            assert set(values) == set(tables[inputs]["measures"])
            for measure, value in values.items():
                assert value["low"] <= value["high"] and np.isfinite(value["mean"]), (name, measure)
            assert 0 <= values["reality"]["mean"] <= 1
        assert rows["random pairs"]["z_distance"]["mean"] == 0
        own, others = rows["real pairs"], rows["real pairs of other songs"]
        for name in ("key", "mean_pitch", "mean_duration", "pitch", "duration"):
            assert own[name]["mean"] == pytest.approx(1.0) and others[name]["mean"] < 0.99


def test_two_files_and_a_plane_of_styles_from_the_shell(run, pair, tmp_path, capsys):
    out = tmp_path / "out"
    code, said, errors = command(capsys, "--mode=sample", f"--workdir={run}", pair, f"--out={out}",
                                 "--controls=iterations=2,style=0.2:0.9,grid=2", QUIET)
    assert code == 0, errors
    assert f"{out / 'index.html'}" in said
    assert len(list((out / "grid").glob("*.mid"))) == 4
    about = json.loads((out / "metadata.json").read_text())
    assert about["controls"] == {"iterations": 2, "style": [0.2, 0.9], "grid": 2}
    assert about["joint"] == 32 and len(about["trajectory"]) == 3
    song = midi.read(out / "fused.mid").tracks[0].notes
    rest = song[song[:, 0] >= 48]
    np.testing.assert_array_equal(rest[:, 2], [60 + (7 * k) % 12 for k in range(32, 48)], "beyond four bars it is kept")


def test_no_file_at_all_makes_up_both_sides_and_the_seed_says_which(run, tmp_path, capsys):
    songs = []
    for seed in (1, 1, 2):
        out = tmp_path / f"out{len(songs)}"
        code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--out={out}", f"--seed={seed}", QUIET)
        assert code == 0, errors
        songs.append((out / "before.mid").read_bytes())
    assert songs[0] == songs[1] != songs[2]


@pytest.mark.parametrize("flags, words", [
    (["--controls=style=0.1:0.2:0.3"], "style has 3 numbers: give one, or 2"),
    (["--controls=style=2"], "is out of range: accepted is a number from 0 to 1"),
    (["--controls=iterations=1.5"], "is out of range: accepted is a whole number from 0 to 10"),
    (["--controls=grid=50"], "is out of range: accepted is a whole number from 0 to 20"),
])
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(run, pair, tmp_path, capsys, flags, words):
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", pair, f"--out={tmp_path / 'out'}", *flags)
    assert code == 2 and words in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_system_without_a_style_plane_says_so(capsys):
    code, _, errors = command(capsys, "--mode=sample", "--pretrained=collagenet-lite", "--controls=grid=3",
                              "--inputs=melody=setup.cfg,accompaniment=setup.cfg")
    assert code == 2 and "grid" in errors and errors.count("\n") == 1


def test_exported_weights_sample_and_measure_like_the_run(run, pair, tmp_path, capsys):
    weights = tmp_path / "weights"
    assert command(capsys, "--mode=export", f"--workdir={run}", f"--out={weights}")[0] == 0
    assert "public domain" in (weights / "README.md").read_text()
    outs = []
    for source in (f"--workdir={run}", f"--pretrained={weights}"):
        outs.append(tmp_path / f"out{len(outs)}")
        code, _, errors = command(capsys, "--mode=sample", source, pair, f"--out={outs[-1]}", QUIET)
        assert code == 0, errors
    first, second = (json.loads((out / "metadata.json").read_text())["z_distance"] for out in outs)
    assert first == pytest.approx(second, rel=0.1)
