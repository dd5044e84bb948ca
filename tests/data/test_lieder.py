"""The OpenScore Lieder Corpus: voice and piano out of MusicXML, in any metre."""

import functools
import zipfile

import numpy as np
import pytest
from micro import ROOT
from musicxml_text import attributes, line, note, score

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, lieder, sources

WORD = "<lyric><text>la</text></lyric>"
HANDS = [attributes("6/8") + line("C5:18", "G4:18") + "<backup><duration>36</duration></backup>"
         + note("C3", 36, "<staff>2</staff>", voice=5)] * 3
VOICE = [attributes("6/8") + line(":36"), note("E5", 18, WORD) + line("D5:18"), note("C5", 36, WORD)]


def write(root, songs: dict[str, str], index: str = "file,composer,title\n"):
    """A corpus of songs, {name: MusicXML}."""
    (root / "files").mkdir(parents=True)
    (root / "index.csv").write_text(index)
    for name, text in songs.items():
        with zipfile.ZipFile(root / "files" / f"{name}.mxl", "w") as archive:
            archive.writestr("score.xml", text)
    return root


def song(*parts: list[str], names=("Voice", "Piano"), sounds: dict[str, str] | None = None) -> str:
    text = score(*parts, names=names)
    for name, sound in (sounds or {}).items():
        text = text.replace(f"{name}</part-name>", f"{name}</part-name><score-instrument id='I'><instrument-sound>"
                            f"{sound}</instrument-sound></score-instrument>", 1)
    return text


def test_the_voice_is_the_melody_and_both_hands_are_the_accompaniment(tmp_path):
    corpus = lieder.read(write(tmp_path, {"lc1": song(VOICE, HANDS)}))
    assert corpus.songs == ("lc1",) and corpus.licence == "CC0 1.0" and "OpenScore" in corpus.source
    assert melody.notes_from_tokens(corpus.arrays["melody"]).tolist() == [[12, 6, 76], [18, 6, 74], [24, 12, 72]]
    played = polyphony.notes_from_slots(corpus.arrays["pitch"], corpus.arrays["duration"]).tolist()
    assert played == [[12 * bar + on, long, pitch] for bar in range(3)
                      for on, long, pitch in ([0, 12, 48], [0, 6, 72], [6, 6, 67])]
    assert corpus.beats == 12 and len(corpus.arrays["chords"]) == 12, "nine beats, and silence to a multiple of four"
    assert chords.name(corpus.arrays["chords"][0]) == "C"


def test_a_song_in_another_metre_begins_on_its_own_bar_line(tmp_path):
    voice = [attributes("3/4") + note("G4", 12, WORD), line("C5:36")]
    piano = [attributes("3/4") + line(":12"), line("C3:36")]
    corpus = lieder.read(write(tmp_path, {"lc1": song(voice, piano)}))
    assert melody.notes_from_tokens(corpus.arrays["melody"]).tolist() == [[8, 4, 67], [12, 12, 72]]
    assert corpus.beats == 8


DUET = [attributes("6/8") + note("E5", 36) + note("C5", 36, WORD, chord=True)] * 3


@pytest.mark.parametrize(("text", "why"), [
    (song(VOICE, VOICE, HANDS, names=("Soprano", "Alto", "Piano")), "2 voices among its parts: Soprano, Alto, Piano"),
    (song(VOICE, VOICE[:1] * 3, HANDS, names=("Voice", "Ossia", "Piano"), sounds={"Ossia": "voice.alto"}), "2 voices"),
    (song(VOICE, HANDS, names=("Voice", "Guitar")), "no keyboard among its parts: Voice, Guitar; accepted is one"),
    (song(VOICE, HANDS, HANDS, names=("Voice", "Piano", "Organ")), "2 keyboards among its parts"),
    (song(HANDS, names=("Piano",)), "no voice among its parts: Piano"),
    (song(DUET, HANDS), "Voice: chords, so it is for several voices"),
    (song(VOICE, [attributes("6/8") + line(":36")] * 3), "no notes in Piano"),
    (song(VOICE, HANDS[:2]), "its parts have 3, 2 measures"),
    (song([VOICE[1].replace("18", "9" * 9)] * 3, HANDS), "longer than 4000 quarters"),
    ("<score-partwise>", r"^lc2\.mxl: no MusicXML"),
])
def test_what_is_not_for_one_voice_with_a_piano_is_named_with_the_reason(text, why, tmp_path):
    corpus = lieder.read(write(tmp_path, {"lc1": song(VOICE, HANDS), "lc2": text}))
    assert corpus.songs == ("lc1",) and list(corpus.skipped) == ["lc2"]
    with pytest.raises(MusicFusionError, match=why):
        raise MusicFusionError(corpus.skipped["lc2"])


