"""The numbers of a report as tables: a line a metric, a column a row of the report, chance last."""

from collections.abc import Iterator, Sequence

from sketchray.evaluation.rows import NEAREST, Harmonic, Row

LABEL_WIDTH = 36
COLUMNS = 6  # side by side; more rows than that go on in a table below

Columns = Sequence[Row] | Sequence[Harmonic]


def labels(rows: Columns) -> list[str]:
    """Return a short column title a row, numbered where two would be the same, with the marks of the row.

    Where rows of one name differ in their ranking, the ranking alone is the title.
    """
    one = len({row.name for row in rows}) == 1 and len({row.ranking for row in rows}) > 1
    short = []
    for row in rows:
        name = row.name.rstrip("/").rpartition("/")[2][-LABEL_WIDTH:]
        label = row.ranking if one else name + f", {row.ranking}" * (row.ranking != NEAREST)
        short.append(label + row.marks)
    return [
        f"{label} ({short[: column + 1].count(label)})" if short.count(label) > 1 else label
        for column, label in enumerate(short)
    ]


def metric_names(rows: Columns, headline: Sequence[str] = ()) -> list[str]:
    """Return the metrics in the order to show them: those of the headline, then the others."""
    return sorted(rows[0].chance, key=lambda name: headline.index(name) if name in headline else len(headline))


def aligned(rows: Columns, headline: Sequence[str] = ()) -> list[str]:
    """Return the query-averaged metrics as lines of aligned columns for a terminal."""
    lines = []
    for table in _tables("", rows, headline, macro=False):
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return lines


def markdown(title: str, rows: Columns, headline: Sequence[str] = (), *, macro: bool) -> list[str]:
    """Return one average of every metric as Markdown tables."""
    return [
        "\n".join(map(_pipes, [head, ["---", *["---:"] * (len(head) - 1)], *lines]))
        for head, *lines in _tables(title, rows, headline, macro=macro)
    ]


def _tables(title: str, rows: Columns, headline: Sequence[str], *, macro: bool) -> Iterator[list[list[str]]]:
    names, titles = metric_names(rows, headline), labels(rows)
    chance = rows[0].chance_macro if macro else rows[0].chance
    for first in range(0, len(rows), COLUMNS):
        part = slice(first, first + COLUMNS)
        values = [row.metrics_macro if macro else row.metrics for row in rows[part]]
        lines = [[name, *(f"{value[name]:.4f}" for value in [*values, chance])] for name in names]
        yield [[title, *titles[part], "chance"], *lines]


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
