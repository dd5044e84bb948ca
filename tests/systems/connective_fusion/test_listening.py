"""Connective Fusion's listening test: joined melodies beside what they were made of."""

import numpy as np
import pytest
from listeners import answered, save

from musicfusion.codecs import melody
from musicfusion.codecs.audio import Audio
from musicfusion.metrics import listening as said
from musicfusion.render import sheet
from musicfusion.systems.connective_fusion import listening
from musicfusion.systems.connective_fusion.inference import RIVAL

OWN = "Connective Fusion, lambda 0.7"


class Stand:
    """Networks whose z is the symbols, and which lower every onset."""

    has = staticmethod(lambda stage: stage == RIVAL)
    encode = staticmethod(lambda symbols: (symbols.astype(np.float32), np.ones(symbols.shape)))
    move = staticmethod(lambda z, style: np.where((z > 0) & (z < melody.PITCHES), z - 1, z))
    decode = staticmethod(lambda z: np.asarray(z).astype(int))
    logits = staticmethod(lambda symbols, stage: -symbols.mean(1))


@pytest.fixture(scope="module")
def test(sopranos):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet, "play", lambda score: Audio(np.resize(score.tracks[0].notes[:, 2] / 127, 400)))
        yield listening.test(sopranos, Stand(), distance=0.7, style=4, clips=2, split="test", seed=0, preset="quick")


def test_each_version_stands_beside_the_halves_that_it_was_made_of(test):
    (section,) = test.sections
    for form in range(section.forms):
        heard = [screen.methods[0] for screen in section.of_form(form)]
        assert {method: heard.count(method) for method in heard} == {
            "random pairs": 2, "one transposition": 2, OWN: 2, listening.REAL: 2}
    screens = {screen.methods[0]: screen for screen in section.screens if screen.clips[0].item == "0"}
    left = {method: screen.references[0].sound.samples for method, screen in screens.items()}
    right = {method: screen.references[1].sound.samples for method, screen in screens.items()}
    for samples in left.values():
        np.testing.assert_array_equal(samples, left[listening.REAL])
    np.testing.assert_array_equal(right[OWN], right["random pairs"])
    assert np.any(right[OWN] != right[listening.REAL]), "a real melody has its own right half"
    assert [one.label for one in screens[OWN].references] == ["The first source", "The second source"]
    assert all("#" not in screen.clips[0].facts["left"] for screen in section.screens)


def test_musicality_and_resemblance_are_told_by_method(test, tmp_path):
    sheet.write(test, tmp_path / "sheet")
    for listener in ("1", "2"):
        save(answered(tmp_path / "sheet", listener, say=lambda section, question, clip: {
            "musicality": "4", "resemblance": "first" if clip["method"] == OWN else "both"}[question]), tmp_path / "s")
    (table,) = listening.report(said.read(str(tmp_path / "s"), str(tmp_path / "sheet"), "connective_fusion")).tables
    rows = {row.name: row.values for row in table.rows}
    assert list(rows) == ["random pairs", "one transposition", OWN, listening.REAL]
    assert rows[OWN]["first"].mean == 1 and rows[OWN]["musicality"].mean == 4
