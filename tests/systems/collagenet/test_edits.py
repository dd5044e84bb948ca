import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.systems.collagenet import edits, reharmony
from musicfusion.systems.collagenet.reharmony import CHORDS, OPTIONS

BASE = {"chord": 1.0, "voicing": 1.0, "nudge": 0.4, "slide": 0.3}
HALF = {"pitch": 0.5, "rhythm": 0.5, "chord": 0.5, "texture": 0.5, "key": "either"}


def source(corpus, number=0, beats=16) -> edits.Source:
    """The beginning of a chorale."""
    begin = int(corpus.first_beat[number])
    steps = slice(4 * begin, 4 * (begin + beats))
    arrays = {name: corpus.arrays[name][steps].astype(np.int32) for name in ("melody", "pitch", "duration")}
    return edits.Source(tokens=arrays["melody"], pitch=arrays["pitch"], duration=arrays["duration"],
                        chords=corpus.arrays["chords"][begin : begin + beats].astype(np.int32),
                        bars=np.arange(0, 4 * beats + 1, 16))


# Prices --------------------------------------------------------------------------------------------------------------


def test_a_price_grows_with_its_control_from_next_to_nothing_to_infinity():
    prices = [edits.price(0.8, control) for control in (0, 0.25, 0.5, 0.75, 1)]
    assert prices[0] == edits.FLOOR and prices[2] == pytest.approx(0.8 + edits.FLOOR) and prices[4] == math.inf
    assert (np.diff(prices) > 0).all()


@pytest.mark.parametrize("control, names", [("pitch", ["nudge"]), ("rhythm", ["slide"]), ("chord", ["chord"]),
                                            ("texture", ["voicing"])])
def test_each_control_prices_its_own_edit(control, names):
    before, after = (edits.prices(HALF | {control: x}, **BASE) for x in (0.5, 1.0))
    assert [name for name in BASE if getattr(before, name) != getattr(after, name)] == names
    assert all(getattr(after, name) == math.inf for name in names)


@pytest.mark.parametrize("asked, moves", [
    ({}, "melody"),
    ({"key": "accompaniment"}, "melody"),
    ({"key": "melody"}, "accompaniment"),
    ({"pitch": 0.9, "chord": 0.2}, "accompaniment"),  # what is to be kept less is moved
    ({"pitch": 0.2, "chord": 0.9}, "melody"),
    ({"key": "melody", "chord": 1.0}, ""),  # its chords are to stay as they are, too
    ({"key": "either", "pitch": 1.0, "chord": 1.0}, "melody"),
])
def test_whose_key_holds(asked, moves):
    prices = edits.prices(HALF | asked, **BASE)
    assert (prices.melody_moves, prices.accompaniment_moves) == (moves == "melody", moves == "accompaniment")


# Places --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bars, expected", [
    ([0, 16, 32], [0, 8, 16, 24, 32]),  # 4/4: half bars
    ([0, 12, 24], [0, 12, 24]),  # 3/4 and 6/8: bars
    ([0, 8, 16], [0, 8, 16]),  # 2/4
    ([0, 24, 48], [0, 12, 24, 36, 48]),  # 6/4: halves of three beats
    ([0, 20, 40], [0, 20, 40]),  # 5/4
    ([0, 16, 28], [0, 8, 16, 28]),  # 4/4, then 3/4
])
def test_chords_change_at_half_bars_where_halves_are_whole_beats(bars, expected):
    np.testing.assert_array_equal(edits.cells(np.array(bars)), expected)


def test_the_scale_is_what_the_accompaniment_sounds_longest(corpus):
    one = source(corpus)
    mask = edits.scale(one)
    there = one.duration > 0
    sounding = np.bincount(one.pitch[there] % 12, one.duration[there], 12)
    inside = (mask >> np.arange(12)) & 1 > 0
    assert inside.sum() == 7 and sounding[inside].min() >= sounding[~inside].max()


# The music after them ------------------------------------------------------------------------------------------------


def test_without_an_edit_everything_stays(corpus):
    for number in range(5):
        one = source(corpus, number)
        new = edits.apply(one, edits.none(one))
        for name, old in (("melody", one.tokens), ("pitch", one.pitch), ("duration", one.duration),
                          ("chords", one.chords)):
            np.testing.assert_array_equal(new[name], old)


