"""A recorded melody beside the accompaniment that it got: the voice itself, not the notes that were found in it."""

from collections.abc import Sequence

import numpy as np

from musicfusion.codecs.audio import RATE, Audio
from musicfusion.codecs.score import Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import audio, loudness
from musicfusion.systems.collagenet.sampling import Pair, song

LOUDER = 3.0  # dB by which a voice is louder than what accompanies it


def mixed(pair: Pair, accompaniment: Sequence[Track], *, shift: int,
          changed: int) -> tuple[dict[str, Audio], tuple[str, ...]]:
    """{"mix": the voice with an accompaniment}, and what is to be said of it; {} where there is no such mix.

    The voice sings once, however often its notes are repeated.

    shift: semitones by which the melody was transposed; changed: how many of its notes the song changed.
    """
    if not pair.is_recorded:
        return {}, ()
    if pair.voice is None:
        return {}, ("the song has the accompaniment's tempo, so your voice is not in it; with sample.tempo = melody it"
                    " is",)
    if shift:
        return {}, ("the melody was transposed, so your voice is not in the song; with key = melody it is",)
    score = song(pair, {"melody": (), "accompaniment": accompaniment}, "accompaniment")
    try:
        played = audio.synthesise(score, RATE)
    except MusicFusionError as error:  # the notes are there
        return {}, (f"your voice is not in the song: {error}",)
    voice, band = loudness.matched([Audio(pair.voice, RATE), Audio(played.samples, played.rate)])
    both, sung = band.samples.copy(), voice.samples[: len(band.samples)]
    both[: len(sung)] += sung * np.float32(10 ** (LOUDER / 20))
    peak = float(np.abs(both).max(initial=0.0))
    said = (f"{changed} notes of the melody were changed, and your voice sings the old ones; with pitch = 1 and"
            " rhythm = 1 none is",) if changed else ()
    return {"mix": Audio(both * np.float32(min(1.0, loudness.PEAK / max(peak, 1e-9))), RATE)}, said
