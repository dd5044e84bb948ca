"""Windows of drums and of the bass under them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sections

from musicfusion.codecs.drums import FINEST, STEPS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import numbered
from musicfusion.data.rhythm_sections import BASS, HUMAN
from musicfusion.systems.arrangement import grid_dataset, grid_repertoire
from musicfusion.systems.arrangement.grid_dataset import (
    BEATS,
    HIT,
    LENGTH,
    NO_STYLE,
    OFFSETS,
    VELOCITIES,
    Sections,
)

KEYS = numbered(jax.random.key(0), jnp.arange(64))


@pytest.fixture(scope="module")
def corpus():
    return sections.corpus()


def test_windows_begin_on_bar_lines_within_songs_and_split_these(corpus):
    own = Sections(seed=0)
    seen = {split: own.windows(corpus, split) for split in grid_dataset.SPLITS}
    songs = {}
    for split, start in seen.items():
        assert len(start) and (start % 4 == 0).all()
        songs[split] = set(np.searchsorted(corpus.first_beat, start, "right") - 1)
        assert songs[split] == set(np.searchsorted(corpus.first_beat, start + BEATS, "left") - 1)
    assert not songs["train"] & songs["test"] and not songs["train"] & songs["validation"]


def test_windows_of_people_and_those_with_a_bass_can_be_asked_for(corpus):
    own = Sections(seed=0)
    kinds = {human: set(corpus.arrays["kind"][own.windows(corpus, "train", human=human)]) for human in (True, False)}
    assert kinds == {True: {HUMAN}, False: {BASS}}
    assert set(corpus.arrays["kind"][own.windows(corpus, "train", bass=True)]) == {BASS}


def test_parts_have_their_shares_of_the_training_examples(corpus):
    parted = dataclasses.replace(corpus, parts=(40, 20))
    found = Sections(seed=0, shares=(0.2, 0.8)).resident(parted)
    human = corpus.arrays["kind"][found.arrays["start"][: found.train]] == HUMAN
    assert np.mean(human) == pytest.approx(0.8, abs=0.01)
    every = Sections(seed=0).windows(corpus, "train")
    assert set(found.arrays["start"][: found.train]) <= set(every) and found.validation
    with pytest.raises(MusicFusionError, match=r"data\.shares has 1 numbers, data.root 2 roots"):
        Sections(seed=0, shares=(1.0,)).resident(parted)


def test_without_windows_one_line_says_what_is_missing(corpus):
    nobody = dataclasses.replace(corpus, arrays=corpus.arrays | {"kind": corpus.arrays["kind"] & BASS})
    with pytest.raises(MusicFusionError, match="no windows of 4 bars of drums that a person played; 60 songs were"):
        Sections(seed=0).resident(nobody, human=True)


def test_an_example_is_what_stands_in_the_corpus(corpus):
    found = Sections(seed=0).resident(corpus)
    batch = jax.device_get(grid_dataset.examples(found.arrays, jnp.arange(8), KEYS[:8], False))
    for k, beat in enumerate(found.arrays["start"][:8]):
        steps = slice(beat * STEPS, beat * STEPS + LENGTH)
        velocity = corpus.arrays["velocity"][steps]
        np.testing.assert_array_equal(batch["pattern"][k] == HIT, velocity > 0)
        assert batch["hits"][k] == np.count_nonzero(velocity)
        np.testing.assert_array_equal(batch["bass"][k, :, 0] > 0, corpus.arrays["bass"][steps] < HOLD)
        assert batch["style"][k] == 1 + np.log2(corpus.arrays["tags"][beat])
    np.testing.assert_allclose(batch["tempo"], np.log2(100 / 120), rtol=1e-6)


def test_another_window_of_the_song_is_shown_that_does_not_overlap(corpus):
    found = Sections(seed=0).resident(corpus)
    arrays, count = found.arrays, 64
    batch = jax.device_get(grid_dataset.examples(arrays, jnp.arange(count), KEYS[:count], False))
    given = batch["song_given"]
    assert given.any() and not given.all(), "songs have eight bars here: only their ends do not overlap"
    for k in np.flatnonzero(given):
        song = np.searchsorted(corpus.first_beat, arrays["start"][k], "right") - 1
        others = [start for start in range(corpus.first_beat[song], corpus.first_beat[song + 1] - BEATS + 1, 4)
                  if abs(start - arrays["start"][k]) >= BEATS]
        patterns = [corpus.arrays["velocity"][start * STEPS : start * STEPS + LENGTH] > 0 for start in others]
        assert any((batch["song_hits"][k] == own).all() for own in patterns)


def test_a_window_of_another_song_is_shown_whose_bass_is_similar(corpus):
    own = Sections(seed=0)
    found = own.resident(corpus, human=False)
    batch = jax.device_get(grid_dataset.examples(found.arrays, jnp.arange(32), KEYS[:32], False))
    assert batch["other_given"].all()
    known, groups = own.repertoire(corpus)
    windows = grid_dataset.read(corpus, found.arrays["start"][:32])
    similar = grid_repertoire.similar(windows.bass, known, grid_dataset.NEIGHBOURS, groups=(windows.group, groups))
    for k in range(32):
        (which,) = np.flatnonzero((known.hits == batch["other_hits"][k]).all((1, 2))
                                  & (known.onsets == batch["other_onsets"][k]).all(1))[:1]
        assert which in similar[k] and groups[which] != windows.group[k]
    people = own.resident(corpus, human=True)
    assert not np.any(grid_dataset.examples(people.arrays, jnp.arange(8), KEYS[:8], True)["other_given"])


def test_a_position_says_the_bar_of_the_phrase_and_how_near_beginning_and_end_are():
    found = grid_dataset.position(np.array([0, 4, 8, 2]), np.array([20, 3, 0, 40]))
    assert found.shape == (4, grid_dataset.POSITION)
    np.testing.assert_allclose(found[0, :4], found[2, :4], atol=1e-6, err_msg="eight bars are a phrase")
    np.testing.assert_allclose(found[0, :2], found[1, :2], atol=1e-6)
    assert np.abs(found[0, :2] - found[3, :2]).max() > 1
    np.testing.assert_allclose(found[:, 4:], [[0, 1], [0.5, 0.375], [1, 0], [0.25, 1]])


def test_people_have_no_style_here_and_a_bass_that_is_not_known(corpus):
    found = Sections(seed=0).resident(corpus, human=True)
    batch = grid_dataset.examples(found.arrays, jnp.arange(4), KEYS[:4], True)
    assert not np.any(batch["bass"]) and np.all(batch["style"] == NO_STYLE) and np.all(batch["human"])


def test_in_training_the_bass_is_sometimes_not_known(corpus):
    found = Sections(seed=0).resident(corpus, human=False)
    known = [np.any(grid_dataset.examples(found.arrays, jnp.arange(64), KEYS, training)["bass"], (1, 2))
             for training in (True, False)]
    assert 0.7 < np.mean(known[0]) < 1 == np.mean(known[1])


def test_a_bass_is_seen_by_onsets_and_by_height_above_its_lowest_note():
    tokens = np.full((2, LENGTH), REST)
    tokens[0, [0, 6, 12]] = 52, 40, 43
    tokens[0, 1] = HOLD
    seen = grid_dataset.bass_features(tokens, np.array([True, False]))
    np.testing.assert_allclose(seen[0, [0, 1, 6, 12]], [[1, 1, 1, 1], [0, 1, 0, 1], [1, 1, 0, 1], [1, 1, 0.25, 1]])
    assert not seen[1].any() and (seen[0, :, 3] == 1).all()
    moved = tokens.copy()
    moved[0, [0, 6, 12]] += 5
    np.testing.assert_array_equal(grid_dataset.bass_features(moved, np.array([True, False])), seen)


def test_a_feel_says_how_loud_and_how_loose_and_nothing_of_who_is_early_throughout():
    velocity, offset = np.zeros((2, LENGTH, 9), int), np.zeros((2, LENGTH, 9), int)
    velocity[:, ::12, 0] = 96
    offset[0, ::12, 0], offset[1, ::24, 0], offset[1, 12::24, 0] = -20, -16, 16
    feel, early = grid_dataset.feels(velocity, offset)
    np.testing.assert_allclose(feel, [[0.5, 0], [0.5, 0.25]], atol=1e-6)
    np.testing.assert_allclose(early[:, 0, 0], [-20, 0])
    assert not grid_dataset.feels(np.zeros((1, LENGTH, 9), int), np.zeros((1, LENGTH, 9), int))[0][0, 1]


def test_how_people_play_is_known_from_training_windows_alone(corpus):
    found = Sections(seed=0).known_feels(corpus, 8)
    assert found.shape == (8, 2) and (found[:, 1] > 0.1).all()


def test_where_no_person_plays_the_others_say_how(corpus):
    nobody = dataclasses.replace(corpus, arrays=corpus.arrays | {"kind": corpus.arrays["kind"] & BASS})
    assert grid_dataset.played_by_people(corpus) is True and grid_dataset.played_by_people(nobody) is None
    assert len(Sections(seed=0).known_feels(nobody, 8)) == 8


def test_velocities_and_offsets_come_back_in_their_classes():
    velocity, uniforms = np.arange(1, 128), np.random.default_rng(0).uniform(size=127)
    number = grid_dataset.velocity_class(velocity)
    assert number.min() == 0 and number.max() == VELOCITIES - 1
    again = grid_dataset.velocity_of(number, uniforms)
    np.testing.assert_array_equal(grid_dataset.velocity_class(again), number)
    assert again.min() >= 1
    offset = np.arange(-96, 97)
    number = np.asarray(grid_dataset.offset_class(offset))
    assert number.min() == 0 and number.max() == OFFSETS - 1
    again = grid_dataset.offset_of(number, np.random.default_rng(0).uniform(size=len(offset)))
    assert np.abs(again - offset).max() <= 3 * FINEST / OFFSETS + 1