def test_a_new_chord_changes_its_place_only_and_no_onset_and_no_length(corpus):
    one = source(corpus)
    for number in (1, 20, CHORDS + 30):
        found = edits.none(one)
        options = found.options.copy()
        options[2] = number
        new = edits.apply(one, replace(found, options=options))
        inside = np.zeros(one.steps, bool)
        inside[found.cells[2] : found.cells[3]] = True
        np.testing.assert_array_equal(new["duration"], one.duration)
        np.testing.assert_array_equal(new["pitch"][~inside], one.pitch[~inside])
        np.testing.assert_array_equal(new["melody"], one.tokens)
        np.testing.assert_array_equal(new["chords"][~inside[::4]], one.chords[~inside[::4]])
        wanted = reharmony.option_rows()[number]
        known = (one.chords[:, 2] > 0) & inside[::4]
        assert (new["chords"][known, 0] == wanted[0]).all()


@given(st.integers(-12, 12), st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_a_moved_key_keeps_every_interval(shift, number):
    tokens = np.array([60, 128, 64, 129, 67, 72, 128, 71] * 4)
    one = edits.Source(tokens=tokens, pitch=np.zeros((32, 14), int), duration=np.zeros((32, 14), int),
                       chords=np.zeros((8, 3), int), bars=np.array([0, 16, 32]))
    new = edits.apply(one, replace(edits.none(one), melody_shift=shift))["melody"]
    onset = tokens < melody.HOLD
    assert (new[onset] - tokens[onset] == shift).all() and (new[~onset] == tokens[~onset]).all()


def test_a_moved_accompaniment_takes_its_chords_along(corpus):
    one = source(corpus)
    new = edits.apply(one, replace(edits.none(one), accompaniment_shift=-3))
    there = one.duration > 0
    assert (new["pitch"][there] == one.pitch[there] - 3).all()
    np.testing.assert_array_equal(new["chords"], chords.transpose(one.chords, -3))


H, R = melody.HOLD, melody.REST


@pytest.mark.parametrize("tokens, step, by, expected", [
    ([60, H, H, 62, H, H], 3, -1, [60, H, 62, H, H, H]),
    ([60, H, H, 62, H, H], 3, 2, [60, H, H, H, H, 62]),
    ([R, R, R, 62, H, H], 3, 1, [R, R, R, R, 62, H]),
    ([R, R, R, 62, H, R], 3, -2, [R, 62, H, H, H, R]),
    ([62, H, R, R, R, R], 0, 1, [R, 62, R, R, R, R]),
])
def test_a_note_slides_and_its_end_stays(tokens, step, by, expected):
    tokens = np.array(tokens)
    assert edits.may_slide(tokens, step, by)
    np.testing.assert_array_equal(edits.slid(tokens, step, by), expected)


@pytest.mark.parametrize("step, by", [(2, -2), (2, -1), (2, 1), (0, -1), (3, 3)])
def test_a_note_slides_past_no_other_nor_its_own_end(step, by):
    assert not edits.may_slide(np.array([60, 62, 64, 65, H, R]), step, by)


def test_of_slides_in_each_others_way_the_first_is_made():
    tokens = np.array([60, H, H, 62, H, H, H, R])
    one = edits.Source(tokens=tokens, pitch=np.zeros((8, 14), int), duration=np.zeros((8, 14), int),
                       chords=np.zeros((2, 3), int), bars=np.array([0, 8]))
    slides = np.array([2, 0, 0, -1, 0, 0, 0, 0])
    found = replace(edits.none(one), slides=slides)
    np.testing.assert_array_equal(edits.melody_after(tokens, found), [R, R, 60, 62, H, H, H, R])
    np.testing.assert_array_equal(edits.made_slides(tokens, found), [2, 0, 0, 0, 0, 0, 0, 0])


def test_notes_of_any_track_go_where_the_grid_s_go(corpus):
    one = source(corpus)
    found = edits.none(one)
    rng = np.random.default_rng(0)
    found = replace(found, options=rng.integers(0, OPTIONS, len(found.options)), accompaniment_shift=2)
    step, slot = np.nonzero(one.duration)
    new = edits.apply(one, found)
    np.testing.assert_array_equal(edits.pitches(one, found, step, one.pitch[step, slot]), new["pitch"][step, slot])
    grid, _ = polyphony.rolls(new["pitch"][None], new["duration"][None])
    assert grid.sum() > 0
