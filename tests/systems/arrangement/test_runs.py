"""Arrangement from the command line: one small run is trained, measured, used on recordings, exported."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import soundfile
from listeners import answered, save
from micro import ROOT, launch, micro_config, micro_flags

from musicfusion import launch as command_line
from musicfusion import train
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track
from musicfusion.core.results import Results
from musicfusion.pretrained import Pretrained
from musicfusion.systems.arrangement.system import SYSTEM


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("arrangement") / "run"
    done = launch(*micro_flags("arrangement", train__baselines="true"), f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return workdir


def command(capsys, *flags) -> tuple[int, str, str]:
    code = command_line.main(["musicfusion", *map(str, flags)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def bass(tmp_path):
    """Four seconds of a bass line, in stereo at another rate."""
    rate = 44100
    time = np.arange(4 * rate) / rate
    wave = 0.3 * np.sin(2 * np.pi * 82 * time) * (np.sin(2 * np.pi * 2 * time) > 0)
    soundfile.write(tmp_path / "bass.flac", np.stack([wave, wave], 1), rate)
    return tmp_path / "bass.flac"


def rows(run, table) -> dict[str, dict]:
    """A table of the report: row's name -> measure -> value."""
    report = json.loads((run / "report.json").read_text())
    return {row["name"]: row["values"] for row in report["tables"][table]["rows"]}


def test_a_run_measures_translations_beside_the_baselines_and_draws_them(run):
    of, mels = rows(run, "methods"), rows(run, "spectrograms")
    assert list(of) == list(mels) == list(rows(run, "synthesised")) == [
        "silence", "the source itself", "the target of another song", "a steady beat at the source's tempo",
        "eighths in time", "backbeat with eighths", "the source's onsets and eighths",
        "the training target with the nearest source", "pix2pix, from pairs", "CycleGAN",
        "CycleGAN, untrained", "CycleGAN, given another song's bass", "real drums"]
    assert of["real drums"]["synchrony"]["mean"] >= of["eighths in time"]["synchrony"]["mean"]
    assert of["real drums"]["onset_f1"]["mean"] == 1 and mels["real drums"]["mel_l1"]["mean"] == 0
    source = of["the source itself"]
    assert source["source_onset_f1"]["mean"] == 1
    difference = source["paired_difference"]
    assert difference["mean"] == pytest.approx(of["CycleGAN"]["onset_f1"]["mean"] - source["onset_f1"]["mean"])
    assert difference["low"] <= difference["mean"] <= difference["high"]
    assert of["silence"]["onset_f1"]["mean"] == 0
    assert mels["real drums"]["frechet"]["mean"] < mels["silence"]["frechet"]["mean"]
    for measured in of.values():
        value = measured["onset_f1"]
        assert 0 <= value["low"] <= value["mean"] + 1e-9 and value["mean"] <= value["high"] + 1e-9
        assert value["high"] <= 1
    assert list(rows(run, "densities")) == ["0", "0.25", "0.5", "0.75", "1"]
    for name in ("translations.png", "onsets.png"):
        assert (run / name).read_bytes()[:4] == b"\x89PNG"
    assert "CycleGAN" in (run / "report.md").read_text()
    assert (run / "samples" / "1" / "drums.wav").is_file()


