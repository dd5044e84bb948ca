"""Crops: where they begin, what is heard in them, which of them a batch holds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import mel
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import splits
from musicfusion.data.corpus import joined
from musicfusion.systems.arrangement.dataset import AUDIBLE, KINDS, SPLITS, kinds


def song_of(corpus, start):
    return np.searchsorted(corpus.first_beat, start, "right") - 1


def test_crops_lie_in_songs_of_their_split_and_what_they_are_for_is_heard_in_them(crops, recordings):
    found = crops.starts(recordings, "train")
    assert set(found["both"]) == set(found["a"]) & set(found["b"]) and len(found["a"]) > len(found["both"]) > 0
    for domain, part in (("a", "source"), ("b", "target")):
        song = song_of(recordings, found[domain])
        assert {splits.of_song(recordings.songs[k], 0, SPLITS) for k in song} == {"train"}
        within = found[domain] - recordings.first_beat[song]
        assert np.all(within % crops.stride == 0) and np.all(within + crops.length <= 240)
        for start in found[domain][:50]:
            assert recordings.arrays[part][start : start + crops.length].mean() / 255 > AUDIBLE


def test_a_part_that_is_never_heard_is_named(crops, recordings):
    arrays = recordings.arrays | {"target": np.zeros_like(recordings.arrays["target"])}
    silent = dataclasses.replace(recordings, arrays=arrays)
    with pytest.raises(MusicFusionError, match=r"no train song has 32 frames of drums; 40 songs were read"):
        crops.starts(silent, "train")


def test_source_and_target_that_never_sound_together_cannot_be_learned_in_pairs(crops, recordings):
    target = np.zeros_like(recordings.arrays["target"])
    for first in recordings.first_beat[:-1]:
        target[first : first + 20] = 200
    source = recordings.arrays["source"].copy()
    for first in recordings.first_beat[:-1]:
        source[first : first + 60] = 0
    apart = dataclasses.replace(recordings, arrays={"source": source, "target": target})
    with pytest.raises(MusicFusionError, match="never sound together"):
        crops.resident(apart, paired=True)
    assert crops.resident(apart).train


def test_crops_of_one_kind_of_songs_are_those_of_its_corpus(crops, recordings):
    half = dataclasses.replace(
        recordings, songs=tuple(f"real {name}" for name in recordings.songs),
        arrays=recordings.arrays | {"marks": np.zeros(recordings.beats, np.uint8)})
    both = joined([recordings, half])
    found = [crops.starts(both, "all", kind)["a"] for kind in KINDS]
    assert len(found[0]) == len(found[1]) > 0
    assert found[0].max() < recordings.beats <= found[1].min()


def test_songs_of_one_groove_are_one_group_and_no_groove_is_in_two_splits(crops, recordings):
    grooves = tuple(f"groove {k % 4}" for k in range(40))
    tags = np.repeat(np.arange(40, dtype=np.uint32) % 2 + 1, np.diff(recordings.first_beat))  # two grooves in a genre
    known = dataclasses.replace(recordings, grooves=grooves, tags=("rock", "pop"),
                                arrays=recordings.arrays | {"tags": tags})
    found = crops.songs(known, "all", count=40, seconds=2.0)
    assert [song.group for song in found] == list(grooves)
    assert [song.group for song in crops.songs(recordings, "all", count=40, seconds=2.0)] == list(recordings.songs)
    learned = {grooves[k] for k in song_of(known, crops.starts(known, "train")["a"])}
    tested = {song.group for split in ("test", splits.HELD_OUT_GROOVES)
              for song in crops.songs(known, split, count=40, seconds=2.0)}
    assert learned and tested and not learned & tested


def test_a_corpus_that_was_kept_before_there_were_marks_is_used(crops, recordings):
    old = dataclasses.replace(recordings, arrays={part: recordings.arrays[part] for part in ("source", "target")})
    assert set(kinds(old)) == {1} and not crops.songs(old, "all", count=1, seconds=2.0)[0].marks.any()


def test_level_quantiles_are_those_of_training_crops_of_the_target(crops, recordings):
    found = crops.level_quantiles(recordings)
    start = crops.starts(recordings, "train")["b"]
    levels = [recordings.arrays["target"][first : first + 32].mean() / 255 for first in start]
    assert found[0] == pytest.approx(min(levels), abs=1e-5) and found[-1] == pytest.approx(max(levels), abs=1e-5)
    assert np.all(np.diff(found) >= 0) and found.dtype == np.float32


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_has_the_source_its_target_and_a_target_from_elsewhere_in_the_split(crops, recordings, training):
    resident = crops.resident(recordings)
    index = np.arange(8) + (0 if training else resident.train)
    keys = jax.random.split(jax.random.key(0), 8)
    batch = crops.examples(jax.tree.map(jnp.asarray, resident.arrays), jnp.asarray(index), keys, training)
    start = resident.arrays["start"][index]
    for name, part in (("a", "source"), ("pair", "target")):
        for crop, first in zip(batch[name], start, strict=True):
            expected = mel.restored(recordings.arrays[part][first : first + 32])
            np.testing.assert_allclose(crop[..., 0], expected, atol=1e-6)
    possible = resident.arrays["other_start"][slice(*resident.arrays["other_bounds"][0 if training else 1 :][:2])]
    expected = [mel.restored(recordings.arrays["target"][first : first + 32]) for first in possible]
    for crop in np.asarray(batch["b"])[..., 0]:
        assert min(np.abs(crop - other).max() for other in expected) < 1e-6
    assert batch["b"].shape == (8, 32, 32, 1)


def test_a_batch_of_pairs_has_no_other_target(crops, recordings):
    resident = crops.resident(recordings, paired=True)
    batch = crops.examples(resident.arrays, np.arange(2), jax.random.split(jax.random.key(0), 2), True)
    assert set(batch) == {"a", "pair", "example_key"}
    assert resident.train + resident.validation == len(resident.arrays["start"])


def test_the_parameters_of_an_earlier_stage_are_frozen(crops, recordings):
    assert set(crops.resident(recordings).frozen) == {"level_quantiles"}
    found = crops.resident(recordings, params={"w": np.ones(2)})
    assert set(found.frozen) == {"level_quantiles", "params"} and "params" not in found.arrays


def test_test_songs_begin_with_their_source_and_are_evenly_chosen(crops, recordings):
    found = crops.songs(recordings, "all", count=4, seconds=2.0)
    assert [song.name for song in found] == ["song 0", "song 10", "song 20", "song 30"]
    for song in found:
        assert song.source.shape == song.target.shape == (int(2 * mel.RATE / mel.HOP), 32)
        assert song.source[0].max() > -1 and song.source.dtype == np.float32
    with pytest.raises(MusicFusionError, match="no test song with bass and drums"):
        dataclasses.replace(crops, length=500).songs(recordings, "test", count=4, seconds=2.0)
