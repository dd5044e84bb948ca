"""What windows gain by critics, and which critic is asked: all of them about the few options that one ranks highest.

A critic (judges.py) scores windows of eight beats. A window's gain is log sigmoid(logit - MARGIN): where a critic is
sure already, nothing more is gained. Equal windows are scored once.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

MARGIN = 4.0  # a logit of which a critic is sure enough
DOUBT = 1.0  # nats that an option may lose by the screening critic

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def gain(logits: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """log sigmoid(logit - MARGIN), at most 0."""
    return -np.logaddexp(0.0, MARGIN - np.asarray(logits, np.float64))


class Critics:
    """The gains of windows, (tokens [n, 32], pitch, duration [n, 32, 14]) -> [n].

    Attributes:
        gain: by all critics.
        screen: by the one that screens; None without it.
    """

    def __init__(self, score: Score, screen: Score | None):
        self.gain = _remembered(score)
        self.screen = None if screen is None else _remembered(screen)


def _remembered(score: Score) -> Score:
    """Gains by a score that is asked about equal windows once."""
    known: dict[bytes, float] = {}

    def ask(tokens, pitch, duration) -> np.ndarray:
        if not len(tokens):
            return np.zeros(0)
        rows = np.concatenate([np.asarray(x, np.int16).reshape(len(tokens), -1) for x in (tokens, pitch, duration)], 1)
        names = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]
        new = {name: i for i, name in enumerate(names) if name not in known}
        if new:
            at = list(new.values())
            known.update(zip(new, gain(score(tokens[at], pitch[at], duration[at])).tolist(), strict=True))
        return np.array([known[name] for name in names])

    return ask


def shortlist(losses: np.ndarray, most: int) -> np.ndarray:
    """Which options all critics are asked about, the best first: the nats that each loses by one critic [n] -> [m]."""
    order = np.argsort(losses, kind="stable")[:most]
    return order[losses[order] < DOUBT]