def test_features_may_be_the_user_s_own(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "own_features.py").write_text("def bands(mels):\n    return mels.mean(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    before, onsets = rows(run, "spectrograms")["CycleGAN"], rows(run, "methods")["CycleGAN"]["onset_f1"]
    code, said, errors = command(capsys, "--mode=evaluate", f"--workdir={run}",
                                 "--config.evaluate.features=own_features:bands")
    assert code == 0, errors
    assert "features by own_features:bands" in said
    assert rows(run, "spectrograms")["CycleGAN"]["frechet"] != before["frechet"]
    assert rows(run, "methods")["CycleGAN"]["onset_f1"] == onsets
    code, _, errors = command(capsys, "--mode=evaluate", f"--workdir={run}", "--config.evaluate.features=own_features")
    assert code == 2 and errors.count("\n") == 1 and "MODULE:FUNCTION" in errors


def test_listeners_are_asked_by_a_sheet_and_what_they_say_is_read(run, tmp_path, capsys):
    folder, said = tmp_path / "sheet", tmp_path / "said"
    code, text, errors = command(capsys, "--mode=evaluate", f"--workdir={run}", f"--config.evaluate.sheet={folder}",
                                 "--config.evaluate.clips=2")
    assert code == 0, errors
    assert str(folder / "index.html") in text and "minutes for a listener" in text and "Translations" not in text
    for listener in ("1", "2"):
        save(answered(folder, listener, say=lambda section, question, clip: "9" if "real" in clip["method"] else "3"),
             said)
    answers = f"--config.evaluate.answers={said}"
    code, text, errors = command(capsys, "--mode=evaluate", f"--workdir={run}", answers,
                                 f"--config.evaluate.sheet={folder}")
    assert code == 0, errors
    assert "What listeners said" in text and "Translations" in text and (run / "listening.png").is_file()
    assert rows(run, "grades")["real drums"]["good"]["mean"] == 1
    assert rows(run, "grades")["CycleGAN"]["good"] == {"mean": 0}
    assert rows(run, "distribution")["real drums"]["9"]["mean"] == 2 and (run / "grades.png").is_file()
    assert rows(run, "listeners")["trained"]["listeners"]["mean"] == 2
    assert json.loads((run / "report.json").read_text())["details"]["listening"]["answers"] == 2 * 10 * 4
    code, _, errors = command(capsys, "--mode=evaluate", f"--workdir={run}", answers)
    assert code == 2 and "there is no key.json" in errors and errors.count("\n") == 1


def test_a_recording_gets_the_missing_part_at_its_own_length_and_the_seed_draws_phases(run, bass, tmp_path, capsys):
    made = []
    for seed in (1, 1, 2):
        out = tmp_path / f"out{len(made)}"
        code, said, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=source={bass}",
                                     f"--seed={seed}", f"--out={out}")
        assert code == 0, errors
        assert str(out / "index.html") in said and (out / "spectrograms.png").is_file()
        parts = {name: soundfile.read(out / f"{name}.wav")[0] for name in ("mix", "drums", "bass")}
        assert {len(x) for x in parts.values()} == {4 * 22050}
        np.testing.assert_allclose(parts["mix"], parts["bass"] + parts["drums"], atol=1e-4)
        made.append(parts["drums"])
    np.testing.assert_array_equal(made[0], made[1])
    assert np.any(made[0] != made[2])
    about = json.loads((out / "metadata.json").read_text())
    assert about["controls"]["density"] == 0.5 and about["seconds"] == 4 and about["stage"] == "cyclegan"


@pytest.mark.parametrize(("content", "words"), [
    (b"no sound", "cannot be read as audio"), (None, "silent from beginning to end")])
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_left(run, tmp_path, capsys, content, words):
    path = tmp_path / "bass.wav"
    soundfile.write(path, np.zeros(22050), 22050)
    if content:
        path.write_bytes(content)
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=source={path}",
                              f"--out={tmp_path / 'out'}")
    assert code == 2 and words in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("flag", "words"), [
    ("--config.data.source=piano", "accepted are two of bass, drums, vocals, mix"),
    ("--config.data.root=/nowhere", "no such folder"), ("--config.networks=piano", "accepted are frames, images"),
])
def test_a_config_that_cannot_be_trained_is_refused_in_one_line(tmp_path, capsys, flag, words):
    code, _, errors = command(capsys, *micro_flags("arrangement"), flag, f"--workdir={tmp_path / 'run'}")
    assert code == 2 and words in errors and errors.count("\n") == 1 and not (tmp_path / "run").exists()


