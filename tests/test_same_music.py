"""The shipped weights make the music that they have always made.

tests/golden/WEIGHTS.npz holds inputs, and outputs as they were when the weights came: notes as [n, 4] (onset and
duration in quarters, pitch, velocity), sound as int16. A change of the code that changes the music shows here. Other
processors and versions of JAX may round otherwise, so a few notes in a hundred may differ there.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import musicfusion
from musicfusion.codecs import midi
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.score import Score, Track

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.npz"))
SAME = 0.97  # of notes; on the machine that made them it is 1


def score(about: dict, arrays, key: str) -> Score:
    tracks = tuple(Track(track["name"], track["program"], track["drum"], arrays[f"inputs/{key}/{k}"])
                   for k, track in enumerate(about["tracks"]))
    return Score(tracks, np.array(about["tempos"]), tuple(tuple(metre) for metre in about["metres"]), key)


def controls(case: dict) -> dict:
    found = {}
    for pair in filter(None, case["controls"].split(",")):
        name, value = pair.split("=")
        found[name] = tuple(map(float, value.split(":"))) if ":" in value else value
    return found | ({"grid": case["grid"]} if case["grid"] else {})


def rows(notes: np.ndarray) -> set[tuple]:
    return {tuple(np.round(note, 4)) for note in notes.tolist()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_case_sounds_as_it_did(path, tmp_path):
    arrays = np.load(path)
    about = json.loads(arrays["about"].tobytes())
    for name, case in about["cases"].items():
        model = musicfusion.load(path.stem, **case.get("config", {}))
        given = {key: (arrays["inputs/source"], RATE) if "inputs/source" in arrays.files
                 else score(about["inputs"][key], arrays, key) for key in case["inputs"]}
        result = model.sample(seed=case["seed"], **given, **controls(case))
        assert sorted(result.scores) == sorted(case["scores"]), name
        for key, expected in case["scores"].items():
            midi.write(tmp_path / "song.mid", result.scores[key])
            found = midi.read(tmp_path / "song.mid")
            assert [track.name for track in found.tracks] == expected["tracks"], f"{name}/{key}"
            np.testing.assert_allclose(found.tempos, expected["tempos"])
            for k, track in enumerate(found.tracks):
                ours, golden = rows(track.notes), rows(arrays[f"{name}/{key}/{k}"])
                assert len(ours & golden) >= SAME * max(len(ours), len(golden)), f"{name}/{key}, {track.name}"
        for key in result.audio:
            if f"{name}/{key}" in arrays.files:
                golden = arrays[f"{name}/{key}"] / 32767.0
                found = result.audio[key].samples[: len(golden)]
                error = np.sqrt(np.mean((found - golden) ** 2) / np.mean(golden**2))
                assert error < 0.02, f"{name}/{key}: {error:.3f} of the sound differs"
