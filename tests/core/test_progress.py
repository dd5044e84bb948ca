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


def test_steps_tell_the_share_that_is_done_before_each_item():
    said = []
    with progress.reporting(lambda *words: said.append(words)):
        assert list(progress.steps("abcd", "letters")) == [*"abcd"]
    assert said == [("letters", share) for share in (0, 0.25, 0.5, 0.75)]
    assert list(progress.steps([], "nothing")) == []


def test_shares_within_a_part_of_the_work_are_shares_of_the_whole():
    said = []
    with progress.reporting(lambda what, share: said.append(share)):
        with progress.within(0.5, 1), progress.within(0, 0.5):
            progress.tick("a quarter", 0.5)
            progress.tick("nobody knows")
        progress.tick("the whole", 1.0)
    assert said == [0.625, None, 1.0]


def test_a_part_of_the_work_is_cancelled_like_the_whole_and_costs_nothing_when_nobody_listens():
    def report(what, share):
        raise progress.Cancelled

    with progress.within(0, 1):
        progress.tick("work", 0.5)
    with pytest.raises(progress.Cancelled), progress.reporting(report), progress.within(0, 1):
        progress.tick("work", 0.5)
    progress.tick("after")
