"""A latent space of MusAE whose code is the music itself, songs for it, and what sampling makes of them."""


import numpy as np

from musicfusion.codecs import midi, tracks
from musicfusion.codecs.score import Score, Track
from musicfusion.systems.musae import DECLARATION, sampling
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.latent_space import LatentSpace

GENRES = ("rock", "swing", "samba", "tango")
DEFAULTS = {name: control.default for name, control in DECLARATION.controls.items()}


def components(genres=GENRES):
    return Components(component=np.arange(32), count=4, genres=genres, instrumentation="band")


def identity(own=(1.0, 0.0), bars=2, **changes):
    """A space whose code is a position in the plane and the music itself: what is decoded is what was encoded.

    own: the position of all music. Its flow knows one thing of genres: music sounds an octave higher the farther up in
    the plane it is.
    """
    def encode(tokens):
        return np.concatenate([np.tile(own, (len(tokens), 1)), tokens.reshape(len(tokens), -1)], 1, dtype=np.float32)

    def decode(z):
        return np.round(z[:, 2:]).astype(np.int32).reshape(len(z), -1, 4)

    def lifted(x, position, by):
        return x + np.where(x < 120, by * 12 * position[:, 1:], 0)

    def rest(z, position, harmony=None, time=0.0):
        return lifted(z[:, 2:], position, time - 1)

    def code(rest, position, harmony=None, guidance=0.0, time=0.0):
        return np.concatenate([position, lifted(rest, position, 1 - time)], 1)

    return LatentSpace(**{"encode": encode, "decode": decode, "components": components(), "bars": bars,
                          "size": 2 + bars * 64, "rest": rest, "code": code,
                          "harmony": lambda tokens: tokens[:, :1, 1:]} | changes)


def sample(space, *, seed=0, inputs=None, locked=None, **controls):
    sampler, chosen = sampling.create(space), DEFAULTS | controls
    (result,) = sampler.generate([sampler.read(inputs or {}, chosen)], chosen, [seed], [locked])
    return result


def part(program, pitch, bars, drums=False, start=0.0, length=0.5):
    return Track("", program, drums, np.array([(start + k, length, pitch + k % 5, 80) for k in range(4 * bars)], float))


def write(path, *parts, tempo=120.0):
    midi.write(path, Score(tuple(parts), np.array([[0.0, tempo]]), ((0.0, 4, 4),), path.stem))
    return path


def tokens(score, steps):
    """What a score says, as tokens [steps, 4]."""
    return tracks.from_tracks([*tracks.roles(score).values()], 0.0, steps)
