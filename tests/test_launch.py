"""The command line: what it answers, and how it refuses: one line, exit code 2, nothing written."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from micro import CONFIG, launch, micro_flags

from musicfusion import launch as command_line
from musicfusion import systems
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, from_notes

TRAIN = (f"--config={CONFIG}:quick", "--workdir=new")
SAMPLE = ("--mode=sample", "--workdir={run}", "--out=out")
FILES = "--inputs=melody=song.mid,accompaniment=song.mid"


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """The working folder of a user with a song, a text, an empty folder, and a MIDI file of drums only."""
    monkeypatch.chdir(tmp_path)
    notes = np.array([[4 * k, 4, 60 + k] for k in range(8)])
    song = Score((from_notes("", 0, notes),), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "song")
    midi.write("song.mid", song)
    drums = midi.read("song.mid").tracks[0].notes
    kit = (type(song.tracks[0])("kit", 0, True, drums),)
    midi.write("drums.mid", Score(kit, np.array([[0.0, 120.0]]), (), "drums"))
    Path("text.txt").write_text("music")
    Path("torn.mid").write_bytes(Path("song.mid").read_bytes()[:60])
    Path("folder").mkdir()
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def main(*flags: str) -> int:
    return command_line.main(["musicfusion", *flags])


def refused(capfd, folder: Path, *flags: str) -> str:
    """The one line with which the command line refuses these flags; it has written nothing."""
    before = contents(folder)
    capfd.readouterr()
    code = main(*flags)
    error = capfd.readouterr().err
    assert code == 2, error
    assert error.startswith("musicfusion: ") and error.count("\n") == 1 and "Traceback" not in error
    assert contents(folder) == before
    return error


# Answers ------------------------------------------------------------------------------------------------------------


def test_help_lists_systems_modes_inputs_and_controls_within_seconds():
    began = time.perf_counter()
    done = launch("--help")
    assert time.perf_counter() - began < 10  # one second, on a machine that does nothing else
    assert done.returncode == 0 and done.stderr == ""
    for words in (
        "collagenet: CollageNet", "train, evaluate, sample, benchmark, describe, export", "quick", "lite", "paper",
        "input    melody", "input    accompaniment", "control  pitch (0 to 1, default 0.5)", "control  rhythm (0 to 1",
        "control  chord (0 to 1", "control  texture (0 to 1", "--workdir", "--seed", "--print_config",
        "--mode=sample --inputs=NAME=FILE", "weights  collagenet-lite", "--pretrained",
    ):  # fmt: skip
        assert words in done.stdout


def test_print_config_shows_every_key_with_the_overrides(desk, capfd):
    assert main(f"--config={CONFIG}", "--config.fusion.steps=17", "--config.sample.audio=false", "--print_config") == 0
    out = capfd.readouterr().out
    assert "preset: lite" in out and "steps: 17" in out and "audio: false" in out
    assert not Path("runs").exists()


def test_a_second_call_in_one_process_starts_afresh(desk, capfd):
    assert main("--help") == 0
    capfd.readouterr()
    assert "give --config" in refused(capfd, desk)
    assert main(f"--config={CONFIG}", "--print_config", "--seed=5") == 0
    assert "no_such_flag" in refused(capfd, desk, f"--config={CONFIG}", "--no_such_flag=1")
    assert command_line.parse(["musicfusion", f"--config={CONFIG}"]).seed == 0


@pytest.mark.parametrize("content", [b"\xff\xfe\0\x80", b"--mode=\xe4"])
def test_a_file_of_flags_that_is_no_text_is_refused_in_one_line(tmp_path, capfd, content):
    (tmp_path / "flags").write_bytes(content)
    assert main(f"--flagfile={tmp_path / 'flags'}") == 2
    said = capfd.readouterr().err
    assert "--flagfile" in said and said.count("\n") == 1


def test_a_flag_may_stand_apart_from_its_value(desk, capfd):
    assert main("--config", str(CONFIG), "--config.fusion.steps", "17", "--print_config") == 0
    assert "steps: 17" in capfd.readouterr().out


def test_inputs_may_hold_commas_and_the_home_folder(desk, monkeypatch):
    monkeypatch.setenv("HOME", str(desk))
    shutil.copy("song.mid", "Air, in G.mid")
    command = command_line.parse(["", "--mode=sample", "--inputs=melody=Air, in G.mid,accompaniment=~/song.mid"])
    assert command.inputs == (("melody", "Air, in G.mid"), ("accompaniment", "~/song.mid"))
    command_line._check_sample(command, systems.declarations()["collagenet"])  # both are found


def test_the_word_studio_stands_for_its_mode():
    command = command_line.parse(["musicfusion", "studio", "--port=0", "--pretrained=musae-lite"])
    assert command == command_line.parse(["", "--mode=studio", "--port=0", "--pretrained=musae-lite"])
    assert (command.mode, command.port, command.host) == ("studio", 0, "127.0.0.1")


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m musicfusion.launch --help | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert done.stderr == "" and done.returncode == 0


# Refusals that need no trained run ----------------------------------------------------------------------------------

REFUSED = {
    "unknown flag": (["--nonsense=3"], ["'nonsense'", "--help"]),
    "unknown mode": (["--mode=dance"], ["dance", "train", "describe"]),
    "word without dashes": (["sample"], ["'sample'", "--mode"]),
    "neither config nor workdir": ([], ["--config", "configs/collagenet.py", "--workdir", "--pretrained"]),
    "flag without value": (["--config"], ["--config=..."]),
    "missing config": (["--config=nowhere.py"], ["nowhere.py", "configs/collagenet.py"]),
    "config that is no Python": (["--config=text.txt"], ["text.txt", "configs/collagenet.py"]),
    "unknown variant": ([f"--config={CONFIG}:huge"], ["huge", "quick, lite, paper"]),
    "misspelt key": ([*TRAIN, "--config.fusion.stebs=3"], ["'fusion.stebs'", "fusion.steps"]),
    "key far from any": ([*TRAIN, "--config.zzzzzz=3"], ["'zzzzzz'", "--print_config"]),
    "a group is no key": ([*TRAIN, "--config.fusion=3"], ["'fusion'"]),
    "word for a number": ([*TRAIN, "--config.fusion.steps=many"], ["fusion.steps", "many"]),
    "fraction for a count": ([*TRAIN, "--config.fusion.steps=1.5"], ["fusion.steps", "1.5"]),
    "word for yes or no": ([*TRAIN, "--config.sample.audio=perhaps"], ["sample.audio", "perhaps"]),
    "negative number": ([*TRAIN, "--config.data.songs=-1"], ["data.songs", "from 0"]),
    "batch of nothing": ([*TRAIN, "--config.fusion.batch=0"], ["fusion.batch", "from 1"]),
    "not a number": ([*TRAIN, "--config.sample.noise=nan"], ["sample.noise", "from 0"]),
    "seed beyond 32 bits": ([*TRAIN, "--config.seed=99999999999"], ["seed", "from 0"]),
    "unknown model": ([*TRAIN, "--config.melody_vae.model=bach"], ["bach", "lite", "ec2vae"]),
    "sizes of another model": ([*TRAIN, "--config.melody_vae.model=ec2vae"], ["melody_vae.size", "width", "depth"]),
    "a critic of decoded notes, of VAEs that decode none": (
        [f"--config={CONFIG}:paper", "--config.fusion.networks=lite"], ["melody_vae.model", "use perceptron"]),
    "unknown way of fusion": ([*TRAIN, "--config.fusion.model=lite"], ["fusion.model = 'lite'", "edits or latent"]),
    "unknown negatives": ([*TRAIN, "--config.judge.negatives=('drones',)"], ["judge.negatives", "'drones'", "drone"]),
    "unknown precision": ([*TRAIN, "--config.run.precision=int3"], ["int3", "float32", "bfloat16"]),
    "unknown wrapper": ([*TRAIN, "--config.run.parallel=magic"], ["magic", "pmap", "shard_map"]),
    "unknown schedule": ([*TRAIN, "--config.fusion.optimizer.schedule=never"], ["never", "constant", "cosine"]),
    "workdir is a file": ([TRAIN[0], "--workdir=text.txt"], ["text.txt", "folder"]),
    "folder without songs": ([*TRAIN, "--config.data.root=folder"], ["folder", "no songs", "MIDI files"]),
    "no such folder": ([*TRAIN, "--config.data.root=nowhere"], ["nowhere", "no such folder"]),
    "file that is no corpus": ([*TRAIN, "--config.data.root=text.txt"], ["text.txt", "corpus"]),
    "too few songs": ([*TRAIN, "--config.data.songs=3"], ["3 songs", "more songs are needed"]),
    "one song to measure": ([*TRAIN, "--config.data.songs=20", "--config.evaluate.segments=1"],
                            ["test split", "one song", "two are needed"]),
    "processes without a coordinator": ([*TRAIN, "--processes=2"], ["2 processes", "host:port"]),
    "sample without a run": (["--mode=sample", "--workdir=folder", FILES], ["folder", "train first"]),
    "sample of nothing": (["--mode=sample"], ["--inputs", "melody=FILE,accompaniment=FILE", "collagenet"]),
    "an input of no system": (["--mode=sample", "--inputs=melodie=song.mid"], ["'melodie'", "did you mean melody"]),
    "unknown weights": (["--mode=sample", "--pretrained=none", FILES],
                        ["'none'", "shipped are", "--mode=export", "hf:OWNER/NAME"]),
    "export to nowhere": ([*TRAIN, "--mode=export"], ["--mode=export", "--out"]),
    "export without a run": ([*TRAIN, "--mode=export", "--out=out"], ["no checkpoint", "melody_vae", "train"]),
    "evaluate without a run": ([*TRAIN, "--mode=evaluate"], ["no checkpoint", "melody_vae", "train"]),
}


@pytest.mark.parametrize("flags, words", REFUSED.values(), ids=REFUSED)
def test_it_refuses(desk, capfd, flags, words):
    line = refused(capfd, desk, *flags)
    for word in words:
        assert word in line


@pytest.mark.parametrize("stage", ["melody_vae", "fusion"])
def test_a_batch_that_the_devices_do_not_divide_is_refused_before_the_first_stage(desk, stage):
    batches = {f"{name}__batch": 60 for name in ("melody_vae", "accompaniment_vae", "latents", "fusion")}
    before = contents(desk)
    flags = micro_flags(**batches | {f"{stage}__batch": 64})
    done = launch(*flags, "--workdir=new", env=os.environ | {"JAX_NUM_CPU_DEVICES": "3"})
    assert done.returncode == 2
    assert done.stderr == f"musicfusion: {stage}: a batch of 64 does not divide over 3 devices: use 63 or 66\n"
    assert contents(desk) == before


def test_a_workdir_in_which_nothing_was_trained_takes_any_config(desk, capfd):
    Path("new").mkdir()
    Path("new/config.json").write_text("{}")
    assert "more songs are needed" in refused(capfd, desk, *TRAIN, "--config.data.songs=3")


# Refusals of a trained run ------------------------------------------------------------------------------------------

REFUSED_BY_A_RUN = {
    "control above 1": ([FILES, "--controls=pitch=1.01"], ["pitch=1.01", "from 0 to 1"]),
    "control below 0": ([FILES, "--controls=chord=-0.1"], ["chord=-0.1", "from 0 to 1"]),
    "control not a number": ([FILES, "--controls=rhythm=nan"], ["rhythm=nan", "from 0 to 1"]),
    "control in words": ([FILES, "--controls=texture=much"], ["texture=much", "from 0 to 1"]),
    "control misspelt": ([FILES, "--controls=pich=1"], ["'pich'", "did you mean pitch", "texture"]),
    "control without value": ([FILES, "--controls=pitch"], ["pitch needs a value"]),
    "unknown input": (["--inputs=melodie=song.mid"], ["'melodie'", "melody", "accompaniment"]),
    "missing input": (["--inputs=melody=song.mid"], ["melody given", "melody and accompaniment"]),
    "no inputs": ([], ["none given", "melody and accompaniment"]),
    "no such file": (["--inputs=melody=song.mid,accompaniment=none.mid"], ["none.mid", "no such file"]),
    "folder for a file": (["--inputs=melody=folder,accompaniment=song.mid"], ["folder", "no such file"]),
    "text for MIDI": (["--inputs=melody=text.txt,accompaniment=song.mid"], ["text.txt", "not a MIDI file"]),
    "torn MIDI": (["--inputs=melody=song.mid,accompaniment=torn.mid"], ["torn.mid", "no notes (track 2: "]),
    "drums for a melody": (["--inputs=melody=drums.mid,accompaniment=song.mid"], ["drums.mid", "only drums"]),
    "drums for an accompaniment": (["--inputs=melody=song.mid,accompaniment=drums.mid"], ["drums.mid", "only drums"]),
    "seed in words": ([FILES, "--seed=lucky"], ["seed", "lucky"]),
    "negative seed": ([FILES, "--seed=-1"], ["seed", "from 0"]),
    "seed beyond 32 bits": ([FILES, "--seed=2147483648"], ["seed", "2147483647"]),
    "out is a file": ([FILES, "--out=text.txt"], ["text.txt", "is a file"]),
    "hop of nothing": ([FILES, "--config.sample.hop=0"], ["sample.hop", "1 to 8"]),
    "hop beyond a window": ([FILES, "--config.sample.hop=9"], ["sample.hop", "1 to 8"]),
    "unknown length": ([FILES, "--config.sample.length=golden"], ["golden", "loop or cut"]),
    "unknown tempo": ([FILES, "--config.sample.tempo=presto"], ["presto", "melody or accompaniment"]),
    "another model": ([FILES, "--config.fusion.actor.width=16"], ["fusion.actor.width was 32, is 16"]),
    "another config": ([FILES, f"--config={CONFIG}:lite"], ["another config", "was", "--workdir"]),
    "training with another config": (["--mode=train", f"--config={CONFIG}:lite"], ["another config", "--workdir"]),
    "exporting with another config": (["--mode=export", f"--config={CONFIG}:lite"], ["another config", "--workdir"]),
    "exporting into a user's folder": (["--mode=export", "--out=."], ["holds other files", "--out"]),
    "a run and weights": ([FILES, "--pretrained=collagenet-lite"], ["--pretrained and --workdir", "one of them"]),
    "benchmark of weights": (["--mode=benchmark", "--pretrained=collagenet-lite"], ["sample, evaluate, describe"]),
    "training of weights": (["--mode=train", "--pretrained=collagenet-lite"], ["--mode=train", "--workdir"]),
    "evaluating unknown songs": (["--mode=evaluate", "--config.data.split=tomorrow"], ["tomorrow", "validation"]),
}


@pytest.mark.parametrize("flags, words", REFUSED_BY_A_RUN.values(), ids=REFUSED_BY_A_RUN)
def test_it_refuses_with_a_trained_run(micro_run, desk, capfd, flags, words):
    line = refused(capfd, desk, *(flag.format(run=micro_run) for flag in SAMPLE), *flags)
    for word in words:
        assert word in line


def test_a_damaged_checkpoint_is_named_and_nothing_is_made_of_it(micro_run, desk):
    """Every checkpoint of a stage; in a process of its own, where nothing filters what libraries say."""
    damage(desk, micro_run, "edit_critic_1", steps=None)
    before = contents(desk)
    done = launch("--mode=sample", "--workdir=run", "--out=out", FILES)
    assert done.returncode == 2
    assert "of edit_critic_1 is damaged" in done.stderr and "train again" in done.stderr
    assert done.stderr.count("\n") == 1
    assert contents(desk) == before


def test_an_older_checkpoint_stands_in_for_a_damaged_one(micro_run, desk):
    last = max(int(path.name) for path in (micro_run / "edit_critic_1" / "checkpoints").iterdir())
    damage(desk, micro_run, "edit_critic_1", steps=[last])
    done = launch("--mode=sample", "--workdir=run", "--out=out", FILES)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1 and f"step {last} of edit_critic_1 is damaged" in done.stderr
    assert "falling back to step" in done.stderr


def damage(desk: Path, run: Path, stage: str, steps: list[int] | None) -> None:
    """Copies a run to desk/run and flips one bit in the parameters of a stage."""
    shutil.copytree(run, desk / "run")
    for step in (desk / "run" / stage / "checkpoints").iterdir():
        if steps is None or int(step.name) in steps:
            largest = max((path for path in (step / "params").rglob("*") if path.is_file()), key=os.path.getsize)
            content = bytearray(largest.read_bytes())
            content[len(content) // 2] ^= 1
            largest.write_bytes(content)


def test_a_config_that_is_lost_comes_out_of_a_checkpoint(micro_run, desk, capfd):
    for spoil in (lambda path: path.unlink(), lambda path: path.write_text('{"system": ')):
        shutil.copytree(micro_run, "run")
        spoil(Path("run/config.json"))
        assert main("--workdir=run", "--print_config") == 0
        lost = capfd.readouterr().out
        assert main(f"--workdir={micro_run}", "--print_config") == 0
        assert capfd.readouterr().out == lost
        shutil.rmtree("run")


def test_a_finished_run_is_not_trained_again(micro_run, desk):
    shutil.copytree(micro_run, "run")
    done = launch(*micro_flags(), "--workdir=run")
    assert done.returncode == 0, done.stderr
    for stage in ("melody_vae", "accompaniment_vae", "latents", "fusion", "chord_model", "edit_critic_1", "judge"):
        assert f"{stage}: finished before" in done.stdout
    assert done.stderr == ""
    assert "open:" in done.stdout and "run/samples/1/index.html" in done.stdout
