"""--mode=sample and --mode=evaluate of a trained run: the files that they leave, and what is in them."""

import json
import re
import shutil
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from micro import launch

from musicfusion import launch as command_line
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track, from_notes
from musicfusion.systems.collagenet import baselines, evaluation

ASPECTS = ["pitch", "rhythm", "chord", "texture"]
OUTPUTS = [
    "before.mid", "before.musicxml", "before.wav", "fused.mid", "fused.musicxml", "fused.png", "fused.wav",
    "index.html", "metadata.json",
]  # fmt: skip
KEY = r"(semitones? (higher|lower) than it was|both parts are in the key they were in)\."  # what became of the key


def write(path: Path, *tracks, tempos=((0.0, 100.0), (20.0, 80.0)), metres=((0.0, 4, 4),)) -> Path:
    made = tuple(from_notes(name, 0, np.array(notes)) for name, notes in tracks)
    midi.write(path, Score(made, np.array(tempos), metres, path.stem))
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> str:
    """--inputs of a flute of 8 bars and an unrelated piano, bass and drums of 4 bars."""
    folder = tmp_path_factory.mktemp("pair")
    tune = [(2 * k, 2, 67 + (5 * k) % 12) for k in range(64)]
    right = [(4 * k, 4, pitch + k % 3) for k in range(16) for pitch in (60, 64, 67)]
    left = [(8 * k, 8, 36 + 5 * (k % 2)) for k in range(8)]
    lead, back = folder / "lead.mid", folder / "back.mid"
    midi.write(lead, Score((from_notes("flute", 73, np.array(tune), velocity=90),),
                           np.array([(0.0, 100.0), (20.0, 80.0)]), ((0.0, 4, 4),), "lead"))
    kit = Track("kit", 0, True, np.array([[k, 0.5, 38, 70 + k] for k in range(16)], float))
    band = from_notes("piano", 4, np.array(right), velocity=60), from_notes("bass", 32, np.array(left), velocity=75)
    midi.write(back, Score((*band, kit), np.array([[0.0, 140.0]]), ((0.0, 4, 4),), "back"))
    return f"--inputs=melody={lead},accompaniment={back}"


