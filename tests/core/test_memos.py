"""Arrays of the host that a run keeps."""

import numpy as np
import pytest

from musicfusion.core import memos


@pytest.mark.parametrize("texts", [["rock", "bossa-nova", ""], [""], ["Samba de Gafieira \u00e7"]])
def test_texts_survive_as_numbers(texts):
    numbers = memos.letters(texts)
    assert numbers.dtype == np.uint8 and len(numbers) == len(texts)
    assert [memos.text(one) for one in numbers] == texts


def test_what_is_kept_becomes_the_parameters_as_it_is():
    given = {"order": np.arange(3), "names": memos.letters(["a"])}
    found, task = memos.resident(given), memos.task()
    assert found.train == 1 and found.validation == 0
    batch = memos.examples(found.arrays, np.zeros(1, int), None, True)
    state = task.init(None, batch, {})
    for after in (state, task.step(state, batch, {})):
        np.testing.assert_array_equal(after["params"]["order"], [0, 1, 2])
        assert memos.text(after["params"]["names"][0]) == "a"
