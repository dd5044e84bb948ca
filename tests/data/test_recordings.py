"""Songs recorded part by part, or played: found, read, refused."""

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import mel, midi
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, marks, recordings, sources
from musicfusion.metrics import onsets
from musicfusion.render import audio

RATE = 22050
read = {"source": "bass", "target": "drums", "mels": 32}


def tone(hertz, seconds=2.0, gain=0.3):
    return (gain * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def song(folder, kind=".wav", **parts):
    folder.mkdir(parents=True)
    for part, samples in parts.items():
        soundfile.write(folder / f"{part}{kind}", samples, RATE)
    return folder


def load(root, **changes):
    return cache.load(str(root), source=lambda root, limit: sources.sounds(root, limit, **(read | changes)))


def test_stems_are_read_in_pairs_and_what_lacks_one_is_named(tmp_path):
    song(tmp_path / "one", bass=tone(80), drums=tone(2000), mix=tone(80) + tone(2000))
    song(tmp_path / "two", ".flac", bass=tone(90, 3), drums=tone(3000, 3))
    song(tmp_path / "three", drums=tone(3000))
    found = load(tmp_path)
    assert found.songs == ("one", "two") and "no bass" in found.skipped["three"] and found.unit == "frames"
    assert found.arrays["source"].shape == found.arrays["target"].shape == (found.beats, 32)
    assert list(np.diff(found.first_beat)) == [mel.frames(2 * RATE), mel.frames(3 * RATE)]
    low, high = (found.arrays[part].mean(0).argmax() for part in ("source", "target"))
    assert low < 6 < high, "a low tone and a high one"
    assert load(tmp_path, source="drums", target="mix").songs == ("one",)


def test_musdb_s_folders_are_read_and_its_mixture_is_the_mix(tmp_path):
    for folder, name in (("train", "A - B"), ("test", "C - D")):
        song(tmp_path / folder / name, bass=tone(80), drums=tone(2000), vocals=tone(500), other=tone(700),
             mixture=tone(80) + tone(2000))
    assert load(tmp_path).songs == ("test/C - D", "train/A - B")
    assert load(tmp_path, source="vocals", target="mix").songs == ("test/C - D", "train/A - B")


def test_a_damaged_recording_is_named_and_the_others_are_read(tmp_path):
    song(tmp_path / "one", bass=tone(80), drums=tone(2000))
    song(tmp_path / "two", bass=tone(80), drums=tone(2000))
    (tmp_path / "two" / "bass.wav").write_bytes(b"nothing")
    found = load(tmp_path)
    assert found.songs == ("one",) and "cannot be read as audio" in found.skipped["two"]
    (tmp_path / "one" / "bass.wav").unlink()
    with pytest.raises(MusicFusionError, match="none of 2 songs"):
        load(tmp_path)


def test_a_mel_spectrogram_computed_in_blocks_is_that_computed_at_once(monkeypatch):
    samples = tone(440, 7.0) + np.random.default_rng(0).normal(0, 0.01, 7 * RATE).astype(np.float32)
    whole = recordings.mel_spectrogram(samples, 32)
    assert len(whole) == mel.frames(len(samples))
    monkeypatch.setattr(recordings, "BLOCK", 64)
    np.testing.assert_allclose(recordings.mel_spectrogram(samples, 32).astype(int), whole.astype(int), atol=1)


def band(path, seed):
    rng = np.random.default_rng(seed)
    bass = np.array([[k, 0.9, int(rng.integers(30, 50)), 90] for k in range(16)], float)
    drums = np.array([[k / 2, 0.2, 36 if k % 2 else 42, 90] for k in range(32)], float)
    guitar = bass + [0, 0, 24, 0]
    tracks = (Track("bass", 33, False, bass), Track("drums", 0, True, drums), Track("guitar", 27, False, guitar))
    midi.write(path, Score(tracks, np.array([[0.0, 120.0]]), ((0.0, 4, 4),), path.stem))


def test_a_band_s_notes_are_played_part_by_part(tmp_path):
    band(tmp_path / "a.mid", 0)
    band(tmp_path / "b.mid", 1)
    found = load(tmp_path)
    assert found.songs == ("a#a", "b#b")
    bass, drums = (found.arrays[part].astype(float) for part in ("source", "target"))
    assert bass[:, :8].mean() > 3 * bass[:, 24:].mean() and drums[:, 24:].mean() > 2 * bass[:, 24:].mean()
    assert load(tmp_path, source="vocals", target="mix").songs == found.songs


def test_what_is_played_is_marked_and_has_the_genres_and_grooves_of_the_index(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        band(tmp_path / f"{name}.mid", seed)
    (tmp_path / "index.csv").write_text("file,genre,song,groove\na.mid,rock,x,straight\nb.mid,pop,y,swung\n")
    found = load(tmp_path)
    assert found.songs == ("x#a", "y#b") and found.grooves == ("straight", "swung") and found.tags == ("rock", "pop")
    begin, end = found.first_beat[:2]
    own, rate = found.arrays["marks"][begin:end], mel.RATE / mel.HOP
    assert np.all(own & marks.KNOWN) and np.all(found.arrays["tags"][begin:end] == 1)
    for bits, expected in ((marks.SOURCE, np.arange(16) / 2), (marks.KICK, np.arange(16) / 2 + 0.25),
                           (marks.OTHER, np.arange(16) / 2), (marks.BAR, np.arange(0, 9.5, 2))):
        np.testing.assert_allclose(marks.seconds(own, bits, rate)[: len(expected)], expected[: 16], atol=0.6 / rate)
    assert not np.any(own & marks.SNARE)
    found_there = onsets.onsets(found.arrays["target"][begin:end] / 127.5 - 1, rate)
    assert onsets.f_measure(found_there, marks.seconds(own, marks.TARGET, rate)) > 0.8, "hits begin there"


def test_of_recordings_nothing_is_marked(tmp_path):
    song(tmp_path / "one", bass=tone(80), drums=tone(2000))
    found = load(tmp_path)
    assert found.arrays["marks"].shape == (found.beats,) and not found.arrays["marks"].any() and not found.grooves


def test_bars_follow_the_metre():
    score = Score((), np.array([[0.0, 60.0]]), ((0.0, 3, 4), (6.0, 4, 4)), "waltz")
    found = marks.of_score(score, [], [], frames=160, rate=10)
    assert marks.seconds(found, marks.BAR, 10).tolist() == [0, 3, 6, 10, 14]
    assert marks.seconds(found, marks.BEAT, 10).tolist() == list(range(16))


def test_a_band_is_played_with_the_soundfonts_that_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing that another test played
    music = tmp_path / "music"
    music.mkdir()
    band(music / "a.mid", 0)
    plain = load(music)
    soundfont = next((path for path in [audio._soundfont()] if path), tmp_path / "none.sf2")
    try:
        import fluidsynth  # noqa: F401
    except ImportError:
        with pytest.raises(MusicFusionError, match=r"a#a: .*libfluidsynth3"):
            load(music, soundfonts=str(soundfont))
        return
    found = load(music, soundfonts=str(soundfont.parent))
    assert found.source.endswith(f"rendered with {soundfont.stem}") and found.songs == plain.songs
    assert np.abs(found.arrays["target"].astype(int) - plain.arrays["target"]).mean() > 2
    bass = found.arrays["source"].astype(float)
    assert bass[:, :8].mean() > 3 * bass[:, 24:].mean()


def test_soundfonts_are_files_or_folders(tmp_path):
    for name in ("b.sf2", "a.sf3", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in recordings.find_soundfonts(str(tmp_path))] == ["a.sf3", "b.sf2"]
    assert recordings.find_soundfonts(f"{tmp_path}/b.sf2,{tmp_path}/b.sf2") == [tmp_path / "b.sf2"]
    assert recordings.find_soundfonts("") == []
    with pytest.raises(MusicFusionError, match="nowhere: no soundfont"):
        recordings.find_soundfonts("nowhere")


def test_chorales_are_played_where_no_data_root_is_named():
    found = load("", source="bass", target="drums")
    assert len(found.songs) > 30 and all(name.startswith("bach/") for name in found.songs)
    assert len(found.songs) + len(found.skipped) == recordings.VOICES


def test_whole_songs_need_demucs(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "song.ogg", tone(440), RATE)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MusicFusionError, match="demucs"):
        load(tmp_path)


def test_whole_songs_are_taken_apart_by_demucs_s_command_line(tmp_path, monkeypatch):
    """By a stand-in for it that does what its command line does."""
    tool, music = tmp_path / "bin" / "demucs", tmp_path / "music"
    music.mkdir()
    soundfile.write(music / "song.wav", tone(80) + tone(2000), RATE)
    tool.parent.mkdir()
    tool.write_text(f"""#!/bin/sh
mkdir -p "$4/htdemucs/song" && cp "{music}/song.wav" "$4/htdemucs/song/bass.wav" && \\
    cp "{music}/song.wav" "$4/htdemucs/song/drums.wav"
""")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    assert load(music).songs == ("song",)
    assert load(music, source="drums", target="mix").songs == ("song",)
    tool.write_text("#!/bin/sh\necho no such model >&2; exit 1\n")
    with pytest.raises(MusicFusionError, match="demucs: no such model"):
        load(music, target="vocals")
