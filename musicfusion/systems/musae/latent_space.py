"""A trained autoencoder in use: music in four tracks <-> z, and where its genres lie."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from musicfusion import priors
from musicfusion.codecs.melody import HOLD
from musicfusion.codecs.tracks import INSTRUMENTATIONS
from musicfusion.core import progress
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import UNTAGGED
from musicfusion.systems.musae.flow import Flow
from musicfusion.systems.musae.genre_means import GenreMeans
from musicfusion.systems.musae.harmony import harmony_of, no_harmony

GUIDANCE = 1.0  # of a change of genre


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """A trained autoencoder, compiled, and its genres.

    encode: tokens int [n, T, 4] -> posterior mean [n, size];  decode: the reverse, int32 [n, T, 4]
    components: of the prior it was trained with;  bars: of a window;  steps: of a beat;  size: of a code
    means: where its genres lie; None where that was not computed
    rest: codes [n, size], positions in the plane [n, 2], harmony, time -> what they are beside these [n, size - 2]
    code: rest [n, size - 2], positions [n, 2], harmony, guidance, time -> codes [n, size]
    harmony: tokens int [n, T, 4] -> what `rest` and `code` take [n, parts, H]; they take None, too, for music whose
        harmony is not given. All three as of flow.py, None without a flow
    """

    encode: Callable[[np.ndarray], np.ndarray]
    decode: Callable[[np.ndarray], np.ndarray]
    components: Components
    bars: int
    size: int
    steps: int = STEPS_PER_BEAT
    means: GenreMeans | None = None
    rest: Callable[..., np.ndarray] | None = None
    code: Callable[..., np.ndarray] | None = None
    harmony: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def genres(self) -> list[str]:
        """In the order of their components."""
        return self.components.around

    @property
    def pitched(self) -> np.ndarray:
        """Which tracks are no drums: bool [4]."""
        return np.array([not part.drums for part in INSTRUMENTATIONS[self.components.instrumentation]])

    @property
    def bass(self) -> int:
        """The number of the bass's track."""
        return [part.name for part in INSTRUMENTATIONS[self.components.instrumentation]].index("bass")

    def moves(self, tracks: str) -> np.ndarray:
        """Which tracks change their genre: bool [4]. tracks: names with + between them, or "all"; see DECLARATION."""
        parts = INSTRUMENTATIONS[self.components.instrumentation]
        if tracks == "all" or not any(part.drums for part in parts):
            return np.ones(len(parts), bool)
        return np.array([part.name in tracks.split("+") for part in parts])

    def position(self, component: np.ndarray) -> np.ndarray:
        """The middle of components int [n] in the plane, [n, 2]."""
        return np.asarray(priors.centre(priors.angle(np.asarray(component), self.components.count)))

    def toward(self, z: np.ndarray, position: np.ndarray, amount: float,
               harmony: np.ndarray | None = None) -> np.ndarray:
        """Codes z [n, size] moved by the flow to positions in the plane [n, 2]; nothing but the position changes.

        harmony: of their music, which then stays.
        amount: 0 to 1, the share of the flow's way that they go back from where they lie, and forward again toward the
        position; what is earlier on the way stays as it was.
        """
        assert self.rest is not None and self.code is not None
        here = z[:, :2]
        away = np.minimum(np.linalg.norm(position - here, axis=1), 1.0)  # to where it lies, nothing is to be guided
        with progress.within(0, 0.4):
            rest = self.rest(z, here, harmony, 1 - amount)
        with progress.within(0.4, 1):
            return self.code(rest, position, harmony, GUIDANCE * away, 1 - amount)

    def nearest(self, z: np.ndarray) -> np.ndarray:
        """The component nearest to codes z [n, size], UNTAGGED where the middle is nearer: int [n]."""
        near = np.asarray(priors.nearest_component(z, self.components.count))
        return np.where(np.linalg.norm(z[:, :2], axis=1) < 0.5, UNTAGGED, near)


def create(model: Any, params: Mapping, *, components: Components, bars: int, batch: int,
           means: GenreMeans | None = None, flow: Flow | None = None) -> LatentSpace:
    """The space of an autoencoder with trained parameters; batch: windows that are encoded or decoded at a time."""
    encode = jax.jit(lambda params, tokens: model.apply({"params": params}, {"tracks": tokens}, method="encode")[0])
    decode = jax.jit(lambda params, z: model.apply({"params": params}, z, method="decode")["tracks"])
    space = LatentSpace(encode=batched(encode, params, batch, "encoding"),
                        decode=batched(decode, params, batch, "decoding"),
                        components=components, bars=bars, size=model.latent, steps=model.steps, means=means)
    if flow is None:
        return space
    learned = {"params": flow.params, "tables": flow.tables}
    rest = jax.jit(lambda learned, z, position, harmony, time: dataclasses.replace(flow, **learned).rest(
        z, position, harmony, time[0]))
    code = jax.jit(lambda learned, rest, position, harmony, guidance, time: dataclasses.replace(flow, **learned).code(
        rest, position, harmony, guidance[:, None], time[0]))
    leave, enter = batched(rest, learned, batch, "leaving the genre"), batched(code, learned, batch, "entering a genre")
    parts = flow.velocity.parts
    read = jax.jit(lambda pitched, tokens: harmony_of(tokens, pitched, parts, space.steps))

    def same(x: np.ndarray, value: np.ndarray | float) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, np.float32), len(x))

    def given(x: np.ndarray, harmony: np.ndarray | None) -> np.ndarray:
        return no_harmony(len(x), bars, parts) if harmony is None else harmony

    return dataclasses.replace(
        space, harmony=batched(read, space.pitched, batch),
        rest=lambda z, position, harmony=None, time=0.0: leave(z, position, given(z, harmony), same(z, time)),
        code=lambda rest, position, harmony=None, guidance=0.0, time=0.0: enter(
            rest, position, given(rest, harmony), same(rest, guidance), same(rest, time)))


def batched(run: Callable, params: Any, size: int, what: str = "computing") -> Callable[..., np.ndarray]:
    """run(params, *arrays [size, ...]) for any number of examples: all calls have one shape, so it is compiled once.

    what: it does, for core.progress.
    """

    def over(*arrays: np.ndarray) -> np.ndarray:
        arrays = tuple(map(np.asarray, arrays))
        count = len(arrays[0])
        found = [np.asarray(run(params, *(_filled(x[i : i + size], size) for x in arrays)))[: count - i]
                 for i in progress.steps(range(0, count, size), what)]
        return np.concatenate(found)

    return over


def _filled(x: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([x, np.repeat(x[-1:], size - len(x), 0)]) if len(x) < size else x


def kept(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """What two versions of windows int [n, T, 4] share: F1 of onsets ("rhythm"), of onsets with their pitch ("notes").

    F1, so that notes that were added count against it, too. [n] each.
    """
    old, new = before < HOLD, after < HOLD
    both = np.maximum(old.sum((1, 2)) + new.sum((1, 2)), 1)
    return {"rhythm": 2 * (old & new).sum((1, 2)) / both,
            "notes": 2 * (old & new & (before == after)).sum((1, 2)) / both}
