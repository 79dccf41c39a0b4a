"""Galleries of few made rows, and what a search of them must find, by the rankings' own definition."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from sketchray.gallery import (
    Column,
    Content,
    EncoderRef,
    Gallery,
    IndexPlan,
    Ranking,
    shard_of,
)
from sketchray.gallery.build import describe_version, encode_segment, place, row_schema
from sketchray.gallery.codebooks import Codebooks, encode_codebooks
from sketchray.gallery.publish import version_key
from sketchray.gallery.segment import embedding_column
from sketchray.ranking import Codebook, create_ranker
from sketchray.ranking.codebook import Fitted, Walk, WalkPlan
from sketchray.storage import open_store

DIMENSION = 8
COLUMNS = (Column(name="price", type="int64"),)


@dataclass
class Row:
    vector_D: np.ndarray
    label: str | None
    price: int | None


@dataclass
class Model:
    """What must be found: the rows by id, and the steps that made them, for the gallery to repeat."""

    rows: dict[str, Row] = field(default_factory=dict)
    steps: list[tuple[dict[str, Row], list[str]]] = field(default_factory=list)

    def step(self, rows: dict[str, Row], gone: list[str]) -> None:
        replaced = [sample_id for sample_id in (*gone, *rows) if sample_id in self.rows]
        self.rows = {sample_id: row for sample_id, row in self.rows.items() if sample_id not in replaced} | rows
        self.steps.append((rows, replaced))

    def rank(
        self, query_D: np.ndarray, ranking: Ranking, fusion: float, codebooks: Codebooks
    ) -> list[tuple[float, str]]:
        """Return (score, id) of every live row, best first."""
        ids = sorted(self.rows)
        if not ids:
            return []
        ranker = create_ranker(ranking) if ranking == "nearest" else create_ranker(ranking, fusion=fusion)
        x_GD = np.stack([self.rows[sample_id].vector_D for sample_id in ids])
        score_G = ranker.scorer(query_D[None], x_GD, codebooks.get(ranking))(slice(0, 1))[0]
        return sorted(zip(score_G.tolist(), ids, strict=True), key=lambda pair: (-pair[0], pair[1]))


def made_codebooks(seed: int) -> Codebooks:
    """Return codebooks of three codewords a chunk that nobody fitted: any of them defines a ranking."""
    rng, books = np.random.default_rng(seed), {}
    fitted = Fitted(kind="kmeans", seed=seed, rows=1)
    for name in ("cluster", "mixture"):
        centres_MKC = (rng.normal(size=(2, 3, DIMENSION // 2)) / 3).astype(np.float32)
        books[name] = Codebook(centres_MKC=centres_MKC, fitted=fitted)
    walk = Walk(ends_KK=rng.dirichlet(np.ones(3), size=3).astype(np.float32), plan=WalkPlan())
    centres_MKC = unit(rng.normal(size=(3, DIMENSION)))[None].astype(np.float32)
    books["manifold"] = Codebook(centres_MKC=centres_MKC, fitted=fitted, walk=walk)
    return books


def table(rows: dict[str, Row]) -> pa.Table:
    vectors = [row.vector_D for row in rows.values()]
    x_ND = np.stack(vectors) if vectors else np.empty((0, DIMENSION), np.float32)
    return pa.table(
        [
            list(rows),
            [f"s3://b/{sample_id}" for sample_id in rows],
            ["etag" for _ in rows],
            [row.label for row in rows.values()],
            [row.price for row in rows.values()],
            embedding_column(x_ND),
            [f"jpeg {sample_id} {row.price}".encode() for sample_id, row in rows.items()],
        ],
        schema=row_schema(DIMENSION, COLUMNS),
    )


def write(folder: str, model: Model, *, shards: int, plan: IndexPlan, codebooks: Codebooks) -> Gallery:
    """Write the steps as a base and delta segments a shard."""
    store, segments = open_store(folder), []
    objects: dict[str, bytes] = {}
    for shard in range(shards):
        for number, (rows, gone) in enumerate(model.steps):
            mine = {sample_id: row for sample_id, row in rows.items() if shard_of(sample_id, shards) == shard}
            segment, data = encode_segment(
                table(mine),
                shard=shard,
                plan=plan,
                codebooks=codebooks,
                kind="delta" if number else "base",
                tombstones=[sample_id for sample_id in gone if shard_of(sample_id, shards) == shard],
            )
            segments.append(segment)
            objects.update(data)
    base = model.steps[0][0]
    sample_ND = np.stack([row.vector_D for row in base.values()]) if base else np.empty((0, DIMENSION))
    references, books = encode_codebooks(codebooks, sample_ND)
    objects.update(books)
    content = place(
        Content(
            encoder=EncoderRef(uri="made", fingerprint="0"),
            dimension=DIMENSION,
            shards=shards,
            segments=tuple(segments),
            columns=COLUMNS,
            codebooks=references,
        )
    )
    for key, stored in objects.items():
        store.write(version_key(content.version(), key), stored)
    return Gallery(store, describe_version("g", content, parent=None, source="made", rows=len(model.rows)))


def unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True), dtype=np.float32)