@pytest.fixture(scope="module")
def fused(micro_run, pair, tmp_path_factory) -> Path:
    """What a user gets from the workdir, two files and controls."""
    out = tmp_path_factory.mktemp("fused") / "deep" / "out"
    controls = "--controls=pitch=0,rhythm=1,chord=0.8,texture=0"
    done = launch("--mode=sample", f"--workdir={micro_run}", pair, controls, f"--out={out}", "--seed=1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"{out / 'index.html'}" in done.stdout and f"{out / 'fused.mid'}" in done.stdout
    assert len(re.findall(KEY, done.stdout)) == 1
    return out


def sample(run: Path, pair: str, out: Path, *flags: str) -> Path:
    """The same in this process, without sound."""
    common = ("--mode=sample", f"--workdir={run}", f"--out={out}", "--config.sample.audio=false")
    assert command_line.main(["musicfusion", *common, pair, *flags]) == 0
    return out


# Files --------------------------------------------------------------------------------------------------------------


def test_the_outputs_are_all_there_and_nothing_else(fused):
    assert sorted(path.name for path in fused.iterdir()) == OUTPUTS
    assert [path.name for path in fused.parent.iterdir()] == ["out"]


def test_fused_mid_has_the_tracks_of_both_pieces_with_their_instruments_in_the_melodys_tempo(fused):
    before, after = (midi.read(fused / f"{name}.mid") for name in ("before", "fused"))
    for score in (before, after):
        assert [(track.name, track.program, track.is_drum) for track in score.tracks] == [
            ("flute", 73, False), ("piano", 4, False), ("bass", 32, False), ("kit", 0, True)]
        assert [set(track.notes[:, 3]) for track in score.tracks[:3]] == [{90}, {60}, {75}]
        np.testing.assert_allclose(score.tempos, before.tempos)
    np.testing.assert_array_equal(after.tracks[3].notes, before.tracks[3].notes)
    np.testing.assert_allclose(before.tempos, [(0.0, 100.0), (20.0, 80.0)])
    assert before.metres == ((0.0, 4, 4),)
    assert before.length == 32.0


def test_the_shorter_accompaniment_is_repeated(fused):
    for track, count in zip(midi.read(fused / "before.mid").tracks[1:], (16 * 3, 8, 16), strict=True):
        first, again = track.notes[track.notes[:, 0] < 16], track.notes[track.notes[:, 0] >= 16]
        np.testing.assert_array_equal(first, again - (16, 0, 0, 0))
        assert len(first) == count


def test_metadata_explains_the_song(fused, micro_run):
    about = json.loads((fused / "metadata.json").read_text())
    assert about["controls"] == {"pitch": 0.0, "rhythm": 1.0, "chord": 0.8, "texture": 0.0, "key": "either",
                                 "bpm": 0}
    assert (about["seed"], about["system"], about["preset"]) == (1, "collagenet", "quick")
    config = json.loads((micro_run / "config.json").read_text())
    assert about["config"] == config
    assert sorted(about["steps"]) == ["chord_model", "edit_critic_1"], "what made this song"
    assert about["steps"]["edit_critic_1"] == config["edit_critic"]["steps"]
    assert about["beats"] == 32 and about["edits"]["notes_slid"] == 0, "all of the rhythm is to survive"
    assert sorted(about["edits"]["shift"]) == ["accompaniment", "melody"]
    assert 0 <= about["edits"]["chords_changed"] <= about["edits"]["places_for_chords"] == 16
    assert all(0 <= share <= 1 for share in about["kept"].values()) and about["kept"]["onsets_kept"] == 1
    assert set(about["inputs"]) == {"melody", "accompaniment"}
    assert isinstance(about["revision"], str) and about["version"]


def test_the_page_holds_all_that_it_shows(fused):
    page = (fused / "index.html").read_text()
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 1 and all(source.startswith("data:") for source in sources)
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', page)
    versions = json.loads(data)["versions"]
    assert [version["name"] for version in versions] == ["fused", "before"]
    assert all([stem["part"] for stem in version["stems"]] == ["flute", "piano", "bass", "kit"]
               and all(stem["src"].startswith("data:audio/ogg;base64,") for stem in version["stems"])
               for version in versions)
    changed = json.loads((fused / "metadata.json").read_text())["changed"]
    for mark, version in (("new", versions[0]), ("gone", versions[1])):
        for track in version["tracks"]:
            assert changed[track["name"]][mark] == sum(note[3] == mark for note in track["notes"])
    for target in re.findall(r'href="([^"]*)"', page):
        assert (fused / target).is_file(), target
    assert not re.search(r"<link|url\(|@import", page)
    for words in (*ASPECTS, "collagenet", "controls.chord", "0.8", "seed"):
        assert words in page


def test_picture_and_sound_can_be_opened(fused):
    png = (fused / "fused.png").read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and width > 500 and height > 200
    for name in ("fused", "before"):
        with wave.open(str(fused / f"{name}.wav")) as sound:
            seconds = sound.getnframes() / sound.getframerate()
        assert seconds < 40
    assert seconds > 20 * 60 / 100 + 12 * 60 / 80


# Chance and controls ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_sample(micro_run, pair, fused, tmp_path):
    controls = "--controls=pitch=0,rhythm=1,chord=0.8,texture=0"
    same = sample(micro_run, pair, tmp_path / "same", controls, "--seed=1")
    assert (same / "fused.mid").read_bytes() == (fused / "fused.mid").read_bytes()
    assert sorted(path.name for path in same.iterdir()) == [name for name in OUTPUTS if not name.endswith(".wav")]
    free = "--controls=pitch=0,rhythm=0,chord=0,texture=0"
    varied = [sample(micro_run, pair, tmp_path / f"varied {seed} {again}", free, f"--seed={seed}",
                     "--config.sample.edits.variety=5") for seed, again in ((1, 0), (1, 1), (2, 0))]
    first, again, other = varied
    assert (first / "fused.mid").read_bytes() == (again / "fused.mid").read_bytes()
    assert (first / "fused.mid").read_bytes() != (other / "fused.mid").read_bytes()
    assert (other / "before.mid").read_bytes() == (same / "before.mid").read_bytes()


def test_without_variety_the_seed_does_not_matter_and_the_controls_do(micro_run, pair, tmp_path):
    quiet = "--config.sample.edits.variety=0"
    outs = [
        sample(micro_run, pair, tmp_path / "a", quiet, "--seed=1"),
        sample(micro_run, pair, tmp_path / "b", quiet, "--seed=2"),
        sample(micro_run, pair, tmp_path / "c", quiet, "--controls=pitch=1,rhythm=1,chord=1,texture=1"),
    ]
    first, again, held = ((out / "fused.mid").read_bytes() for out in outs)
    assert first == again != held
    about = json.loads((outs[2] / "metadata.json").read_text())
    assert all(share == 1 for share in about["kept"].values()), "at 1 a control holds all of its aspect"


@pytest.mark.parametrize("part", ["melody", "accompaniment"])
def test_a_part_whose_key_holds_is_not_transposed(micro_run, pair, tmp_path, part):
    out = sample(micro_run, pair, tmp_path / "out", f"--controls=key={part}")
    about = json.loads((out / "metadata.json").read_text())
    assert about["edits"]["shift"][part] == 0 and about["controls"]["key"] == part


def test_a_pop_song_of_minutes_is_fused_whole(micro_run, pop909_root, tmp_path):
    lead, back = sorted(pop909_root.rglob("???.mid"))[:2]
    out = sample(micro_run, f"--inputs=melody={lead},accompaniment={back}", tmp_path / "out")
    before = midi.read(out / "before.mid")
    assert before.seconds(before.length) > 150
    about = json.loads((out / "metadata.json").read_text())
    assert before.length <= about["beats"] < before.length + 8
    after = midi.read(out / "fused.mid")
    assert [len(track.notes) for track in after.tracks] == [len(track.notes) for track in before.tracks]


def test_what_is_too_long_to_be_played_is_still_written(micro_run, tmp_path, capsys):
    slow = ((0.0, 10.0),)  # forty minutes
    lead = write(tmp_path / "a.mid", ("", [(0, 4, 60), (1600, 4, 62)]), tempos=slow)
    flags = ("--mode=sample", f"--workdir={micro_run}", f"--out={tmp_path / 'out'}")
    assert command_line.main(["musicfusion", *flags, f"--inputs=melody={lead},accompaniment={lead}"]) == 0
    assert "no sound" in capsys.readouterr().out
    assert (tmp_path / "out" / "fused.mid").is_file() and not list((tmp_path / "out").glob("*.wav"))


# Bad files ----------------------------------------------------------------------------------------------------------

HEADER = struct.pack(">4sIHHH", b"MThd", 6, 1, 1, 480)


def song(track: bytes, header: bytes = HEADER) -> bytes:
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track


END = b"\0\xff\x2f\0"
NOTE = b"\0\x90\x3c\x50\x81\x70\x80\x3c\0"
BAD = {
    "empty": (b"", "is empty"),
    "no MIDI": (b"RIFF0000AVI fmt ", "MThd"),
    "torn": (song(NOTE + END)[:12], "truncated"),
    "no notes": (song(END), "no notes"),
    "drums only": (song(NOTE.replace(b"\x90", b"\x99").replace(b"\x80", b"\x89") + END), "only drums"),
    "200,000 notes": (song(b"\0\x90\x3c\x50\1\x3c\0" * 200_000 + END), "notes"),
    "a tick bomb": (song(b"\xff\xff\xff\x7f\x90\x3c\x50" + b"\xff\xff\xff\x7f\x80\x3c\0" + END), "quarters"),
    "23 frames a second": (song(NOTE + END, HEADER[:-2] + b"\xe9\x28"), "SMPTE"),
    "type 3": (song(NOTE + END, HEADER[:9] + b"\3" + HEADER[10:]), "type 3"),
}


@pytest.mark.parametrize("role", ["melody", "accompaniment"])
@pytest.mark.parametrize("content, reason", BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_and_the_folder_stays_as_it_was(micro_run, tmp_path, capfd, role, content, reason):
    bad, good, out = tmp_path / "bad.mid", write(tmp_path / "good.mid", ("", [(0, 4, 60)])), tmp_path / "out"
    bad.write_bytes(content)
    out.mkdir()
    (out / "fused.mid").write_text("an earlier song")
    (out / "mine.txt").write_text("notes of my own")
    files = {"melody": good, "accompaniment": good} | {role: bad}
    inputs = "--inputs=" + ",".join(f"{name}={path}" for name, path in files.items())
    capfd.readouterr()
    assert command_line.main(["musicfusion", "--mode=sample", f"--workdir={micro_run}", f"--out={out}", inputs]) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"musicfusion: {bad}: ") and error.count("\n") == 1
    assert reason in error
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "fused.mid": "an earlier song", "mine.txt": "notes of my own",
    }  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.mid", "good.mid", "out"]


