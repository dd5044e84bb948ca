"""The loop that reads a corpus: order, reasons, near-duplicates, versions."""

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.data import reading
from musicfusion.data.reading import Item


def song(text: str) -> dict[str, np.ndarray]:
    """Four letters a beat; what begins with "bad" cannot be used."""
    if text.startswith("bad"):
        raise MusicFusionError(text)
    return {"melody": np.frombuffer(text.encode(), np.uint8)}


def songs(texts: tuple[str, ...]) -> dict[int, dict[str, np.ndarray]]:
    return {number: song(text) for number, text in enumerate(texts)}


def letters(arrays) -> frozenset[bytes]:
    return frozenset(bytes([letter]) for letter in arrays["melody"])


def items(**contents) -> list[Item]:
    return [Item(name, content) for name, content in contents.items()]


def test_songs_keep_their_order_and_what_cannot_be_used_is_named_with_the_reason():
    seen = []
    corpus = reading.read(items(b="abcd", x="bad luck", a="efghijkl"), song, "somewhere", licence="mine", tags=("t",),
                          progress=lambda done, of: seen.append((done, of)))
    assert corpus.songs == ("b", "a") and corpus.first_beat.tolist() == [0, 1, 3]
    assert corpus.skipped == {"x": "bad luck"} and seen == [(1, 3), (2, 3), (3, 3)]
    assert (corpus.source, corpus.licence, corpus.tags) == ("somewhere", "mine", ("t",))


def test_without_a_song_the_root_and_the_first_reason_are_named():
    with pytest.raises(MusicFusionError, match=r"here: none of 1 songs can be used \(x: bad luck\)"):
        reading.read(items(x="bad luck"), song, "somewhere", root="here")


def test_near_duplicates_are_left_out_only_where_they_are_looked_for():
    given = items(a="abcd", b="abcx", c="abxy")
    assert reading.read(given, song, "").songs == ("a", "b", "c")
    corpus = reading.read(given, song, "", passages=letters)
    assert corpus.songs == ("a", "c") and corpus.skipped == {"b": "most of it is a"}


def test_an_item_may_hold_several_songs_and_one_of_them_another():
    corpus = reading.read(items(a=("abcd", "efgh", "abcx"), b=("efgx", "ijkl")), songs, "", several=True,
                          passages=letters)
    assert corpus.songs == ("a#0", "a#1", "b#1")
    assert corpus.skipped == {"a#2": "most of it is a", "b#0": "most of it is a"}


def test_versions_of_one_song_are_kept_however_alike_they_are():
    given = [Item("1.mid", ("abcd", "abcx"), "song#1"), Item("2.mid", ("abcd",), "song#2"),
             Item("3.mid", ("abcx", "efgh"), "other#3")]
    corpus = reading.read(given, songs, "", several=True, versions=True, passages=letters)
    assert corpus.songs == ("song#1#0", "song#1#1", "song#2#0", "other#3#1")
    assert corpus.skipped == {"3.mid#0": "most of it is song"}


def test_a_reason_tells_nobody_s_folders(tmp_path):
    corpus = reading.read([Item("a", "abcd"), Item("x", f"bad {tmp_path}/x.mid", folder=tmp_path)], song, "")
    assert corpus.skipped == {"x": "bad x.mid"}


def test_several_processes_read_what_one_reads(monkeypatch):
    from musicfusion.data import chorales

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    shared = chorales.read(2 * reading.ENOUGH)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    alone = chorales.read(2 * reading.ENOUGH)
    assert shared.fingerprint == alone.fingerprint and shared.skipped == alone.skipped
