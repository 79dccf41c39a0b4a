"""Made the golden galleries of format version 1 beside this file, once: they are never made anew, but opened for ever.

    PYTHONPATH=lib python tests/lib/gallery/golden/make.py FOLDER

``full`` has two shards, each with an inverted file, a delta with tombstones, metadata of every type, both codebooks and
a report; ``plain`` has nothing that can be left out. The answers in ``expected.json`` are those of plain loops.
"""

import base64
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from sketchray.data.samples import sample_id
from sketchray.gallery import Codebooks, Column, EncoderRef, FitPlan, Gallery, IndexPlan, write_gallery
from sketchray.gallery.build import row_schema
from sketchray.gallery.segment import embedding_column
from sketchray.gallery.update import changes_of_gallery, update_gallery
from sketchray.storage import open_store

DIMENSION, WANTED = 16, 5
ENCODER = EncoderRef(uri="frozen:golden@32", fingerprint="0123456789abcdef0123456789abcdef")
COLUMNS = (
    Column(name="title", type="string"),
    Column(name="width", type="int64"),
    Column(name="price", type="float64"),
    Column(name="public", type="bool"),
    Column(name="taken", type="timestamp"),
)
Row = dict[str, Any]
FILTERS: dict[str, Callable[[Row], bool]] = {
    "width >= 150 and public = false": lambda row: row["width"] >= 150 and row["public"] is False,
    "price < 3.5 or title is null": lambda row: row["title"] is None or (row["price"] or 99) < 3.5,
    "taken > '2024-01-20' and label in ('cat', 'tree')": lambda row: (
        row["taken"] > datetime(2024, 1, 20, tzinfo=UTC) and row["label"] in ("cat", "tree")
    ),
}


def unit(x_D: np.ndarray) -> np.ndarray:
    return np.asarray(x_D / np.linalg.norm(x_D), np.float32)


def make_row(number: int, *, etag: str = "a", metadata: bool = True) -> Row:
    """Return one made picture; another etag is another picture under the same key."""
    key = f"pictures/{number:03d}.jpg"
    rng = np.random.default_rng([number, ord(etag)])
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), tuple(rng.integers(256, size=3).tolist())).save(picture, "JPEG", quality=60, optimize=True)
    row: Row = {"id": sample_id(key), "uri": f"s3://golden/{key}", "etag": f"{etag}{number}"}
    row["label"] = (None, "cat", "tree")[number % 3]
    if metadata:
        row["title"] = None if number % 7 == 0 else f"N° {number}, 猫"
        row["width"] = 100 + number
        row["price"] = None if number % 5 == 0 else number / 8
        row["public"] = number % 2 == 0
        row["taken"] = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number, microseconds=number)
    topic_D = np.random.default_rng(number % 4).normal(size=DIMENSION)
    row["embedding"] = unit(topic_D + 0.8 * rng.normal(size=DIMENSION))
    return row | {"jpeg": picture.getvalue()}


def table(rows: list[Row], columns: tuple[Column, ...]) -> pa.Table:
    schema = row_schema(DIMENSION, columns)
    values = {name: [row[name] for row in rows] for name in schema.names if name != "embedding"}
    values["embedding"] = embedding_column(np.stack([row["embedding"] for row in rows]))
    return pa.table(values, schema=schema)


