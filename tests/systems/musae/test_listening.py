"""MusAE's listening test: music halfway between two songs."""

import dataclasses

import numpy as np
import pytest
from listeners import answered, save

from musicfusion.codecs.audio import Audio
from musicfusion.codecs.melody import HOLD
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import concatenate
from musicfusion.metrics import listening as said
from musicfusion.render import sheet
from musicfusion.systems.musae import evaluation, listening
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.latent_space import LatentSpace

RNG = np.random.default_rng(0)
SELECTION = evaluation.Selection(split="all", seed=0, count=60, batch=20, encoding="onsets")
OWN = "MusAE, flower"


def song():
    """Eight bars in four voices, a note on every beat."""
    tokens = np.full((128, 4), HOLD, np.uint8)
    tokens[::4] = RNG.integers(48, 80, (32, 4))
    return {"tracks": tokens, "tags": np.zeros(32, np.uint32)}


@pytest.fixture(scope="module")
def test():
    """Of an autoencoder that writes down the mean of the tokens."""
    corpus = concatenate([(f"song {k}", song()) for k in range(30)], {}, "songs", instrumentation="voices")
    none = Components(component=np.arange(32), count=4, genres=(), instrumentation="voices")
    space = LatentSpace(encode=lambda tokens: tokens.astype(np.float32), decode=lambda z: z.astype(np.int32),
                        components=none, bars=2, size=128)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet, "play", lambda score: Audio(np.resize(
            np.concatenate([track.notes[:, 2] for track in score.tracks]) / 127, 400)))
        yield listening.test(corpus, SELECTION, bars=2, components=none, spaces={OWN: space}, clips=4,
                             preset="quick")


def test_each_version_stands_beside_its_two_sources(test):
    (section,) = test.sections
    assert [question.name for question in section.questions] == ["musicality", "resemblance"]
    for form in range(section.forms):
        heard = [screen.methods[0] for screen in section.of_form(form)]
        assert {method: heard.count(method) for method in heard} == {
            listening.MIXED: 4, OWN: 4, listening.REAL: 4}
    real = [screen for screen in section.screens if screen.methods == (listening.REAL,)]
    which = [[np.array_equal(screen.clips[0].sound.samples, one.sound.samples) for one in screen.references]
             for screen in real]
    assert which.count([True, False]) == which.count([False, True]) == 6
    assert all(screen.clips[0].facts["first"] != screen.clips[0].facts["second"] for screen in section.screens)


def test_windows_of_one_song_or_with_few_notes_are_not_paired():
    tokens = np.full((8, 32, 4), HOLD)
    tokens[:6, ::4] = 60
    examples = Examples(tokens=tokens, genre=np.zeros(8, int), component=np.zeros(8, int),
                        song=np.array([0, 0, 1, 1, 2, 2, 3, 3]), family=np.zeros(8, int))
    one, other = listening.chosen(examples, 10, 0)
    assert np.all(examples.song[one] != examples.song[other]) and not {6, 7} & {*one.tolist(), *other.tolist()}
    same = dataclasses.replace(examples, song=np.zeros(8, int))
    with pytest.raises(MusicFusionError, match="no two songs"):
        listening.chosen(same, 10, 0)


def test_musicality_and_resemblance_are_told_by_method(test, tmp_path):
    sheet.write(test, tmp_path / "sheet")
    for listener in ("1", "2"):
        save(answered(tmp_path / "sheet", listener, say=lambda section, question, clip: {
            "musicality": "4" if clip["method"] == OWN else "2", "resemblance": "both"}[question]), tmp_path / "said")
    (table,) = listening.report(said.read(str(tmp_path / "said"), str(tmp_path / "sheet"), "musae")).tables
    rows = {row.name: row.values for row in table.rows}
    assert rows[OWN]["musicality"].mean == 4 and rows[OWN]["both"].mean == 1 and rows[OWN]["first"].mean == 0
    assert "no listening test" in table.note
