"""What MusAE keeps of an earlier result."""


import numpy as np
import pytest
from kept import assert_kept, differ
from musae_songs import identity, part, sample, write

from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError

NAMES = {"DRUMS": "drums", "BASS": "bass", "GUITAR": "guitar", "STRINGS": "strings"}


def lifted():
    """A space that decodes everything a third higher than it was."""
    def decode(z):
        tokens = np.round(z[:, 2:]).astype(np.int32).reshape(len(z), -1, 4)
        return np.where(tokens < 124, tokens + 4, tokens)

    return identity(decode=decode)


def numbers(score):
    return {NAMES[track.name]: (k,) for k, track in enumerate(score.tracks)}


@pytest.mark.parametrize(("metres", "swing"), [(((0.0, 4, 4),), 0.5), (((0.0, 3, 4),), 0.5),
                                               (((0.0, 1, 4), (1.0, 4, 4)), 0.5), (((0.0, 4, 4),), 2 / 3)])
def test_a_moved_song_keeps_what_is_locked_of_an_earlier_one(tmp_path, metres, swing):
    at = np.sort(np.concatenate([np.arange(16), np.arange(16) + swing]))
    parts = [Track("", program, drum, np.stack([at, np.full(32, 0.4), low + np.arange(32) % 5, np.full(32, 80)], 1))
             for program, low, drum in ((0, 36, True), (33, 40, False), (0, 60, False))]
    midi.write(tmp_path / "a.mid", Score(tuple(parts), np.array([[0.0, 120.0]]), metres, "a"))
    given = {"song": tmp_path / "a.mid"}
    first = sample(identity(), inputs=given)
    for spans in (((4, 8, None),), ((4, 7.6, "bass"), (9, 10, "Drums"))):
        second = sample(lifted(), inputs=given, locked=Locked(first, spans))
        parts_of = numbers(first.scores["song"])
        assert_kept(first.scores["song"], second.scores["song"], spans, parts_of | {"Drums": parts_of["drums"]})
        assert differ(first.scores["song"], second.scores["song"])
    everything = Locked(first, ((0, len(first.memory) / 4, None),))
    again = sample(lifted(), inputs=given, locked=everything)
    assert not differ(first.scores["song"], again.scores["song"])
    assert again.metadata["notes_kept"] == 1 > sample(lifted(), inputs=given).metadata["notes_kept"]


def drawn(seed, **controls):
    """New music whose windows are other for each seed."""
    def decode(z):
        rng = np.random.default_rng(seed)
        return np.where(rng.random((len(z), 32, 4)) < 0.4, rng.integers(40, 60, (len(z), 32, 4)),
                        rng.choice([128, 129], (len(z), 32, 4)))

    return sample(identity(decode=decode), genre="rock", seed=seed, **controls)


def test_new_music_keeps_what_is_locked_and_shows_it(tmp_path):
    first, spans = drawn(1), ((2, 9, None), (20, 24.5, "strings"))
    second = drawn(2, locked=Locked(first, spans))
    assert_kept(first.scores["song"], second.scores["song"], spans, numbers(first.scores["song"]))
    assert differ(first.scores["song"], second.scores["song"])
    again = drawn(2, locked=Locked(first, ((0, 32, None),)))
    assert not differ(first.scores["song"], again.scores["song"])
    cells = [result.pictures["windows"].draw.keywords["cells"] for result in (first, again)]
    for row, other in zip(*cells, strict=True):
        for (_, one), (_, two) in zip(row, other, strict=True):
            assert all(np.array_equal(one[name], two[name]) for name in one)


def test_an_interpolation_keeps_what_is_locked(tmp_path):
    given = {name: write(tmp_path / f"{name}.mid", part(33, low, 2)) for name, low in (("start", 40), ("end", 50))}
    first = sample(identity(), inputs=given, steps=2)
    still = identity(decode=lambda z: np.full((len(z), 32, 4), 60))
    second = sample(still, inputs=given, steps=2, locked=Locked(first, ((8, 12, "bass"),)))
    (bass,), others = numbers(second.scores["song"])["bass"], second.metadata["changed_steps"]
    begun = [score.tracks[k].notes for score, k in ((first.scores["song"], 0), (second.scores["song"], bass))]
    np.testing.assert_array_equal(*(notes[(notes[:, 0] >= 8) & (notes[:, 0] < 12)] for notes in begun))
    assert others[0] == others[2] == 0 < others[1], "they are counted as they are detected"


def test_locks_need_as_much_music_and_parts_that_there_are():
    first = drawn(1)
    with pytest.raises(MusicFusionError, match="has 32 quarters, and now there would be 16"):
        drawn(2, n=2, locked=Locked(first, ((0, 4, None),)))
    with pytest.raises(MusicFusionError, match="'melody' is unknown: there are drums, bass, guitar, strings"):
        drawn(2, locked=Locked(first, ((0, 4, "melody"),)))
