"""Drums and basses out of MIDI files."""

import numpy as np
import pytest

from musicfusion.codecs import drums, midi
from musicfusion.codecs.drums import INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, rhythm_sections, sources
from musicfusion.data.rhythm_sections import BASS, HUMAN

KICK = INSTRUMENTS.index("kick")


def beats(key, count, program=0, drums=False, start=0.0, velocity=80):
    return Track("", program, drums, np.array([(start + k, 0.5, key, velocity) for k in range(count)], float))


def write(path, *parts, metre=(4, 4), tempo=96.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(path, Score(tuple(parts), np.array([[0.0, tempo]]), ((0.0, *metre),), path.stem))


@pytest.fixture
def bands(tmp_path):
    root = tmp_path / "bands"
    write(root / "a.mid", beats(36, 16, drums=True, start=4), beats(40, 30, 33), beats(43, 2, 34))
    write(root / "b.mid", beats(36, 20, drums=True))
    write(root / "waltz.mid", beats(36, 30, drums=True), metre=(3, 4))
    write(root / "bass.mid", beats(40, 30, 33))
    write(root / "few.mid", beats(36, 8, drums=True))
    (root / "index.csv").write_text("file,genre,groove,song\na.mid,rock,Rock8,one\nb.mid,disco,Disco,two\n")
    return root


def test_a_band_s_drums_and_its_bass_stand_on_one_grid(bands):
    corpus = rhythm_sections.read(bands)
    assert corpus.songs == ("one#a", "two#b") and corpus.steps == STEPS and corpus.grooves == ("Rock8", "Disco")
    first, last = corpus.first_beat[:2]
    steps = slice(first * STEPS, last * STEPS)
    hit = np.flatnonzero(corpus.arrays["velocity"][steps, KICK])
    np.testing.assert_array_equal(hit, 48 + np.arange(16) * STEPS)
    bass = corpus.arrays["bass"][steps]
    np.testing.assert_array_equal(np.flatnonzero(bass < HOLD), np.arange(30) * STEPS)
    assert set(bass[bass < HOLD]) == {40}, "of several basses the one with most notes"
    np.testing.assert_array_equal(np.unique(corpus.arrays["tempo"]), [96])
    assert [corpus.arrays["kind"][k] for k in (first, last)] == [BASS, 0]
    assert (corpus.arrays["bass"][last * STEPS :] == REST).all()
    assert [corpus.tags[int(np.log2(corpus.arrays["tags"][k]))] for k in (first, last)] == ["rock", "disco"]


def test_what_cannot_be_used_is_named(bands):
    skipped = rhythm_sections.read(bands).skipped
    assert {name: why.rpartition(": ")[2] for name, why in skipped.items()} == {
        "waltz.mid": "not in 4/4 throughout", "bass.mid": "no drums", "few.mid": "fewer than 16 hits"}


def test_takes_are_of_people_and_have_no_bass(tmp_path):
    root = tmp_path / "takes"
    rows = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename"]
    for name, style, metre in (("one", "jazz/fast", "4-4"), ("two", "reggae", "4-4"), ("three", "rock", "6-8")):
        write(root / f"drummer1/s/{name}.mid", beats(36, 20, drums=True, start=0.02, velocity=33))
        rows.append(f"drummer1,drummer1/s,x,{style},96,beat,{metre},drummer1/s/{name}.mid")
    (root / "info.csv").write_text("\n".join(rows))
    corpus = cache.load(str(root), source=sources.sections)
    assert corpus.songs == ("drummer1/s/one", "drummer1/s/two") and "3" not in corpus.licence
    assert (corpus.arrays["kind"] == HUMAN).all() and (corpus.arrays["bass"] == REST).all()
    bits = [int(corpus.arrays["tags"][k]) for k in corpus.first_beat[:2]]
    assert corpus.tags[int(np.log2(bits[0]))] == "swing" and bits[1] == 0
    assert corpus.arrays["velocity"].max() == 33
    assert corpus.arrays["offset"][0, KICK] == round(0.02 * STEPS * drums.FINEST)
    assert next(iter(corpus.skipped.values())).endswith("not in 4/4 but 6/8")


def test_bands_and_takes_can_be_joined_and_survive_a_file(bands, tmp_path):
    corpus = cache.load(f"{bands},{bands}", source=sources.sections)
    assert corpus.parts == (2, 2) and corpus.tags == ("rock", "disco")
    cache.save(corpus, tmp_path / "c.npz")
    again = cache.open_file(tmp_path / "c.npz")
    assert again.fingerprint == corpus.fingerprint and again.steps == STEPS


@pytest.mark.parametrize("root, words", [("", "data.root is empty: accepted is a folder of MIDI files with drums"),
                                         ("nowhere", "nowhere: no such folder; accepted is a folder of MIDI")])
def test_without_a_folder_one_line_says_what_is_accepted(root, words):
    with pytest.raises(MusicFusionError, match=words):
        cache.load(root, source=sources.sections)
