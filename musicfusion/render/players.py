"""Songs to listen to: a sound file and a player for each."""

from collections.abc import Mapping
from pathlib import Path

from musicfusion.codecs.score import Score
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import audio, page

RATE = 22050  # Hz


def players(folder: Path, songs: Mapping[str, tuple[str, Score]]) -> tuple[list[page.Audio], dict[str, str]]:
    """Writes NAME.wav for each name -> (title, song); returns their players, and {"sound": what to know of it} or {}.

    All or none: where one of them is too long to be played there are no players; the notes are there.
    """
    try:
        sounds = {name: audio.synthesise(song, RATE) for name, (_, song) in songs.items()}
    except MusicFusionError as error:
        return [], {"sound": f"no sound: {error}"}
    found, facts = [], {}
    for name, sound in sounds.items():
        path = audio.write_wav(folder / f"{name}.wav", sound.samples, sound.rate)
        found.append(page.Audio(songs[name][0], path))
        if sound.notice:
            facts["sound"] = sound.notice
    return found, facts
