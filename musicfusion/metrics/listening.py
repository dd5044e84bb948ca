"""Answers of listeners, counted: the fusion level (FusionGAN, section IV-B)."""

import csv
from pathlib import Path

from musicfusion.core.errors import MusicFusionError

ANSWERS = ("first", "second", "mixture", "neither")


def fusion_level(first: float, second: float, mixture: float, neither: float) -> float:
    """FL = 1 - (|first - second| + neither) / (first + second + mixture + neither).

    first, second, mixture, neither: how many listeners, or what share of them, heard one genre, the other, both, none.
    """
    return 1 - (abs(first - second) + neither) / max(first + second + mixture + neither, 1e-12)


def read(path: str | Path) -> dict[str, dict[str, float]]:
    """A CSV with the columns method, first, second, mixture, neither (counts) -> {method: {answer: count}}.

    Raises:
        MusicFusionError: the file cannot be read, lacks a column, or holds what is not a count.
    """
    path, found = Path(path), {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                counted = {answer: float(row[answer]) for answer in ANSWERS}
                if min(counted.values()) < 0:
                    raise ValueError("a count below 0")
                found[row["method"]] = counted
    except (OSError, KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise MusicFusionError(f"{path}: accepted is a CSV with the columns method, {', '.join(ANSWERS)}, and counts"
                               f" from 0 on in all but the first ({error})") from None
    return found
