"""Windows in four tracks: which are taken, what of them the models see, and which petal they belong to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.rows import numbered
from musicfusion.data import splits, voices
from musicfusion.data.corpus import concatenate
from musicfusion.systems.musae import petals, windows
from musicfusion.systems.musae.windows import BAR, SPLITS

NOTES, SILENT = [60, HOLD, 62, REST] * 4, [REST] * BAR
KEYS = numbered(jax.random.key(1), jnp.arange(64))


@pytest.fixture(scope="module")
def corpus():
    return voices.read(limit=90)


def song(*columns, name="song", tags=0):
    """Bars of each of four tracks -> a corpus of one song."""
    tokens = np.stack([np.concatenate(bars) for bars in columns], 1).astype(np.uint8)
    return concatenate([(name, {"tracks": tokens, "tags": np.full(len(tokens) // 4, tags, np.uint32)})], {}, "made up",
                       tags=("a", "b"), lineup="band")


def starts(corpus, bars=2) -> list[int]:
    """The bars at which a window of one song begins."""
    return (windows.windows(corpus, "all", 0, bars)["start"] // 4).tolist()


def test_a_window_begins_on_every_bar_line():
    assert starts(song(*[[NOTES] * 5] * 4)) == [0, 1, 2, 3]
    assert starts(song(*[[NOTES] * 17] * 4), 16) == [0, 1]


def test_no_track_is_silent_for_more_than_a_bar_but_one_that_never_plays():
    full, absent = [NOTES] * 6, [SILENT] * 6
    pause = [NOTES, SILENT, SILENT, NOTES, NOTES, NOTES]  # and a step of rest at the end of each bar of notes
    assert starts(song(full, pause, full, full)) == [2, 3, 4], "one bar on end may be silent"
    assert starts(song(full, full, full, absent)) == [0, 1, 2, 3, 4], "the song does without it"
    with pytest.raises(MusicFusionError, match="silent for longer"):
        windows.windows(song([NOTES, SILENT, SILENT, NOTES], *[full[:4]] * 3), "all", 0, 4)


def test_no_song_has_windows_in_two_splits(corpus):
    found = {split: windows.windows(corpus, split, 0, 2) for split in SPLITS}
    songs = [set(part["song"].tolist()) for part in found.values()]
    assert not (songs[0] & songs[1] or songs[0] & songs[2] or songs[1] & songs[2])
    for split, part in found.items():
        assert {splits.of_song(corpus.songs[k], 0, SPLITS) for k in part["song"]} == {split}


def arrays(corpus, bars=2):
    found = petals.resident(corpus, CONFIG, 2).arrays["found"]
    return windows.fixed(corpus, windows.windows(corpus, "all", 0, bars)["start"], found)


CONFIG = type("Config", (), {"seed": 0})()


def test_what_is_seen_is_the_music_and_in_training_in_another_key(corpus):
    given = arrays(corpus)
    index = jnp.arange(64) * 7
    plain = windows.examples(given, index, KEYS, False, bars=2, encoding="onsets")
    moved = windows.examples(given, index, KEYS, True, bars=2, encoding="onsets")
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
    given = windows.fixed(corpus, np.zeros(64, np.int32), {"place": np.arange(32), "count": 2})
    seen = np.asarray(windows.examples(given, jnp.arange(64), KEYS, True, bars=2, encoding="onsets")["tracks"])
    onset = np.array([*NOTES, *NOTES]) < HOLD
    assert np.all(seen[:, onset, 0] == np.array([*NOTES, *NOTES])[onset])
    assert np.any(seen[:, onset, 1] != np.array([*NOTES, *NOTES])[onset])


def test_one_of_several_tags_is_drawn_and_without_any_a_petal_anywhere():
    place = np.arange(32)[::-1].astype(np.int32)
    tags = jnp.array([0b101] * 32 + [0] * 32, jnp.uint32)
    genre, petal = windows.drawn(tags, KEYS, jnp.asarray(place), jnp.int32(32))
    assert set(np.asarray(genre)[:32].tolist()) == {0, 2}
    np.testing.assert_array_equal(np.asarray(petal)[:32], place[np.asarray(genre)[:32]])
    assert set(np.asarray(genre)[32:].tolist()) == {-1} and len(set(np.asarray(petal)[32:].tolist())) > 12


def test_genres_that_are_alike_become_neighbours():
    around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    order = np.random.default_rng(3).permutation(12)
    points = np.stack([np.cos(around), np.sin(around)], 1)[order]
    trip = order[petals.round_trip(petals.apart(points), 0)]
    assert set(np.diff(trip) % 12) <= {1} or set(np.diff(trip) % 12) <= {11}


def test_the_order_is_a_permutation_and_names_survive(corpus):
    found = petals.resident(corpus, CONFIG, 2).arrays["found"]
    assert sorted(found["place"].tolist()) == list(range(32)) and found["count"] == len(corpus.tags)
    assert petals.names(found) == corpus.tags and petals.text(found["lineup"]) == "voices"
    assert sorted(petals.around(found)) == sorted(corpus.tags)
    assert np.all(found["distance"][:6, :6] == found["distance"][:6, :6].T)
    near = petals.around(found)
    apart = abs(near.index("palestrina") - near.index("monteverdi")) % 5
    assert apart in (1,), near
