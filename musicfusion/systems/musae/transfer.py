"""Windows moved toward another genre: how often they are classified as it, and what of them is kept."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.metrics import bootstrap
from musicfusion.systems.musae.dataset import BEATS
from musicfusion.systems.musae.examples import Examples
from musicfusion.systems.musae.flow import PLANE
from musicfusion.systems.musae.judges import Classifier, classified
from musicfusion.systems.musae.latent_space import LatentSpace, kept

AMOUNTS = {"means": (0.75, 1.0, 1.25), "plane": (1.0,), "position": (0.0, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0),
           "position, harmony unknown": (0.5, 0.6)}
TRACKS = {"drums+bass": (0.5, 0.75, 1.0), "drums": (0.75, 1.0)}  # moved by position while the others stay; amounts
FOOLS = ("another window", "a window of the target", *(f"{tracks} of a window of the target" for tracks in TRACKS))
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
    leap: float | None = None
    rest: float | None = None


def transferred(space: LatentSpace, examples: Examples, z: np.ndarray, judges: Mapping[str, Classifier],
                seed: int, familiar: Examples | None = None) -> tuple[Transfer, ...]:
    """Each window moved toward a genre that is drawn for it, by each way and amount.

    Ways: "position", by the flow, which is given the harmony (LatentSpace.toward), or is not, and of TRACKS alone;
    pitched tracks keep their range, as in sampling. "means": the difference of two genres' mean codes is added (of
    windows without a genre, the mean of all codes is the one they come from). "plane": the plane is exchanged and
    nothing else. Beside them FOOLS, which know the answer: any other window; and of a real window of the target
    everything, or those tracks alone.

    familiar: windows of grooves that the space learned from; the fools take theirs from these. Nothing without genres.
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
    if space.harmony is not None:
        harmony = space.harmony(examples.tokens)
        ways["position"] = lambda amount: space.toward(z, space.position(there), amount, harmony)
        ways["position, harmony unknown"] = lambda amount: space.toward(z, space.position(there), amount)
    alone = {names: space.moves(names) for names in TRACKS if not space.moves(names).all()}
    found = []
    for way, moved in ways.items():
        for amount in AMOUNTS[way]:
            decoded = space.decode(np.asarray(moved(amount), np.float32))
            if way.startswith("position"):
                decoded = tracks.in_range(decoded, examples.tokens, space.pitched)
            rest = _rest_kept(space, examples, z, decoded, there) if way == "position" and amount == 1 else None
            found.append(_measured(space, way, amount, examples, decoded, target, judges, rest))
            found += [_measured(space, f"{way}, {names}", amount, examples, np.where(moves, decoded, examples.tokens),
                                target, judges)
                      for names, moves in alone.items() if way == "position" and amount in TRACKS[names]]
    found.append(_measured(space, FOOLS[0], 1.0, examples, examples.tokens[rng.permutation(len(own))], target, judges))
    pool = examples if familiar is None else familiar
    some = np.isin(target, pool.genre)  # genres that there is a window of
    if some.any():
        real = pool.tokens[[rng.choice(np.flatnonzero(pool.genre == genre)) for genre in target[some]]]
        those = examples.only(some)
        found.append(_measured(space, FOOLS[1], 1.0, those, real, target[some], judges))
        found += [_measured(space, f"{names} of {FOOLS[1]}", 1.0, those, np.where(moves, real, those.tokens),
                            target[some], judges) for names, moves in alone.items()]
    return tuple(found)


def _measured(space: LatentSpace, way: str, amount: float, examples: Examples, decoded: np.ndarray, target: np.ndarray,
              judges: Mapping[str, Classifier], rest: float | None = None) -> Transfer:
    """Windows int [n, T, 4] that examples became, toward genres int [n]."""
    said = {name: classified(judge, decoded, space.steps) for name, judge in judges.items()}
    known, harmony = examples.genre >= 0, harmony_kept(examples.tokens, decoded, space.pitched, space.steps)
    first = next(iter(said.values()), None)
    return Transfer(
        way=way, amount=amount, rest=rest,
        target={name: bootstrap.interval(genre == target, examples.family, 0) for name, genre in said.items()},
        source=float(np.mean((first == examples.genre)[known])) if first is not None and known.any() else None,
        harmony=bootstrap.interval(harmony, examples.family, 0), leap=bass_leap(decoded[..., space.bass]),
        **{name: bootstrap.interval(x, examples.family, 0) for name, x in kept(examples.tokens, decoded).items()})


def harmony_kept(before: np.ndarray, after: np.ndarray, pitched: np.ndarray, steps: int = STEPS_PER_BEAT) -> np.ndarray:
    """The share of each window's notes whose pitch class sounds in the same half bar of another version of it.

    before, after: tokens int [n, T, 4]; pitched: bool [4], the tracks that count; steps: of a beat. Returns [n], NaN
    without notes.
    """
    count, length, _ = after.shape
    halves = length // (BEATS // 2 * steps)
    sounding = tracks.sounding(before[..., pitched]).reshape(count, halves, -1)
    there = np.stack([np.any((sounding >= 0) & (sounding % 12 == k), 2) for k in range(12)], -1)  # [n, half bars, 12]
    own = after[..., pitched].reshape(count, halves, -1)
    notes = own < HOLD
    fits = np.take_along_axis(there, own % 12, 2) & notes
    return fits.sum((1, 2)) / np.where(notes.any((1, 2)), notes.sum((1, 2)), np.nan)


def bass_leap(bass: np.ndarray) -> float | None:
    """How far one note of tokens int [n, T] lies from the next: semitones, the mean of all windows; None without any.

    Judges of genre do not mind a bass that jumps about; a player would.
    """
    pitches = [window[window < HOLD].astype(int) for window in bass]
    leaps = [float(np.mean(np.abs(np.diff(own)))) for own in pitches if len(own) > 1]
    return float(np.mean(leaps)) if leaps else None


def _rest_kept(space: LatentSpace, examples: Examples, z: np.ndarray, decoded: np.ndarray, there: np.ndarray) -> float:
    """The correlation of the rest of codes with that of what they became, decoded and encoded again."""
    assert space.rest is not None and space.harmony is not None
    before = space.rest(z, z[:, :PLANE], space.harmony(examples.tokens))
    after = space.rest(space.encode(decoded), space.position(there), space.harmony(decoded))
    return float(np.corrcoef(before.ravel(), after.ravel())[0, 1])