def test_parts_are_known_by_their_sounds_and_words_and_other_instruments_do_not_matter(tmp_path):
    flute = [attributes("6/8") + line("C6:36")] * 3
    text = song(flute, VOICE, HANDS, names=("Flute", "Chant", "Begleitung"),
                sounds={"Chant": "wind.reed.oboe", "Begleitung": "keyboard.piano", "Flute": "wind.flutes.flute"})
    corpus = lieder.read(write(tmp_path, {"lc1": text}))
    assert corpus.arrays["melody"][12] == 76 and corpus.arrays["pitch"].max() == 72


def test_it_is_known_by_its_layout_and_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = write(tmp_path / "any name", {"lc1": song(VOICE, HANDS)})
    first = cache.load(str(root))
    assert first.songs == ("lc1",) and len(list((tmp_path / "cache" / "musicfusion").glob("lieder-*"))) == 1
    assert cache.load(str(root)).fingerprint == first.fingerprint
    for index in (b"file,genre\n", b"\xff\xfe", b""):
        (root / "index.csv").write_bytes(index)
        with pytest.raises(MusicFusionError, match="no songs here"):
            sources.pairs(str(root))


def test_only_the_first_are_read_where_there_is_a_limit(tmp_path):
    root = write(tmp_path, {name: song(VOICE, HANDS) for name in ("lc3", "lc1", "lc2")})
    assert lieder.read(root, limit=2).songs == ("lc1",), "the second is the first again"
    assert lieder.read(root, limit=2).skipped == {"lc2": "most of it is lc1"}


@pytest.fixture(scope="session")
def real_root():
    root = ROOT.parent / "shared" / "data" / "openscore-lieder"
    if not root.is_dir():
        pytest.skip("the OpenScore Lieder Corpus is not at ../shared/data/openscore-lieder")
    return root


@functools.cache
def real(root):
    return lieder.read(root, limit=60)


def test_real_songs_are_music_on_the_grid(real_root):
    corpus = real(real_root)
    assert len(corpus.songs) > 45 and not np.any(corpus.first_beat % 4)
    onsets = (corpus.arrays["duration"] > 0).sum(axis=1).reshape(-1, 4).sum(axis=0)
    assert np.argmax(onsets) == 0 and onsets[2] > onsets[1] and onsets[2] > onsets[3]
    notes = polyphony.notes_from_slots(corpus.arrays["pitch"], corpus.arrays["duration"])
    mask = corpus.arrays["chords"][notes[:, 0] // 4, 2]
    assert ((mask >> (notes[:, 2] % 12)) & 1)[mask > 0].mean() > 0.8
    start, _ = corpus.windows()
    steps = 4 * start[:, None] + np.arange(32)
    assert 6 <= np.sum(corpus.arrays["melody"][steps] < melody.HOLD, axis=1).mean() <= 11


@pytest.mark.parametrize(("name", "why"), [
    ("lc5002015", "6/8, a pickup and grace notes"), ("lc6202660", "2/4, 3/4 and 6/8"),
])
def test_real_notes_are_those_that_music21_reads(name, why, real_root):
    from music21 import converter

    path = next(path for path in lieder.song_files(real_root) if path.stem == name)
    voice = converter.parse(path).parts[0]
    first = voice.getElementsByClass("Measure")[0]
    pickup = -first.duration.quarterLength % first.timeSignature.barDuration.quarterLength
    expected = [[round(4 * (one.offset + pickup)), round(4 * one.quarterLength), one.pitch.midi]
                for one in voice.stripTies().flatten().notes if not one.duration.isGrace]
    assert melody.notes_from_tokens(lieder.song(path)["melody"]).tolist() == expected, why
