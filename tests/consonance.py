"""A critic without parameters, for tests of the search for edits: melody notes are to be in the harmony."""

import numpy as np

from musicfusion.codecs import melody, polyphony
from musicfusion.systems.collagenet import reharmony
from musicfusion.systems.collagenet.dataset import STEPS

BASE = {"chord": 1.0, "voicing": 1.0, "nudge": 0.4, "slide": 0.4}
HALF = {"pitch": 0.5, "rhythm": 0.5, "chord": 0.5, "texture": 0.5, "key": "either"}
FLAT = reharmony.chord_model({"transitions": np.ones((8, 12, 8)), "melody": np.ones((8, 12))})


def consonant(tokens, pitch, duration):
    """Logits: how many of the melody's steps sound a pitch class that the accompaniment has in the same beat."""
    lead = melody.sounding(tokens)
    _, sounding = polyphony.rolls(pitch, duration)
    classes = np.pad(sounding, ((0, 0), (0, 0), (0, 4))).reshape(len(tokens), STEPS, 11, 12).max(2)
    beats = np.repeat(classes.reshape(len(tokens), 8, 4, 12).max(2), 4, 1)
    fits = np.take_along_axis(beats, (np.maximum(lead, 0) % 12)[..., None], -1)[..., 0] * (lead >= 0)
    return 12 * (fits.sum(1) / np.maximum((lead >= 0).sum(1), 1) - 0.7)
