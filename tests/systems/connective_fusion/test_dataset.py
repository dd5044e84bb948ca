"""Windows of eight bars: which are taken, and what of them the models see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import concatenate
from musicfusion.systems.connective_fusion import dataset
from musicfusion.systems.connective_fusion.dataset import BAR, SPLITS, STEPS

KEY = jax.random.key(3)
MEASURED = {"seed": 0, "count": 100, "batch": 20}


def a_song(*bars, name="song"):
    """A corpus of one song that belongs to whatever split: {split: windows} of it, by the start in bars."""
    corpus = concatenate([(name, {"melody": np.concatenate(bars).astype(np.uint8)})], {}, "made up")
    found = {}
    for split in SPLITS:
        try:
            found[split] = dataset.windows(corpus, split, 0)
        except MusicFusionError as error:
            assert "no " + split in str(error)
    return found


TUNE = [60, melody.HOLD, 62, melody.HOLD] * 4
REST = [melody.REST] * BAR


def starts(*bars):
    (found,) = a_song(*bars).values()
    return (found["start"] // 4).tolist()


def test_a_window_begins_on_every_bar_line_of_a_song():
    assert starts(*[TUNE] * 10) == [0, 1, 2]


def test_a_window_rests_for_a_bar_at_most_and_has_a_note_on_either_side():
    almost = [*REST[:-1], 60]
    assert starts(*[TUNE] * 3, REST, *[TUNE] * 6) == [0, 1, 2]
    assert starts(*[TUNE] * 8, REST, REST, *[TUNE] * 8) == [0, 1, 9, 10], "others hold both bars"
    assert starts(*[TUNE] * 2, REST, almost, *[TUNE] * 8) == [3, 4], "a rest over a bar line counts as one"


def test_a_window_keeps_to_the_range_and_knows_how_far_it_can_go():
    low, high = [melody.LOWEST - 1] + TUNE[1:], [melody.HIGHEST] + TUNE[1:]
    (found,) = a_song(low, *[TUNE] * 8, high).values()
    assert (found["start"] // 4).tolist() == [1, 2]
    np.testing.assert_array_equal(found["room"], [[55 - 60, 84 - 62], [55 - 60, 0]])


def test_no_song_is_in_two_splits_and_all_splits_together_are_all_windows(sopranos):
    parts = {split: dataset.windows(sopranos, split, 0) for split in SPLITS}
    songs = [set(part["song"].tolist()) for part in parts.values()]
    assert sum(map(len, songs)) == len(set.union(*songs))
    assert len(songs[0]) > len(songs[2]) > len(songs[4]) > 0, "11:1:6:1:1"
    assert len(parts["train-1"]["start"]) > 300


def test_parts_of_one_song_stay_together():
    bars = [TUNE] * 9
    pieces = [(f"song#{part}", {"melody": np.concatenate(bars).astype(np.uint8)}) for part in range(3)]
    corpus = concatenate([*pieces, ("other", pieces[0][1])], {}, "made up")
    songs = np.concatenate([dataset.windows(corpus, split, seed)["song"] for seed in range(3) for split in SPLITS
                            if _has(corpus, split, seed)])
    assert sorted(np.bincount(songs)) == [6, 18], "two windows of each melody, in each of three splits"


def _has(corpus, split, seed):
    try:
        return bool(len(dataset.windows(corpus, split, seed)["start"]))
    except MusicFusionError:
        return False


def test_a_side_is_four_bars_of_symbols_in_any_key_of_its_room(sopranos):
    table = dataset.windows(sopranos, "train-1", 0)
    begin, room = table["start"][::7], table["room"][::7]
    for shift in (np.zeros(len(room), np.int32), room[:, 0], room[:, 1]):
        sides = dataset.cut({"melody": jnp.asarray(sopranos.arrays["melody"])}, begin, shift)
        both = np.concatenate([sides["left"], sides["right"]], 1)
        assert both.shape[1] == 2 * STEPS and both.min() >= 0 and both.max() < melody.SYMBOLS
        truth = sopranos.arrays["melody"][begin[:, None] * 4 + np.arange(2 * STEPS)]
        truth = melody.transpose(melody.without_carry(truth), shift[:, None])
        np.testing.assert_array_equal(melody.from_symbols(both), truth)


def test_a_note_over_the_middle_is_held_on_the_right():
    bars = [TUNE] * 8
    bars[3] = [60] + [melody.HOLD] * 15
    bars[4] = [melody.HOLD] * 4 + TUNE[4:]
    tokens = jnp.asarray(np.concatenate(bars).astype(np.uint8))
    sides = dataset.cut({"melody": tokens}, np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert np.all(np.asarray(sides["right"])[0, :4] == melody.PITCHES)


def test_examples_are_sides_of_their_windows_and_training_moves_them(sopranos):
    resident = dataset.resident(sopranos, "train-1", "validation-1", seed=0)
    arrays, index = resident.arrays, np.arange(64)
    assert arrays["bounds"].tolist() == [0, resident.train, resident.train + resident.validation]
    keys = jax.random.split(jax.random.key(0), 64)
    sides = dataset.cut(arrays["corpus"], arrays["starts"][index], np.zeros(64, np.int32))
    still = np.asarray(dataset.side_examples(arrays, index, keys, False)["melody"])
    left, right = (np.all(still == sides[name], 1) for name in ("left", "right"))
    assert np.all(left | right) and 16 < left.sum() < 48
    batch = dataset.side_examples(arrays, index, keys, True)
    moved, offset = np.asarray(batch["melody"]), np.asarray(batch["tonic_offset"])
    assert 16 < np.sum(offset == 0) < 56 and offset.min() >= -6 and offset.max() == 5, "about half keep their tonic"
    assert not np.any(dataset.side_examples(arrays, index, keys, False)["tonic_offset"])
    assert np.all((moved < melody.PITCHES) == (still < melody.PITCHES))
    assert np.mean(np.any(moved != still, 1)) > 0.5


def test_negatives_of_the_classifier_are_of_another_song_in_a_key_of_their_own(sopranos):
    resident = dataset.resident(sopranos, "train-2", "validation-2", seed=0)
    arrays, index = resident.arrays, np.arange(64)
    keys = jax.random.split(KEY, 64)
    batch = jax.device_get(dataset.pair_examples(arrays, index, keys, True))
    own = jax.device_get(dataset.cut(arrays["corpus"], arrays["starts"][index], np.zeros(64, np.int32)))
    onsets = melody.PITCHES
    assert np.all((batch["left"] < onsets) == (own["left"] < onsets)), "the same rhythm in another key"
    both = [np.concatenate([batch[name], own[name]]) for name in ("left", "right")]
    pitches = [np.where(x < onsets, x, 0).max(1) for x in both]
    moved = [top[:64] - top[64:] for top in pitches]
    np.testing.assert_array_equal(*moved)  # both sides of a real pair together
    assert len(set(moved[0].tolist())) > 5
    still = jax.device_get(dataset.pair_examples(arrays, index, keys, False))
    same = np.all(still["other"][:, None] == own["right"][None], -1)
    song = arrays["low"][index]
    assert not np.any(same & (song[:, None] == song[None])), "no right side of its own song"


def test_the_table_of_latents_has_each_window_in_keys_all_over_its_room(sopranos):
    entries, train = dataset.latent_table(sopranos, count=20, validation=10, copies=3, seed=0)
    windows = dataset.windows(sopranos, "train-1", 0)
    room = dict(zip(windows["start"].tolist(), windows["room"].tolist(), strict=True))
    assert train == 60 and len(entries["start"]) == 70
    starts, shifts = (entries[name][:60].reshape(20, 3) for name in ("start", "shift"))
    assert np.all(starts == starts[:, :1]) and np.all(np.diff(shifts) >= 0)
    for start, (first, _, last) in zip(starts[:, 0].tolist(), shifts, strict=True):
        low, high = room[start]
        assert low <= first <= last <= high and last - first >= (high - low) // 2
    assert not np.any(entries["shift"][60:]), "validation is in its own keys"
    held_out = set(dataset.windows(sopranos, "validation-1", 0)["start"].tolist())
    assert set(entries["start"][60:].tolist()) <= held_out


def test_both_sides_of_the_tables_entries_are_encoded(sopranos):
    entries, train = dataset.latent_table(sopranos, count=20, validation=10, copies=3, seed=0)
    resident = dataset.table_resident(sopranos, entries, train, lambda stage: {"of": stage})
    assert resident.train == 70 and resident.frozen == {"vaes": {"of": "melody_vae"}}
    index = np.array([1, 65])
    batch = dataset.table_examples(resident.arrays, index, None, True)
    want = dataset.cut(sopranos.arrays | {"melody": jnp.asarray(sopranos.arrays["melody"])}, entries["start"][index],
                       entries["shift"][index])
    for name in dataset.SIDES:
        np.testing.assert_array_equal(batch[name], want[name])
    assert batch["learned"].sum() == 60 and batch["index"].tolist() == [1, 65]


def test_notes_belong_to_the_side_on_which_they_begin():
    notes = np.array([[0, 4, 60], [STEPS - 4, 8, 62], [STEPS, 4, 64]])
    halves = dataset.halves(notes)
    np.testing.assert_array_equal(halves["left"], notes[:2])
    np.testing.assert_array_equal(halves["right"], notes[2:])


def test_what_is_measured_is_a_whole_number_of_batches_of_two_songs_at_least(sopranos):
    found = dataset.measured(sopranos, "test", **MEASURED)
    assert len(found["start"]) % 20 == 0 and len(found["start"]) <= 100
    alone = concatenate([("song", {"melody": np.array(TUNE * 12, np.uint8)})], {}, "made up")
    with pytest.raises(MusicFusionError, match="one song: two are needed"):
        dataset.require_pairs(alone, "all", **MEASURED)
    dataset.require_pairs(sopranos, "test", **MEASURED)