def slow_score(row: Row, query_D: np.ndarray, ranking: str, fusion: float, codebooks: Codebooks) -> float:
    """Return what `Shard.search` documents, by loops in float64."""
    x_D, q_D = (vector.astype(float) / np.linalg.norm(vector.astype(float)) for vector in (row["embedding"], query_D))
    if ranking == "nearest":
        return float(x_D @ q_D)
    cluster = 0.0
    centres_MKC = codebooks[ranking].centres_MKC.astype(float)
    for centres_KC, x_C, q_C in zip(centres_MKC, np.split(x_D, 2), np.split(q_D, 2), strict=True):
        code = np.argmin([((x_C - centre_C) ** 2).sum() for centre_C in centres_KC])
        cluster += float(((q_C - centres_KC[code]) ** 2).sum())
    return -((1 - fusion) * cluster + fusion * float(np.linalg.norm(x_D - q_D)))


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def expect(rows: list[Row], query_D: np.ndarray, codebooks: Codebooks, **asked: Any) -> dict[str, Any]:
    """Return a question with its answer."""
    ranking, fusion = asked.get("ranking", "nearest"), asked.get("fusion", 0.2)
    matches = FILTERS[asked["filter"]] if "filter" in asked else lambda row: True
    scored = [(slow_score(row, query_D, ranking, fusion, codebooks), row) for row in rows if matches(row)]
    scored = [(score, row) for score, row in scored if score >= asked.get("min_score", -9)]
    cosine = {row["id"]: slow_score(row, query_D, "nearest", 0, codebooks) for row in rows}
    scored.sort(key=lambda pair: (-pair[0], -cosine[pair[1]["id"]], pair[1]["id"]))
    offset = asked.get("offset", 0)
    own = ("etag", "embedding", "jpeg")
    hits = [
        {name: plain(value) for name, value in row.items() if name not in own} | {"score": round(score, 7)}
        for score, row in scored[offset : offset + WANTED]
    ]
    return {"query": " ".join(f"{number:.6f}" for number in query_D), "k": WANTED, "asked": asked, "hits": hits}


def describe(gallery: Gallery, rows: list[Row], questions: list[dict[str, Any]]) -> dict[str, Any]:
    queries = [unit(np.random.default_rng(1000 + i).normal(size=DIMENSION)).round(6) for i in range(len(questions))]
    codebooks = gallery.codebooks()
    return {
        "version": gallery.version,
        "parent": gallery.manifest.parent,
        "rows": len(rows),
        "thumbnails": {row["id"]: base64.b64encode(row["jpeg"]).decode() for row in rows[::20]},
        "questions": [
            expect(rows, query_D, codebooks, **asked) for query_D, asked in zip(queries, questions, strict=True)
        ],
    }


def make_full(folder: Path) -> dict[str, Any]:
    numbers = range(80)
    problems = [{"uri": "s3://golden/pictures/bad.jpg", "stage": "decode", "reason": "truncated"}]
    built = write_gallery(
        open_store(str(folder)),
        "full",
        table([make_row(number) for number in numbers], COLUMNS),
        encoder=ENCODER,
        source="s3://golden/pictures",
        shards=2,
        plan=IndexPlan(factory="IVF4,SQ8"),
        codebooks=FitPlan(codewords=4),
        columns=COLUMNS,
        problems=problems,
    )
    # 0 to 5 are gone, 6 to 9 are other pictures now, 10 has another title, 80 to 84 are new.
    rows = [make_row(number, etag="b" if number < 10 else "a") for number in range(6, 85)]
    rows[4] |= {"title": "renamed"}
    changes = changes_of_gallery(built, table(rows, COLUMNS).drop_columns(["embedding", "jpeg"]))
    assert (changes.new.num_rows, changes.changed.num_rows, changes.rewritten.num_rows, len(changes.gone)) == (
        5,
        4,
        1,
        6,
    )
    fresh = set(changes.to_embed["id"].to_pylist())
    embedded = table([row for row in rows if row["id"] in fresh], COLUMNS)
    problems.append({"uri": "s3://golden/pictures/gone.jpg", "stage": "read", "reason": "it is gone"})
    updated = update_gallery(built, changes, embedded, problems=problems)
    questions: list[dict[str, Any]] = [{}, {"offset": 3}, {"min_score": 0.35}]
    questions += [{"ranking": name} | more for name in ("cluster", "mixture") for more in ({}, {"fusion": 0.0})]
    questions += [{"filter": text} for text in FILTERS] + [{"filter": next(iter(FILTERS)), "ranking": "cluster"}]
    return describe(updated.gallery, rows, questions)


def make_plain(folder: Path) -> dict[str, Any]:
    rows = [make_row(number, metadata=False) for number in range(7)]
    store = open_store(str(folder))
    gallery = write_gallery(store, "plain", table(rows, ()), encoder=ENCODER, source="s3://golden/pictures")
    return describe(gallery, rows, [{}, {"offset": 4}])


def main(folder: Path) -> None:
    """Make both galleries and the answers in a new folder."""
    folder.mkdir()
    expected = {"full": make_full(folder), "plain": make_plain(folder)}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
