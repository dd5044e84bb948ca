"""Long work in a thread: how far it is, its result, its errors, its end."""

import threading
import time

import pytest

from musicfusion.core import progress
from musicfusion.core.errors import MusicFusionError
from musicfusion.studio import work


def test_it_tells_stages_with_a_share_that_only_grows_and_gives_the_result_last():
    def function(state):
        for stage in list(work.STAGES)[1:]:
            state.enter(stage)
            for k in range(3):
                progress.tick("a detail", k / 3)
                time.sleep(work.PERIOD / 2)
        return "music"

    expected: dict[str, float] = {}
    seen = [(state.stage, state.detail, state.share, result) for state, result in work.background(function, expected)]
    assert [result for *_, result in seen[:-1]] == [None] * (len(seen) - 1) and seen[-1][3] == "music"
    shares = [share for _, _, share, _ in seen]
    assert shares == sorted(shares) and 0 < shares[-1] <= 1
    assert {"making music"} < {stage for stage, *_ in seen} <= set(work.STAGES)
    assert "a detail" in {detail for _, detail, *_ in seen}
    assert expected["making music"] == pytest.approx(1.5 * work.PERIOD, rel=0.5)


def test_an_error_of_the_work_is_raised_where_its_result_is_awaited():
    def function(state):
        raise MusicFusionError("no notes")

    with pytest.raises(MusicFusionError, match="no notes"):
        list(work.background(function, {}))


def test_closing_the_iterator_ends_the_work_at_its_next_tick():
    ended = threading.Event()

    def function(state):
        try:
            while True:
                progress.tick("for ever")
                time.sleep(0.01)
        except progress.Cancelled:
            ended.set()
            raise

    running = work.background(function, {})
    next(running)
    assert not ended.is_set()
    running.close()
    assert ended.wait(2)
