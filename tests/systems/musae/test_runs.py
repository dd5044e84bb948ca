"""MusAE from the command line: one small run is trained, measured, sampled from, exported."""

import json

import numpy as np
import pytest
from micro import launch, micro_flags

from musicfusion import launch as command_line
from musicfusion.codecs import midi, tracks
from musicfusion.data import voices
from musicfusion.systems.musae import transfer

QUIET = "--config.sample.audio=false"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("musae") / "run"
    done = launch(*micro_flags("musae", train__baselines="true"), f"--workdir={workdir}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return workdir


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two pieces for four voices."""
    folder = tmp_path_factory.mktemp("pair")
    corpus = voices.read(limit=12)
    paths = []
    for k, name in enumerate(("start", "end")):
        begin = int(corpus.first_beat[k]) * 4
        midi.write(folder / f"{name}.mid", tracks.score(corpus.arrays["tracks"][begin : begin + 96], "voices"))
        paths.append(folder / f"{name}.mid")
    return paths


def command(capsys, *flags) -> tuple[int, str, str]:
    code = command_line.main(["musicfusion", *map(str, flags)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_run_leaves_all_rows_of_the_table_and_all_figures(run):
    report = json.loads((run / "report.json").read_text())
    tables = {name: {row["name"]: row["values"] for row in table["rows"]} for name, table in report["tables"].items()}
    methods = {"MusAE, flower", "MusAE, Gaussian", "MusAE, N(0, .001 I)", "MusAE, no critic"}
    others = {"MusicVAE, flat", "MusicVAE, hierarchical"}
    assert set(tables["reconstruction"]) == {f"{title}, 2 bars" for title in methods | others | {"majority token"}}
    for values in tables["reconstruction"].values():
        assert 0 <= values["steps"]["low"] <= values["steps"]["mean"] <= 1 and "steps_soprano" in values
    for title in others:
        values = tables["reconstruction"][f"{title}, 2 bars"]
        assert 0 <= values["forced"]["mean"] <= 1 and values["rate"]["mean"] > 0
    assert set(report["settings"]["genres"]) == set(voices.COMPOSERS)
    assert set(tables["transfer"]) == {f"{way}, {amount:.2f}, 2 bars" for way, amounts in transfer.AMOUNTS.items()
                                       for amount in amounts} | {
        f"{way}, 1.00, 2 bars" for way in transfer.FOOLS[:2]}, "voices move whole"
    judges = {"genre classifier", "second judge"}
    assert set(tables["genres"]["real windows, 2 bars"]) == judges <= set(tables["transfer"]["means, 1.00, 2 bars"])
    assert sum("times as wide" in name for name in tables["genres"]) == 3
    assert {"the flow's rest, 2 bars", "the most frequent genre, 2 bars"} <= set(tables["probes"])
    assert len(tables["circle"]) == 3
    curves = report["details"]["interpolation"]["2"]
    assert set(curves) == methods | others | {"data space"} and curves["data space"][0] == 0
    assert set(tables["prior_fit"]) == {f"{title}, 2 bars" for title in methods | {"the flower's rest by the flow"}}
    assert "gap" in tables["prior_fit"]["MusAE, flower, 2 bars"]
    assert "gap" not in tables["prior_fit"]["MusAE, no critic, 2 bars"]
    assert report["data"]["examples"] == report["data"]["windows"]["2"] == 40 and report["data"]["songs"] > 1
    assert any("note for note in training songs" in remark and "soprano" in remark for remark in report["remarks"])
    for name in ("interpolation", "components_2", "transfer_2"):
        assert (run / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert "MusicVAE, hierarchical, 2 bars" in (run / "report.md").read_text()
    assert (run / "samples" / "1" / "song.mid").is_file()


def test_a_song_is_reconstructed_and_moved(run, pair, tmp_path, capsys):
    songs = []
    for number, controls in enumerate(("", "--controls=to=bach,amount=0.7", "--controls=to=bach,amount=0")):
        out = tmp_path / str(number)
        code, said, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=song={pair[0]}",
                                     f"--out={out}", QUIET, *filter(None, [controls]))
        assert code == 0, errors
        assert f"{out / 'index.html'}" in said and (out / "song.png").is_file()
        songs.append((out / "song.mid").read_bytes())
    about = json.loads((tmp_path / "1" / "metadata.json").read_text())
    assert about["controls"] == {"steps": 8, "genre": "", "n": 4, "to": "bach", "angle": -1.0, "amount": 0.7,
                                 "tracks": "drums+bass", "spread": 0.7}
    assert 0 <= about["notes_kept"] <= about["rhythm_kept"] <= 1
    assert about["genre"] in {*voices.COMPOSERS, ""}, "none in the middle of the plane, where untrained codes lie"
    assert songs[0][-200:] == songs[2][-200:], "an amount of 0 is no change"


def test_two_songs_are_interpolated(run, pair, tmp_path, capsys):
    out = tmp_path / "out"
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=start={pair[0]},end={pair[1]}",
                              "--controls=steps=3", f"--out={out}", QUIET)
    assert code == 0, errors
    about = json.loads((out / "metadata.json").read_text())
    assert len(about["changed_steps"]) == 5 and about["changed_steps"][0] == 0
    assert any("the first 2 bars" in notice for notice in about["notices"])
    assert (out / "windows.png").is_file()
    assert midi.read(out / "song.mid").length <= 5 * 8


def test_a_genre_is_drawn_from_and_the_seed_says_which(run, tmp_path, capsys):
    songs = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(number)
        code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", "--controls=genre=palestrina,n=2",
                                  f"--out={out}", f"--seed={seed}", QUIET)
        assert code == 0, errors
        songs.append((out / "song.mid").read_bytes())
        about = json.loads((out / "metadata.json").read_text())
        assert about["seed"] == seed and set(about["genres"]) == set(voices.COMPOSERS)
    assert songs[0] == songs[1]


@pytest.mark.parametrize(("flags", "words"), [
    (["--controls=genre=bahc"], "genre 'bahc' is unknown: did you mean bach?"),
    (["--controls=n=2"], "genre is missing: there are "),
    (["--controls=amount=3"], "amount=3 is out of range"),
    (["--inputs=start=setup.cfg"], "start given; musae takes song or start and end or none"),
    (["--controls=genre=bach", "--config.sample.bars=16"], "16 bars were not trained: use 2"),
])
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(run, tmp_path, capsys, flags, words):
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--out={tmp_path / 'out'}", *flags)
    assert code == 2 and words in errors and errors.count("\n") == 1, errors
    assert not (tmp_path / "out").exists()


def test_exported_weights_sample_like_the_run(run, pair, tmp_path, capsys):
    weights = tmp_path / "weights"
    code, _, errors = command(capsys, "--mode=export", f"--workdir={run}", f"--out={weights}")
    assert code == 0, errors
    kept = []
    for number, source in enumerate((f"--workdir={run}", f"--pretrained={weights}")):
        out = tmp_path / f"out{number}"
        code, _, errors = command(capsys, "--mode=sample", source, f"--inputs=song={pair[0]}", f"--out={out}", QUIET)
        assert code == 0, errors
        kept.append(json.loads((out / "metadata.json").read_text())["rhythm_kept"])
    assert np.isfinite(kept).all() and kept[0] == pytest.approx(kept[1], abs=0.1)
