"""A stage that learns nothing: arrays that were computed on the host, kept in a run and its weights as parameters.

    Stage(name=..., task=memos.task(), batch=1, examples=memos.examples, data=lambda ...: memos.resident(arrays))
"""

from collections.abc import Mapping

import jax
import numpy as np

from musicfusion.core.contracts import Precompute, Resident


def task() -> Precompute:
    """The one example that there is becomes the parameters."""
    return Precompute(init=lambda key, batch, frozen: {"params": batch}, step=lambda state, batch, frozen: state)


def resident(arrays: Mapping[str, np.ndarray]) -> Resident:
    """The arrays as the one example."""
    return Resident(arrays=dict(arrays), train=1)


def examples(arrays: Mapping, index: jax.Array, keys: jax.Array, training: bool) -> Mapping:
    """The one example that there is."""
    del index, keys, training
    return arrays


def letters(texts: list[str]) -> np.ndarray:
    """Texts as numbers, which a checkpoint can hold: UTF-8, filled up with zeros, uint8 [n, bytes of the longest]."""
    encoded = [text.encode() for text in texts]
    longest = max(1, *map(len, encoded))
    return np.stack([np.frombuffer(one.ljust(longest, b"\0"), np.uint8) for one in encoded])


def text(letters: np.ndarray) -> str:
    """The reverse of `letters`, for one text: uint8 [bytes]."""
    return bytes(np.asarray(letters)).rstrip(b"\0").decode()
