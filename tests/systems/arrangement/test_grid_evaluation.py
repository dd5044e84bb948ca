"""What evaluation says of drums whose worth is known: true ones, rules, drums of other windows."""

import dataclasses

import numpy as np
import pytest
import sections

from musicfusion.codecs.drums import STEPS
from musicfusion.codecs.melody import REST
from musicfusion.systems.arrangement import grid_baselines, grid_evaluation, grid_songs
from musicfusion.systems.arrangement.grid_dataset import KIT, LENGTH, Sections, read


def values(evaluation, table):
    return {row.name: {name: value.mean for name, value in row.values.items()}
            for row in evaluation.table(table).rows}


@pytest.fixture(scope="module")
def found():
    def truth(windows, density, seed):
        chosen = windows.pattern.copy()
        if density < 0.5:
            chosen[:, :, sections.KICK] = False
        return chosen

    def other(windows, density, seed):
        return np.random.default_rng(seed).permutation(windows.pattern)

    def play(windows, seed):
        return windows.velocity, windows.offset

    return grid_evaluation.evaluate(
        sections.corpus(songs=80), Sections(seed=0), split="test", count=40, songs=6,
        write={"knows all": truth, "other windows": other},
        write_songs={"knows all": lambda song: song.pattern, "silence": lambda song: np.zeros_like(song.pattern)},
        play=play, density=0.5, preset="grid")


def test_beside_what_is_measured_stand_rules_and_drums_that_exist(found):
    hits = values(found, "hits")
    assert list(hits) == [*grid_baselines.RULES, "the mean pattern", "another song's drums",
                          "the training drums with the nearest bass", "knows all", "other windows", "the true drums"]
    for name in ("knows all", "the true drums", "bass, snare and eighths"):
        assert hits[name]["kick"] == 1, "the kick plays with the bass here"
    assert hits["knows all"]["one_stream"] == hits["knows all"]["mean"] == 1
    assert hits["the bass itself, as kick"]["snare"] == 0 and hits["bass, snare and eighths"]["snare"] == 1
    assert 0.4 < hits["other windows"]["kick"] < 0.9 and hits["another song's drums"]["snare"] == 1
    assert hits["the training drums with the nearest bass"]["kick"] > hits["another song's drums"]["kick"]
    assert hits["the true drums"]["synchrony"] > 0.2 > abs(4 * hits["another song's drums"]["synchrony"])
    assert "closed hat" not in found.table("hits").measures, "nobody plays it"


def test_intervals_are_drawn_over_songs(found):
    value = {row.name: row.values for row in found.table("hits").rows}["other windows"]["one_stream"]
    assert value.low <= value.mean <= value.high and value.low < value.high


def test_seeds_that_say_the_same_agree_and_others_do_not(found):
    assert values(found, "seeds") == {"knows all": {"one_stream": 1, "instruments": 1}}
    rng = np.random.default_rng(0)
    apart = grid_evaluation.seeds_agree([rng.uniform(size=(4, LENGTH, KIT)) < 0.1 for _ in range(3)])
    assert apart["instruments"] < 0.5 < apart["one_stream"] < 1


def test_density_is_measured_where_it_has_an_effect(found):
    dense = values(found, "densities")
    assert dense["0"]["hits"] < dense["0.5"]["hits"] == dense["1"]["hits"]


def test_how_people_play_is_matched_by_their_own_hits(found):
    played = values(found, "played")
    assert played["the players' network"] == {"velocity": 0, "offset": 0}
    assert played["every hit alike, on the grid"]["velocity"] > 10 < played["every hit alike, on the grid"]["offset"]
    assert played["two people, the mean"]["velocity"] < 1, "they play alike here"


def test_whole_songs_are_measured_beside_a_rule_and_the_true_drums(found):
    songs = values(found, "songs")
    assert list(songs) == ["bass, snare and eighths", "knows all", "silence", "the true drums"]
    assert songs["knows all"] == songs["the true drums"] and songs["knows all"]["one_stream"] == 1
    assert songs["silence"]["one_stream"] == 0 and "repeated" not in songs["silence"]