def test_a_new_song_replaces_an_old_one_and_keeps_the_users_own_files(micro_run, pair, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fused.mid").write_text("an earlier song")
    (tmp_path / "out" / "mine.txt").write_text("notes of my own")
    out = sample(micro_run, pair, tmp_path / "out")
    assert midi.read(out / "before.mid").tracks and (out / "fused.mid").read_bytes()[:4] == b"MThd"
    assert (out / "mine.txt").read_text() == "notes of my own"


# What training leaves behind, and evaluation ------------------------------------------------------------------------


def test_training_ends_with_songs_from_held_out_files_that_can_be_fused_again(micro_run, tmp_path):
    made = micro_run / "samples"
    assert sorted(path.name for path in made.iterdir()) == ["1", "inputs"]
    assert sorted(path.name for path in (made / "1").iterdir()) == OUTPUTS
    about = json.loads((made / "1" / "metadata.json").read_text())
    inputs = "--inputs=" + ",".join(f"{name}={path}" for name, path in about["inputs"].items())
    again = sample(micro_run, inputs, tmp_path / "again", f"--seed={about['seed']}")
    assert (again / "fused.mid").read_bytes() == (made / "1" / "fused.mid").read_bytes()


def test_evaluation_prints_its_tables_and_gives_the_same_numbers_again(micro_run, tmp_path):
    run = shutil.copytree(micro_run, tmp_path / "run")
    figures = ("controls.png", "harmony.png", "retention.png")
    outputs = ("report.json", "report.md", *figures)
    first = json.loads((run / "report.json").read_text())
    for name in outputs:
        (run / name).unlink()
    done = launch("--mode=evaluate", f"--workdir={run}")
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads((run / "report.json").read_text()) == first
    for name in figures:
        assert (run / name).read_bytes()[:4] == b"\x89PNG"
    text = (run / "report.md").read_text()
    assert text.strip() in done.stdout
    for words in ("melody onsets", "F1 (onset, pitch)", "chord roots", "majority", "test split", "Control response",
                  "Table 1", "Table 2", "Table 3", "What each judge takes for real", "What is kept",
                  "Control response: what is kept", "edits, controls 0.5"):
        assert words in text
    assert f"{run / 'report.md'}" in done.stdout


def values(report: dict, table: str) -> dict[str, dict]:
    """{row: {measure: {"mean", "low", "high", "paper"}}} of one table."""
    return {row["name"]: row["values"] for row in report["tables"][table]["rows"]}


def test_the_report_holds_rates_beside_a_baseline_and_the_control_response(micro_run):
    report = json.loads((micro_run / "report.json").read_text())
    rates = values(report, "reconstruction")
    assert list(rates) == ["ours", "majority", "all controls 1"]
    assert rates["ours"].keys() == rates["majority"].keys() == rates["all controls 1"].keys()
    assert all(0 <= rate["mean"] <= 1 for row in rates.values() for rate in row.values())
    assert report["data"]["split"] == "test" and report["data"]["songs"] >= 1 and report["data"]["examples"] >= 1
    controls = values(report, "controls")
    assert list(controls) == [f"{control} {value:g}" for control in ASPECTS for value in (0, 0.25, 0.5, 0.75, 1)]
    assert all(list(row) == ASPECTS for row in controls.values())


def test_the_report_holds_the_papers_tables_with_intervals_and_nothing_that_json_lacks(micro_run):
    def refuse(word):
        raise ValueError(word)

    report = json.loads((micro_run / "report.json").read_text(), parse_constant=refuse)  # no NaN
    edits = [baselines.UNTRAINED, "edits, random controls",
             *(f"edits, controls {value:g}" for value in baselines.CONTROLS), baselines.MELODY_HELD,
             baselines.ACCOMPANIMENT_HELD]
    compared = ["disharmonic pairs", "transposition", baselines.FIVE_NOTES, *baselines.FOOLS,
                *baselines.ACCOMPANIMENT_FOOLS, "rule-based", "CollageNet, lambda 1", *edits]
    real = ["harmonic pairs", "harmonic pairs through the VAEs", evaluation.SHUFFLED, evaluation.MOVED,
            evaluation.CHANCE]
    for table, methods in (("table1", real + compared), ("table2", real + compared),
                           ("table3", ["test set", "VAE prior", *compared[1:]])):
        rows = values(report, table)
        assert list(rows) == methods
        assert any("paper" in value for row in rows.values() for value in row.values())
        for row in rows.values():
            for value in row.values():
                assert ("low" in value) == ("high" in value)
                if "low" in value:
                    assert value["low"] <= value["mean"] <= value["high"]
    judges, rows = values(report, "judges"), values(report, "table1")
    assert list(judges) == list(evaluation.RATES.values())
    for rate, stage in evaluation.RATES.items():
        assert all(0 <= share["mean"] <= 1 for share in judges[stage].values())
        fooled = rate != "harmony_rate" and max(
            judges[stage][fool]["mean"] for fool in (*baselines.FOOLS, *baselines.ACCOMPANIMENT_FOOLS)) > 0.15
        assert any(stage.startswith(text.split(" is no judge")[0]) and "no judge" in text
                   for text in report["remarks"]) == fooled
        for name, row in rows.items():
            assert (rate in row) != fooled
            if rate in row:
                assert 0 <= row[rate]["mean"] <= 1
                assert name not in judges[stage] or row[rate]["mean"] == pytest.approx(judges[stage][name]["mean"])
    heard = values(report, "retention")
    assert list(heard) == [f"{method}, {control} {value:g}" for method in ("latent", "edits") for control in ASPECTS
                           for value in baselines.CONTROLS]
    assert all(heard[f"edits, {control} 1"][name]["mean"] == 1 for control, name in
               (("pitch", "intervals_kept"), ("rhythm", "onsets_kept"), ("chord", "chords_kept")))
    assert list(values(report, "curve")) == [f"controls {c:g}" for c in (0, 0.25, 0.5, 0.75, 1)]
