"""The order of play: what repeats, endings and jumps mean, also where they are written carelessly."""

import pytest

from musicfusion.codecs.repeats import Bar, order


def played(*bars: dict, longest: int = 100) -> str:
    return "".join("abcdefgh"[k] for k, _ in order([Bar(**one) for one in bars], longest))


PLAIN: dict = {}
START, BACK = {"start": True}, {"times": 2}


def ending(*passes: int, back: bool = False) -> dict:
    return {"endings": frozenset(passes), "times": 2 if back else 0}


@pytest.mark.parametrize(("bars", "expected"), [
    ((PLAIN, PLAIN), "ab"),
    ((PLAIN, BACK, PLAIN, BACK), "ababcdcd"),
    ((PLAIN, START | BACK, PLAIN), "abbc"),
    ((START, START, BACK), "abcbc"),
    ((PLAIN, ending(1, back=True), ending(2, back=True), PLAIN), "abacd"),
    ((PLAIN, ending(1), ending(1, back=True), ending(2), ending(2), PLAIN), "abcadef"),
    ((PLAIN, ending(1, back=True), PLAIN), "abac"),
    ((PLAIN, ending(1, 2, back=True), ending(3), PLAIN), "ababacd"),
    ((PLAIN, ending(1, back=True), ending(2), START, ending(1, back=True), ending(2)), "abacdedf"),
    ((PLAIN, {"fine": True}, {"jump": "capo"}), "abcab"),
    ((PLAIN, BACK, {"fine": True}, {"jump": "capo"}), "ababcdabc"),
    ((PLAIN, {"segno": True}, {"to_coda": True}, {"jump": "segno"}, {"coda": True}), "abcdbce"),
    ((PLAIN, {"jump": "segno"}, PLAIN), "ababc"),
    ((PLAIN, ending(1, back=True), ending(2), {"jump": "capo"}, PLAIN), "abacdacde"),
    ((), ""),
])
def test_bars_come_in_the_order_of_play(bars, expected):
    assert played(*bars) == expected


def test_passes_are_counted_for_verses():
    assert order([Bar(), Bar(times=3), Bar()], 100) == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 1)]


def test_it_always_ends():
    assert len(order([Bar(times=99)] * 50, 300)) == 300
    assert played(START | BACK | {"jump": "segno", "segno": True, "to_coda": True, "coda": True}) == "aaa"
