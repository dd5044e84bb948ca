"""How FusionGAN is measured, by cases whose answers are known."""

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.metrics import histograms
from musicfusion.systems.fusion_gan import evaluation
from musicfusion.systems.fusion_gan.melodies import LENGTH

RNG = np.random.default_rng(0)
QUICK = np.where(np.arange(LENGTH) % 2, HOLD, RNG.choice([60, 62, 64, 67], (50, LENGTH))).astype(np.uint8)
SLOW = np.where(np.arange(LENGTH) % 4, HOLD, RNG.choice([60, 65, 69], (50, LENGTH))).astype(np.uint8)
REAL = {"a": QUICK, "b": SLOW}


def test_a_half_half_mixture_lies_between():
    a, b, g = (histograms.counts(x) for x in (QUICK, SLOW, np.concatenate([QUICK, SLOW])))
    found = evaluation.distances(a, b, g)
    for of in found.values():
        assert of["eud_ratio"] == pytest.approx(1, abs=1e-6) and of["em_diff"] == pytest.approx(0, abs=1e-6)
    assert evaluation.distances(a, b, g, raw=True)["durations"]["eud_ratio"] > 1, "raw counts grow with their number"


def test_notes_drawn_from_counts_have_those_counts():
    made = evaluation.from_counts(REAL, 300, 0, even=False)
    assert made.shape == (300, LENGTH) and not np.any(made == REST)
    counted = histograms.counts(made)
    both = histograms.counts(np.concatenate([QUICK, SLOW]))
    np.testing.assert_allclose(histograms.shares(counted["pitch classes"]), histograms.shares(both["pitch classes"]),
                               atol=0.04)
    even = histograms.counts(evaluation.from_counts(REAL, 300, 0, even=True))
    pitches = even["pitch classes"][even["pitch classes"] > 0]
    assert np.ptp(pitches / pitches.sum()) < 0.05, "all alike"


def test_what_is_copied_and_what_is_new():
    known = evaluation.Known(REAL)
    assert known.share(QUICK) == (1.0, 1.0)
    higher = np.where(QUICK < HOLD, QUICK + 1, QUICK).astype(np.uint8)
    assert known.share(higher) == (0.0, 1.0), "new notes in known rhythms"
    odd = np.where(np.arange(LENGTH) % 3, HOLD, 71)[None].astype(np.uint8)
    assert known.share(odd) == (0.0, 0.0)


def test_each_melody_is_heard_by_itself():
    known = evaluation.Known(REAL)

    def judge(tokens):
        return np.where(np.arange(len(tokens)) % 2, 0.5, 1.0)

    found = evaluation.heard(judge, known, QUICK)
    assert (found["first"], found["spread"], found["between"]) == (0.75, 0.25, 0.5)
    assert found["notes"] == LENGTH / 2 and found["distinct"] <= 1
    assert "first" not in evaluation.heard(None, known, QUICK)
    assert evaluation.heard(judge, known, np.repeat(QUICK[:1], 50, 0))["distinct"] == pytest.approx(1 / 50)