def test_a_run_is_exported_and_used_without_it(run, bass, tmp_path, capsys):
    weights = tmp_path / "weights"
    code, _, errors = command(capsys, "--mode=export", f"--workdir={run}", f"--out={weights}")
    assert code == 0, errors
    exported = Pretrained(weights)
    assert set(exported.stages) == {"cyclegan", "part_classifier"} and set(exported("cyclegan")) == {"generators"}
    code, _, errors = command(capsys, "--mode=sample", f"--pretrained={weights}", f"--inputs=source={bass}",
                              f"--out={tmp_path / 'out'}", "--controls=density=1")
    assert code == 0, errors


def test_the_shipped_weights_play_denser_where_a_higher_density_is_asked_for(tmp_path, capsys):
    notes = np.array([(k / 2, 0.4, 40 + k % 3, 80) for k in range(64)])
    midi.write(tmp_path / "bass.mid",
               Score((Track("Bass", 33, False, notes),), np.array([[0.0, 110.0]]), ((0.0, 4, 4),), "bass"))
    hits = []
    for density in (0.1, 0.5, 0.9):
        out = tmp_path / f"{density}"
        code, _, errors = command(capsys, "--mode=sample", "--pretrained=arrangement-lite",
                                  f"--inputs=source={tmp_path / 'bass.mid'}", f"--controls=density={density}",
                                  f"--out={out}")
        assert code == 0, errors
        hits.append(sum(json.loads((out / "metadata.json").read_text())["hits"].values()))
    assert hits[0] < 0.8 * hits[1] < 0.8 * hits[2], hits


def test_a_run_killed_halfway_continues_bit_equal_with_its_pools(tmp_path, monkeypatch):
    config = micro_config("arrangement", cyclegan__steps=12, run__checkpoint_every=4, run__tensorboard=False)
    corpus = SYSTEM.corpus(config)
    stage = SYSTEM.stages(config)[0]
    programs = train.Programs(stage, config, stage.data(corpus, None))
    monkeypatch.setattr(train, "Programs", lambda *_: programs)  # compiled once for all three runs
    whole, start = programs.index, programs.init()

    def stopped(first, steps):
        if first == 6:
            raise InterruptedError
        return whole(first, steps)

    def state(folder):
        train.train_stage(stage, config, tmp_path / folder, corpus, Results(tmp_path / folder))
        with Results(tmp_path / folder).checkpoints(stage.name) as checkpoints:
            return checkpoints.restore(jax.eval_shape(lambda: start))[1]

    expected = state("whole")
    programs.index = stopped
    with pytest.raises(InterruptedError):
        state("twice")
    programs.index = whole
    found = state("twice")
    assert int(found["pool"]["a"].filled) == 24
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# Steps of CycleGAN on one device and on four at a rate of 0, so that only the pools can differ.
DEVICES = """
import json
import jax
jax.config.update("jax_num_cpu_devices", 4)
import numpy as np
from micro import micro_config
from musicfusion import train
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track
from musicfusion.core import parallel
from musicfusion.systems.arrangement.system import SYSTEM

config = micro_config("arrangement", cyclegan__batch=4, cyclegan__steps=30, cyclegan__optimizer__rate=0.0)
corpus, create, found = SYSTEM.corpus(config), parallel.create, []
stage = SYSTEM.stages(config)[0]
for count in (1, 4):
    parallel.create = lambda _: create("pmap", jax.devices()[:count])
    programs = train.Programs(stage, config, stage.data(corpus, None))
    state = programs.devices.replicate(programs.init())
    for first in range(20):  # the pools are full after 13
        state, _ = programs.advance(state, first, 1)
    found.append(programs.devices.get(state))
pools = [jax.tree.leaves(state["pool"]) for state in found]
differences = [float(np.abs(x - y).max()) for x, y in zip(*pools)]
print(json.dumps([int(found[1]["pool"]["b"].filled), max(differences)]))
"""


def test_four_devices_keep_the_pools_of_one():
    paths = [str(ROOT / "tests"), *sys.path]
    done = subprocess.run([sys.executable, "-c", DEVICES], capture_output=True, text=True, check=False,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)})
    assert done.returncode == 0, done.stderr
    filled, difference = json.loads(done.stdout.splitlines()[-1])
    assert filled == 50 and difference < 1e-3
