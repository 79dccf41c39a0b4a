"""Parts of a run: some hundred pictures each, kept in the store, so that a killed run goes on where it stopped.

A part's tables are written before its summary, so that a part with a summary is whole.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from sketchray.gallery.codebooks import sample_rank
from sketchray.gallery.segment import to_parquet
from sketchray.storage import Store

Problem = dict[str, str]
PART = "part-"
READERS = 16  # threads: reading small objects waits for the network
RANKS = 2**256  # a `sample_rank` has 256 bits
SPARE = Fraction(6, 5)  # more candidates than the sample takes: some pictures are unreadable, and chance has a say


class Summary(NamedTuple):
    """What is known of a finished part: its number, its rows, its unreadable pictures, seconds by stage."""

    part: int
    rows: int
    problems: list[Problem]
    seconds: dict[str, float]


def may_pass(problem: Problem) -> bool:
    """Return whether a problem is the store's, and not the picture's."""
    return problem["stage"] == "read"


class Parts:
    """The finished parts of one run under a work prefix of the store.

    Args:
        work: the prefix.
        sampled: fraction of the rows that are candidates for the codebooks' sample, those of smallest rank.
    """

    def __init__(self, work: Store, *, sampled: Fraction = Fraction(0)) -> None:
        self.work, self._below = work, sampled * RANKS

    def write(self, summary: Summary, rows: pa.Table) -> None:
        """Keep a part: its rows, apart from them its candidates for the sample, and then its summary."""
        key = f"{PART}{summary.part:06d}"
        ranks = (int.from_bytes(sample_rank(sample_id)) for sample_id in rows["id"].to_pylist())
        sample = rows.select(["id", "embedding"]).filter(pa.array([rank < self._below for rank in ranks], pa.bool_()))
        self.work.write(f"{key}.parquet", to_parquet(rows))
        if sample.num_rows:
            self.work.write(f"{key}.sample.parquet", to_parquet(sample))
        else:  # of an attempt that could read more
            self.work.delete(f"{key}.sample.parquet")
        self.work.write(f"{key}.json", json.dumps(summary._asdict()).encode())

    def finished(self) -> dict[int, Summary]:
        """Return the summaries of the parts that are there, by number.

        A part with a picture that could not be read does not count: what a picture's bytes say stays so, but one that
        was missing or denied may be there the next time.
        """
        with ThreadPoolExecutor(READERS) as pool:
            documents = pool.map(self.work.read, self._keys(".json"))
            summaries = [Summary(**json.loads(document)) for document in documents]
        return {summary.part: summary for summary in summaries if not any(map(may_pass, summary.problems))}

    def read(self, parts: Iterable[int], schema: pa.Schema) -> pa.Table:
        """Return the rows of some parts, in that order."""
        return self._read((f"{PART}{part:06d}.parquet" for part in parts), schema)

    def sample(self, schema: pa.Schema) -> pa.Table:
        """Return ``id`` and ``embedding`` of all candidates for the sample."""
        return self._read(self._keys(".sample.parquet"), pa.schema([schema.field("id"), schema.field("embedding")]))

    def remove(self) -> None:
        """Delete all parts, summaries first: what is left of a part without one is not used."""
        with ThreadPoolExecutor(READERS) as pool:
            for suffix in (".json", ".parquet"):
                list(pool.map(self.work.delete, self._keys(suffix)))

    def _keys(self, suffix: str) -> list[str]:
        return sorted(entry.key for entry in self.work.list(PART) if entry.key.endswith(suffix))

    def _read(self, keys: Iterable[str], schema: pa.Schema) -> pa.Table:
        with ThreadPoolExecutor(READERS) as pool:
            tables = pool.map(lambda key: pq.read_table(pa.BufferReader(self.work.read(key))), keys)
            return pa.concat_tables([schema.empty_table(), *tables])


def sampled_fraction(rows: int, wanted: int) -> Fraction:
    """Return the fraction of a gallery's rows whose smallest ranks hold the sample, with some to spare."""
    return min(Fraction(1), SPARE * wanted / max(1, rows))
