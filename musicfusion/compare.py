"""One picture of several reports: what each method keeps of what went in, against how well its outcome fits.

    python -m musicfusion.launch --mode=compare --reports=runs/collagenet-lite,runs/musae-lite --out=FILE.png

Each report is a panel; what its axes are, and what each row is, its "overview" says (docs/report-schema.md).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import SCHEMA
from musicfusion.render import figures


def compare(reports: Sequence[Path], out: Path) -> Path:
    """Draws the overviews of report.json files, or of the workdirs that hold them, one above the other.

    Raises:
        MusicFusionError: a file cannot be read or is no report; a report has no overview.
    """
    files = [path / "report.json" if path.is_dir() else path for path in reports]
    return figures.tradeoff(out, [panel(read(path), path) for path in files],
                            title="What is kept, against how well it fits")


def read(path: Path) -> dict[str, Any]:
    """A report.json. Raises MusicFusionError where it is none."""
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MusicFusionError(f"{path} cannot be read: {error}") from None
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise MusicFusionError(f"{path} is no report: wanted is a report.json, as --mode=evaluate writes it")
    return report


def panel(report: dict[str, Any], path: Path) -> figures.Points:
    """The points of one report. Raises MusicFusionError where it has no overview."""
    overview = report.get("overview")
    if overview is None:
        raise MusicFusionError(f"{path} has no overview: its judges are fooled, or its system has none yet")
    table = report["tables"][overview["table"]]
    axes = [overview["kept"], overview["fits"]]
    points = {}
    for row in table["rows"]:
        x, y = (row["values"].get(name, {}).get("mean") for name in axes)
        if x is not None and y is not None:
            points[row["name"]] = (float(x), float(y))
    kept, fits = (table["measures"][name]["label"] for name in axes)
    return figures.Points(
        title=report["title"], xlabel=f"kept: {kept}", ylabel=f"fits: {fits}", points=points, kinds=overview["kinds"],
        lines=[shown for line in overview["lines"].values() if len(shown := [n for n in line if n in points]) > 1])
