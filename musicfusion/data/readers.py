"""Many songs read in a few processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

Song = TypeVar("Song")
Outcome = TypeVar("Outcome")
ENOUGH = 25  # a process takes as long to start as ten songs to read


def read_all(outcome: Callable[[Song], Outcome], songs: Sequence[Song]) -> Iterator[Outcome]:
    """outcome(song) of every song in order, from a few processes where that pays."""
    processes = min(os.cpu_count() or 1, len(songs) // ENOUGH)
    done = 0
    if processes > 1:
        try:
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                for result in pool.map(outcome, songs, chunksize=8):
                    yield result
                    done += 1
        except BrokenProcessPool:
            pass  # a main program that cannot be imported again, or too little memory: go on alone
    yield from map(outcome, songs[done:])
