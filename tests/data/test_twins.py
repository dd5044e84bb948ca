"""A song and its twin are found whatever they are called."""

from musicfusion.data.twins import Twins


def passages(text: str) -> frozenset[bytes]:
    return frozenset(letter.encode() for letter in text)


def test_a_twin_shares_more_than_half_of_its_passages_with_one_song():
    twins = Twins()
    assert twins.of(passages("abcd")) is None
    twins.add("first", passages("abcd"))
    twins.add("second", passages("efgh"))
    assert twins.of(passages("abcx")) == "first"
    assert twins.of(passages("abxy")) is None, "half is not more than half"
    assert twins.of(passages("abef")) is None, "two songs do not add up"
    assert twins.of(passages("")) is None
