"""The grid's listening test: which clips are heard, and that nothing but the drums differs."""

import numpy as np
import pytest
import sections
from listeners import answered, save

from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import listening as said
from musicfusion.render import sheet
from musicfusion.systems.arrangement import grid_listening, listening
from musicfusion.systems.arrangement.grid_dataset import Sections

OWN = "the grid"
METHODS = ["bass, snare and eighths", "the training drums with the nearest bass", OWN, "real drums"]


@pytest.fixture(scope="module")
def corpus():
    return sections.corpus(songs=30, people=0)


def create(corpus, **changed):
    settings = {"split": "test", "clips": 2, "density": 0.5, "preset": "lite",
                "write": {OWN: lambda windows, density, seed: np.roll(windows.pattern, 6, 1)},
                "play": lambda windows, seed: (np.where(windows.pattern, 80, 0).astype(np.uint8),
                                               np.zeros(windows.pattern.shape, np.int8))}
    return grid_listening.test(corpus, Sections(seed=0), **settings | changed)


@pytest.fixture(scope="module")
def test(corpus):
    return create(corpus)


def test_each_bass_comes_with_every_method_s_drums_and_alone(test):
    (section,) = test.sections
    assert [question.name for question in section.questions] == [*listening.QUESTIONS]
    assert [screen.methods[0] for screen in section.screens] == 2 * METHODS
    for screen in section.screens:
        alone, clip = screen.references[0].sound, screen.clips[0].sound
        assert alone.seconds == clip.seconds == pytest.approx(16 * 0.6 + grid_listening.TAIL, abs=1e-3)
    items = [screen.clips[0].item for screen in section.screens]
    assert len(set(items[:4])) == 1 and items[0] != items[4]
    first, other = (section.screens[k].references[0].sound.samples for k in (0, 4))
    assert np.any(first != other), "basses of two songs"


def test_drums_differ_by_method_and_are_over_the_same_bass(test):
    parts = [screen.clips[0].sound.samples - screen.references[0].sound.samples
             for screen in test.sections[0].screens[:4]]
    assert all(np.abs(part).max() > 0.05 for part in parts)
    assert all(np.any(one != other) for k, one in enumerate(parts) for other in parts[k + 1 :])


def test_songs_are_heard_once_before_any_is_heard_twice(corpus):
    groups = []

    def write(windows, density, seed):
        groups.append(windows.group)
        return windows.pattern

    for clips in (3, 7, 9):
        create(corpus, clips=clips, write={OWN: write})
    assert [len(own) for own in groups] == [3, 7, 9] and [len(set(own)) for own in groups] == [3, 7, 7]


def test_without_basses_there_is_nothing_to_hear():
    with pytest.raises(MusicFusionError, match="no test song has 4 bars of bass and drums"):
        create(sections.corpus(songs=0, people=30))


def test_grades_are_read_beside_the_paper_s(test, tmp_path):
    sheet.write(test, tmp_path / "sheet")

    def say(section, question, clip):
        return "8" if clip["method"] == OWN else "3"

    for listener in ("1", "2"):
        save(answered(tmp_path / "sheet", listener, trained=True, say=say), tmp_path / "said")
    found = listening.report(said.read(str(tmp_path / "said"), str(tmp_path / "sheet"), "arrangement"))
    tables = {table.name: {row.name: row.values for row in table.rows} for table in found.tables}
    assert tables["listening"][OWN]["grade"].mean == 8 and tables["listening"]["real drums"]["grade"].mean == 3
    assert tables["grades"][OWN]["good"].mean == 1 and tables["grades"]["real drums"]["good"].mean == 0
