"""What was measured as tables and figures."""

import json

import numpy as np
import pytest

from musicfusion.render import tables as markdown
from musicfusion.systems.arrangement import tables
from musicfusion.systems.arrangement.dataset import Song

RNG = np.random.default_rng(0)


def mels(frames=64):
    return np.clip(RNG.normal(-0.3, 0.4, (frames, 32)), -1, 1).astype(np.float32)


SONG = Song("one", mels(), mels(), np.zeros(64, np.uint8), "one")


@pytest.fixture(scope="module")
def evaluation():
    values = {"onset_f1": (0.5, 0.4, 0.6), "target_detected": (1.0, 0.9, 1.0), "mel_l1": (12.0, 11.0, 13.0),
              "frechet": 3.5}
    return tables.evaluation(
        preset="quick", parts=("bass", "drums"), best="CycleGAN", features="",
        data={"source": "pulses", "split": "test", "songs": 2, "examples": 8, "seconds": 60.0, "sounding": 1},
        settings={"seed": 0},
        methods={"silence": values | {"paired_difference": (0.2, 0.1, 0.3)}, "CycleGAN": values, "real drums": values},
        synthesised={"CycleGAN": {"onset_f1": (0.4, 0.3, 0.5), "frechet": 4.0}},
        preferred={"silence": {"right": 0.1}}, seeds={"onset_f1": 0.8, "mel_l1": 6.0},
        details={"onset_f1": {"silence": [0.0, 1.0]}}, densities={0.0: 0.1, 0.5: 0.3},
        clips=[tables.Clip(mels(), mels(), mels()) for _ in (1, 2)], song=SONG,
        translated=mels(), shown=48, training={"pix2pix": 160, "CycleGAN": 360})


def test_each_table_has_its_own_measures(evaluation):
    assert [table.name for table in evaluation.tables] == [
        "methods", "spectrograms", "synthesised", "preferred", "seeds", "densities"]
    for table in evaluation.tables:
        assert all(set(row.values) <= set(table.measures) for row in table.rows)
    methods = {row.name: row.values for row in evaluation.table("methods").rows}
    assert "paired_difference" in methods["silence"] and "paired_difference" not in methods["CycleGAN"]
    assert evaluation.table("spectrograms").rows[0].values["frechet"].low is None


def test_the_report_is_readable_and_json(evaluation):
    text = markdown.report(evaluation)
    for words in ("From bass to drums: 2 songs, 1 minutes (test split of pulses).", "drums detected, %", "mel L1, dB",
                  "paired difference", "| 0.5     | 0.300", "0.50 [0.40, 0.60]", "Inception's weights",
                  "Crops in training: pix2pix 160, CycleGAN 360."):
        assert words in text, words
    assert json.loads(json.dumps(evaluation.to_json()))["details"]["onset_f1"]["silence"] == [0, 1]


def test_figures_are_drawn_from_what_they_hold(evaluation, tmp_path):
    assert list(evaluation.figures) == ["translations.png", "onsets.png"]
    for name, draw in evaluation.figures.items():
        assert draw(tmp_path / name) == tmp_path / name
    assert (tmp_path / "translations.png").read_bytes()[:4] == b"\x89PNG"


def test_without_a_translator_nothing_is_drawn():
    found = tables.evaluation(
        preset="quick", parts=("bass", "drums"), best=None, features="m:f",
        data={"source": "pulses", "split": "test", "songs": 1, "examples": 4, "seconds": 1.0}, settings={},
        methods={"silence": {"onset_f1": 0.0}}, synthesised={}, preferred={}, seeds={}, details={},
        densities={}, clips=[],
        song=SONG, translated=None, shown=48, training={})
    assert not found.figures and [table.name for table in found.tables] == ["methods", "spectrograms"]
    assert "features by m:f" in found.table("spectrograms").note
