"""Text in MIDI files, which do not say how it is encoded: UTF-8, UTF-16, Shift-JIS, CP1251 or CP1252."""

import re
from collections.abc import Iterable

_MARKS = (b"\xff\xfe", b"\xfe\xff")  # with which UTF-16 may begin
_WORD = re.compile("(?<![A-Za-z])[^\x00-\x7f]{2,}(?![A-Za-z])")  # signs that stand together, apart from Latin letters
_PRIVATE = re.compile("[\ue000-\uf8ff]")  # signs that no font has
_CYRILLIC = re.compile("[\u0400-\u04ff]")


def decode(raws: Iterable[bytes]) -> tuple[dict[bytes, str], str]:
    """The texts of one file: {bytes: text}.

    Whatever is neither UTF-8 nor UTF-16 is in one older encoding, the same throughout.

    Returns:
        the texts, and which older encoding was guessed, "" if none was needed.
    """
    found = {raw: _unicode(raw) for raw in raws}
    old = [raw for raw, text in found.items() if text is None]
    name, encoding = _older(old) if old else ("", "ascii")
    return {raw: raw.decode(encoding, "replace") if text is None else text for raw, text in found.items()}, name


def _unicode(raw: bytes) -> str | None:
    """The text if it is UTF-8 or UTF-16."""
    size = len(raw.rstrip(b"\0"))
    raw = raw[: size + size % 2]
    first, second = raw[::2], raw[1::2]
    encoding = "utf-8-sig"
    if raw.startswith(_MARKS):
        encoding = "utf-16"
    elif len(first) == len(second):  # every other byte of Latin letters is 0
        if 2 * second.count(0) > len(second) and not first.count(0):
            encoding = "utf-16-le"
        elif 2 * first.count(0) > len(first) and not second.count(0):
            encoding = "utf-16-be"
    return _decoded([raw], encoding)


def _older(raws: list[bytes]) -> tuple[str, str]:
    """The encoding of texts from before Unicode, by its name and Python's.

    Signs of Japanese and Russian stand together, letters with accents stand among others. Bytes below 0xC0 begin many
    signs of Shift-JIS, and hardly any letter of CP1251.
    """
    japanese = _decoded(raws, "cp932")
    if japanese and not _PRIVATE.search(japanese):
        signs = re.findall("[^\x00-\x7f]", japanese)
        low = sum(sign.encode("cp932")[0] < 0xC0 for sign in signs)
        if _decoded(raws, "cp1252") is None or (5 * low >= len(signs) and _is_words(japanese)):
            return "Shift-JIS", "cp932"
    russian = _decoded(raws, "cp1251")
    if russian and _CYRILLIC.search(russian) and _is_words(russian):
        return "CP1251", "cp1251"
    return "CP1252", "cp1252"


def _decoded(raws: list[bytes], encoding: str) -> str | None:
    try:
        return "".join(raw.decode(encoding) for raw in raws)
    except UnicodeError:
        return None


def _is_words(text: str) -> bool:
    """Whether most signs beyond ASCII stand together."""
    return 2 * sum(map(len, _WORD.findall(text))) > sum(sign > "\x7f" for sign in text)
