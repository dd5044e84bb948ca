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
from musicfusion.data.corpus import concatenate
from musicfusion.systems.musae import components, dataset
from musicfusion.systems.musae.dataset import BAR, SPLITS

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


def test_one_of_several_tags_is_drawn_and_without_any_a_random_component():
    component_of = np.arange(32)[::-1].astype(np.int32)
    tags = jnp.array([0b101] * 32 + [0] * 32, jnp.uint32)
    genre, component = dataset.drawn_genre(tags, KEYS, jnp.asarray(component_of), jnp.int32(32))
    assert set(np.asarray(genre)[:32].tolist()) == {0, 2}
    np.testing.assert_array_equal(np.asarray(component)[:32], component_of[np.asarray(genre)[:32]])
    assert set(np.asarray(genre)[32:].tolist()) == {-1} and len(set(np.asarray(component)[32:].tolist())) > 12


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
