"""The windows that evaluation measures."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """Windows of songs.

    tokens: int32 [n, T, 4]; genre: int [n], in the corpus's order, -1 for none; component: of the genre on the flower,
    int [n]; song: int [n]; family: of each window's song, such as its chord chart, int [n]: what intervals are drawn
    over.
    """

    tokens: np.ndarray
    genre: np.ndarray
    component: np.ndarray
    song: np.ndarray
    family: np.ndarray

    def only(self, chosen: np.ndarray) -> "Examples":
        """Those that are chosen, bool [n]."""
        return Examples(**{name: x[chosen] for name, x in vars(self).items()})
