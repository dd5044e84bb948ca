"""Tables: what was measured beside the paper's numbers."""

import json

import numpy as np
import pytest

from musicfusion.render import tables as rendered
from musicfusion.systems.musae import published, tables
from musicfusion.systems.musae.genre_evaluation import GenreFindings
from musicfusion.systems.musae.tables import Findings, Measured
from musicfusion.systems.musae.transfer import Transfer

RNG = np.random.default_rng(0)
NAMES = ("drums", "bass", "guitar", "strings")
VALUES = {**{f"{measure}_{name}": 1.0 for measure in ("steps", "onsets") for name in NAMES},
          "steps": (0.9, 0.8, 1.0), "onsets": (0.5, 0.4, 0.6)}


def findings(instrumentation="band", **changes):
    rows = (Measured(method="flower", title="MusAE, flower", bars=16, values=VALUES),
            Measured(method="gaussian", title="MusAE, Gaussian", bars=2, values=VALUES))
    curve = np.linspace(0, 0.5, 11).tolist()
    given = {"instrumentation": instrumentation, "genres": (), "windows": {2: 100, 16: 40},
             "known": {2: {"drums": 0.25, "bass": 0.0}, 16: {}}, "reconstructions": rows,
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


def test_the_mean_of_drums_bass_and_guitar_is_told_of_bands_alone():
    values = VALUES | {"steps_drums": 0.9, "steps_bass": 0.6, "steps_guitar": 0.3, "steps_strings": 0.0}
    rows = (Measured(method="flat", title="MusicVAE, flat", bars=16, values=values),)
    (found,) = evaluated(findings(reconstructions=rows)).table("reconstruction").rows
    assert found.values["steps_dbg"].mean == pytest.approx(0.6)
    voices = {f"steps_{name}": 1.0 for name in ("soprano", "alto", "tenor", "bass")}
    rows = (Measured(method="flower", title="MusAE, flower", bars=16, values=voices),)
    (found,) = evaluated(findings("voices", reconstructions=rows)).table("reconstruction").rows
    assert "steps_dbg" not in found.values


def test_what_a_decoder_that_is_fed_does_has_columns_that_are_empty_for_the_others():
    fed = Measured(method="flat", title="MusicVAE, flat", bars=2, values=VALUES | {"forced": 0.75, "rate": 31.0})
    table = evaluated(findings(reconstructions=(fed, *findings().reconstructions))).table("reconstruction")
    first, *others = table.rows
    assert first.values["forced"].mean == 0.75 and first.values["rate"].mean == 31
    assert {"forced", "rate"} <= set(table.measures) and not any("forced" in row.values for row in others)


def test_the_windows_that_models_know_are_told_where_they_were_counted():
    remarks = [text for text in evaluated(findings()).remarks if "note for note" in text]
    assert remarks == ["2 bars, windows that stand note for note in training songs, in whatever key: drums 25%, bass"
                       " 0%."]


def test_the_fit_of_codes_to_their_prior_has_a_row_for_each_that_was_measured():
    values = {"mean": 0.1, "variance": 0.9, "wasserstein": 0.2, "wasserstein_prior": 0.05, "gap": None, "witness": 0.3,
              "recovered": 0.8}
    fits = (Measured(method="flower", title="MusAE, flower", bars=2, values=values),
            Measured(method="flow", title="the flower's rest by the flow", bars=2, values={"mean": 0.0}))
    table = evaluated(findings(fits=fits)).table("prior_fit")
    assert list(table.measures) == list(values) and [row.name for row in table.rows] == [one.name for one in fits]
    assert set(table.rows[0].values) == set(values) - {"gap"} and set(table.rows[1].values) == {"mean"}


FEATURES = {name: RNG.normal(size=(3, 4)) for name in tables.arrangement.NAMES}


def flower(judge="judge", **changes):
    """What is measured of a flower of three genres; judge: who says how often a change of genre succeeds."""
    said = {judge: (0.5, 0.4, 0.6), "second judge": 0.3} if judge else {}
    given = {
        "features": FEATURES, "correlations": {"draws from components": 0.5, "an untrained decoder": None},
        "recognised": {"real windows": said, "draws from a component": said},
        "probes": {"all of z": 0.9, "the flow's rest": 0.4, "nothing": None}, "chance": 0.35, "in_plane": 0.9,
        "in_space": 0.95, "genre_pairs": 3,
        "planes": (("rock and swing", RNG.normal(size=(6, 2)), np.tile([1.0, -1.0], 3)),),
        "transfer": tuple(Transfer(way=way, amount=amount, target=said, source=0.2, rhythm=(0.8, 0.7, 0.9), notes=0.1,
                                   harmony=0.5, rest=0.9 if way == "position" else None)
                          for way, amount in (("means", 0.5), ("means", 1.0), ("position", 1.0)))}
    return GenreFindings(**given | changes)


GENRES = ("rock", "swing", "samba")


def test_genres_have_tables_where_there_are_genres():
    evaluation = evaluated(findings(genres=GENRES, flower={2: flower(), 16: flower()}))
    names = [table.name for table in evaluation.tables]
    assert names == ["reconstruction", "interpolation", "prior_fit", "genres", "probes", "circle", "separable",
                     "transfer"]
    rows = {name: {row.name: row.values for row in evaluation.table(name).rows} for name in names}
    assert list(rows["genres"]) == [f"{what}, {bars} bars" for bars in (2, 16)
                                    for what in ("real windows", "draws from a component")]
    real = rows["genres"]["real windows, 16 bars"]
    assert (real["judge"].low, real["judge"].mean, real["judge"].high) == (0.4, 0.5, 0.6)
    assert real["second judge"].mean == 0.3 and set(evaluation.table("genres").measures) == {"judge", "second judge"}
    assert rows["probes"]["the flow's rest, 2 bars"]["value"].mean == 0.4
    assert rows["probes"]["the most frequent genre, 2 bars"]["value"].mean == 0.35
    assert rows["circle"]["draws from components, 2 bars"]["value"].mean == 0.5
    assert rows["circle"]["an untrained decoder, 2 bars"] == {}
    assert {name: value.mean for name, value in rows["separable"]["16 bars"].items()} == {
        "in_plane": 0.9, "in_space": 0.95, "genre_pairs": 3}
    moved = rows["transfer"]["position, 1.00, 2 bars"]
    assert set(moved) == {"judge", "second judge", "source", "rhythm", "notes", "harmony", "rest"}
    assert moved["judge"].high == 0.6
    assert len(rows["transfer"]) == 6 and "rest" not in rows["transfer"]["means, 0.50, 16 bars"]
    assert any("rock, swing, samba" in remark for remark in evaluation.remarks)
    json.dumps(evaluation.to_json())
    rendered.report(evaluation)


def test_each_length_has_pictures_of_its_own(tmp_path):
    evaluation = evaluated(findings(genres=GENRES, flower={2: flower(), 16: flower()}))
    assert set(evaluation.figures) == {"interpolation.png", *(
        f"{name}_{bars}.png" for name in ("components", "genres", "transfer") for bars in (2, 16))}
    for name in ("interpolation.png", "components_2.png", "genres_16.png", "transfer_16.png"):
        assert evaluation.figures[name](tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_without_judges_what_they_would_say_is_missing():
    evaluation = evaluated(findings(genres=GENRES, flower={2: flower(judge="")}))
    assert [table.name for table in evaluation.tables][3:] == ["probes", "circle", "separable", "transfer"]
    assert set(evaluation.table("transfer").measures) == {"source", "rhythm", "notes", "harmony", "leap", "rest"}
    assert set(evaluation.figures) == {"interpolation.png", "components_2.png", "genres_2.png"}


def test_what_was_not_measured_has_no_table():
    bare = flower(recognised={}, genre_pairs=0, planes=(), transfer=(), in_plane=None, in_space=None)
    evaluation = evaluated(findings(genres=GENRES, flower={2: bare}))
    assert [table.name for table in evaluation.tables][3:] == ["probes", "circle"]
    assert set(evaluation.figures) == {"interpolation.png", "components_2.png"}


def test_without_genres_or_a_flower_there_is_a_report_all_the_same(tmp_path):
    shapes = {name: RNG.normal(size=(32, 4)) for name in tables.arrangement.NAMES}
    for own in ({}, {2: GenreFindings(features=shapes)}):
        evaluation = evaluated(findings(flower=own))
        assert [table.name for table in evaluation.tables] == ["reconstruction", "interpolation", "prior_fit"]
        assert set(evaluation.figures) == {"interpolation.png", *(f"components_{bars}.png" for bars in own)}
        rendered.report(evaluation)
    assert evaluation.figures["components_2.png"](tmp_path / "components.png").is_file()
