"""MusAE from the command line: one small run is trained, measured, sampled from, exported."""

import json

import numpy as np
import pytest
from micro import launch, micro_flags

from musicfusion import launch as command_line
from musicfusion.codecs import midi, tracks
from musicfusion.data import voices

QUIET = "--config.sample.audio=false"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("musae") / "run"
    done = launch(*micro_flags("musae", evaluate__compare="true"), f"--workdir={workdir}")
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
    rows = {(row["kind"], row["bars"]) for row in report["table1"]}
    assert rows == {(kind, 2) for kind in ("majority", "flower", "gaussian", "free", "flat", "hierarchical")}
    for row in report["table1"]:
        assert 0 <= row["mean"] <= 1 and len(row["accuracy"]) == 4
    assert set(report["genres"]) == set(voices.COMPOSERS) and report["tracks"][0] == "soprano"
    assert {(row["way"], row["amount"]) for row in report["transfer"]} == {
        (way, amount) for way in ("around", "straight", "means") for amount in (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5)}
    assert set(report["petals"]["from_styles"]) == {"0.5", "0.7", "1.0"}
    assert len(report["interpolation"]["2"]) == 6 and report["interpolation"]["2"]["data space"][0] == 0
    assert [row["kind"] for row in report["fit"]] == ["flower", "gaussian", "free"]
    for name in ("interpolation", "petals", "genres", "transfer"):
        if name != "genres" or (run / "genres.png").exists():
            assert (run / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert "MusicVAE, hierarchical, 2 bars" in (run / "report.md").read_text()
    assert (run / "samples" / "1" / "song.mid").is_file()


def test_a_song_is_reconstructed_and_moved(run, pair, tmp_path, capsys):
    made = []
    for number, controls in enumerate(("", "--controls=to=bach,amount=0.7", "--controls=to=bach,amount=0")):
        out = tmp_path / str(number)
        code, said, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=song={pair[0]}",
                                     f"--out={out}", QUIET, *filter(None, [controls]))
        assert code == 0, errors
        assert f"{out / 'index.html'}" in said and (out / "song.png").is_file()
        made.append((out / "song.mid").read_bytes())
    about = json.loads((tmp_path / "1" / "metadata.json").read_text())
    assert about["controls"] == {"steps": 8, "genre": "", "n": 4, "to": "bach", "amount": 0.7, "spread": 0.7}
    assert set(about["kept"]) == {"rhythm", "notes"} and about["genre"] in voices.COMPOSERS
    notes = [(tmp_path / n / "song.mid").read_bytes()[-200:] for n in "02"]
    assert notes[0] == notes[1], "no way is no change"


def test_two_songs_are_interpolated(run, pair, tmp_path, capsys):
    out = tmp_path / "out"
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--inputs=start={pair[0]},end={pair[1]}",
                              "--controls=steps=3", f"--out={out}", QUIET)
    assert code == 0, errors
    about = json.loads((out / "metadata.json").read_text())
    assert len(about["apart"]) == 5 and about["apart"][0] == 0
    assert (out / "windows.png").is_file()
    assert midi.read(out / "song.mid").length <= 5 * 8


def test_a_genre_is_drawn_from_and_the_seed_says_which(run, tmp_path, capsys):
    songs = []
    for seed in (1, 1, 2):
        out = tmp_path / f"out{len(songs)}"
        code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", "--controls=genre=palestrina,n=2",
                                  f"--out={out}", f"--seed={seed}", QUIET)
        assert code == 0, errors
        songs.append((out / "metadata.json").read_text().replace(str(out), ""))
    assert json.loads(songs[0])["genres"] == json.loads(songs[2])["genres"]


@pytest.mark.parametrize(("flags", "words"), [
    (["--controls=genre=bahc"], "genre=bahc is unknown: did you mean bach?"),
    (["--controls=n=2"], "genre is missing: there are "),
    (["--controls=amount=3"], "amount=3 is out of range"),
    (["--inputs=start=setup.cfg"], "give song=FILE, or start=FILE,end=FILE"),
    (["--controls=genre=bach", "--config.sample.bars=16"], "16 bars were not trained: use 2"),
])
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(run, tmp_path, capsys, flags, words):
    code, _, errors = command(capsys, "--mode=sample", f"--workdir={run}", f"--out={tmp_path / 'out'}", *flags)
    assert code == 2 and words in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_exported_weights_sample_like_the_run(run, pair, tmp_path, capsys):
    weights = tmp_path / "weights"
    code, _, errors = command(capsys, "--mode=export", f"--workdir={run}", f"--out={weights}")
    assert code == 0, errors
    kept = []
    for source in (f"--workdir={run}", f"--pretrained={weights}"):
        out = tmp_path / f"out{len(kept)}"
        code, _, errors = command(capsys, "--mode=sample", source, f"--inputs=song={pair[0]}", f"--out={out}", QUIET)
        assert code == 0, errors
        kept.append(json.loads((out / "metadata.json").read_text())["kept"]["rhythm"])
    assert np.isfinite(kept).all() and kept[0] == pytest.approx(kept[1], abs=0.1)
