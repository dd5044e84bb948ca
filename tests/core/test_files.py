"""Outputs appear whole or not at all."""

import os
import stat
import threading

import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_text_and_bytes_arrive_and_nothing_else_is_left(tmp_path):
    atomic_write(tmp_path / "deep" / "er" / "a.txt", "Dvořák\n")
    atomic_write(tmp_path / "b.bin", b"\0\xff")
    assert (tmp_path / "deep/er/a.txt").read_text(encoding="utf-8") == "Dvořák\n"
    assert (tmp_path / "b.bin").read_bytes() == b"\0\xff"
    assert names(tmp_path) == ["b.bin", "deep", "deep/er", "deep/er/a.txt"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "a"
    versions = {b"a" * 300_000, b"b" * 200_000}
    atomic_write(path, b"a" * 300_000)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for version in sorted(versions) * 20:
        atomic_write(path, version)
    done.set()
    reader.join()
    assert seen <= versions


def test_a_file_cannot_replace_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(MusicFusionError, match=r"cannot write .*a: "):
        atomic_write(tmp_path / "a", "text")
    assert names(tmp_path) == ["a"]


def test_written_files_and_folders_get_the_usual_permissions(tmp_path):
    old = os.umask(0o022)
    try:
        with atomic_folder(tmp_path / "out") as work:
            atomic_write(work / "a", "text")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out" / "a").stat().st_mode) == 0o644


def test_a_new_folder_appears_at_the_end_with_everything_in_it(tmp_path):
    out = tmp_path / "new" / "out"
    with atomic_folder(out) as work:
        (work / "sub").mkdir()
        (work / "sub" / "a").write_text("a")
        assert not out.exists() and not out.parent.exists()
    assert names(tmp_path) == ["new", "new/out", "new/out/sub", "new/out/sub/a"]


def test_files_of_the_same_name_are_replaced_and_others_kept(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("mine.txt", "page.html", "sub/old"):
        (tmp_path / name).write_text("old")
    with atomic_folder(tmp_path) as work:
        (work / "sub").mkdir()
        for name in ("page.html", "sub/new"):
            (work / name).write_text("new")
        assert (tmp_path / "page.html").read_text() == "old"
    assert {n: (tmp_path / n).read_text() for n in names(tmp_path) if n != "sub"} == {
        "mine.txt": "old",
        "page.html": "new",
        "sub/new": "new",
        "sub/old": "old",
    }


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_leaves_all_as_it_was(tmp_path, failure, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
        (out / "a").write_text("old")
    before = names(tmp_path)
    with pytest.raises(failure), atomic_folder(out) as work:
        (work / "a").write_text("new")
        raise failure
    assert names(tmp_path) == before
    assert not exists or (out / "a").read_text() == "old"


def test_a_file_in_the_place_of_the_folder_is_refused_before_any_work(tmp_path):
    (tmp_path / "out").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(MusicFusionError, match="is a file, not a folder"), atomic_folder(out):
            pytest.fail("the work began")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_refused_before_any_work():
    # Nobody, root included, can make a folder in /proc.
    out = "/proc/musicfusion"
    if not os.path.isdir("/proc"):
        pytest.skip("this system has no /proc")
    with pytest.raises(MusicFusionError, match="cannot write into /proc/m"), atomic_folder(out):
        pytest.fail("the work began")


def test_a_folder_in_the_way_of_a_file_stops_every_move(tmp_path):
    (tmp_path / "b").mkdir()
    with (
        pytest.raises(MusicFusionError, match="a folder of that name is in the way"),
        atomic_folder(tmp_path) as work,
    ):
        (work / "a").write_text("new")
        (work / "b").write_text("new")
    assert names(tmp_path) == ["b"]


def test_a_relative_folder_stays_where_it_was_meant(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with atomic_folder("out") as work:
        (work / "a").write_text("a")
        os.chdir("elsewhere")
    assert (tmp_path / "out" / "a").read_text() == "a"
