"""Music that is no band, as a band's four tracks."""

import functools
import zipfile

import numpy as np
import pytest
from micro import ROOT
from musicxml_text import attributes, line, score

from musicfusion.codecs import midi, musicxml, tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, ensembles, lieder, sources, voices

DRUMS, BASS, GUITAR, STRINGS = range(4)


def write(path, parts, metre=(4, 4), tempo=120.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(path, Score(tuple(parts), np.array([[0.0, tempo]]), ((0.0, *metre),), path.stem))


def struck(tokens: np.ndarray, track: int) -> list[tuple[int, int]]:
    """(step, pitch) of every onset in a track."""
    steps = np.flatnonzero(tokens[:, track] < HOLD)
    return list(zip(steps.tolist(), tokens[steps, track].tolist(), strict=True))


# POP909 --------------------------------------------------------------------------------------------------------------


def write_pop(root, name, line, period=4):
    """A song of POP909 at 120: a melody in quarters over a low note, a middle one and a high one in each bar."""
    bars = -(-len(line) // 4)
    lead = np.array([(k, 0.5, pitch, 80) for k, pitch in enumerate(line)], float)
    below = np.array([(4.0 * bar, 2.0, pitch, 80) for bar in range(bars) for pitch in (36, 49, 50, 57)])
    write(root / name / f"{name}.mid", [Track("MELODY", 0, False, lead), Track("PIANO", 0, False, below)])
    beats = [f"{k / 2} {float(k % period == 0)} {float(k % period == 0)}" for k in range(4 * bars)]
    (root / name / "beat_midi.txt").write_text("\n".join(beats) + "\n")
    (root / name / "chord_midi.txt").write_text(f"0.0\t{2.0 * bars}\tC:maj\n")


@pytest.fixture
def pop(tmp_path):
    lines = np.random.default_rng(4).integers(60, 80, (3, 40)).tolist()
    for name, own in {"001": lines[0], "002": lines[1], "003": [pitch + 2 for pitch in lines[0]]}.items():
        write_pop(tmp_path / "POP909", name, own)
    write_pop(tmp_path / "POP909", "004", lines[2], period=3)
    return tmp_path


def test_a_melody_is_the_strings_and_its_accompaniment_bass_and_guitar(pop):
    corpus = ensembles.read_pop909(pop)
    assert corpus.songs == ("001", "002", "003") and corpus.arrays.keys() == {"tracks"}
    assert (corpus.instrumentation, corpus.licence, corpus.tags) == ("band", "MIT", ())
    assert "not in 4/4" in corpus.skipped["004"]
    tokens = corpus.arrays["tracks"][:160]
    assert np.all(tokens[:, DRUMS] == REST)
    assert struck(tokens, BASS)[:2] == [(0, 36), (16, 36)], "the lowest of what is below the split"
    assert struck(tokens, GUITAR)[:2] == [(0, 50), (16, 50)]
    assert [step for step, _ in struck(tokens, STRINGS)] == list(range(0, 160, 4))


def test_one_melody_under_two_names_is_one_family_although_a_band_has_no_melody(pop):
    corpus = ensembles.read_pop909(pop)
    assert corpus.families == ("001", "002", "001") and corpus.versions == {"001": ["001", "003"]}
    assert sources.pairs(str(pop)).read().families == corpus.families


# Drums ---------------------------------------------------------------------------------------------------------------


def hits(*notes, length=0.1):
    return [Track("", 0, True, np.array([(onset, length, pitch, 90) for onset, pitch in notes], float))]


def groove_midi(root, takes, metre="4-4"):
    """The Groove MIDI Dataset with some takes, {file without suffix: tracks}."""
    rows = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split"]
    for name, parts in takes.items():
        write(root / f"{name}.mid", parts)
        session = name.rpartition("/")[0]
        time = "3-4" if "waltz" in name else metre
        rows.append(f"drummer1,{session},x,rock,120,beat,{time},{name}.mid,,1.0,train")
    (root / "info.csv").write_text("\n".join([*rows, rows[-1].replace(".mid", "-is-missing.mid")]) + "\n")
    return root


BEAT = [(0, 36), (0.26, 22), (1, 40), (1.49, 26), (2, 36), (2.5, 47), (3, 58), (3.75, 37)]


def test_strokes_lie_on_16ths_with_general_midi_s_pitches_and_the_lowest_counts(tmp_path):
    write(tmp_path / "a.mid", hits(*BEAT, (1.01, 49), (4.02, 51), length=2))
    tokens = ensembles.drums(tmp_path / "a.mid")
    expected = [(0, 36), (1, 42), (4, 38), (6, 46), (8, 36), (10, 45), (12, 43), (15, 37), (16, 51)]
    assert struck(tokens, DRUMS) == expected
    assert tokens.shape == (32, 4) and np.all(tokens[:, 1:] == REST) and not np.any(tokens[:, DRUMS] == HOLD)


def test_takes_of_one_session_are_one_family_and_the_evaluation_sessions_are_one(tmp_path):
    other = [(onset + 0.5, pitch) for onset, pitch in BEAT[:6]] + [(3.9, 36)]
    root = groove_midi(tmp_path, {
        "drummer1/session1/1_rock": hits(*BEAT), "drummer1/session1/2_rock": hits(*BEAT),
        "drummer1/session2/1_rock": hits(*BEAT), "drummer1/eval_session/1_soul": hits(*other),
        "drummer2/eval_session/1_soul": hits(*other), "drummer2/session1/1_waltz": hits(*BEAT),
        "drummer2/session1/2_fill": hits((0, 36), (2.5, 38))})
    corpus = ensembles.read_drums(root)
    assert corpus.families == ("drummer1/session1",) * 2 + ("eval_session",) * 2
    assert len(set(corpus.songs)) == 4 and corpus.instrumentation == "band"
    assert corpus.licence.startswith("CC BY 4.0") and corpus.arrays.keys() == {"tracks"}
    assert corpus.skipped == {
        "drummer1/session2/1_rock.mid": "most of it is drummer1/session1",
        "drummer2/session1/1_waltz.mid": "drummer2/session1/1_waltz.mid: not in 4/4 but 3/4",
        "drummer2/session1/2_fill.mid": "drummer2/session1/2_fill.mid: shorter than a bar"}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n1,2\n"])
def test_a_folder_with_another_table_is_no_groove_midi(tmp_path, content):
    root = groove_midi(tmp_path, {"drummer1/session1/1_rock": hits(*BEAT)})
    assert ensembles.is_drums(root)
    (root / "info.csv").write_bytes(content)
    assert not ensembles.is_drums(root) and sources.arrangements(str(root)).name == "bands"


# Quartets ------------------------------------------------------------------------------------------------------------

NAMES = ("Violin 1", "Violin 2", "Viola", "Violoncello")
PITCHES = ("E5", "C5", "G4", "C3")


def bar(pitch: str, metre: str = "", quarters: int = 4) -> str:
    return (attributes(metre) if metre else "") + line(*[f"{pitch}:12"] * quarters)


def quartet(*measures: tuple[str, int]) -> str:
    """A quartet, all in quarters, of measures (metre or "" for the one before, quarters)."""
    parts = [[bar(pitch, metre, quarters) for metre, quarters in measures] for pitch in PITCHES]
    return score(*parts, names=NAMES)


def whole(bars: int, metre: str) -> list[tuple[str, int]]:
    return [(metre, 4), *[("", 4)] * (bars - 1)]


def quartets(root, songs: dict[str, str]):
    (root / "files").mkdir(parents=True)
    (root / "index.csv").write_text("file,composer,title,parts,part_names\n")
    for name, text in songs.items():
        with zipfile.ZipFile(root / "files" / f"{name}.mxl", "w") as archive:
            archive.writestr("score.xml", text)
    return root


def test_a_quartet_without_its_second_violin_is_strings_guitar_and_bass(tmp_path):
    corpus = ensembles.read_quartets(quartets(tmp_path, {"sq1": quartet(*whole(8, "4/4"), *whole(9, "2/2"))}))
    assert corpus.songs == ("sq1#0",) and corpus.licence == "CC0 1.0" and corpus.instrumentation == "band"
    assert corpus.beats == 4 * 17 and corpus.arrays.keys() == {"tracks"}
    np.testing.assert_array_equal(corpus.arrays["tracks"][::4], [[REST, 48, 67, 76]] * 68)


@pytest.mark.parametrize(("measures", "expected"), [
    (whole(16, "4/4"), [(0, 16)]),
    (whole(15, "4/4"), []),
    ([("3/4", 3)] * 5 + whole(17, "2/2") + [("3/4", 3)] * 20 + whole(16, "4/4"), [(15, 17), (15 + 68 + 60, 16)]),
    ([("4/4", 1), *whole(16, "")], [(4, 16)]),  # a pickup fills a bar of its own
    ([*whole(8, "4/4"), ("", 1), ("", 3), *whole(9, "")], [(0, 18)]),  # a bar written as two measures
    ([*whole(16, "4/4"), ("", 3), *whole(20, "")], [(0, 16), (67, 20)]),  # another movement, off the bar lines
])
def test_passages_in_four_are_found_on_their_own_bar_lines(measures, expected, tmp_path):
    root = musicxml.document(quartets(tmp_path, {"sq1": quartet(*measures)}) / "files" / "sq1.mxl")
    assert ensembles.passages(root, *musicxml.bars(root)) == expected


def test_what_is_no_quartet_in_four_is_named_with_the_reason(tmp_path):
    good, waltz = quartet(*whole(16, "4/4")), quartet(*[("3/4", 3)] * 30)
    trio = score(*[[bar(pitch, "4/4")] * 16 for pitch in PITCHES[:3]], names=NAMES)
    corpus = ensembles.read_quartets(quartets(tmp_path, {"sq1": good, "sq2": waltz, "sq3": trio, "sq4": "<x/>"}))
    assert corpus.songs == ("sq1#0",)
    assert "no 16 bars in 4/4 or 2/2" in corpus.skipped["sq2"] and "3 parts" in corpus.skipped["sq3"]
    assert corpus.skipped["sq4"].startswith("sq4.mxl: ")


def test_quartets_are_no_lieder_and_lieder_no_quartets(tmp_path):
    root = quartets(tmp_path, {"sq1": quartet(*whole(16, "4/4"))})
    assert not lieder.is_here(root) and ensembles.quartet_files(root)
    (root / "files" / "sq1.mxl").rename(root / "files" / "lc1.mxl")
    assert lieder.is_here(root) and not ensembles.quartet_files(root)


# Voices and data roots -----------------------------------------------------------------------------------------------


@pytest.fixture
def only_bach(monkeypatch):
    """Chorales are read soonest."""
    monkeypatch.setattr(voices, "read", functools.partial(voices.read, composers=("bach",)))


def test_pieces_for_four_voices_are_a_band_without_drums_and_tenor(only_bach):
    corpus, plain = ensembles.read_voices(limit=6), voices.read(6)
    assert corpus.songs == plain.songs and corpus.licence == voices.LICENCE
    assert corpus.instrumentation == "band" and corpus.tags == () and corpus.arrays.keys() == {"tracks"}
    assert np.all(corpus.arrays["tracks"][:, DRUMS] == REST)
    np.testing.assert_array_equal(corpus.arrays["tracks"][:, [STRINGS, GUITAR, BASS]],
                                  plain.arrays["tracks"][:, [0, 1, 3]])
    assert corpus.fingerprint != plain.fingerprint


def test_every_reader_is_known_by_its_data_root_and_all_can_be_joined(pop, only_bach, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drums = groove_midi(tmp_path / "drums", {"drummer1/session1/1_rock": hits(*BEAT)})
    scores = quartets(tmp_path / "scores", {"sq1": quartet(*whole(16, "4/4"))})
    write(tmp_path / "band" / "a.mid", [
        Track("", program, False, np.array([(k, 0.5, pitch, 80) for k in range(8)])) for program, pitch in
        ((33, 40), (0, 60))])
    roots = {str(pop): "pop909-band", str(drums): "drums", str(scores): "quartets", "voices": "voices-band",
             str(tmp_path / "band"): "bands", "": "voices"}
    assert {root: sources.arrangements(root, 6).name for root in roots} == roots
    every = ",".join(root for root in roots if root)
    corpus, again = (cache.load(every, limit=6, source=sources.arrangements) for _ in range(2))
    assert corpus.parts[:3] == (3, 1, 1) and corpus.parts[-1] == 1 and sum(corpus.parts) == len(corpus.songs)
    assert corpus.fingerprint == again.fingerprint and again.parts == corpus.parts
    assert corpus.instrumentation == "band" and corpus.families[:3] == ("001", "002", "001")


def test_every_reader_has_a_grid_of_12_with_the_same_songs_and_a_cache_file_of_its_own(
        pop, only_bach, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drums = groove_midi(tmp_path / "drums", {"drummer1/session1/1_rock": hits(*BEAT)})
    scores = quartets(tmp_path / "scores", {"sq1": quartet(*whole(16, "4/4"))})
    write(tmp_path / "band" / "a.mid", [
        Track("", program, False, np.array([(k / 3, 1 / 3, pitch, 80) for k in range(24)])) for program, pitch in
        ((33, 40), (0, 60))])
    every = ",".join(map(str, (pop, drums, scores, "voices", tmp_path / "band")))
    coarse, fine, again = (cache.load(every, limit=6, source=functools.partial(sources.arrangements, steps=steps))
                           for steps in (4, 12, 12))
    assert (coarse.steps, fine.steps, again.steps) == (4, 12, 12)
    assert (fine.songs, fine.families, fine.parts) == (coarse.songs, coarse.families, coarse.parts)
    assert fine.fingerprint == again.fingerprint != coarse.fingerprint
    np.testing.assert_array_equal(fine.first_beat, coarse.first_beat)
    assert len(fine.arrays["tracks"]) == 12 * fine.beats
    exact = np.repeat([True, False, True, True, False], fine.parts)  # drummers and triplets are not on 16ths
    for song in np.flatnonzero(exact):
        begin, end = fine.first_beat[song : song + 2].tolist()
        np.testing.assert_array_equal(fine.arrays["tracks"][12 * begin : 12 * end : 3],
                                      coarse.arrays["tracks"][4 * begin : 4 * end])
    own = struck(fine.arrays["tracks"][12 * fine.first_beat[-2] :], BASS)
    assert [step for step, _ in own] == list(range(0, 96, 4)), "triplets"
    files = [path.name for path in (tmp_path / "cache" / "musicfusion").iterdir()]
    assert len(files) == 10 and sum("-12-" in name for name in files) == 5


def test_drums_that_are_played_off_16ths_keep_their_place_on_a_grid_of_12(tmp_path):
    write(tmp_path / "a.mid", hits((0, 36), (1 / 3, 42), (2 / 3, 42), (3.5, 38), length=2))
    assert struck(ensembles.drums(tmp_path / "a.mid", 12), DRUMS) == [(0, 36), (4, 42), (8, 42), (42, 38)]


def test_a_root_that_is_nothing_says_what_is_accepted(tmp_path):
    with pytest.raises(MusicFusionError, match=r"no such folder; accepted is voices, a folder with POP909, .*of bands"):
        sources.arrangements(str(tmp_path / "nowhere"))


def real(name):
    root = ROOT.parent / "shared" / "data" / name
    if not root.is_dir():
        pytest.skip(f"{name} is not at ../shared/data/{name}")
    return root


def test_people_s_kicks_are_on_the_first_beat_and_their_snares_on_the_second_and_fourth():
    corpus = ensembles.read_drums(real("groove-midi"))
    step, pitch = np.array(struck(corpus.arrays["tracks"], DRUMS)).T
    kicks, snares = (np.bincount(step[pitch == drum] % 16) for drum in (36, 38))
    assert np.argmax(kicks) == 0 and set(np.argsort(snares)[-2:].tolist()) == {4, 12}
    assert not set(pitch.tolist()) & set(ensembles.ROLAND)


def test_a_real_quartet_s_cello_is_the_lowest_and_its_violin_the_highest():
    path = next(path for path in ensembles.quartet_files(real("openscore-quartets")) if path.stem == "sq7082029")
    (found,) = ensembles.quartet(path).values()
    pitch = tracks.sounding(found["tracks"])
    means = [pitch[pitch[:, track] >= 0, track].mean() for track in (BASS, GUITAR, STRINGS)]
    assert means == sorted(means) and len(pitch) >= 16 * 16
