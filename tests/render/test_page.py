"""The page that is mailed around."""

import base64
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest

from musicfusion.core.errors import MusicFusionError
from musicfusion.render import page
from musicfusion.render.page import Facts, Files, Picture, Player, Table, Text
from musicfusion.render.pianoroll import compare

NASTY = '<script>alert("a & b")</script>'


class Elements(HTMLParser):
    """All start tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text, self.open = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "tags must be closed in order"
        self.text += " "

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def written(folder, *sections, title="Title"):
    return Elements(page.write(folder, title, sections).read_text(encoding="utf-8"))


def test_pictures_and_what_a_player_needs_are_inside_the_page(tmp_path, voices):
    (tmp_path / "after.wav").write_bytes(b"RIFF")
    png = compare(tmp_path / "roll.png", voices, voices)
    found = written(tmp_path, Player({"title": "After"}, [tmp_path / "after.wav"]), Picture("Both", png))
    (attributes,) = found.all("img")
    head, data = attributes["src"].split(",", 1)
    assert head == "data:image/png;base64" and base64.b64decode(data) == png.read_bytes()
    assert [script.get("type") for script in found.all("script")] == ["application/json", None]
    assert '{"title":"After"}' in found.text and "musicfusionPlayer.start()" in found.text
    assert [a["href"] for a in found.all("a")] == ["after.wav", "roll.png"]
    assert len(found.all("noscript")) == 1, "which names the sounds"


def test_a_picture_too_big_to_mail_is_linked(tmp_path):
    (tmp_path / "long song.png").write_bytes(bytes(page.EMBED + 1))
    found = written(tmp_path, Picture("Long", tmp_path / "long song.png"))
    assert found.all("img")[0]["src"] == "long%20song.png"
    assert (tmp_path / "index.html").stat().st_size < 10_000


def test_a_fragment_stands_in_somebody_elses_page_without_links(tmp_path):
    (tmp_path / "x.png").write_bytes(b"png")
    sections = [Player({"title": "A"}, [tmp_path / "a.wav"]), Picture("B", tmp_path / "x.png")]
    fragment = page.fragment(sections, tmp_path, links=False)
    assert "<script" in fragment and "<style" in fragment and "<img" in fragment
    assert "<a " not in fragment and "<html" not in fragment


def test_nothing_in_a_name_or_value_becomes_markup(tmp_path):
    name = "a<b>&\"'#?.wav"
    (tmp_path / name).write_bytes(b"RIFF")
    (tmp_path / "x.png").write_bytes(b"png")
    sections = (
        Text(NASTY),
        Player({"title": NASTY}, [tmp_path / name]),
        Picture('" onerror="alert(1)', tmp_path / "x.png"),
        Table(NASTY, [NASTY], [[NASTY]]),
        Facts(NASTY, {NASTY: {NASTY: [NASTY]}}),
        Files([(tmp_path / name, NASTY)]),
    )
    found = written(tmp_path, *sections, title=NASTY)
    assert len(found.all("script")) == 2 and not found.all("b"), "data and program of the player"
    assert not any("onerror" in attributes for _, attributes in found.found)
    assert found.text.count(NASTY) == 11  # each place where it was put, the title twice; but in the player's data
    assert all(unquote(a["href"]) in (name, "x.png") for a in found.all("a"))


def test_the_page_asks_nothing_of_the_network(tmp_path):
    (tmp_path / "x.png").write_bytes(b"png")
    written(tmp_path, Text("text"), Player({"title": "x"}), Picture("picture", tmp_path / "x.png"))
    text = (tmp_path / "index.html").read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<link|src=\"(?!data:)", text)


def test_numbers_are_readable_and_set_to_the_right(tmp_path):
    rows = [["key", 0.123456, np.float32(2.5)], ["notes", 120, None], ["best", 1e-9, np.int32(7)]]
    found = written(tmp_path, Table("Numbers", ["", "ours", "paper"], rows))
    for shown in ("0.1235", "2.5", "120", "1e-09", "7"):
        assert shown in found.text.split()
    assert "None" not in found.text
    cells = found.all("td")
    assert [c.get("class") for c in cells] == [None, "number", "number"] * 3


def test_nested_metadata_becomes_two_columns(tmp_path):
    values = {"seed": 1, "model": {"name": "x", "sizes": [1, 2.5], "extra": {}}, "fast": True}
    found = written(tmp_path, Facts("How it was made", values))
    words = found.text.split()
    for name in ("seed", "model.name", "model.sizes", "model.extra", "fast"):
        assert name in words
    assert "1, 2.5" in found.text and len(found.all("tr")) == 5


def test_a_folder_can_be_moved_with_its_links(tmp_path):
    (tmp_path / "a" / "sub").mkdir(parents=True)
    (tmp_path / "a" / "sub" / "x y.mid").write_bytes(b"MThd")
    found = written(tmp_path / "a", Files([(tmp_path / "a/sub/x y.mid", "the notes")]))
    (tmp_path / "a").rename(tmp_path / "b")
    (link,) = found.all("a")
    assert (tmp_path / "b" / unquote(link["href"])).is_file()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (Picture("gone", "gone.png"), "cannot put gone.png into a page"),
        (Picture("odd", "odd.mid"), "odd.mid: a page cannot show this kind of file"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_the_old_page_stays(tmp_path, section, message):
    written(tmp_path, Text("old"))
    with pytest.raises(MusicFusionError, match=message):
        page.write(tmp_path, "new", [Text("new"), section])
    assert "old" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_an_empty_page_and_table_are_pages(tmp_path):
    assert written(tmp_path).all("h1")
    assert written(tmp_path, Table("", [], []), Facts("", {}), Files([]), Text("")).all("table")
