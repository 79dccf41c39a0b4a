"""Parts of a build: some hundred pictures each, kept in the store, so that a killed build goes on where it stopped.

A part's table is written before its summary, so that a part with a summary is whole. Parts are cut from the pictures
in the order of their ids and embedded in fixed batches: a build that was killed and goes on gives the same vectors.
"""

import json
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sketchray.gallery.segment import to_parquet
from sketchray.storage import Store

Problem = dict[str, str]


def may_pass(problem: Problem) -> bool:
    """Return whether a problem is the store's, and not the picture's."""
    return problem["stage"] == "read"


class Summary(NamedTuple):
    """What is known of a finished part: its number, its rows, its unreadable pictures, seconds by stage."""

    part: int
    rows: int
    problems: list[Problem]
    seconds: dict[str, float]


class Parts:
    """The finished parts of one build under a work prefix of the store."""

    def __init__(self, work: Store) -> None:
        self.work = work

    def write(self, summary: Summary, rows: pa.Table) -> None:
        """Keep a part."""
        self.work.write(f"part-{summary.part:06d}.parquet", to_parquet(rows))
        self.work.write(f"part-{summary.part:06d}.json", json.dumps(summary._asdict()).encode())

    def finished(self) -> dict[int, Summary]:
        """Return the summaries of the parts that are there, by number.

        A part with a picture that could not be read does not count: what a picture's bytes say stays so, but one that
        was missing or denied may be there the next time.
        """
        keys = [entry.key for entry in self.work.list("part-") if entry.key.endswith(".json")]
        summaries = [Summary(**json.loads(self.work.read(key))) for key in keys]
        return {summary.part: summary for summary in summaries if not any(map(may_pass, summary.problems))}

    def read(self, part: int) -> pa.Table:
        """Return a part's rows."""
        return pq.read_table(pa.BufferReader(self.work.read(f"part-{part:06d}.parquet")))

    def remove(self) -> None:
        """Delete all parts, summaries first: what is left of a part without one is not used."""
        for entry in sorted(self.work.list("part-"), key=lambda entry: entry.key.endswith(".parquet")):
            self.work.delete(entry.key)


def part_rows(pictures: int, part_size: int) -> list[int]:
    """Return the number of pictures in each part."""
    return [min(part_size, pictures - first) for first in range(0, pictures, part_size)]
