"""Windows in four tracks: which are taken, what of them the models see, and which component they belong to."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import numbered
from musicfusion.data import splits, voices
from musicfusion.data.corpus import concatenate, joined
from musicfusion.systems.musae import components, dataset
from musicfusion.systems.musae.dataset import SPLITS, UNTAGGED

BAR = 16  # steps
NOTES, SILENT = [60, HOLD, 62, REST] * 4, [REST] * BAR
KEYS = numbered(jax.random.key(1), jnp.arange(64))


@pytest.fixture(scope="module")
def corpus():
    return voices.read(limit=90)


def song(*columns, name="song", tags=0):
    """Bars of each of four tracks -> a corpus of one song."""
    tokens = np.stack([np.concatenate(bars) for bars in columns], 1).astype(np.uint8)
    return concatenate([(name, {"tracks": tokens, "tags": np.full(len(tokens) // 4, tags, np.uint32)})], {}, "made up",
                       tags=("a", "b"), instrumentation="band")


def starts(corpus, bars=2) -> list[int]:
    """The bars at which a window of one song begins."""
    return (dataset.windows(corpus, "all", seed=0, bars=bars)["start"] // 4).tolist()


def test_a_window_begins_on_every_bar_line():
    assert starts(song(*[[NOTES] * 5] * 4)) == [0, 1, 2, 3]
    assert starts(song(*[[NOTES] * 17] * 4), 16) == [0, 1]


def test_no_track_is_silent_for_more_than_a_bar_but_one_that_never_plays():
    full, absent = [NOTES] * 6, [SILENT] * 6
    pause = [NOTES, SILENT, SILENT, NOTES, NOTES, NOTES]  # and a step of rest at the end of each bar of notes
    assert starts(song(full, pause, full, full)) == [2, 3, 4], "one bar on end may be silent"
    assert starts(song(full, full, full, absent)) == [0, 1, 2, 3, 4], "the song does without it"
    with pytest.raises(MusicFusionError, match="silent for longer"):
        dataset.windows(song([NOTES, SILENT, SILENT, NOTES], *[full[:4]] * 3), "all", seed=0, bars=4)


def test_no_song_has_windows_in_two_splits(corpus):
    found = {split: dataset.windows(corpus, split, seed=0, bars=2) for split in SPLITS}
    songs = [set(part["song"].tolist()) for part in found.values()]
    assert not (songs[0] & songs[1] or songs[0] & songs[2] or songs[1] & songs[2])
    for split, part in found.items():
        assert {splits.of_song(corpus.songs[k], 0, SPLITS) for k in part["song"]} == {split}


def arrays(corpus, bars=2):
    found = components.arranged(corpus, seed=0, bars=2)
    starts = dataset.windows(corpus, "all", seed=0, bars=bars)["start"]
    return dataset.arrays(corpus, starts, component=found.component, components=found.count)


def test_what_is_seen_is_the_music_and_in_training_in_another_key(corpus):
    given = arrays(corpus)
    index = jnp.arange(64) * 7
    plain = dataset.examples(given, index, KEYS, False, bars=2, encoding="onsets")
    moved = dataset.examples(given, index, KEYS, True, bars=2, encoding="onsets")
    for row, start in enumerate(given["starts"][np.asarray(index)]):
        here = corpus.arrays["tracks"][4 * start : 4 * start + 2 * BAR]
        np.testing.assert_array_equal(plain["tracks"][row], tracks.without_carry(here))
    before, after = (np.asarray(tracks.sounding(batch["tracks"], jnp)) for batch in (plain, moved))
    assert np.array_equal(before < 0, after < 0)
    shift = np.where(before >= 0, after - before, 0)
    by_row = [set(np.unique(row[sounds])) for row, sounds in zip(shift, before >= 0, strict=True)]
    assert all(len(found) == 1 for found in by_row), "all tracks alike"
    assert set.union(*by_row) <= set(range(-5, 7)) and len(set.union(*by_row)) > 8


def test_drums_keep_their_pitches_in_training():
    corpus = song(*[[NOTES] * 4] * 4)
    given = dataset.arrays(corpus, np.zeros(64, np.int32), component=np.arange(32), components=2)
    seen = np.asarray(dataset.examples(given, jnp.arange(64), KEYS, True, bars=2, encoding="onsets")["tracks"])
    onset = np.array([*NOTES, *NOTES]) < HOLD
    assert np.all(seen[:, onset, 0] == np.array([*NOTES, *NOTES])[onset])
    assert np.any(seen[:, onset, 1] != np.array([*NOTES, *NOTES])[onset])


def test_one_of_several_tags_is_drawn_and_without_any_there_is_no_component():
    component_of = np.arange(32)[::-1].astype(np.int32)
    tags = jnp.array([0b101] * 32 + [0] * 32, jnp.uint32)
    genre, component = (np.asarray(x) for x in dataset.drawn_genre(tags, KEYS, jnp.asarray(component_of)))
    assert set(genre[:32].tolist()) == {0, 2}
    np.testing.assert_array_equal(component[:32], component_of[genre[:32]])
    assert set(genre[32:].tolist()) == {-1} and set(component[32:].tolist()) == {UNTAGGED}


def test_where_tracks_may_be_silent_a_window_needs_some_onsets():
    one, few = [60, *[HOLD] * 15], [SILENT] * 6
    lonely = song(*[few] * 3, [NOTES, one, one, NOTES, SILENT, SILENT])  # 8, 1, 1, 8, 0, 0 onsets
    found = dataset.windows(lonely, "all", seed=0, bars=2, sparse=True)["start"] // 4
    assert found.tolist() == [0, 2, 3], "eight onsets or more in two bars"
    pause = song([NOTES] * 6, [NOTES, SILENT, SILENT, NOTES, NOTES, NOTES], *[[NOTES] * 6] * 2)
    assert len(dataset.windows(pause, "all", seed=0, bars=2, sparse=True)["start"]) == 5 > len(starts(pause))
    with pytest.raises(MusicFusionError, match="more songs are needed"):
        dataset.windows(song(*[few] * 3, [one] * 6), "all", seed=0, bars=2, sparse=True)


# Mixing --------------------------------------------------------------------------------------------------------------

MIXED = dataset.Mixing(mixed=0.5, swapped=0.2, octaves=0.3, silent=0.1)
HOMES = {"band": (40, 60, 80, 100), "voices": (48, 60, 72, 96)}  # far enough apart to tell where a track comes from


def fugue(instrumentation="band", windows=40):
    """`examples` reads windows k, each with a rhythm of its own; its tracks have one pitch each."""
    rng, size = np.random.default_rng(0), 2 * BAR
    rhythm = rng.uniform(size=(windows, size)) < 0.5
    rhythm[:, 0] = True
    tokens = np.where(rhythm[..., None], HOMES[instrumentation], HOLD).reshape(-1, 4).astype(np.uint8)
    beats = np.full(len(tokens) // 4, 1, np.uint32)
    corpus = concatenate([("song", {"tracks": tokens, "tags": beats})], {}, "made up", tags=("a", "b"),
                         instrumentation=instrumentation)
    given = dataset.arrays(corpus, np.arange(windows) * 8, component=np.arange(32), components=2)
    return given, rhythm


def seen(given, mixing, index=None, keys=KEYS, training=True):
    index = jnp.arange(len(keys)) % len(given["starts"]) if index is None else index
    found = dataset.examples(given, index, keys, training, bars=2, encoding="onsets", mixing=mixing)
    return {name: np.asarray(x) for name, x in found.items() if name != "example_key"}


def test_tracks_of_a_mixed_example_are_several_windows_in_keys_of_their_own_and_it_has_no_genre():
    given, rhythm = fugue()
    found = seen(given, dataset.Mixing(mixed=1.0))
    onset = found["tracks"] < HOLD
    window = np.array([[np.flatnonzero((rhythm == row[:, k]).all(1))[0] for k in range(4)] for row in onset])
    assert np.mean([len(set(row)) for row in window.tolist()]) > 3.5 and len(np.unique(window)) > 35
    shift = found["tracks"][:, 0] - HOMES["band"]
    assert np.all(shift[:, 0] == 0), "drums stay"
    assert np.mean([len(set(row)) for row in shift[:, 1:].tolist()]) > 2
    assert set(shift[:, 1:].ravel()) == {*range(-5, 7)}
    assert set(found["genre"].tolist()) == {-1} and set(found["component"].tolist()) == {UNTAGGED}


def test_only_a_share_of_the_examples_is_mixed_and_the_others_keep_their_music_and_genre():
    given, rhythm = fugue()
    found = seen(given, dataset.Mixing(mixed=0.5))
    own = ((found["tracks"] < HOLD) == rhythm[np.arange(64) % 40][..., None]).all((1, 2))
    np.testing.assert_array_equal(own, found["genre"] == 0)
    np.testing.assert_array_equal(own, found["component"] == 0)
    assert 0.3 < own.mean() < 0.7


@pytest.mark.parametrize("instrumentation", ["band", "voices"])
def test_pitched_tracks_of_a_mixed_example_are_exchanged(instrumentation):
    given, _ = fugue(instrumentation)
    home = np.array(HOMES[instrumentation])
    found = seen(given, dataset.Mixing(mixed=1.0, swapped=1.0))["tracks"][:, 0]
    source = np.argmin(np.abs(found[..., None] - home), -1)
    drums = instrumentation == "band"
    assert [set(source[:, k].tolist()) for k in range(4)] == [{0}, *[{1, 2, 3}] * 3] if drums else [{0, 1, 2, 3}] * 4
    unmixed = seen(given, dataset.Mixing(swapped=1.0))["tracks"][:, 0]
    np.testing.assert_array_equal(np.argmin(np.abs(unmixed[..., None] - home), -1), np.tile(np.arange(4), (64, 1)))


def test_octaves_move_pitched_tracks_by_twelve_semitones():
    given, _ = fugue()
    plain, moved = (seen(given, dataset.Mixing(octaves=share))["tracks"][:, 0] for share in (0.0, 0.5))
    shift = moved - plain
    assert np.all(shift[:, 0] == 0) and set(shift[:, 1:].ravel().tolist()) == {-12, 0, 12}
    assert 0.35 < np.mean(shift[:, 1:] != 0) < 0.65


def test_a_share_of_the_tracks_is_silent():
    given, _ = fugue()
    found = seen(given, dataset.Mixing(silent=0.3))["tracks"]
    silent = (found == REST).all(1)
    assert 0.2 < silent.mean() < 0.4 and np.all(found[:, 0][~silent] < HOLD), "a track is silent throughout or not"
    assert silent[:, 0].any() and set(seen(given, dataset.Mixing(silent=0.3))["genre"].tolist()) == {0}


def test_what_an_example_becomes_depends_on_its_own_key_alone():
    given, _ = fugue()
    together = seen(given, MIXED, jnp.arange(12), KEYS[:12])
    for k in (0, 7):
        alone = seen(given, MIXED, jnp.array([k]), KEYS[k : k + 1])
        others = seen(given, MIXED, jnp.array([20, k, 3]), KEYS[jnp.array([40, k, 50])])
        for name, x in together.items():
            np.testing.assert_array_equal(alone[name][0], x[k])
            np.testing.assert_array_equal(others[name][1], x[k])


def test_nothing_is_changed_where_nothing_is_learned():
    given, rhythm = fugue()
    found = seen(given, dataset.Mixing(mixed=1.0, swapped=1.0, octaves=1.0, silent=1.0), training=False)
    expected = np.where(rhythm[np.arange(64) % 40][..., None], HOMES["band"], HOLD)
    np.testing.assert_array_equal(found["tracks"], expected)
    assert set(found["genre"].tolist()) == {0} and found["tracks"].dtype == np.int32


# Which windows are learned from --------------------------------------------------------------------------------------


def songs(names, tags=(), grooves=(), repeats=4):
    """A corpus of songs for a band, each with its genre's bits."""
    tokens = np.tile(np.array(NOTES, np.uint8)[:, None], (repeats, 4))
    bits = tags or [1] * len(names)
    return concatenate([(name, {"tracks": tokens, "tags": np.full(len(tokens) // 4, bit, np.uint32)})
                        for name, bit in zip(names, bits, strict=True)], {}, "made up", tags=("a", "b"),
                       instrumentation="band", grooves=tuple(grooves))


NAMES = [f"song {k}" for k in range(40)]


def held(corpus, **changes):
    """`resident`, and the songs of its windows: (found, of training windows, of the others)."""
    given = {"seed": 0, "bars": 2, "component": np.arange(32), "components": 2} | changes
    found = dataset.resident(corpus, **given)
    song_of = np.searchsorted(corpus.first_beat, found.arrays["starts"], side="right") - 1
    return found, song_of[: found.train], song_of[found.train :]


def test_training_windows_stand_before_those_for_validation():
    corpus = songs(NAMES)
    found, learned, tried = held(corpus)
    split = splits.of_songs(corpus, 0, SPLITS)
    assert {split[k] for k in learned} == {"train"} and {split[k] for k in tried} == {"validation"}
    assert found.train + found.validation == len(found.arrays["starts"]) and found.arrays["train"] == found.train


def test_a_judge_sees_only_windows_with_a_genre():
    corpus = songs(NAMES, tags=[k % 2 for k in range(40)])
    _, learned, tried = held(corpus, tagged=True)
    assert len(learned) and len(tried) and set((learned % 2).tolist()) == set((tried % 2).tolist()) == {1}
    assert set((held(corpus)[1] % 2).tolist()) == {0, 1}
    with pytest.raises(MusicFusionError, match="no train song with windows of 2 bars has a genre"):
        held(songs(NAMES, tags=[0] * 40), tagged=True)


def test_a_judge_of_other_grooves_learns_from_those_that_are_held_out_and_where_there_are_none_from_all():
    corpus = songs(NAMES, grooves=[f"groove {k % 4}" for k in range(40)])
    _, own, _ = held(corpus, train=splits.HELD_OUT_GROOVES)
    out = splits.held_out_grooves(corpus, 0)
    assert len(own) and {corpus.grooves[k] for k in own} == out
    assert not {corpus.grooves[k] for k in held(corpus)[1]} & out
    for none in (songs(NAMES), songs(NAMES, grooves=["one"] * 40)):
        np.testing.assert_array_equal(held(none, train=splits.HELD_OUT_GROOVES)[1], held(none)[1])


def test_a_corpus_that_was_joined_has_the_share_of_the_windows_that_is_asked_for():
    corpus = joined([songs(NAMES[:30]), songs(NAMES[30:], repeats=8)])
    found = dataset.windows(corpus, "all", seed=0, bars=2)
    chosen = dataset.weighted(corpus, found, (0.25, 0.75), 0)
    second = chosen >= corpus.first_beat[30]
    assert second.mean() == pytest.approx(0.75, abs=0.01) and set(chosen) == set(found["start"]), "each once at least"
    counts = np.unique(chosen[second], return_counts=True)[1]
    assert np.ptp(counts) <= 1, "none much more often than another"
    np.testing.assert_array_equal(dataset.weighted(corpus, found, (), 0), found["start"])
    only = dataset.weighted(corpus, found, (1.0, 0.0), 0)
    assert sorted(only.tolist()) == found["start"][found["song"] < 30].tolist()
    trained, learned, _ = held(corpus, shares=(0.25, 0.75))
    assert np.mean(learned >= 30) == pytest.approx(0.75, abs=0.02)
    assert trained.validation == held(corpus)[0].validation


@pytest.mark.parametrize(("shares", "words"), [
    ((1.0,), "data.shares has 1 numbers; accepted is one for each of 2 data roots"),
    ((1.0, -1.0), "none below 0"),
    ((0.5, 0.5), "data root 2 has no windows to learn from"),
])
def test_shares_that_do_not_fit_are_refused(shares, words):
    corpus = joined([songs(NAMES[:30]), songs(NAMES[30:], repeats=1)])  # the second has no two bars
    found = dataset.windows(corpus, "all", seed=0, bars=2)
    with pytest.raises(MusicFusionError, match=words):
        dataset.weighted(corpus, found, shares, 0)


def test_measured_windows_are_spread_over_a_split_in_whole_batches(corpus):
    everything = dataset.windows(corpus, "test", seed=0, bars=2)
    found = dataset.measured(corpus, "test", seed=0, bars=2, count=50, batch=20)
    assert len(found["start"]) == 40 and set(found["start"]) <= set(everything["start"])
    assert found["song"][0] == everything["song"][0] and len(set(found["song"])) > 2
    few = dataset.measured(corpus, "test", seed=0, bars=2, count=50, batch=100_000)
    assert len(few["start"]) == len(everything["start"]) or len(few["start"]) == 0


@pytest.mark.parametrize(("instrumentation", "drums"), [("band", [True, False, False, False]), ("voices", [False] * 4)])
def test_reconstructions_are_shown_with_all_tracks_and_their_programs(instrumentation, drums):
    corpus = dataclasses.replace(song(*[[NOTES] * 4] * 4), instrumentation=instrumentation)
    given = dataset.arrays(corpus, np.zeros(2, np.int32), component=np.arange(32), components=2)
    batch = jax.device_get(dataset.examples(given, jnp.arange(2), KEYS[:2], False, bars=2, encoding="onsets"))
    ((title, before, after), _) = dataset.show(batch, {"tracks": batch["tracks"]})
    parts = tracks.INSTRUMENTATIONS[instrumentation]
    assert title == "reconstruction_0"
    for score in (before, after):
        assert [track.is_drum for track in score.tracks] == drums
        assert [track.program for track in score.tracks] == [part.program for part in parts]
