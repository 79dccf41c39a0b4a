"""Search in one shard of a million vectors: exact beside bare faiss, approximate beside exact, codebooks beside plain.

    python benchmarks/gallery_search.py [--rows 1000000] [--threads 2]

The vectors are made: a mixture of 1,000 directions with spread and common part like an encoder's on photographs. The
queries are like sketches of the same things: around the same directions, but with another common part and more spread.
Every ratio is of medians in this one run, the two sides taking turns. Memory is what a fresh process grows by when it
opens the shard and has answered one query, and the peak on the way there.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import torch

from sketchray.gallery import EncoderRef, FitPlan, IndexPlan, Shard, open_gallery, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.storage import open_store

DIMENSION, DIRECTIONS, K = 512, 1_000, 20
KINDS = ("flat", "flat-fp16", "flat-int8", "ivf-int8", "hnsw")
MIB = 2**20


def unit(x_ND: np.ndarray) -> np.ndarray:
    """Return rows of unit length."""
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), np.float32)


class Made:
    """Vectors of things: a common part, one of many directions, and spread, each of about unit length."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.directions = unit(self.rng.normal(size=(DIRECTIONS, DIMENSION)))
        self.photo, self.sketch = unit(self.rng.normal(size=(2, DIMENSION)))

    def photos(self, count: int) -> np.ndarray:
        """Return gallery vectors (N, D)."""
        return self._made(count, self.photo, common=0.5, spread=0.9)

    def sketches(self, count: int) -> np.ndarray:
        """Return query vectors (B, D), whose nearest gallery vectors are less near than those of a photo."""
        return self._made(count, self.sketch, common=0.7, spread=1.1)

    def _made(self, count: int, shared: np.ndarray, *, common: float, spread: float) -> np.ndarray:
        made = np.empty((count, DIMENSION), np.float32)
        for first in range(0, count, 100_000):
            part = made[first : first + 100_000]
            noise = self.rng.standard_normal(part.shape, dtype=np.float32) * np.float32(spread / DIMENSION**0.5)
            chosen = self.directions[self.rng.integers(DIRECTIONS, size=len(part))]
            part[:] = unit(chosen + common * shared + noise)
        return made


def rows_of(embedding_ND: np.ndarray) -> pa.Table:
    """Return rows of a gallery with these vectors, and pictures of no size."""
    count = len(embedding_ND)
    columns = {
        "id": [f"{number:08x}" for number in range(count)],
        "uri": [f"file:///made/{number}" for number in range(count)],
        "etag": [""] * count,
        "label": [None] * count,
        "embedding": embedding_column(embedding_ND),
        "jpeg": [b""] * count,
    }
    return pa.table(columns, schema=row_schema(DIMENSION))


def build(folder: Path, rows: pa.Table, plan: IndexPlan, codebooks: FitPlan | None) -> tuple[Shard, dict[str, float]]:
    """Publish a gallery of one shard, open it; return the shard, and seconds and MiB."""
    store = open_store(f"file://{folder}")
    started = time.perf_counter()
    encoder = EncoderRef(uri="made", fingerprint="made")
    gallery = write_gallery(store, "made", rows, encoder=encoder, source="made", plan=plan, codebooks=codebooks)
    built = time.perf_counter()
    shard = gallery.shard(0)
    opened = time.perf_counter()
    segment = gallery.manifest.content.segments[0]
    stored = segment.vectors.size + (segment.index.size if segment.index else 0)
    return shard, {"build": built - started, "open": opened - built, "stored": stored / MIB}


