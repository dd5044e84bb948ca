"""Odd files are read or refused as they should be, and the table that shows it is right about that."""

import json

import odd_files
import pytest
import readers_compared

from musicfusion.core.errors import MusicFusionError


@pytest.mark.parametrize("name", odd_files.files())
def test_an_odd_file_is_read_as_it_should_be(name, tmp_path):
    content, wanted = odd_files.files()[name]
    (tmp_path / name).write_bytes(content)
    read = readers_compared.READERS[readers_compared.kind(name)]["musicfusion"]
    found = read(tmp_path / name)
    assert not readers_compared.wrong(found, wanted)
    assert bool(found.notices) >= wanted.get("warns", False)


@pytest.mark.parametrize(("found", "wanted", "words"), [
    ({"pitches": [60]}, {"notes": 2}, "1 notes"), ({"pitches": [60]}, {"pitches": [62]}, "pitch 60"),
    ({"pitches": [60], "drums": False}, {"drums": True}, "piano instead of drums"),
    ({"pitches": [60], "names": ["x"]}, {"name": "y"}, "called 'x'"), ({"seconds": 1.0}, {"seconds": 2.0}, "1.0 s"),
    ({"seconds": 1.0}, {"seconds_at_least": 2}, "1.0 s"),
    ({"peak": 0.0, "seconds": 1.0}, {"peak_at_least": 1}, "silence"),
    ({"pitches": []}, {"refused": "why"}, "is read"), ({"pitches": [60, 62]}, {"notes": [2, 3]}, ""),
])
def test_what_is_wrong_is_said(found, wanted, words):
    assert readers_compared.wrong(readers_compared.Found(**found), wanted) == words


def test_the_table_has_a_row_for_each_file_and_says_why_one_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "page.mid").write_bytes(b"<html></html>")
    (tmp_path / "expected.json").write_text(json.dumps({"page.mid": {"refused": "no MIDI"}}))
    only = {kind: {"musicfusion": readers["musicfusion"]} for kind, readers in readers_compared.READERS.items()}
    monkeypatch.setattr(readers_compared, "READERS", only)
    readers_compared.main([tmp_path])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("|") for line in lines) == 3 * 2 + 1 + len(odd_files.files())
    row = next(line for line in lines if line.startswith("| page "))
    assert "refused: not a MIDI file" in row


def test_an_error_of_another_library_is_one_short_cell(tmp_path):
    def fails(path):
        raise MusicFusionError("a | b\nc" * 50)

    made = readers_compared.cell(fails, tmp_path, {}, False)
    assert made.startswith("error: a / b c") and len(made) < 80
