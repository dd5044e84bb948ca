"""Pieces for four voices out of music21's package."""

import numpy as np
import pytest

from musicfusion.codecs import melody, tracks
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import cache, chorales, sources, voices


@pytest.fixture(scope="module")
def corpus():
    return voices.read(limit=90)


def test_every_composer_is_there_and_is_their_pieces_genre(corpus):
    assert corpus.tags == voices.COMPOSERS and corpus.instrumentation == "voices"
    of_song = corpus.arrays["tags"][corpus.first_beat[:-1]]
    for name, bits in zip(corpus.songs, of_song, strict=True):
        assert bits == 1 << voices.COMPOSERS.index(name.partition("/")[0]), name
    assert {name.partition("/")[0] for name in corpus.songs} == set(voices.COMPOSERS)


def test_a_chorale_s_highest_voice_is_the_soprano_that_the_chorales_have(corpus):
    name = next(name for name in corpus.songs if name.startswith("bach/"))
    path = next(path for path in chorales.song_files() if path.stem == name.partition("/")[2])
    assert tracks.sounding(voices.song(path))[:, 0].tolist() == tracks.sounding(
        np.stack([chorales.song(path)["melody"]] * 4, 1))[:, 0].tolist()


def test_of_palestrina_a_minim_is_a_quarter_and_a_bar_has_four(corpus):
    rows = [slice(*4 * corpus.first_beat[k : k + 2]) for k, name in enumerate(corpus.songs) if name[:3] == "pal"]
    onsets = np.concatenate([np.argwhere(corpus.arrays["tracks"][row] < melody.HOLD)[:, 0] for row in rows])
    assert np.mean(onsets % 4 == 0) > 0.6 and np.mean(onsets % 2 == 0) > 0.95


def test_higher_voices_come_first_and_songs_last_whole_bars(corpus):
    pitch = tracks.sounding(corpus.arrays["tracks"])
    means = [pitch[pitch[:, k] >= 0, k].mean() for k in range(4)]
    assert means == sorted(means, reverse=True)
    assert not np.any(corpus.first_beat % 4)


def test_what_is_not_for_four_voices_or_not_in_four_is_refused():
    for path, why in ((chorales.corpus_files("trecento", (".xml",))[0], "voices|4/4"),
                      (chorales.corpus_files("palestrina", (".krn",))[0], "for 5 voices, not for four")):
        with pytest.raises(MusicFusionError, match=why):
            voices.song(path)


def test_tags_licence_and_instrumentation_survive_the_cache(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, again = (cache.load("", limit=12, source=sources.arrangements) for _ in range(2))
    assert first.fingerprint == again.fingerprint and len(list((tmp_path / "musicfusion").glob("voices-*"))) == 1
    assert again.tags == voices.COMPOSERS and again.instrumentation == "voices" and again.licence == voices.LICENCE
