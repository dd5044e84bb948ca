"""Tables: what was measured beside the paper's numbers."""

import json

import numpy as np
import pytest

from musicfusion.render import tables as rendered
from musicfusion.systems.musae import published, tables
from musicfusion.systems.musae.genre_evaluation import FlowerFindings, Transfer
from musicfusion.systems.musae.tables import Findings, Measured

NAMES = ("drums", "bass", "guitar", "strings")
VALUES = {**{f"{measure}_{name}": 1.0 for measure in ("steps", "onsets") for name in NAMES},
          "steps": (0.9, 0.8, 1.0), "onsets": (0.5, 0.4, 0.6)}


def findings(instrumentation="band", **changes):
    rows = (Measured(method="flower", title="MusAE, flower", bars=16, values=VALUES),
            Measured(method="gaussian", title="MusAE, Gaussian", bars=2, values=VALUES))
    curve = np.linspace(0, 0.5, 11).tolist()
    given = {"instrumentation": instrumentation, "genres": (), "windows": {2: 100, 16: 40}, "reconstructions": rows,
             "interpolation": {2: {"data space": curve, "flat": [0.3] * 11}}, "fits": ()}
    return Findings(**given | changes)


def evaluated(found):
    return tables.evaluation(found, preset="lite", source="songs", split="test", songs=7)


def test_the_papers_numbers_agree_with_their_own_mean():
    averages = published.TABLE1["flower", 16]
    assert np.mean([averages[name] for name in NAMES]) == pytest.approx(averages["mean"], abs=1e-3)


def test_the_papers_numbers_stand_beside_ours():
    evaluation = evaluated(findings())
    values = {row.name: row.values for row in evaluation.table("reconstruction").rows}
    assert values["MusAE, flower, 16 bars"]["steps"].paper == 0.853
    melody = values["MusAE, Gaussian, 2 bars"]["steps_melody"]
    assert melody.mean is None and melody.paper == 0.991, "the paper's alone"
    text = rendered.report(evaluation)
    assert "90.0 [80.0, 100.0] | 85.3" in text and "100 windows of 2 bars and 40 windows of 16 bars" in text


def test_voices_are_not_compared_with_the_papers_bands():
    values = {f"steps_{name}": 1.0 for name in ("soprano", "alto", "tenor", "bass")}
    rows = (Measured(method="flower", title="MusAE, flower", bars=16, values=values),)
    table = evaluated(findings("voices", reconstructions=rows)).table("reconstruction")
    assert all(value.paper is None for row in table.rows for value in row.values.values())


def test_whether_a_curve_rises_throughout_is_told():
    table = evaluated(findings()).table("interpolation")
    assert {row.name: row.values["rises"].mean for row in table.rows} == {"data space, 2 bars": 1, "flat, 2 bars": 0}
    assert table.rows[0].values["alpha_1.0"].mean == 0.5


def test_genres_have_tables_where_there_are_genres(tmp_path):
    flower = FlowerFindings(
        features={name: RNG.normal(size=(3, 4)) for name in tables.arrangement.NAMES}, rank_correlation=0.5, draws=0.1,
        from_means={0.7: 0.8}, real=1.0, in_plane=0.9, in_space=0.95, genre_pairs=3,
        planes=(("rock and swing", RNG.normal(size=(6, 2)), np.tile([1.0, -1.0], 3)),),
        transfer=tuple(Transfer(way="means", amount=amount, target=amount, source=1 - amount, rhythm=1, notes=1)
                       for amount in (0.0, 1.0)))
    evaluation = evaluated(findings(genres=("rock", "swing", "samba"), flower=flower))
    assert [row.values["target"].mean for row in evaluation.table("transfer").rows] == [0, 1]
    assert len(evaluation.table("genres").rows) == 6
    assert set(evaluation.figures) == {"interpolation.png", "components.png", "genres.png", "transfer.png"}
    for name, draw in evaluation.figures.items():
        assert draw(tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    without = evaluated(findings(flower=flower))
    assert [table.name for table in without.tables] == ["reconstruction", "interpolation", "prior_fit"]
    json.dumps(evaluation.to_json())


RNG = np.random.default_rng(0)
