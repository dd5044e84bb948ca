"""A song under two names is found, in whatever key."""

import numpy as np

from musicfusion.codecs import melody
from musicfusion.data import chorales, near_duplicates, voices
from musicfusion.data.near_duplicates import NearDuplicates


def passages(text: str) -> frozenset[bytes]:
    return frozenset(letter.encode() for letter in text)


def test_a_near_duplicate_shares_more_than_half_of_its_passages_with_one_song():
    known = NearDuplicates()
    assert known.of(passages("abcd")) is None
    known.add("first", passages("abcd"))
    known.add("second", passages("efgh"))
    assert known.of(passages("abcx")) == "first"
    assert known.of(passages("abxy")) is None, "half is not more than half"
    assert known.of(passages("abef")) is None, "two songs do not add up"
    assert known.of(passages("")) is None
    known.add("third", passages("abce"))
    assert known.of(passages("abcy")) == "first", "of several the one met first"


def test_passages_are_the_same_in_every_key():
    pair = chorales.song(chorales.song_files()[0])
    higher = pair | {
        "melody": np.where(pair["melody"] < melody.HOLD, pair["melody"] + 3, pair["melody"]),
        "pitch": np.where(pair["duration"] > 0, pair["pitch"] + 3, 0)}
    tokens = voices.song(next(path for path in chorales.song_files() if path.stem == "bwv66.6"))
    tracks = [{"tracks": tokens}, {"tracks": np.where(tokens < melody.HOLD, tokens + 3, tokens)}]
    for passages, one, other in ((near_duplicates.of_pair, pair, higher), (near_duplicates.of_melody, pair, higher),
                                 (near_duplicates.of_tracks, *tracks)):
        assert len(passages(one)) > 3 and passages(one) == passages(other)
    changed = pair["melody"].copy()
    changed[12] += 1
    for passages in (near_duplicates.of_pair, near_duplicates.of_melody):
        assert passages(pair | {"melody": changed}) != passages(pair)