def test_what_repeats_has_1_and_fills_show_at_the_ends_of_phrases():
    bar = np.zeros((48, KIT), bool)
    bar[::12, 0] = bar[::6, 2] = True
    steady = np.tile(bar, (8, 1))
    assert grid_songs.repeated(steady) == (1.0, 0.0)
    filled = steady.copy()
    for number in (3, 7):
        filled[48 * number + 24 : 48 * (number + 1), 4] = True
    same, ends = grid_songs.repeated(filled)
    assert same < 1 and ends > 0.05
    others = steady.copy()
    for number in (1, 6):
        others[48 * number + 24 : 48 * (number + 1), 4] = True
    assert grid_songs.repeated(others)[1] < 0


def test_a_song_with_few_hits_has_a_mean_of_its_instruments():
    own = grid_songs.read(sections.corpus(), "test", 0, 1)
    assert own[0].pattern.sum((0, 1)).max() < 100
    assert grid_songs.measured([own[0].pattern], own)["mean"] == (1, 1, 1)


def test_joined_collections_are_measured_apart():
    corpus = sections.corpus(songs=40, people=0)
    start = Sections(seed=0).windows(corpus, "all")
    tested = read(corpus, start)
    half = start < corpus.first_beat[20]
    methods = {"right in the first": np.where(half[:, None, None], tested.pattern, False), "right": tested.pattern}
    joined = dataclasses.replace(corpus, parts=(20, 20), source="one + other")
    (table,) = grid_evaluation.by_collection(joined, start, methods, tested)
    assert [measure.label for measure in table.measures.values()] == [
        "one: one stream", "all hits (20)", "other: one stream", "all hits (20)"]
    found = {row.name: [value.mean for value in row.values.values()] for row in table.rows}
    assert found == {"right in the first": [1, 1, 0, 0], "right": [1, 1, 1, 1]}
    assert grid_evaluation.by_collection(corpus, start, methods, tested) == []


def test_rules_are_what_they_say():
    bass = np.full((1, LENGTH), REST)
    bass[0, [0, 18]] = 40
    kick, snare, hat = (grid_baselines.backbeat(bass)[0, :, k] for k in (sections.KICK, sections.SNARE, sections.HAT))
    np.testing.assert_array_equal(np.flatnonzero(kick)[:3], [0, 2 * STEPS, 4 * STEPS])
    np.testing.assert_array_equal(np.flatnonzero(snare)[:2], [STEPS, 3 * STEPS])
    np.testing.assert_array_equal(np.flatnonzero(hat)[:3], [0, 6, 12])
    np.testing.assert_array_equal(np.argwhere(grid_baselines.bass_as_kick(bass)[0]), [[0, 0], [18, 0]])


def test_the_mean_pattern_is_hit_where_most_is_hit_as_often_as_on_average():
    known = np.zeros((4, LENGTH, KIT), bool)
    known[:, ::48, 0] = True  # once a bar, on the first beat
    known[:2, 24::48, 1] = True  # in every other window
    found = grid_baselines.mean_pattern(known, 3)
    assert found.shape == (3, LENGTH, KIT) and found[:, ::48, 0].all() and found[..., 0].sum() == 3 * 4
    assert found[..., 1].sum() == 0, "half a hit is none"


def test_the_nearest_bass_is_the_one_with_most_onsets_in_common():
    bass = np.full((3, LENGTH), REST)
    bass[0, [0, 12, 24]] = bass[1, [0, 12, 25]] = bass[2, [0, 50, 60, 70]] = 40
    known = np.zeros((2, LENGTH, KIT), bool)
    known[0, 5, 5], known[1, 7, 7] = True, True
    found = grid_baselines.nearest_bass(bass[:1], bass[1:], known)
    np.testing.assert_array_equal(found[0], known[0])
