"""Tables for terminals and Markdown files alike, and a whole evaluation as Markdown."""

from collections.abc import Sequence

from musicfusion.core.evaluation import Evaluation, Measure, Table, Value


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table with aligned columns; floats are shown with three decimals, None as a dash."""
    cells = [[str(cell) for cell in header], *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def report(evaluation: Evaluation) -> str:
    """An evaluation as Markdown: heading, tables with their notes, remarks."""
    blocks = [f"# {evaluation.title}", evaluation.about]
    if any(value.low is not None for table in evaluation.tables for row in table.rows for value in row.values.values()):
        blocks.append("In brackets: 95 % bootstrap intervals.")
    for table in evaluation.tables:
        blocks += [f"## {table.title}", of_values(table)]
        blocks += [table.note] if table.note else []
    blocks += [f"- {remark}" for remark in evaluation.remarks]
    return "\n\n".join(blocks)


def of_values(table: Table) -> str:
    """One table of an evaluation; where the paper has numbers for a measure they stand in a column behind it.

    A measure that no row has is left out.
    """
    there = {name: measure for name, measure in table.measures.items()
             if any(name in row.values for row in table.rows)}
    compared = {name for name in there if any(
        row.values[name].paper is not None for row in table.rows if name in row.values)}
    header = [table.first]
    for name, measure in there.items():
        header.append(f"{measure.label}, {measure.unit}" if measure.unit else measure.label)
        header += ["paper"] if name in compared else []
    rows = []
    for row in table.rows:
        cells = [row.name]
        for name, measure in there.items():
            value = row.values.get(name)
            cells.append(shown(value, measure))
            if name in compared:
                paper = value.paper if value else None
                cells.append("-" if paper is None else _digits(paper, measure))
        rows.append(cells)
    return markdown(header, rows)


def shown(value: Value | None, measure: Measure) -> str:
    """A value in its measure's unit, with its interval; a dash for none."""
    if value is None or value.mean is None:
        return "-"
    text = _digits(value.mean, measure)
    if value.low is None or value.high is None:
        return text
    return f"{text} [{_digits(value.low, measure)}, {_digits(value.high, measure)}]"


def _digits(number: float, measure: Measure) -> str:
    return f"{measure.scale * number:.{measure.digits}f}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
