"""The grid from the command line: bands are read, networks trained, measured, and asked for drums."""

import json

import numpy as np
import pytest
import sections
from micro import CONFIGS, ROOT, launch, variant

from musicfusion import launch as command_line
from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.rhythm_sections import BASS, HUMAN
from musicfusion.systems.arrangement.grid_dataset import Sections
from musicfusion.systems.arrangement.system import SYSTEM

SMALL = {"patterns.steps": 20, "patterns.batch": 8, "patterns.size.width": 16, "patterns.size.depth": 1,
         "players.steps": 10, "players.batch": 8, "players.size.width": 16, "players.size.depth": 1,
         "transcriber.windows": 4, "transcriber.steps": 10, "transcriber.batch": 4, "transcriber.size.width": 8,
         "run.steps_per_dispatch": 5, "run.validate_every": 10, "run.checkpoint_every": 10, "run.validate_batches": 1,
         "evaluate.windows": 10, "evaluate.batch": 10, "evaluate.songs": 3, "sample.examples": 1, "sample.passes": 3,
         "sample.candidates": 2}


def band(rng, human=False):
    hits = [(k / 2, 0.1, 36 if k % 4 == 0 else 42, 60 + 40 * (k % 2)) for k in range(64)]
    drums = Track("Drums", 0, True, np.array(hits) + [[0.02 * human, 0, 0, 0]])
    bass = Track("Bass", 33, False, np.array([(k, 0.5, 36 + rng.integers(7), 80) for k in range(32)], float))
    return Score((drums,) if human else (drums, bass), np.array([[0.0, 100.0]]), ((0.0, 4, 4),), "band")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Bands, and takes of people as the Groove MIDI Dataset has them."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("roots")
    (root / "bands").mkdir()
    for k in range(30):
        midi.write(root / "bands" / f"{k}.mid", band(rng))
    rows = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename"]
    for k in range(30):
        name = f"drummer{1 + k % 2}/s/{k}.mid"
        (root / "takes" / name).parent.mkdir(parents=True, exist_ok=True)
        midi.write(root / "takes" / name, band(rng, human=True))
        rows.append(f"drummer{1 + k % 2},drummer{1 + k % 2}/s,{k},funk,100,beat,4-4,{name}")
    (root / "takes" / "info.csv").write_text("\n".join(rows))
    return root


def flags(root, **changes):
    values = SMALL | {"data.root": f"{root / 'bands'},{root / 'takes'}"} | changes
    return [f"--config={CONFIGS['arrangement']}:lite", *(f"--config.{key}={value}" for key, value in values.items())]


@pytest.fixture(scope="module")
def run(roots, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("grid") / "run"
    done = launch(*flags(roots), f"--workdir={workdir}", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_run_is_measured_and_leaves_drums_for_held_out_basses(run):
    report = json.loads((run / "report.json").read_text())
    assert list(report["tables"]) == ["hits", "seeds", "densities", "songs", "played", "drum_transcriber"]
    assert "the grid" in {row["name"] for row in report["tables"]["hits"]["rows"]}
    assert (run / "samples" / "1" / "song.mid").is_file() and (run / "samples" / "1" / "kit.wav").is_file()


def test_a_bass_as_midi_gets_drums(run, roots, tmp_path, capsys):
    source, out = roots / "bands" / "0.mid", tmp_path / "out"
    code = command_line.main(["musicfusion", "--mode=sample", f"--workdir={run}", f"--inputs=source={source}",
                              f"--out={out}", "--config.sample.audio=false"])
    assert code == 0, capsys.readouterr().err
    written = midi.read(out / "song.mid")
    assert [track.is_drum for track in written.tracks] == [False, True]
    assert "its own drums were left out" in " ".join(json.loads((out / "metadata.json").read_text())["notices"])


def test_weights_can_be_exported_and_used(run, tmp_path, roots, capsys):
    import musicfusion

    assert command_line.main(["musicfusion", "--mode=export", f"--workdir={run}", f"--out={tmp_path / 'w'}"]) == 0
    capsys.readouterr()
    song = musicfusion.load(tmp_path / "w").sample(source=roots / "bands" / "1.mid", seed=3)
    again = musicfusion.load(run).sample(source=roots / "bands" / "1.mid", seed=3)
    assert len(song.scores["song"].tracks[-1].notes)
    assert song.metadata["bars"] == again.metadata["bars"] == 8


def test_listeners_are_asked_by_a_sheet(run, tmp_path, capsys):
    code = command_line.main(["musicfusion", "--mode=evaluate", f"--workdir={run}", "--config.evaluate.clips=1",
                              f"--config.evaluate.sheet={tmp_path / 'sheet'}"])
    assert code == 0, capsys.readouterr().err
    assert {path.name for path in (tmp_path / "sheet").iterdir()} == {"index.html", "key.json"}


def test_stages_and_modules_of_the_grid():
    config = variant("arrangement", "lite")
    assert [stage.name for stage in SYSTEM.stages(config)] == ["styles", "patterns", "players", "transcriber",
                                                               "thresholds"]
    assert set(SYSTEM.modules(config)) == {"patterns", "players", "transcriber"}
    config.model = "gird"
    with pytest.raises(MusicFusionError, match="model = 'gird' is unknown: use cyclegan or grid"):
        SYSTEM.stages(config)


@pytest.mark.parametrize("made_up", [False, True])
def test_people_are_learned_from_with_a_bass_if_the_config_says_so(made_up):
    config = variant("arrangement", "lite")
    config.pairing.made_up = made_up
    corpus = sections.corpus()
    data = {stage.name: stage.data(corpus, None).arrays for stage in SYSTEM.stages(config)[:3]}
    for name in ("patterns", "players"):
        people = data[name]["kind"][data[name]["start"]] & HUMAN > 0
        assert people.any() and (data[name]["kind"][data[name]["start"]][people] & BASS > 0).all() == made_up
    assert len(data["styles"]["tags"]) == len(Sections(seed=0).repertoire(corpus)[1]), "people are no neighbours"


@pytest.mark.parametrize("change, words", [
    ({"data.root": ""}, "data.root is empty: accepted is a folder of MIDI files with drums"),
    ({"evaluate.kit": "."}, "no file in it is named like a drum"),
    ({"evaluate.stems": "."}, "no song with a bass and drums that can be used"),
])
def test_what_the_grid_cannot_do_is_one_line(run, roots, tmp_path, capsys, change, words):
    measures = next(iter(change)).startswith("evaluate.")
    where = f"--workdir={run}" if measures else f"--workdir={tmp_path / 'new'}"
    mode = "--mode=evaluate" if measures else "--mode=train"
    changed = [f"--config.{key}={tmp_path if value == '.' else value}" for key, value in change.items()]
    given = changed if measures else flags(roots, **change)
    assert command_line.main(["musicfusion", mode, where, *given]) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error
