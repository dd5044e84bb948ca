"""Where the codes of each genre lie: their mean and their deviation, number by number.

The flow starts from these numbers (flow.py). A change of genre by the difference of two means, and draws about a mean,
are also what the flow is compared with: styles by means of codes. The stages `genre_means_BARS` compute them, once the
autoencoder is trained.
"""

import dataclasses

import numpy as np

from musicfusion.core import memos
from musicfusion.core.contracts import Resident
from musicfusion.systems.musae.codes import Codes
from musicfusion.systems.musae.dataset import COMPONENTS, UNTAGGED

FLOOR = 0.05  # of all codes' deviation, that a genre's has at least in each number


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenreMeans:
    """Where the codes of training windows lie, n numbers each.

    mean, deviation: of each genre, in the order of the components, and last of all codes, float32 [33, n]; those of all
    codes where a component has no genre.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, z: np.ndarray, component: np.ndarray) -> "GenreMeans":
        """Of codes z [N, n] and their genres' components int [N], UNTAGGED for no genre."""
        mean, deviation = (np.repeat(x[None], COMPONENTS + 1, 0) for x in (z.mean(0), z.std(0)))
        for k in np.unique(component[component != UNTAGGED]):
            own = z[component == k]
            mean[k] = own.mean(0)
            if len(own) > 1:
                deviation[k] = own.std(0)
        least = FLOOR * np.maximum(z.std(0), FLOOR)
        return cls(mean=mean.astype(np.float32), deviation=np.maximum(deviation, least).astype(np.float32))

    def draw(self, component: np.ndarray, *, spread: float, seed: int) -> np.ndarray:
        """Random codes of the genres of components int [B], `spread` times as far from the mean as songs: [B, n]."""
        mean, deviation = np.asarray(self.mean)[component], np.asarray(self.deviation)[component]
        return (mean + spread * deviation * np.random.default_rng(seed).normal(size=mean.shape)).astype(np.float32)

    def move(self, z: np.ndarray, source: int | np.ndarray, target: int | np.ndarray, amount: float) -> np.ndarray:
        """Codes [B, n] moved by the difference of two genres' means, `amount` times.

        source, target: the components of the genre they have and of the one they move toward, int or [B].
        """
        mean = np.asarray(self.mean, np.float32)
        return (z + amount * (mean[target] - mean[source])).astype(np.float32)


def resident(codes: Codes) -> Resident:
    """The means of the codes of training windows, as a memo (core.memos)."""
    return memos.resident(vars(GenreMeans.fit(codes.z[: codes.train], codes.component[: codes.train])))
