"""A listening test as data."""

import collections

from musicfusion.core.listening import rotated, scale


def test_a_latin_square_gives_every_listener_each_item_once_and_exchanges_the_methods():
    found = rotated([{"x": 1, "y": 2, "z": 3}] * 6)
    for form in range(3):
        own = [(item, method) for at, item, method in found if at == form]
        assert [item for item, _ in own] == list(range(6))
        assert collections.Counter(method for _, method in own) == {"x": 2, "y": 2, "z": 2}
    assert len({(item, method) for _, item, method in found}) == 18 and rotated([]) == []


def test_a_scale_has_words_at_its_ends():
    found = scale("harmony", "How harmonic?", "disharmonic", "harmonic", 5)
    assert found.scale and dict(found.answers) == {"1": "disharmonic", "2": "", "3": "", "4": "", "5": "harmonic"}
