"""Windows of eight bars: which are taken, and what of them the models see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import tunes
from musicfusion.data.corpus import concatenate
from musicfusion.systems.connective_fusion import windows
from musicfusion.systems.connective_fusion.windows import BAR, SPLITS, STEPS

CONFIG = ConfigDict({"seed": 0, "data": {"split": "test"}, "evaluate": {"windows": 100, "batch": 20}})


@pytest.fixture(scope="module")
def sopranos():
    return tunes.read("chorales", limit=120)


def a_song(*bars, name="song"):
    """A corpus of one song that belongs to whatever split: {split: windows} of it, by the start in bars."""
    corpus = concatenate([(name, {"melody": np.concatenate(bars).astype(np.uint8)})], {}, "made up")
    found = {}
    for split in SPLITS:
        try:
            found[split] = windows.windows(corpus, split, 0)
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
    parts = {split: windows.windows(sopranos, split, 0) for split in SPLITS}
    songs = [set(part["song"].tolist()) for part in parts.values()]
    assert sum(map(len, songs)) == len(set.union(*songs))
    assert len(songs[0]) > len(songs[2]) > len(songs[4]) > 0, "11:1:6:1:1"
    assert len(parts["train-1"]["start"]) > 300


def test_parts_of_one_song_stay_together():
    bars = [TUNE] * 9
    pieces = [(f"song#{part}", {"melody": np.concatenate(bars).astype(np.uint8)}) for part in range(3)]
    corpus = concatenate([*pieces, ("other", pieces[0][1])], {}, "made up")
    songs = np.concatenate([windows.windows(corpus, split, seed)["song"] for seed in range(3) for split in SPLITS
                            if _has(corpus, split, seed)])
    assert sorted(np.bincount(songs)) == [6, 18], "two windows of each melody, in each of three splits"


def _has(corpus, split, seed):
    try:
        return bool(len(windows.windows(corpus, split, seed)["start"]))
    except MusicFusionError:
        return False


def test_a_side_is_four_bars_of_symbols_in_any_key_of_its_room(sopranos):
    table = windows.windows(sopranos, "train-1", 0)
    rows = slice(None, None, 7)
    begin, room = table["start"][rows], table["room"][rows]
    for shift in (np.zeros(len(room), np.int32), room[:, 0], room[:, 1]):
        sides = windows.cut({"melody": jnp.asarray(sopranos.arrays["melody"])}, begin, shift)
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
    sides = windows.cut({"melody": tokens}, np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert np.all(np.asarray(sides["right"])[0, :4] == melody.PITCHES)


def test_examples_are_sides_of_their_windows_and_training_moves_them(sopranos):
    resident = windows.resident(sopranos, CONFIG, "train-1", "validation-1")
    arrays, index = resident.arrays, np.arange(64)
    assert arrays["bounds"].tolist() == [0, resident.train, resident.train + resident.validation]
    keys = jax.random.split(jax.random.key(0), 64)
    sides = windows.cut(arrays["corpus"], arrays["starts"][index], np.zeros(64, np.int32))
    still = np.asarray(windows.examples(arrays, index, keys, False)["melody"])
    left, right = (np.all(still == sides[name], 1) for name in ("left", "right"))
    assert np.all(left | right) and 16 < left.sum() < 48
    batch = windows.examples(arrays, index, keys, True)
    moved, aside = np.asarray(batch["melody"]), np.asarray(batch["aside"])
    assert 16 < np.sum(aside == 0) < 56 and aside.min() >= -6 and aside.max() == 5, "about half of them in their frame"
    assert not np.any(windows.examples(arrays, index, keys, False)["aside"])
    assert np.all((moved < melody.PITCHES) == (still < melody.PITCHES))
    assert np.mean(np.any(moved != still, 1)) > 0.5


def test_what_is_measured_is_a_whole_number_of_batches_of_two_songs_at_least(sopranos):
    found = windows.measured(sopranos, CONFIG, "test")
    assert len(found["start"]) % 20 == 0 and len(found["start"]) <= 100
    alone = concatenate([("song", {"melody": np.array(TUNE * 12, np.uint8)})], {}, "made up")
    config = CONFIG.copy_and_resolve_references()
    config.data.split = "all"
    with pytest.raises(MusicFusionError, match="one song: two are needed"):
        windows.require_pairs(alone, config)
    windows.require_pairs(sopranos, CONFIG)
