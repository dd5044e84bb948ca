"""A toy problem in which genres are pitches: what evaluation says of it is known beforehand."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pytest

from musicfusion import priors
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.flow import PLANE
from musicfusion.systems.musae.genre_means import GenreMeans
from musicfusion.systems.musae.latent_space import LatentSpace

GENRES = ("rock", "swing", "samba", "tango")
COUNT, SONGS = 400, 40
COMPONENTS = Components(component=np.array([2, 0, 3, 1, *range(4, 32)]), count=4, genres=GENRES, instrumentation="band")


class Toy(NamedTuple):
    space: LatentSpace
    untrained: LatentSpace
    examples: Examples
    z: np.ndarray
    judges: Mapping[str, Callable]


def decode(z):
    """The pitch is the largest of four numbers, the component's; when notes begin is told by two others."""
    tokens = np.full((len(z), 32, 4), 128)
    pitch = 60 + np.argmax(z[:, 2:6], 1)
    tokens[:, 0] = pitch[:, None]
    for bar in (0, 1):
        when = 16 * bar + np.clip(np.round(8 + 2 * z[:, 6 + bar]), 1, 15).astype(int)
        tokens[np.arange(len(z)), when] = pitch[:, None]
    return tokens


def encode(tokens):
    """The reverse."""
    onset, component = tokens[..., 0] < 128, tokens[:, 0, 0] - 60
    when = np.stack([np.argmax(onset[:, 1:16], 1) + 1, np.argmax(onset[:, 16:], 1)], 1)
    return np.concatenate([middle(component), np.eye(4)[component], (when - 8) / 2], 1).astype(np.float32)


def middle(component):
    return np.asarray(priors.centre(priors.angle(np.asarray(component), 4)))


def of_genre(position):
    """What the genre of a position adds to a code, nothing in the middle of the plane."""
    component = np.asarray(priors.nearest_component(np.asarray(position), 4))
    there = np.linalg.norm(position, axis=1, keepdims=True) > 0.5
    return np.concatenate([np.eye(4)[component] * there, np.zeros((len(component), 2))], 1)


def rest(z, position, harmony=None, time=0.0):
    return (z[:, PLANE:] - (1 - time) * of_genre(position)).astype(np.float32)


def code(rest, position, harmony=None, guidance=0.0, time=0.0):
    strength = (1 - time) * (1 + np.broadcast_to(guidance, len(rest)))[:, None]
    return np.concatenate([position, rest + strength * of_genre(position)], 1).astype(np.float32)


def by_pitch(tokens):
    """A judge that is always right."""
    return np.eye(32)[np.argsort(COMPONENTS.component[:4])[tokens[:, 0, 0] - 60]]


def always_rock(tokens):
    return np.tile(np.eye(32)[0], (len(tokens), 1))


@pytest.fixture(scope="module")
def toy() -> Toy:
    """A genre is a component, which adds 1 to a number of the code; in each song there are all genres."""
    rng = np.random.default_rng(0)
    genre = np.arange(COUNT) % 4
    component = COMPONENTS.component[genre]
    content = np.concatenate([0.05 * rng.normal(size=(COUNT, 4)), rng.normal(size=(COUNT, 2))], 1)
    z = code(content, middle(component))
    song = np.arange(COUNT) * SONGS // COUNT
    space = LatentSpace(encode=encode, decode=decode, components=COMPONENTS, bars=2, size=8, rest=rest, code=code,
                        harmony=lambda tokens: tokens[:, :1, 1:], means=GenreMeans.fit(z, component))
    untrained = LatentSpace(encode=encode, components=COMPONENTS, bars=2, size=8,
                            decode=lambda z: np.where(z[:, :1, None] > 0.5, 60, decode(z)))
    examples = Examples(tokens=decode(z), genre=genre, component=component, song=song, family=song // 2)
    return Toy(space, untrained, examples, z, {"judge": by_pitch, "second judge": always_rock})
