"""A page that shows results: one index.html with sound and pictures inside, fit to mail."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_write

EMBED = 12 * 2**20  # bytes; a larger file is linked, or the page becomes too heavy to mail

SCRIPTS = ("drawing.js", "sound.js", "player.js")
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  color: light-dark(#222, #e4e4e4); background: light-dark(#fff, #17181a); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { max-width: 46rem; white-space: pre-line; }
a { color: light-dark(#0060a0, #7cc4f5); }
figure { margin: 1rem 0; } figcaption { margin-bottom: .3rem; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid light-dark(#ddd, #3a3c40); }
td.number, th.number { text-align: right; }
.small { font-size: .85rem; color: light-dark(#666, #a0a0a0); }
"""


@dataclass(frozen=True)
class Text:
    """A paragraph; line breaks are kept."""

    text: str


@dataclass(frozen=True)
class Player:
    """Sounds and notes to play and to look at: `data` as render/player.py makes it; `files` hold the same sounds."""

    data: Mapping[str, object]
    files: Sequence[str | Path] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG, JPEG or SVG file."""

    title: str
    path: str | Path


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header (empty: none); floats are shown with four digits."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Facts:
    """Metadata: a nested mapping, shown as two columns with dotted names."""

    title: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Files:
    """Links to files, each with a word on what it is: (path, word)."""

    files: Sequence[tuple[str | Path, str]]
    title: str = "Files"


Section = Text | Player | Picture | Table | Facts | Files


def write(folder: str | Path, title: str, sections: Sequence[Section]) -> Path:
    """Write `folder`/index.html from sections, in their order; it makes no request to anywhere.

    Pictures up to `EMBED` bytes are embedded, and linked too; larger ones only linked. Links are relative: files that
    lie in `folder` are found wherever the folder goes. All text is escaped, and no script runs but the player's.

    Raises MusicFusionError for a file that is missing, or of a kind that a page cannot show.
    """
    folder = Path(folder)
    body = fragment(sections, folder)
    digest = base64.b64encode(hashlib.sha256(_started().encode()).digest()).decode()
    policy = (f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline';"
              " img-src data: file: 'self'; base-uri 'none'; form-action 'none'")
    return atomic_write(
        folder / "index.html",
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n",
    )


def fragment(sections: Sequence[Section], folder: Path, links: bool = True) -> str:
    """The sections as HTML, to stand in a page of somebody else's; with links to files in `folder`, or without."""
    parts = [_section(section, folder, links) for section in sections]
    if any(isinstance(section, Player) for section in sections):
        parts = [f"<style>\n{own('player.css')}</style>", *parts, f"<script>{_started()}</script>"]
    return "\n".join(parts)


def data_uri(kind: str, content: bytes) -> str:
    """An address that holds what lies there; kind: its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@cache
def own(name: str) -> str:
    """A file that lies beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def program() -> str:
    """The scripts of a player, without a start of any."""
    return "".join(map(own, SCRIPTS))


def _started() -> str:
    """What runs in a page: the player's functions, and a start for each player that was not started yet."""
    return f"\n{program()}musicfusionPlayer.start();\n"


def _section(section: Section, folder: Path, links: bool) -> str:
    match section:
        case Text(text):
            return f"<p>{escape(text)}</p>"
        case Player(data, files):
            return _player(data, files, folder if links else None)
        case Picture(title, path):
            source = escape(_source(path, folder))
            image = f'<img alt="{escape(title)}" src="{source}">'
            return _figure(title, image, path, folder if links else None)
        case Table(title, header, rows):
            return _heading(title) + _table(header, rows)
        case Facts(title, values):
            return _heading(title) + _table((), _flat(values))
        case Files(files, title):
            items = "\n".join(
                f"<li>{_link(path, folder)} <span>{escape(word)}</span></li>"
                for path, word in files
            )
            return f"{_heading(title)}<ul>\n{items}\n</ul>"
    raise TypeError(f"not a section of a page: {section!r}")


def _player(data: Mapping[str, object], files: Sequence[str | Path], folder: Path | None) -> str:
    """A player; without JavaScript a line that says where its sounds are: the program takes it away."""
    if folder:
        links = ", ".join(_link(path, folder) for path in files)
        where = f"<noscript><p>The player needs JavaScript. {f'The sounds: {links}.' if links else ''}</p></noscript>"
    else:
        where = "<p>The player needs JavaScript: run this cell, or trust this notebook.</p>"
    content = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return ('<div class="mf-place">\n'
            f'<script type="application/json">{content}</script>\n<div>{where}</div>\n</div>')


def _heading(title: str) -> str:
    return f"<h2>{escape(title)}</h2>\n" if title else ""


def _figure(title: str, inside: str, path: str | Path, folder: Path | None) -> str:
    link = f'<span class="small">{_link(path, folder)}</span>' if folder else ""
    return f"<figure>\n<figcaption>{escape(title)} {link}</figcaption>\n{inside}\n</figure>"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; a column in which every cell is a number is set to the right."""
    width = max([len(header), *(len(row) for row in rows)], default=0)
    numeric = [
        any(len(row) > k for row in rows)
        and all(_is_number(row[k]) for row in rows if len(row) > k and row[k] is not None)
        for k in range(width)
    ]

    def line(tag: str, cells: Sequence[object]) -> str:
        marks = (' class="number"' if right else "" for right in numeric)
        filled = [*cells, *[None] * (width - len(cells))]
        return "".join(
            f"<{tag}{mark}>{escape(_cell(cell))}</{tag}>"
            for mark, cell in zip(marks, filled, strict=True)
        )

    head = f"<thead><tr>{line('th', header)}</tr></thead>\n" if header else ""
    lines = "\n".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table>\n{head}<tbody>\n{lines}\n</tbody>\n</table></div>'


def _is_number(cell: object) -> bool:
    return isinstance(cell, (int, float, np.number))


def _cell(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, (float, np.floating)):
        return f"{cell:.4g}"
    return str(cell)


def _flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """{"a": {"b": 1}} as [("a.b", 1)]; lists become comma-separated text."""
    rows: list[tuple[str, object]] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            rows.append((name, ", ".join(_cell(item) for item in value)))
        else:
            rows.append((name, _cell(value)))
    return rows


KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
}


def _source(path: str | Path, folder: Path) -> str:
    """What a picture loads: the file itself as a data URI, or its address if too big."""
    path = Path(path)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        accepted = ", ".join(KINDS)
        raise MusicFusionError(f"{path}: a page cannot show this kind of file; it can {accepted}")
    try:
        if path.stat().st_size > EMBED:
            return _address(path, folder)
        return data_uri(kind, path.read_bytes())
    except OSError as error:
        reason = error.strerror or error
        raise MusicFusionError(f"cannot put {path} into a page: {reason}") from error


def _link(path: str | Path, folder: Path) -> str:
    address = escape(_address(Path(path), folder))
    return f'<a href="{address}">{escape(Path(path).name)}</a>'


def _address(path: Path, folder: Path) -> str:
    """The path from the page's folder, as a URL."""
    return quote(Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix())