def memory(field: str) -> float:
    """Return MiB of this process's memory: ``VmRSS``, what it holds, or ``VmHWM``, the most it ever held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def hold(folder: Path) -> str:
    """Open a shard and ask it once; return the MiB that this process holds for it, and held at most."""
    made = Made()
    with TemporaryDirectory() as small:  # what the libraries take by themselves
        build(Path(small), rows_of(made.photos(64)), IndexPlan(kind="flat"), None)[0].search(made.sketches(1), K)
    before = memory("VmRSS")
    shard = open_gallery(open_store(f"file://{folder}"), "made").shard(0)
    shard.search(made.sketches(1), K)
    gc.collect()
    return f"{memory('VmRSS') - before:.0f} {memory('VmHWM') - before:.0f}"


def held(folder: Path) -> tuple[str, str]:
    """Return what `hold` says in a process of its own."""
    command = [sys.executable, __file__, "--hold", str(folder)]
    now, peak = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return now, peak


def side_by_side(sides: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return each side's median seconds; the sides take turns, so that what else happens happens to all."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            if turn:  # the first warms up
                spent[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in spent.items()}


def recall(found: Sequence[Sequence[Any]], truth: Sequence[Sequence[Any]]) -> float:
    """Return recall@10: which part of the exact ten best was found among the ten best."""
    pairs = zip(found, truth, strict=True)
    return statistics.fmean(len({h.id for h in f[:10]} & {h.id for h in t[:10]}) / 10 for f, t in pairs)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.hold:
        print(hold(args.hold))
        return 0
    torch.set_num_threads(args.threads)
    faiss.omp_set_num_threads(args.threads)
    made = Made()
    vectors, query_BD = made.photos(args.rows), made.sketches(500)
    rows = rows_of(vectors)
    one, batch = query_BD[:1], query_BD[:32]

    def ask(shard: Shard, queries: np.ndarray, **options: Any) -> Callable[[], Any]:
        return lambda: shard.search(queries, K, **options)

    with TemporaryDirectory() as folder:
        fit = FitPlan(names=("cluster", "mixture"), codewords=64, fit_rows=5_000)
        exact, cost = build(Path(folder) / "exact", rows, IndexPlan(kind="flat"), fit)
        print(f"{args.rows:,} vectors of {DIMENSION}-d, {args.threads} threads; exact gallery: {cost}")
        print("MiB held, at most:", *held(Path(folder) / "exact"), flush=True)
        walked, cost = build(Path(folder) / "walked", rows, IndexPlan(kind="flat"), FitPlan(names=("manifold",)))
        print(f"the same with the codebook of manifold ranking: {cost}", flush=True)
        bare = faiss.IndexFlatIP(DIMENSION)
        bare.add(vectors)
        print(f"\n| k = {K} | batch | ms a query | ratio |\n|---|---|---|---|")
        for queries in (one, batch):
            sides: dict[str, Callable[[], Any]] = {
                "bare faiss, IndexFlatIP": partial(bare.search, queries, K),
                "nearest, over bare faiss": ask(exact, queries),
                "cluster, over nearest": ask(exact, queries, ranking="cluster"),
                "mixture, over nearest": ask(exact, queries, ranking="mixture"),
                "manifold, over nearest": ask(walked, queries, ranking="manifold"),
            }
            took = side_by_side(sides, args.repeats)
            plain, nearest = list(took.values())[:2]
            for name, seconds in took.items():
                base = nearest if "over nearest" in name else plain
                print(f"| {name} | {len(queries)} | {1000 * seconds / len(queries):.1f} | {seconds / base:.2f} |")
        del bare, sides, vectors, walked
        truth = exact.search(query_BD, 10)
        print(
            "\n| index | build s | open s | stored MiB | held MiB | peak | recall@10 | batch | ms a query | speed-up |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
        for kind in args.kinds:
            shard, cost = build(Path(folder) / kind, rows, IndexPlan(kind=kind), None)
            found = f"{recall(shard.search(query_BD, 10), truth):.3f}"
            now, peak = held(Path(folder) / kind)
            for queries in (one, batch):
                took = side_by_side({"exact": ask(exact, queries), kind: ask(shard, queries)}, args.repeats)
                figures = f"{cost['build']:.0f} | {cost['open']:.1f} | {cost['stored']:.0f} | {now} | {peak}"
                times = f"{1000 * took[kind] / len(queries):.2f} | {took['exact'] / took[kind]:.1f}"
                print(f"| {kind} | {figures} | {found} | {len(queries)} | {times} |", flush=True)
            del shard
    return 0


if __name__ == "__main__":
    sys.exit(main())
