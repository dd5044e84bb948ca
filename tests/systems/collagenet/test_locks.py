"""What a search for edits holds: whatever the earlier edits were, the music of locked steps is as they made it."""

from dataclasses import replace

import numpy as np
import pytest
from consonance import BASE, FLAT, HALF, consonant
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicfusion.codecs import melody, polyphony
from musicfusion.systems.collagenet import edits, locks, reharmony, search
from musicfusion.systems.collagenet.edits import Edits, Source
from musicfusion.systems.collagenet.reharmony import NEW, OPTIONS
from musicfusion.systems.collagenet.search_space import layout

CHEAP = {"pitch": 0.1, "rhythm": 0.1, "chord": 0.1, "texture": 0.1}


def source(corpus, one, other, beats=32, bar=16, late=0) -> Source:
    """The melody of one chorale over another's voices, which begin `late` steps later."""
    first, second = (4 * int(corpus.first_beat[k]) for k in (one, other))
    arrays = {name: x.astype(np.int32) for name, x in corpus.arrays.items()}
    steps = 4 * beats
    pitch, duration = (np.roll(arrays[name][second : second + steps], late, 0) for name in ("pitch", "duration"))
    return Source(tokens=melody.without_carry(arrays["melody"][first : first + steps]), pitch=pitch,
                  duration=polyphony.cut(duration), chords=arrays["chords"][second // 4 : second // 4 + beats],
                  bars=np.array([*range(0, steps, bar), steps]))


def busy(corpus, one, other, **settings) -> Source:
    """The same with a melody in short notes, which have to make room for each other."""
    found = source(corpus, one, other, **settings)
    rng = np.random.default_rng(one)
    again = rng.random(found.steps) < 0.5
    return replace(found, tokens=np.where(again & (found.tokens == melody.HOLD), 60 + found.chords[0, 0], found.tokens))


def any_edits(own: Source, seed: int) -> Edits:
    """Edits that no search made, with slides that leave each other no room."""
    rng = np.random.default_rng(seed)
    onsets, still = own.tokens < melody.HOLD, edits.none(own)
    places = layout(own)

    def drawn(low, high, share):
        return np.where(onsets & (rng.random(own.steps) < share), rng.integers(low, high + 1, own.steps), 0)

    options = rng.integers(0, OPTIONS, places.place.max() + 1)[places.place[still.cells[:-1]]]
    return replace(still, melody_shift=int(rng.integers(-6, 6)), options=options.astype(np.int32),
                   nudges=drawn(-2, 2, 0.5), slides=drawn(-2, 2, 0.7))


def spans(steps: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    found = {}
    for part in ("melody", "accompaniment"):
        found[part] = np.zeros(steps, bool)
        for _ in range(rng.integers(0, 3)):
            begin = rng.integers(0, steps - 1)
            found[part][begin : begin + rng.integers(1, 40)] = True
    return found


def searched(own, held, controls=CHEAP, seed=5):
    prices = [edits.prices(HALF | controls, **BASE)]
    (found,) = search.search([own], consonant, FLAT, prices, progression=0.1, seeds=[seed], variety=0.5, rounds=1,
                             holds=[held])
    return found


def assert_held(own, before, after, locked):
    old, new = edits.apply(own, before), edits.apply(own, after)
    lead, back = locked["melody"], locked["accompaniment"]
    np.testing.assert_array_equal(new["melody"][lead], old["melody"][lead])
    np.testing.assert_array_equal(*(melody.sounding(x["melody"])[lead] for x in (new, old)))
    begun = [[note for note in melody.notes_from_tokens(x["melody"]).tolist() if lead[note[0]]] for x in (new, old)]
    assert begun[0] == begun[1], "and as long as they were"
    np.testing.assert_array_equal(new["pitch"][back], old["pitch"][back])
    np.testing.assert_array_equal(new["chords"][back[::4]], old["chords"][back[::4]])
    assert (after.melody_shift, after.accompaniment_shift) == (before.melody_shift, before.accompaniment_shift)


KINDS = [(source, 16, 0), (busy, 16, 1), (busy, 12, 2), (busy, 14, 1)]


def assert_no_note_is_lost(own, after):
    assert len(melody.notes_from_tokens(edits.melody_after(own.tokens, after))) == np.sum(own.tokens < melody.HOLD)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(KINDS), st.integers(0, 60), st.integers(0, 2**20), st.integers(0, 2**20))
def test_whatever_is_found_beside_them_held_edits_make_the_music_that_they_made(corpus, kind, song, one, other):
    make, bar, late = kind
    own = make(corpus, song, song + 9, bar=bar, late=late)
    before, found, locked = any_edits(own, one), any_edits(own, other), spans(own.steps, one)
    after = locks.kept(own, found, locks.held(own, before, locked))
    assert_held(own, before, after, locked)
    assert_no_note_is_lost(own, after)


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in KINDS for seed in range(3)])
def test_music_at_locked_steps_is_as_any_earlier_edits_made_it(corpus, kind, seed):
    make, bar, late = kind
    own = make(corpus, seed, seed + 9, bar=bar, late=late)
    before, locked = any_edits(own, seed), spans(own.steps, seed)
    after = searched(own, locks.held(own, before, locked))
    assert_held(own, before, after, locked)
    assert_no_note_is_lost(own, after)


