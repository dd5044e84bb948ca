"""Songs become sound files with players, all of them or none."""

import sys
import wave

import numpy as np
import pytest

from musicfusion.codecs.score import Score, Track
from musicfusion.render import audio
from musicfusion.render.players import players


def song(quarters: float) -> Score:
    """One note, a quarter a second."""
    return Score((Track("", 0, False, np.array([[0.0, quarters, 60, 100]])),), np.array([[0.0, 60.0]]), (), "song")


def seconds(path) -> float:
    with wave.open(str(path)) as file:
        return file.getnframes() / file.getframerate()


def test_each_song_has_a_file_and_a_player_in_the_order_given(tmp_path):
    found, _ = players(tmp_path, {"after": ("What became of it", song(2)), "before": ("As it was", song(1))})
    assert [(player.title, player.path.name) for player in found] == [
        ("What became of it", "after.wav"), ("As it was", "before.wav")]
    after, before = (seconds(tmp_path / f"{name}.wav") for name in ("after", "before"))
    assert after >= 2 and after - before == pytest.approx(1, abs=0.01)


def test_a_song_too_long_to_be_played_leaves_no_sound_and_says_so(tmp_path):
    found, facts = players(tmp_path, {"short": ("Short", song(1)), "endless": ("Endless", song(2 * audio.LONGEST))})
    assert found == []
    assert facts["sound"].startswith("no sound: ")
    assert list(tmp_path.iterdir()) == []


def test_the_listener_is_told_of_the_plain_synthesiser(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)  # import raises ImportError
    assert players(tmp_path, {"one": ("One", song(1))})[1] == {"sound": audio.NOTICE}
