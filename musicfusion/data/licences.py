"""Under which licence the songs of a corpus may be used. A source says so, or nobody: nothing guesses it.

The readers of published collections know theirs. Of a folder of one's own it is unknown, "", unless a file licence.txt
in the data root says it in one line, such as

    CC BY 4.0 (Jane Doe, My Songs)
"""

from pathlib import Path

FILE = "licence.txt"
PUBLIC_DOMAIN = "public domain"


def of_folder(root: Path) -> str:
    """The one line of ROOT/licence.txt; "" where there is no such file, or it holds anything but one line of text."""
    try:
        lines = (root / FILE).read_text(encoding="utf-8").strip().splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return lines[0].strip() if len(lines) == 1 else ""
