"""The search for edits, by a critic of a few lines (tests/consonance.py)."""

import itertools

import numpy as np
import pytest
from consonance import BASE, FLAT, HALF, consonant

from musicfusion.codecs import melody, polyphony
from musicfusion.metrics import retained
from musicfusion.systems.collagenet import edits, reharmony, screening, search
from musicfusion.systems.collagenet.dataset import STEPS
from musicfusion.systems.collagenet.search_space import SearchSpace


def pair(corpus, one, other, beats=32, bars=16) -> edits.Source:
    """The melody of one chorale over another."""
    first, second = (4 * int(corpus.first_beat[k]) for k in (one, other))
    arrays = {name: x.astype(np.int32) for name, x in corpus.arrays.items()}
    steps = 4 * beats
    return edits.Source(
        tokens=melody.without_carry(arrays["melody"][first : first + steps]),
        pitch=arrays["pitch"][second : second + steps],
        duration=polyphony.cut(arrays["duration"][second : second + steps]),
        chords=arrays["chords"][second // 4 : second // 4 + beats],
        bars=np.array([*range(0, steps, bars), steps]))


@pytest.fixture(scope="module")
def sources(corpus):
    return [pair(corpus, one, one + 7) for one in range(4)]


def found(sources, controls=(), seeds=None, variety=0.0, rounds=2, score=consonant, screen=None):
    """Edits under controls of one half, and others where given."""
    asked = [edits.prices(HALF | dict(controls), **BASE)] * len(sources)
    return search.search(sources, score, FLAT, asked, progression=0.1, rounds=rounds, seeds=seeds, variety=variety,
                         screen=screen)


def after(source, controls=(), **settings):
    (own,) = found([source], controls, **settings)
    return edits.apply(source, own), own


def fit(source, new=None):
    """What the critic hears on average, window by window."""
    new = new or {"melody": source.tokens, "pitch": source.pitch, "duration": source.duration}
    starts = np.arange(0, source.steps - STEPS + 1, 16)
    weights = np.diff([*starts, source.steps])
    cut = [np.stack([np.asarray(new[name])[at : at + STEPS] for at in starts]) for name in
           ("melody", "pitch", "duration")]
    gains = screening.gain(consonant(melody.without_carry(cut[0]), cut[1], polyphony.cut(cut[2])))
    return float(np.average(gains, weights=weights))


def test_the_critic_is_better_pleased_the_less_is_to_be_kept(sources):
    gains = []
    for value in (1.0, 0.75, 0.5, 0.0):
        controls = dict.fromkeys(("pitch", "rhythm", "chord", "texture"), value)
        gains.append(np.mean([fit(source, after(source, controls)[0]) for source in sources]))
    assert np.mean([fit(source) for source in sources]) < gains[0] < gains[1] < gains[2] < gains[3]


def test_of_twelve_keys_the_best_is_taken(sources):
    for source in sources:
        new, own = after(source, dict.fromkeys(("pitch", "rhythm", "chord", "texture"), 1.0))
        others = [fit(source, new | {"melody": melody.transpose(source.tokens, shift)}) for shift in range(-6, 6)]
        assert fit(source, new) == pytest.approx(max(others), abs=0.02)
        assert not own.nudges.any() and not own.slides.any() and not own.options.any()


# A control at 1 is a promise ------------------------------------------------------------------------------------------


FREE = [dict(zip(("pitch", "rhythm", "chord", "texture"), values, strict=True))
        for values in itertools.product((0.0, 1.0), repeat=4)]


@pytest.mark.parametrize("controls", FREE)
@pytest.mark.parametrize("key", edits.KEYS)
def test_a_control_at_one_is_a_promise(sources, controls, key):
    for source in sources[:2]:
        new, own = after(source, controls | {"key": key}, rounds=1)
        kept = retained.of_melody(new["melody"][None], source.tokens[None], own.melody_shift)
        if controls["pitch"] == 1 and controls["rhythm"] == 1:
            np.testing.assert_array_equal(new["melody"], melody.transpose(source.tokens, own.melody_shift))
            assert kept["intervals_kept"] == 1
        if controls["pitch"] == 1:  # every pitch, in order, whatever its onset
            before, now = (x[x < melody.HOLD] for x in (source.tokens, new["melody"]))
            np.testing.assert_array_equal(now, before + own.melody_shift)
        if controls["rhythm"] == 1:
            np.testing.assert_array_equal(melody.rhythm(new["melody"]), melody.rhythm(source.tokens))
        if controls["chord"] == 1:
            np.testing.assert_array_equal(new["chords"], source.chords)
            np.testing.assert_array_equal(new["pitch"], source.pitch)
        if controls["texture"] == 1:
            assert not reharmony.is_near(own.options).any()
        np.testing.assert_array_equal(new["duration"], source.duration)  # onsets and lengths always stay
        if key == "melody":
            assert own.melody_shift == 0
        if key == "accompaniment":
            assert own.accompaniment_shift == 0


def test_all_controls_at_one_and_the_melodys_key_held_change_nothing_at_all(sources):
    controls = dict.fromkeys(("pitch", "rhythm", "chord", "texture"), 1.0) | {"key": "melody"}
    for source, own in zip(sources, found(sources, controls, seeds=[1, 2, 3, 4], variety=1.0), strict=True):
        new = edits.apply(source, own)
        for name, old in (("melody", source.tokens), ("pitch", source.pitch), ("duration", source.duration),
                          ("chords", source.chords)):
            np.testing.assert_array_equal(new[name], old)


# Whole songs ----------------------------------------------------------------------------------------------------------


def test_what_repeats_is_edited_alike(corpus):
    one = pair(corpus, 0, 7, beats=16)
    twice = edits.Source(tokens=np.tile(one.tokens, 2), pitch=np.tile(one.pitch, (2, 1)),
                         duration=np.tile(one.duration, (2, 1)), chords=np.tile(one.chords, (2, 1)),
                         bars=np.arange(0, 129, 16))
    new, own = after(twice, {"pitch": 0.2, "chord": 0.2})
    assert own.options.any() or own.nudges.any()
    for name, x in new.items():
        np.testing.assert_array_equal(*np.split(x, 2), err_msg=name)


def test_a_melody_that_repeats_over_other_bars_stays_one_melody(corpus):
    one, other = pair(corpus, 0, 7, beats=16), pair(corpus, 0, 9, beats=16)
    both = edits.Source(tokens=np.concatenate([one.tokens, other.tokens]),
                        pitch=np.concatenate([one.pitch, other.pitch]),
                        duration=np.concatenate([one.duration, other.duration]),
                        chords=np.concatenate([one.chords, other.chords]), bars=np.arange(0, 129, 16))
    new, own = after(both, {"pitch": 0.0, "chord": 1.0, "rhythm": 1.0})
    assert own.nudges.any()
    np.testing.assert_array_equal(*np.split(new["melody"], 2))


def test_windows_of_a_loop_are_heard_once(corpus):
    one = pair(corpus, 0, 7, beats=16)
    many = edits.Source(tokens=np.tile(one.tokens, 8), pitch=np.tile(one.pitch, (8, 1)),
                        duration=np.tile(one.duration, (8, 1)), chords=np.tile(one.chords, (8, 1)),
                        bars=np.arange(0, 8 * 64 + 1, 16))
    space = SearchSpace.of([many], [0], 0.0)
    assert len(space.tokens) <= 4 and space.weight.sum() == pytest.approx(many.steps / STEPS, rel=0.2)


def test_songs_searched_side_by_side_find_what_each_finds_alone(sources):
    for together, source in zip(found(sources), sources, strict=True):
        (alone,) = found([source])
        for name in ("melody_shift", "accompaniment_shift", "options", "nudges", "slides"):
            np.testing.assert_array_equal(getattr(together, name), getattr(alone, name), err_msg=name)


@pytest.mark.parametrize("bars", [12, 8, 20])
def test_other_metres_are_edited_in_their_own_bars(corpus, bars):
    source = pair(corpus, 2, 9, beats=30, bars=bars)
    new, own = after(source, {"pitch": 0.2, "chord": 0.2})
    assert fit(source, new) > fit(source)
    changed = np.flatnonzero(np.diff(np.repeat(own.options, np.diff(own.cells)))) + 1
    assert set(changed) <= set(source.bars)


def test_a_part_that_rests_is_left_alone(corpus):
    source = pair(corpus, 0, 7)
    quiet = edits.Source(tokens=np.where(np.arange(128) < 64, source.tokens, melody.REST), pitch=source.pitch,
                         duration=source.duration, chords=source.chords, bars=source.bars)
    new, own = after(quiet, {"pitch": 0.0, "chord": 0.0})
    assert not own.options[-2:].any()
    np.testing.assert_array_equal(new["pitch"][-16:], source.pitch[-16:])


def test_without_a_note_in_one_part_there_is_nothing_to_do(corpus):
    source = pair(corpus, 0, 7)
    silent = edits.Source(tokens=np.full(128, melody.REST), pitch=source.pitch, duration=source.duration,
                          chords=source.chords, bars=source.bars)
    new, own = after(silent, {"pitch": 0.0, "chord": 0.0})
    assert own.melody_shift == 0 and not own.options.any()
    np.testing.assert_array_equal(new["pitch"], source.pitch)


def test_the_melody_stays_above_what_it_was_above(sources):
    for source in sources:
        new, own = after(source, {"pitch": 0.0, "chord": 1.0, "rhythm": 1.0})
        top = np.max(source.pitch, -1, where=source.duration > 0, initial=-1)
        onset = np.flatnonzero((own.nudges < 0) & (top >= 0))
        moved = source.tokens[onset] + own.melody_shift
        above = moved > top[onset]
        assert (new["melody"][onset][above] > top[onset][above]).all()


# Seeds ----------------------------------------------------------------------------------------------------------------


def test_another_seed_finds_another_song_about_as_good_and_the_same_seed_the_same(sources):
    source = sources[1]
    one, again, other = (after(source, {"pitch": 0.3, "chord": 0.3}, seeds=[seed], variety=0.3)[0]
                         for seed in (1, 1, 2))
    for name, x in one.items():
        np.testing.assert_array_equal(x, again[name])
    assert any((x != other[name]).any() for name, x in one.items())
    assert fit(source, other) == pytest.approx(fit(source, one), abs=0.5)


# Cost -----------------------------------------------------------------------------------------------------------------


def test_who_is_sure_already_is_asked_about_keys_alone(sources):
    asked = []

    def sure(tokens, pitch, duration):
        asked.append(len(tokens))
        return np.full(len(tokens), 20.0)

    prices = [edits.prices(HALF, **BASE)]
    (own,) = search.search(sources[:1], sure, FLAT, prices, progression=0.0)
    windows = len(SearchSpace.of(sources[:1], [0], 0.0).tokens)
    assert asked == [12 * windows]  # and never again about the same
    assert own.melody_shift == 0 and not own.options.any() and not own.nudges.any()


def listening(heard, critic=consonant):
    """The critic, and every window that it is asked about."""

    def score(tokens, pitch, duration):
        heard.extend(b"".join(x.astype(np.int16).tobytes() for x in window)
                     for window in zip(tokens, pitch, duration, strict=True))
        return critic(tokens, pitch, duration)

    return score


def test_a_critic_is_asked_about_equal_windows_once(sources):
    heard = []
    found(sources[:2], score=listening(heard))
    assert len(set(heard)) == len(heard) > 100


def test_after_a_screening_critic_the_others_are_asked_about_few_options_and_find_as_good_ones(sources):
    alone, few, screened = [], [], []
    every = found(sources, score=listening(alone))
    left = found(sources, score=listening(few), screen=listening(screened))
    assert len(few) < 0.5 * len(alone) and len(screened) > len(few)
    with_all, with_few = (np.mean([fit(source, edits.apply(source, own)) for source, own in
                                   zip(sources, edited, strict=True)]) for edited in (every, left))
    before = np.mean([fit(source) for source in sources])
    assert with_few > before + 0.9 * (with_all - before)


def test_what_the_screening_critic_rules_out_is_not_made(sources):
    source = sources[0]
    own = {pitches.astype(np.int16).tobytes() for pitches in SearchSpace.of([source], [0], 0.0).pitch}

    def conservative(tokens, pitch, duration):
        return np.array([5.0 if pitches.astype(np.int16).tobytes() in own else -50.0 for pitches in pitch])

    (free,), (bound,) = found([source]), found([source], screen=conservative)
    assert free.options.any() and not bound.options.any()


def test_segments_come_back_as_segments_with_their_shifts(corpus):
    rows = [pair(corpus, k, k + 5, beats=8) for k in range(3)]
    music = {"melody": np.stack([r.tokens for r in rows]), "pitch": np.stack([r.pitch for r in rows]),
             "duration": np.stack([r.duration for r in rows]), "chords": np.stack([r.chords for r in rows])}
    asked = [HALF | {"pitch": 1.0, "rhythm": 1.0}, HALF, HALF | {"chord": 1.0}]
    new = search.of_segments(music, asked, score=consonant, model=FLAT, prices=BASE, progression=0.1, rounds=1,
                             variety=0.0)
    assert {name: x.shape for name, x in new.items() if name in music} == {n: x.shape for n, x in music.items()}
    np.testing.assert_array_equal(new["melody"][0], melody.transpose(music["melody"][0], new["melody_shift"][0]))
    np.testing.assert_array_equal(new["pitch"][2], music["pitch"][2])
