"""FusionGAN's tables and figures from given numbers."""

import numpy as np

from musicfusion.metrics import histograms
from musicfusion.render.tables import of_values
from musicfusion.systems.fusion_gan import tables

DISTANCES = {kind: {"eud_diff": 0.1, "eud_ratio": 1.1, "em_diff": 0.2, "em_ratio": 1.2} for kind in histograms.KINDS}
DETECTED = {"copied": 0.25, "rhythms": 0.5, "notes": 9.0, "distinct": 1.0}
JUDGED = {"probability": 0.9, "spread": 0.1, "between": 0.125, **DETECTED}


def measured(**changes):
    return tables.Measured(**({
        "genres": ("jazz", "folk"), "distances": {"random": DISTANCES, "fusion": DISTANCES},
        "raw": {"fusion": DISTANCES}, "detected": {"a": JUDGED, "fusion": JUDGED}, "critics": {},
        "ratios": {}} | changes))


def by_name(**changes):
    return {table.name: table for table in tables.of(measured(**changes))}


def test_what_was_not_measured_has_no_table():
    assert list(by_name()) == ["durations", "pitch_classes", "intervals", "bigrams", "raw_durations",
                               "raw_pitch_classes", "detected"]
    more = by_name(critics={"a": {"x_a": 1.0, "imbalance": 0.0}}, ratios={0.5: JUDGED})
    assert list(more)[-2:] == ["critics", "ratios"]


def test_the_paper_s_ratios_stand_beside_ours_and_all_of_its_numbers_beside_raw_counts():
    found = by_name()
    own = {row.name: row.values for row in found["durations"].rows}["FusionGAN"]
    assert own["em_ratio"].paper == 1.306 and own["em_diff"].paper is None
    raw = found["raw_durations"].rows[0].values
    assert [raw[name].paper for name in tables.DISTANCES] == [19452.6, 1.183, 1831.9, 1.306]
    assert all(value.paper is None for value in found["intervals"].rows[0].values.values())


def test_shares_are_shown_in_per_cent_and_a_missing_classifier_leaves_no_columns():
    text = of_values(by_name()["detected"])
    assert "p(jazz)" in text and "between, %" in text and "12.5" in text and "real: jazz" in text
    text = of_values(by_name(detected={"a": DETECTED})["detected"])
    assert "p(jazz)" not in text and "25.0" in text


def test_figures_are_drawn_of_what_there_is(tmp_path):
    shares = {"durations": {"a": np.ones(16) / 16, "b": np.ones(16) / 16, "fusion": np.ones(16) / 16}}
    progress = {"step": [1, 2], **{name: [0.5, None] for name in
                                   ("distance_a", "distance_b", "distance_f", "genre_distance")}}
    few = tables.figures(measured(ratios={0.5: DETECTED}), shares=shares, progress={}, steps="16ths")
    assert list(few) == ["histograms.png"]
    found = tables.figures(measured(ratios={0.0: JUDGED, 1.0: JUDGED}), shares=shares, progress=progress, steps="16ths")
    assert list(found) == ["histograms.png", "ratios.png", "progress.png"]
    for name, draw in found.items():
        assert draw(tmp_path / name).read_bytes()[:4] == b"\x89PNG"
