"""What an evaluation is: tables of measured values, the paper's beside them, and figures. One form for all systems.

docs/report-schema.md describes the JSON that `Evaluation.to_json` gives.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

SCHEMA = "musicfusion report 2"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """A column of a table.

    label: for people; unit: "%", "dB", ... or "". scale: what a value is multiplied by to be shown in that unit.
    digits: behind the point. better: "higher", "lower" or "" where neither is.
    """

    label: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 3
    better: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value:
    """One measured number; its 95 % interval, where one was drawn; the paper's number, where it has one."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    paper: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A method, or whatever a table compares, and its values by measure; what was not measured is left out."""

    name: str
    values: Mapping[str, Value]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of values under measures. name: its key in the JSON; note: what the columns mean, below the table."""

    name: str
    title: str
    measures: Mapping[str, Measure]
    rows: tuple[Row, ...]
    note: str = ""
    first: str = "method"  # the heading of the rows' names


REAL, FOOL, BASELINE, OURS = KINDS = ("real", "fool", "baseline", "ours")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overview:
    """The rows of one table as points: what each method keeps of what went in against how well its outcome fits.

    Attributes:
        table, kept, fits: the table and two of its measures, by name.
        kinds: what each row is, one of KINDS: real music, a rule that nobody would want to hear, ...
        lines: label -> rows that one method gives as a control goes up.
    """

    table: str
    kept: str
    fits: str
    kinds: Mapping[str, str]
    lines: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The outcome of System.evaluate; the rest of the program only writes it down.

    Attributes:
        system, preset: what was measured.
        title: the report's heading.
        about: one or two sentences: what was measured on what.
        data: {"source", "split", "songs", "examples"} and whatever else says which data.
        settings: of the run, as far as the tables need them.
        tables: in the order in which they are shown.
        headlines: the figures that stand for the whole, each (table, row, measure), by their names.
        overview: which of it is drawn beside other systems (musicfusion.compare).
        remarks: sentences below the tables.
        details: further numbers, such as curves and matrices behind the figures; JSON.
        figures: file name -> a pure function that draws it to a path. It reads nothing but what it holds.
    """

    system: str
    preset: str
    title: str
    about: str
    data: Mapping[str, Any]
    tables: tuple[Table, ...]
    headlines: tuple[tuple[str, str, str], ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    overview: Overview | None = None
    remarks: tuple[str, ...] = ()
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    figures: Mapping[str, Callable[[Path], Path]] = dataclasses.field(default_factory=dict)

    def table(self, name: str) -> Table:
        """The table of that name; KeyError if there is none."""
        return {table.name: table for table in self.tables}[name]

    def to_json(self) -> dict[str, Any]:
        """The report: numbers that are not finite are null."""
        return _finite({
            "schema": SCHEMA,
            "system": self.system,
            "preset": self.preset,
            "title": self.title,
            "about": self.about,
            "data": dict(self.data),
            "settings": dict(self.settings),
            "tables": {table.name: {
                "title": table.title,
                "note": table.note,
                "measures": {name: dataclasses.asdict(measure) for name, measure in table.measures.items()},
                "rows": [{"name": row.name, "values": {
                    name: {key: x for key, x in dataclasses.asdict(value).items() if x is not None or key == "mean"}
                    for name, value in row.values.items()}} for row in table.rows],
            } for table in self.tables},
            "headlines": [list(names) for names in self.headlines],
            **({"overview": dataclasses.asdict(self.overview)} if self.overview else {}),
            "remarks": list(self.remarks),
            "details": dict(self.details),
        })


def row(name: str, values: Mapping[str, Any], paper: Mapping[str, float] | None = None) -> Row:
    """A Row from plain numbers: a mean, or (mean, low, high); None and NaN are left out. paper: the paper's row."""
    paper = paper or {}
    found = {}
    for measure, value in values.items():
        mean, low, high = value if isinstance(value, (tuple, list)) else (value, None, None)
        if mean is None or math.isnan(mean):
            continue
        found[measure] = Value(mean=float(mean), low=_number(low), high=_number(high), paper=paper.get(measure))
    return Row(name=name, values=found)


def means(table: Table, measure: str, names: Iterable[str] | None = None) -> list[float]:
    """One measure of the named rows, or of all that have it, in the table's order."""
    chosen = None if names is None else set(names)
    return [row.values[measure].mean for row in table.rows  # type: ignore[misc]
            if measure in row.values and (chosen is None or row.name in chosen)]


def _number(x) -> float | None:
    return None if x is None or math.isnan(x) else float(x)


def _finite(value: Any) -> Any:
    """Plain JSON: NumPy's numbers and arrays as Python's, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(x) for x in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
