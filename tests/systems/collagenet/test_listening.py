"""CollageNet's listening test: what is heard, and what figures 3 and 4 make of answers."""

import numpy as np
import pytest
from listeners import answered, save
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.codecs.audio import Audio
from musicfusion.core.errors import MusicFusionError
from musicfusion.metrics import listening as said
from musicfusion.render import sheet
from musicfusion.systems.collagenet import baselines, dataset, listening, reharmony, system
from musicfusion.systems.collagenet.listening import REAL, UNRELATED
from musicfusion.systems.collagenet.objective import ASPECTS

OWN = "CollageNet, lambda 1"
SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)


def higher(music, semitones):
    return music | {"melody": np.asarray(melody.transpose(music["melody"], semitones))}


@pytest.fixture(scope="module")
def test(corpus):
    """Of methods that move the melody by a few semitones; the sound of notes is those notes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet, "play", lambda score: Audio(np.concatenate(
            [np.zeros(100, np.float32), *(track.notes[:, 2].astype(np.float32) / 127 for track in score.tracks)])))
        yield listening.test(
            corpus=corpus, segments=SEGMENTS, split="all", clips=2, seed=0, preset="quick", distance=1.0,
            methods={UNRELATED: lambda pairs: pairs.unrelated, "rule-based": lambda pairs: higher(pairs.unrelated, 1),
                     OWN: lambda pairs: higher(pairs.unrelated, 2), REAL: lambda pairs: pairs.real},
            sweep=lambda music, value: higher(music, round(10 * value)))


def by_name(test):
    return {section.name: section for section in test.sections}


def test_the_sections_are_the_paper_s_with_as_many_clips_of_each_method(test):
    sections = by_name(test)
    assert list(sections) == ["harmony", "melody_human", "accompaniment_human", "melody_similarity",
                              "accompaniment_similarity"]
    heard = {name: [screen.methods[0] for screen in section.of_form(0)] for name, section in sections.items()}
    assert {method: heard["harmony"].count(method) for method in heard["harmony"]} == {
        UNRELATED: 2, "rule-based": 2, OWN: 2, REAL: 2}
    assert sorted(set(heard["melody_human"])) == sorted(["rule-based", OWN, REAL])
    assert sorted(set(heard["accompaniment_human"])) == sorted([OWN, REAL]), "rules leave the accompaniment as it is"
    assert [question.name for question in test.background] == ["instrument", "voice", "theory"]
    assert list(sections["harmony"].questions[0].answers.items())[::4] == [("1", "disharmonic"), ("5", "harmonic")]
    for part in ("melody", "accompaniment"):
        screens = sections[f"{part}_similarity"].screens
        assert len(screens) == 2 and all(len(screen.clips) == 6 and len(screen.references) == 1 for screen in screens)
        assert [clip.facts["control"] for clip in screens[0].clips] == [0, 0.2, 0.4, 0.6, 0.8, 1]


def test_versions_of_an_item_are_made_of_the_same_notes(test):
    versions = {screen.methods[0]: screen.clips[0] for screen in by_name(test)["melody_human"].screens
                if screen.clips[0].item == "8"}
    notes = {method: np.rint(127 * clip.sound.samples[100:]) for method, clip in versions.items()}
    np.testing.assert_array_equal(notes["rule-based"], notes[REAL] + 1)
    np.testing.assert_array_equal(notes[OWN], notes[REAL] + 2)
    harmony = {screen.methods[0]: screen.clips[0] for screen in by_name(test)["harmony"].screens
               if screen.clips[0].item == "0"}
    assert harmony[REAL].facts["accompaniment"] == harmony[REAL].facts["melody"] == harmony[OWN].facts["melody"]
    assert harmony[OWN].facts["accompaniment"] != harmony[OWN].facts["melody"]


def test_unrelated_pairs_are_of_two_songs_and_begin_with_a_bar(corpus):
    pairs = listening.read(corpus, SEGMENTS, split="test", count=40, seed=0)
    assert len(pairs.names) == 40 and len(pairs.real["melody"]) == 40
    for one, other in pairs.names:
        assert one.partition(", beat ")[0] != other.partition(", beat ")[0]
        assert int(one.partition(", beat ")[2]) % 4 == 1
    np.testing.assert_array_equal(pairs.unrelated["pitch"][:-1], pairs.real["pitch"][1:])
    np.testing.assert_array_equal(pairs.unrelated["melody"], pairs.real["melody"])
    with pytest.raises(MusicFusionError, match="two are needed"):
        listening.read(corpus, dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0), split="test",
                       count=1, seed=0)


class Space:
    """A latent space in which controls are what is decoded."""

    encode = staticmethod(lambda music: np.zeros((2, 8)))
    move = staticmethod(lambda actor, z, controls: controls)
    decode = staticmethod(lambda z: {"melody": z})


def test_the_sweep_holds_the_melody_as_it_lets_the_accompaniment_go():
    np.testing.assert_allclose(listening.opposed(Space, None, {}, 0.8)["melody"], [[0.8, 0.8, 0.2, 0.2]] * 2, atol=1e-6)


@pytest.mark.parametrize("missing", ["", "edit_critic_1", "chord_model"])
def test_edits_are_heard_where_all_that_they_need_is_trained(monkeypatch, corpus, missing):
    kinds = len(reharmony.NEW) + 1
    given = {"actor": None, "sbar": None, "transitions": np.zeros((kinds, 12, kinds)), "melody": np.zeros((kinds, 12))}

    class Some:
        def __call__(self, stage, subtree="params"):
            return given

        def has(self, stage):
            return stage != missing

    monkeypatch.setattr(system.baselines, "trained_space", lambda *args, **keywords: Space)
    monkeypatch.setattr(Space, "aspects", dict.fromkeys(ASPECTS, 1), raising=False)
    monkeypatch.setattr(system.judges, "scorer", lambda critics: None)
    monkeypatch.setattr(listening, "test", lambda **keywords: list(keywords["methods"]))
    heard = system.listening_test(micro_config(), corpus, Some())
    assert heard == [UNRELATED, "rule-based", OWN, *[baselines.HALF] * (not missing), REAL]


def test_figures_3_and_4_are_drawn_of_answers_beside_the_paper_s_numbers(test, tmp_path):
    grades = {UNRELATED: "1", "rule-based": "2", OWN: "4", REAL: "5"}

    def say(section, question, clip):
        if question == "similarity":
            control = clip["facts"]["control"]
            return str(1 + round(4 * (control if section.startswith("accompaniment") else 1 - control)))
        return grades[clip["method"]] if question == "harmony" else "machine" if clip["method"] == OWN else "human"

    sheet.write(test, tmp_path / "sheet")
    for listener in ("1", "2", "3", "4"):
        save(answered(tmp_path / "sheet", listener, trained=listener in "12", say=say), tmp_path / "said")
    found = listening.report(said.read(str(tmp_path / "said"), str(tmp_path / "sheet"), "collagenet"))
    tables = {table.name: {row.name: row.values for row in table.rows} for table in found.tables}
    harmony = tables["listening_harmony"]
    assert list(harmony) == [UNRELATED, "rule-based", OWN, REAL]
    assert harmony[OWN]["harmony"].mean == 4 and harmony[OWN]["harmony_trained"].paper == 3.975
    assert harmony[REAL]["harmony_not_trained"].paper == 4.138 and harmony[REAL]["harmony"].low == 5
    human = tables["listening_human"]
    assert human[OWN]["melody"].mean == 0 and human[OWN]["accompaniment_not_trained"].paper == 0.708
    assert human["rule-based"]["melody_trained"].mean == 1 and "accompaniment" not in human["rule-based"]
    similarity = tables["listening_similarity"]
    assert list(similarity) == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [similarity[value]["melody"].mean for value in ("0", "1")] == [5, 1]
    assert [similarity[value]["accompaniment"].mean for value in ("0", "1")] == [1, 5]
    points = found.figures["listening_similarity.png"].keywords["points"]
    assert (5, 1, 8, 0) in points and (1, 5, 8, 1) in points, "two pairs, four listeners"
    for name, draw in found.figures.items():
        assert draw(tmp_path / name).read_bytes()[:4] == b"\x89PNG"
