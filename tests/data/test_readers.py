"""Songs are read in a few processes, in order, and none is lost where that fails."""

import pytest

from musicfusion.data import readers


def twice(song: int) -> int:
    return 2 * song


@pytest.mark.parametrize("songs", [0, 3, 3 * readers.ENOUGH])
def test_every_song_is_read_in_order(songs, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert list(readers.read_all(twice, range(songs))) == [2 * song for song in range(songs)]


def test_a_pool_that_breaks_costs_no_song(monkeypatch):
    class Breaking:
        def __init__(self, *args, **kwargs):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            return False

        def map(self, work, songs, chunksize):
            yield work(songs[0])
            raise readers.BrokenProcessPool("a worker died")

    monkeypatch.setattr(readers, "ProcessPoolExecutor", Breaking)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    songs = range(3 * readers.ENOUGH)
    assert list(readers.read_all(twice, songs)) == [2 * song for song in songs]