def test_what_is_not_locked_is_found_anew(corpus):
    own = source(corpus, 0, 7)
    before = searched(own, None, seed=1)
    locked = dict.fromkeys(("melody", "accompaniment"), np.arange(own.steps) < 64)
    after = searched(own, locks.held(own, before, locked), seed=2)
    assert_held(own, before, after, locked)
    assert any((getattr(after, name) != getattr(before, name)).any() for name in ("options", "nudges", "slides"))
    new, plain = (edits.apply(own, found) for found in (after, edits.none(own)))
    logits = [consonant(x["melody"][None, 64:96], x["pitch"][None, 64:96], own.duration[None, 64:96])[0]
              for x in (new, plain)]
    assert logits[0] > logits[1], "and better than without edits"


def test_all_locked_is_all_as_it_was(corpus):
    for own in (source(corpus, 1, 8), busy(corpus, 2, 9, late=1)):
        before = searched(own, None)
        locked = dict.fromkeys(("melody", "accompaniment"), np.ones(own.steps, bool))
        after = searched(own, locks.held(own, before, locked), {"pitch": 1.0, "chord": 1.0, "rhythm": 1.0})
        for name, x in edits.apply(own, before).items():
            np.testing.assert_array_equal(edits.apply(own, after)[name], x, err_msg=name)


def test_places_are_locked_where_a_span_touches_them(corpus):
    own = source(corpus, 0, 7)
    locked = {"melody": np.zeros(own.steps, bool), "accompaniment": (np.arange(own.steps) >= 15) & (
        np.arange(own.steps) < 25)}
    held = locks.held(own, edits.none(own), locked)
    assert np.flatnonzero(held.chords).tolist() == [1, 2, 3] and not held.nudges.any() and not held.slides.any()


def test_a_melody_note_that_sounds_into_a_span_is_held_and_the_one_after_the_span_keeps_its_slide():
    tokens = np.full(32, melody.REST)
    tokens[4:12] = [60, *[melody.HOLD] * 7]
    tokens[12:16] = [62, *[melody.HOLD] * 3]
    tokens[20:24] = [64, *[melody.HOLD] * 3]
    own = Source(tokens=tokens, pitch=np.zeros((32, 14), int), duration=np.zeros((32, 14), int),
                 chords=np.zeros((8, 3), int), bars=np.array([0, 16, 32]))
    steps = np.arange(32)
    held = locks.held(own, edits.none(own), {"melody": (steps >= 8) & (steps < 12), "accompaniment": steps < 0})
    assert np.flatnonzero(held.nudges).tolist() == [4] and np.flatnonzero(held.slides).tolist() == [4, 12]


