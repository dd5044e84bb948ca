"""What is uploaded lies in a private folder, belongs to who sent it, and is checked before it is read."""

import os
import stat
from pathlib import Path

import pytest

from musicfusion.core.contracts import Input
from musicfusion.core.errors import MusicFusionError
from musicfusion.studio import uploads as module
from musicfusion.studio.uploads import Uploads, suffixes

NOTES, SOUND = Input(about="notes"), Input(about="sound", kinds=("sound",))
EITHER = Input(about="either", kinds=("notes", "sound"))


@pytest.fixture
def uploads():
    found = Uploads((*suffixes(NOTES), *suffixes(SOUND)))
    yield found
    found.remove()


def uploaded(uploads: Uploads, name: str, visitor: str, content: bytes = b"MThd") -> str:
    path = uploads.folder / ("0a" * 32) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    uploads.own(str(path), visitor)
    return str(path)


def test_the_folder_is_its_owners_alone_and_goes_with_all_that_is_in_it(uploads):
    assert stat.S_IMODE(os.stat(uploads.folder).st_mode) == 0o700
    uploaded(uploads, "a.mid", "A")
    uploads.remove()
    assert not uploads.folder.exists()


def test_a_file_is_its_visitors_and_an_example_everybodys(uploads):
    path = uploaded(uploads, "a.mid", "A")
    assert uploads.may_read(path, "A") and not uploads.may_read(path, "B")
    uploads.check(path, "A", "melody", NOTES)
    with pytest.raises(MusicFusionError, match=r"melody: a\.mid is not there any more"):
        uploads.check(path, "B", "melody", NOTES)
    uploads.own(path, "B")  # the same content under the same name
    assert uploads.may_read(path, "A") and uploads.may_read(path, "B")
    example = uploads.example("ode-to-joy.abc")
    assert Path(example).read_text().startswith("X:1") and uploads.may_read(example, "B")


@pytest.mark.parametrize("path", ["/etc/passwd", "http://example.org/a.mid", "{folder}/examples/../secret.mid",
                                  "{folder}/examples/other.mid", "{folder}"])
def test_nothing_else_can_be_read(uploads, path):
    assert not uploads.may_read(path.format(folder=uploads.folder), "A")


def test_what_no_input_takes_is_removed_at_once(uploads):
    with pytest.raises(MusicFusionError, match=r"virus\.exe: accepted are \.mid"):
        uploaded(uploads, "virus.exe", "A")
    assert not list(uploads.folder.rglob("*.exe"))


def test_size_and_kind_are_checked_before_a_file_is_read(uploads, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", {"notes": 10, "sound": 20})
    monkeypatch.setattr(module, "MIB", 1)
    small = uploaded(uploads, "a.mid", "A", bytes(10))
    uploads.check(small, "A", "melody", NOTES)
    large = uploaded(uploads, "b.mid", "A", bytes(11))
    with pytest.raises(MusicFusionError, match=r"melody: b\.mid has 11 MiB"):
        uploads.check(large, "A", "melody", NOTES)
    with pytest.raises(MusicFusionError, match=r"source: a\.mid: accepted are \.wav"):
        uploads.check(small, "A", "source", SOUND)
    uploads.check(uploaded(uploads, "c.wav", "A", bytes(20)), "A", "source", EITHER)  # as large as its own kind may be
    with pytest.raises(MusicFusionError, match=r"source: b\.mid has 11 MiB; at most 0 are accepted"):
        uploads.check(large, "A", "source", EITHER)
    text = uploaded(uploads, "a.midi", "A", bytes(9))
    with pytest.raises(MusicFusionError, match=r"source: a\.midi: accepted are \.wav"):
        uploads.check(text, "A", "source", SOUND)
    os.remove(small)
    with pytest.raises(MusicFusionError, match="is not there any more"):
        uploads.check(small, "A", "melody", NOTES)


def test_the_folder_does_not_grow_without_end(uploads, monkeypatch):
    uploaded(uploads, "a.mid", "A", bytes(100))
    monkeypatch.setattr(module, "ALL", 50)
    with pytest.raises(MusicFusionError, match="holds 0 MiB of files already"):
        uploaded(uploads, "b.mid", "A")


def test_what_is_said_names_files_without_the_folder(uploads):
    path = uploaded(uploads, "a b.mid", "A")
    assert uploads.public(f"{path}: truncated; {uploads.folder}/examples/ode.abc, {uploads.folder}") == (
        "a b.mid: truncated; ode.abc, ")
