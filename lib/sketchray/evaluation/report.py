"""A report of several evaluations side by side: a table for the terminal, Markdown and, being a model, JSON."""

from collections.abc import Iterable, Sequence

from sketchray.config import Config
from sketchray.evaluation.suite import describe
from sketchray.evaluation.summary import Evaluation

LABEL_WIDTH = 36
TRANSDUCTIVE = "ranks with structure learnt from the unlabelled gallery itself (gallery-transductive)"


class Row(Evaluation):
    """One evaluation in a report.

    Args:
        name: what was evaluated, an encoder's URI or a file.
        setting: the gallery it was evaluated against; rows of one setting share a table, and a chance level.
        fingerprint: of the encoder, where known.
        transductive: the ranking used the gallery's own, unlabelled structure, so it is no match for rows that did not.
    """

    name: str
    setting: str
    fingerprint: str | None = None
    transductive: bool = False


class Unreadable(Config):
    """A sample that could not be used, and why."""

    uri: str
    reason: str


class Report(Config):
    """Several evaluations of the same samples.

    Args:
        title: of the Markdown page.
        protocol: what was compared under which rules, as name and value.
        rows: the evaluations.
        unreadable: samples that were left out of all rows.
    """

    title: str
    protocol: dict[str, str | int | float | None]
    rows: list[Row]
    unreadable: tuple[Unreadable, ...] = ()

    def settings(self) -> dict[str, list[Row]]:
        """Return the rows by setting, in order."""
        settings: dict[str, list[Row]] = {}
        for row in self.rows:
            settings.setdefault(row.setting, []).append(row)
        return settings

    def text(self) -> str:
        """Return the query-averaged metrics as aligned columns for a terminal."""
        parts = []
        for setting, rows in self.settings().items():
            lines = [["", *labels(rows), "chance"], *_lines(rows, macro=False)]
            widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
            parts.append(f"{setting}: {_counts(rows[0])}")
            parts += ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        if any(row.transductive for row in self.rows):
            parts.append(f"* {TRANSDUCTIVE}")
        if self.unreadable:
            parts.append(f"{len(self.unreadable)} unreadable: " + "; ".join(u.uri for u in self.unreadable[:3]))
        return "\n".join(parts)

    def markdown(self) -> str:
        """Return the whole report: protocol, both averages of every metric, what each name means, what was left out."""
        parts = [f"# {self.title}", _bullets(f"{key}: {value}" for key, value in self.protocol.items())]
        for setting, rows in self.settings().items():
            parts += [f"## {setting[:1].upper()}{setting[1:]}", f"{_counts(rows[0])}."]
            for title, macro in (("Mean over queries", False), ("Mean over classes", True)):
                parts.append(_table([title, *labels(rows), "chance"], _lines(rows, macro=macro)))
        described = [(row.name, row.fingerprint, row.transductive) for row in self.rows]
        parts.append("## What was evaluated")
        parts.append(
            _bullets(
                f"`{name}`"
                + (f", fingerprint `{fingerprint}`" if fingerprint else "")
                # A row that learnt from the gallery must say so wherever it is shown.
                + (f": {TRANSDUCTIVE}" if transductive else "")
                for name, fingerprint, transductive in dict.fromkeys(described)
            )
        )
        parts += ["## What the names mean", _bullets(f"`{name}`: {describe(name)}" for name in self.rows[0].metrics)]
        parts.append("Chance is the expected value of a ranking that knows nothing. Tied scores count in expectation.")
        if self.unreadable:
            parts += [f"## Left out: {len(self.unreadable)} unreadable", _bullets(map(_reason, self.unreadable))]
        return "\n\n".join(parts) + "\n"


def labels(rows: Sequence[Row]) -> list[str]:
    """Return a short column title a row, numbered where two would be the same; a star marks a transductive row."""
    short = [row.name.rstrip("/").rpartition("/")[2][-LABEL_WIDTH:] + "*" * row.transductive for row in rows]
    return [
        f"{label} ({short[: column + 1].count(label)})" if short.count(label) > 1 else label
        for column, label in enumerate(short)
    ]


def _lines(rows: Sequence[Row], *, macro: bool) -> list[list[str]]:
    chance = rows[0].chance_macro if macro else rows[0].chance
    return [
        [name, *(f"{(row.metrics_macro if macro else row.metrics)[name]:.4f}" for row in rows), f"{chance[name]:.4f}"]
        for name in chance
    ]


def _counts(row: Row) -> str:
    text = f"{row.queries} queries, {row.gallery} pictures of which {row.distractors} are distractors"
    if row.queries_without_positive:
        classes = ", ".join(row.classes_without_positive)
        text += (
            f"; {row.queries_without_positive} queries left out, the gallery holds nothing of their class ({classes})"
        )
    return text


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _reason(sample: Unreadable) -> str:
    return f"`{sample.uri}`: {sample.reason}"
