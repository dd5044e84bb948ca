"""Windows moved toward another genre: how often they are classified as it, and what of them is kept."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD
from musicfusion.metrics import bootstrap
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.flow import PLANE
from musicfusion.systems.musae.judges import Classifier, classified
from musicfusion.systems.musae.latent_space import LatentSpace, kept

AMOUNTS = {"means": (0.75, 1.0, 1.25), "plane": (1.0,), "position": (0.0, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0)}
HALF_BAR = 8  # steps
FOOLS = ("another window", "a window of the target")
Number = float | None | tuple[float, float, float]  # a mean, or (mean, low, high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer:
    """Windows moved toward another genre.

    way: how they are moved; amount: how far.
    target: {judge: share classified as the genre they move toward}; source: as their own, by the first judge; None
    where they have none. rhythm, notes: F1 of onsets, and of onsets with their pitch, beside the window before.
    rest: correlation of what is kept, before and after decoding and encoding; None without a flow.
    """

    way: str
    amount: float
    target: Mapping[str, Number]
    source: float | None
    rhythm: Number
    notes: Number
    harmony: Number
    rest: float | None = None


def transferred(space: LatentSpace, examples: Examples, z: np.ndarray, judges: Mapping[str, Classifier],
                seed: int) -> tuple[Transfer, ...]:
    """Each window moved toward a genre that is drawn for it, by each way and amount.

    Ways: "position", by the flow (LatentSpace.toward); "means", the difference of two genres' mean codes is added (of
    windows without a genre, the mean of all codes is the one they come from); "plane", the plane is exchanged and
    nothing else. Beside them FOOLS, which keep nothing on purpose: real windows, any other one and one of the target.
    Nothing without genres.
    """
    genres = len(space.genres)
    if genres < 2:
        return ()
    rng = np.random.default_rng(seed)
    own = np.where(examples.genre >= 0, examples.genre, 0)
    target = np.where(examples.genre >= 0, (own + rng.integers(1, genres, len(own))) % genres,
                      rng.integers(0, genres, len(own)))
    component = np.asarray(space.components.component)
    there = component[target]
    ways: dict[str, Callable] = {"plane": lambda amount: np.concatenate([space.position(there), z[:, PLANE:]], 1)}
    if (means := space.means) is not None:
        ways["means"] = lambda amount: means.move(z, examples.component, there, amount)
    if space.rest is not None:
        ways["position"] = lambda amount: space.toward(z, space.position(there), amount)
    found = []
    for way, moved in ways.items():
        for amount in AMOUNTS[way]:
            decoded = space.decode(np.asarray(moved(amount), np.float32))
            rest = _rest_kept(space, z, decoded, there) if way == "position" and amount == 1 else None
            found.append(_measured(way, amount, examples, decoded, target, judges, space.pitched, rest))
    some = np.isin(target, examples.genre)  # genres that there is a window of
    of_target = np.array([rng.choice(np.flatnonzero(examples.genre == genre)) for genre in target[some]], int)
    chosen = ((np.full(len(own), True), rng.permutation(len(own))), (some, of_target))
    found += [_measured(way, 1.0, examples.only(which), examples.tokens[others], target[which], judges, space.pitched)
              for way, (which, others) in zip(FOOLS, chosen, strict=True) if which.any()]
    return tuple(found)


def _measured(way: str, amount: float, examples: Examples, decoded: np.ndarray, target: np.ndarray,
              judges: Mapping[str, Classifier], pitched: np.ndarray, rest: float | None = None) -> Transfer:
    """Windows int [n, T, 4] that examples became, toward genres int [n]."""
    said, known = {name: classified(judge, decoded) for name, judge in judges.items()}, examples.genre >= 0
    first = next(iter(said.values()), None)
    return Transfer(
        way=way, amount=amount, rest=rest,
        target={name: bootstrap.interval(genre == target, examples.family, 0) for name, genre in said.items()},
        source=float(np.mean((first == examples.genre)[known])) if first is not None and known.any() else None,
        harmony=bootstrap.interval(harmony_kept(examples.tokens, decoded, pitched), examples.family, 0),
        **{name: bootstrap.interval(x, examples.family, 0) for name, x in kept(examples.tokens, decoded).items()})


def harmony_kept(before: np.ndarray, after: np.ndarray, pitched: np.ndarray) -> np.ndarray:
    """The share of each window's notes whose pitch class sounds in the same half bar of another version of it.

    before, after: tokens int [n, T, 4]; pitched: bool [4], the tracks that count. Returns [n], NaN without notes.
    """
    count, steps, _ = after.shape
    sounding = tracks.sounding(before[..., pitched]).reshape(count, steps // HALF_BAR, -1)
    there = np.stack([np.any((sounding >= 0) & (sounding % 12 == k), 2) for k in range(12)], -1)  # [n, half bars, 12]
    own = after[..., pitched].reshape(count, steps // HALF_BAR, -1)
    notes = own < HOLD
    fits = np.take_along_axis(there, own % 12, 2) & notes
    return fits.sum((1, 2)) / np.where(notes.any((1, 2)), notes.sum((1, 2)), np.nan)


def _rest_kept(space: LatentSpace, z: np.ndarray, decoded: np.ndarray, there: np.ndarray) -> float:
    """The correlation of the rest of codes with that of what they became, decoded and encoded again."""
    assert space.rest is not None
    before, after = space.rest(z, z[:, :PLANE]), space.rest(space.encode(decoded), space.position(there))
    return float(np.corrcoef(before.ravel(), after.ravel())[0, 1])
