"""Progress of a long computation is told to whoever asked, and nobody else."""

import threading

import pytest

from musicfusion.core import progress


def test_ticks_reach_the_report_of_the_innermost_block_and_none_after_it():
    outer, inner = [], []
    progress.tick("before")
    with progress.reporting(lambda *said: outer.append(said)):
        progress.tick("one", 0.5)
        with progress.reporting(lambda *said: inner.append(said)):
            progress.tick("two")
        progress.tick("three")
    progress.tick("after")
    assert outer == [("one", 0.5), ("three", None)] and inner == [("two", None)]


def test_a_report_ends_the_computation():
    def report(what, share):
        raise progress.Cancelled

    with pytest.raises(progress.Cancelled), progress.reporting(report):
        progress.tick("work")
    progress.tick("after")


def test_another_thread_is_not_told():
    said = []
    with progress.reporting(lambda *words: said.append(words)):
        thread = threading.Thread(target=progress.tick, args=("elsewhere",))
        thread.start()
        thread.join()
    assert not said
