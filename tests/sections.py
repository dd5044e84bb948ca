"""Small corpora of drums and basses in which the kick plays with the bass."""

import numpy as np

from musicfusion.codecs.drums import INSTRUMENTS, STEPS
from musicfusion.codecs.melody import REST
from musicfusion.data.corpus import Corpus, concatenate
from musicfusion.data.rhythm_sections import BASS, HUMAN

KICK, SNARE, HAT = (INSTRUMENTS.index(name) for name in ("kick", "snare", "closed hat"))


def song(rng, *, bars=8, human=False, style=0):
    """A bass on some eighths of each beat, a kick wherever it plays, a snare on 2 and 4 that is late and soft."""
    beats = 4 * bars
    bass = np.full(beats * STEPS, REST, np.uint8)
    velocity = np.zeros((beats * STEPS, 9), np.uint8)
    offset = np.zeros(velocity.shape, np.int8)
    for eighth in range(2 * beats):
        if rng.uniform() < 0.5:
            bass[eighth * STEPS // 2] = 40 + rng.integers(8)
            velocity[eighth * STEPS // 2, KICK] = 100
    velocity[STEPS :: 2 * STEPS, SNARE] = 30
    offset[STEPS :: 2 * STEPS, SNARE] = 40
    if human:
        bass[:] = REST
    return {"velocity": velocity, "offset": offset, "bass": bass, "tempo": np.full(beats, 100, np.uint8),
            "tags": np.full(beats, style, np.uint32),
            "kind": np.full(beats, HUMAN if human else BASS, np.uint8)}


def corpus(songs=40, people=20) -> Corpus:
    """Songs with a bass, the first half of them of one style, the others of another; then takes of people without."""
    rng = np.random.default_rng(0)
    found = [(f"song-{k}", song(rng, style=1 + (k >= songs // 2))) for k in range(songs)]
    found += [(f"drummer{1 + k % 2}/take-{k}", song(rng, human=True)) for k in range(people)]
    return concatenate(found, {}, "made up", tags=("rock", "swing"), steps=STEPS)
