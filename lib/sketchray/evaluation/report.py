"""A report of several evaluations side by side: a table for the terminal, Markdown and, being a model, JSON."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from sketchray.config import Config
from sketchray.evaluation.rows import MARKS, NEAREST, Entry, Harmonic, Row
from sketchray.evaluation.suite import describe
from sketchray.evaluation.tables import Columns, aligned, markdown, metric_names
from sketchray.ranking import Selection

E = TypeVar("E", bound=Entry)


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
        harmonic: harmonic means of seen and unseen queries, in the generalised setting.
        headline: the metrics to show first.
        warnings: what to know before the numbers are compared with others.
        unreadable: samples that were left out of all rows.
    """

    title: str
    protocol: dict[str, str | int | float | None]
    rows: list[Row]
    harmonic: tuple[Harmonic, ...] = ()
    headline: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

    def settings(self) -> dict[str, list[Row]]:
        """Return the rows by setting, in order."""
        return _by_setting(self.rows)

    def selections(self) -> dict[str, Selection]:
        """Return each choice of a number of codewords, under a title."""
        titles = {f"codewords of {row.name}, {row.ranking}, {row.setting}": row.selection for row in self.rows}
        return {title: selection for title, selection in titles.items() if selection is not None}

    def text(self) -> str:
        """Return the query-averaged metrics as aligned columns for a terminal."""
        parts = []
        for setting, rows in self.settings().items():
            parts += [f"{setting}: {_counts(rows[0])}", *aligned(rows, self.headline)]
        for setting, means in _by_setting(self.harmonic).items():
            parts += [f"{setting}:", *aligned(means, self.headline)]
        for title, selection in self.selections().items():
            parts += [f"{title}:", selection.table()]
        parts += [f"{mark} {meaning}" for mark, meaning in MARKS.items() if any(mark in row.marks for row in self.rows)]
        parts += [f"warning: {warning}" for warning in self.warnings]
        if self.unreadable:
            parts.append(f"{len(self.unreadable)} unreadable: " + "; ".join(u.uri for u in self.unreadable[:3]))
        return "\n".join(parts)

    def markdown(self) -> str:
        """Return the whole report: protocol, both averages of every metric, what each name means, what was left out."""
        parts = [f"# {self.title}", _bullets(f"{key}: {value}" for key, value in self.protocol.items())]
        if self.warnings:
            parts += ["## Warnings", _bullets(self.warnings)]
        for setting, rows in self.settings().items():
            parts += [_heading(setting), f"{_counts(rows[0])}.", *self._tables(rows)]
        for setting, means in _by_setting(self.harmonic).items():
            parts += [_heading(setting), *self._tables(means)]
        parts += ["## What was evaluated", _bullets(dict.fromkeys(map(_described, self.rows)))]
        for title, selection in self.selections().items():
            parts += [_heading(title), f"Chosen without a label, on {selection.rows} pictures.", selection.table()]
        names = metric_names(self.rows, self.headline)
        parts += ["## What the names mean", _bullets(f"`{name}`: {describe(name)}" for name in names)]
        parts.append("Chance is the expected value of a ranking that knows nothing. Tied scores count in expectation.")
        if self.unreadable:
            parts += [f"## Left out: {len(self.unreadable)} unreadable", _bullets(map(_reason, self.unreadable))]
        return "\n\n".join(parts) + "\n"

    def _tables(self, rows: Columns) -> list[str]:
        averages = (("Mean over queries", False), ("Mean over classes", True))
        return [table for title, macro in averages for table in markdown(title, rows, self.headline, macro=macro)]


def _by_setting(rows: Sequence[E]) -> dict[str, list[E]]:
    settings: dict[str, list[E]] = {}
    for row in rows:
        settings.setdefault(row.setting, []).append(row)
    return settings


def _heading(setting: str) -> str:
    return f"## {setting[:1].upper()}{setting[1:]}"


def _counts(row: Row) -> str:
    text = f"{row.queries} queries, {row.gallery} pictures of which {row.distractors} are distractors"
    if row.queries_without_positive:
        classes = ", ".join(row.classes_without_positive)
        text += (
            f"; {row.queries_without_positive} queries left out, the gallery holds nothing of their class ({classes})"
        )
    return text


def _described(row: Row) -> str:
    """Say what a row is; one that learnt from the gallery, or whose best is found by labels, says so wherever it is."""
    text = f"`{row.name}`" + (f", {row.ranking}" if row.ranking != NEAREST else "")
    text += f", fingerprint `{row.fingerprint}`" if row.fingerprint else ""
    return text + "".join(f": {MARKS[mark]}" for mark in row.marks)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _reason(sample: Unreadable) -> str:
    return f"`{sample.uri}`: {sample.reason}"