def test_a_note_that_made_room_for_a_held_one_keeps_its_slide():
    tokens = np.full(32, melody.REST)
    tokens[8:10] = 60, 62
    own = Source(tokens=tokens, pitch=np.zeros((32, 14), int), duration=np.zeros((32, 14), int),
                 chords=np.zeros((8, 3), int), bars=np.array([0, 16, 32]))
    before = replace(edits.none(own), slides=-(tokens < melody.HOLD).astype(int))
    locked = {"melody": np.arange(32) == 8, "accompaniment": np.zeros(32, bool)}
    held = locks.held(own, before, locked)
    assert np.flatnonzero(held.nudges).tolist() == [8, 9], "the first was there before it slid"
    alone = replace(held, nudges=np.arange(32) == 9, slides=np.arange(32) == 9)
    after = locks.kept(own, edits.none(own), alone)
    assert after.slides[8:10].tolist() == [-1, -1]
    assert_held(own, before, after, locked)


# Repeats -------------------------------------------------------------------------------------------------------------


def twice(corpus) -> Source:
    one = source(corpus, 0, 7, beats=16)
    return Source(tokens=np.tile(one.tokens, 2), pitch=np.tile(one.pitch, (2, 1)),
                  duration=np.tile(one.duration, (2, 1)), chords=np.tile(one.chords, (2, 1)),
                  bars=np.arange(0, 129, 16))


def test_a_lock_on_one_of_equal_bars_holds_them_all(corpus):
    own = twice(corpus)
    before = searched(own, None, seed=1)
    locked = dict.fromkeys(("melody", "accompaniment"), np.arange(own.steps) < 32)
    held = locks.held(own, before, locked)
    after = searched(own, held, seed=2)
    assert_held(own, before, after, {part: np.roll(steps, 64) for part, steps in locked.items()})
    assert locks.repeats(own, held, locked) == 2
    lead = locked | {"accompaniment": np.zeros(own.steps, bool)}
    assert locks.repeats(own, locks.held(own, before, lead), lead) == 2, "the melody of these bars"
    whole = dict.fromkeys(locked, np.ones(own.steps, bool))
    assert locks.repeats(own, locks.held(own, before, whole), whole) == 0


# Controls ------------------------------------------------------------------------------------------------------------


def test_locks_win_over_controls_that_hold_a_part_and_say_which(corpus):
    own = source(corpus, 0, 7)
    still = edits.none(own)
    onset = int(np.flatnonzero(own.tokens < melody.HOLD)[3])
    nudges, slides, options = np.zeros(own.steps, int), np.zeros(own.steps, int), still.options.copy()
    nudges[onset], slides[onset], options[1] = 1, 1, 1 + 12 * NEW.index("min") + reharmony.CHORDS
    before = replace(still, nudges=nudges, slides=slides, options=options, melody_shift=3)
    ones = dict.fromkeys(CHEAP, 1.0) | {"key": "melody"}
    locked = dict.fromkeys(("melody", "accompaniment"), np.arange(own.steps) < 64)
    held = locks.held(own, before, locked)
    assert_held(own, before, searched(own, held, ones), locked)
    assert locks.overruled(held, ones) == ["pitch=1", "rhythm=1", "chord=1", "texture=1", "key=melody"]
    assert locks.overruled(held, HALF) == []
    moved = locks.held(own, replace(still, accompaniment_shift=2), locked)
    assert locks.overruled(moved, ones | {"key": "accompaniment"}) == ["chord=1", "key=accompaniment"]


# The search ----------------------------------------------------------------------------------------------------------


def test_the_search_hears_what_is_held_and_tries_nothing_else_in_its_place(corpus):
    own = source(corpus, 0, 7)
    before = searched(own, None, CHEAP | {"rhythm": 1.0})
    assert before.options.any() and before.nudges.any() and not before.accompaniment_shift
    held = locks.held(own, before, dict.fromkeys(("melody", "accompaniment"), np.ones(own.steps, bool)))
    asked = []

    def listening(tokens, pitch, duration):
        asked.append((tokens, pitch))
        return consonant(tokens, pitch, duration)

    search.search([own], listening, FLAT, [edits.prices(HALF | CHEAP, **BASE)], progression=0.1, holds=[held])
    new = edits.apply(own, before)
    tokens, pitch = asked[-1]
    assert len(asked) == 2 and len(tokens) == 7
    for k, begin in enumerate(range(0, 97, 16)):
        np.testing.assert_array_equal(tokens[k], melody.without_carry(new["melody"][begin : begin + 32]))
        there = own.duration[begin : begin + 32] > 0
        np.testing.assert_array_equal(pitch[k][there], new["pitch"][begin : begin + 32][there])
