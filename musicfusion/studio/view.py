"""What the page says of a visitor's takes, as data for studio.js, which shows it as text alone."""

from typing import Any

from musicfusion.studio.takes import KINDS, NAMES, Span, Take, Visitor
from musicfusion.systems import declarations


def takes_data(visitor: Visitor) -> list[dict[str, Any]]:
    """A visitor's takes, the latest first."""
    return [_take(take, visitor) for take in reversed(visitor.takes)]


def lock_data(visitor: Visitor) -> dict[str, Any]:
    """A line about what the next fusion keeps; "" where nothing is locked."""
    take = visitor.base
    if take is None or not visitor.spans:
        return {"words": ""}
    spans = "; ".join(_span(span, take) for span in visitor.spans)
    return {"words": f"The next fusion keeps of take {take.number}: {spans}."}


def _take(take: Take, visitor: Visitor) -> dict[str, Any]:
    declared = declarations()[take.system]
    changed = [f"{name} {_value(value)}" for name, value in take.controls.items()
               if value != declared.controls[name].default]
    return {
        "number": take.number, "title": declared.title.partition(": ")[0], "starred": take.starred,
        "shown": take.number in visitor.shown,
        "files": ", ".join(take.files.values()) or "no files",
        "settings": ", ".join([*changed, f"seed {take.seed}", take.weights]),
        "kept": [f"{part}: {kept / max(kept + gone, 1):.0%} of the notes kept, {new} new" for part, kept, new, gone
                 in take.rows],
        "notices": list(take.notices),
        "downloads": [{"name": NAMES[kind], "href": f"studio/takes/{take.token}/{kind}",
                       "file": f"{take.name}.{kind}"} for kind in KINDS if kind in take.kinds],
    }


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return ":".join(f"{one:.2f}" for one in value)
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _span(span: Span, take: Take) -> str:
    """A span in bars."""
    begin, end, part = span
    bars: list[list[float]] = next((version["bars"] for version in take.data["versions"] if len(version["bars"]) > 1),
                                   [])
    pickup = bool(bars) and bars[0][1] < 0
    first = sum(quarter <= begin + 1e-6 for _, quarter in bars) - pickup
    last = sum(quarter < end - 1e-6 for _, quarter in bars) - pickup
    where = f"bar {first}" if last <= first else f"bars {first} to {last}"
    return f"{where}, {part or 'all parts'}"
