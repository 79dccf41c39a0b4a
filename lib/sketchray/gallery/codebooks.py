"""The gallery's codebooks: fitted once to a sample that is the same wherever its rows lie, and what is kept of them.

Shape legend: N rows, D dimensions, M chunks.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

import numpy as np
import pyarrow as pa
from pydantic import Field
from threadpoolctl import threadpool_limits

from sketchray.config import Config
from sketchray.gallery.manifest import CodebookRef, GalleryError
from sketchray.gallery.references import CodebookName
from sketchray.gallery.segment import codes_schema, describe, read_object, short_hash
from sketchray.ranking import create_ranker, select_codewords
from sketchray.ranking.codebook import MAX_CODEWORDS, Codebook, CodebookError
from sketchray.storage import Store

Codebooks = Mapping[str, Codebook]
"""By the name of the ranking that they serve."""

SMALLEST = 16  # rows from which the number of codewords can be chosen
BLOCK = 4096  # rows whose distances are held at a time
REFIT = 1.2  # drift above which a codebook is worth fitting again


class FitPlan(Config):
    """Which codebooks, and how they are fitted.

    Attributes:
        names: the rankings that the gallery shall serve beside nearest.
        chunks: M, equal parts of the dimensions; manifold ranking has one.
        codewords: K of each chunk, or ``auto``: chosen without labels, see `sketchray.ranking.select_codewords`, and of
            manifold ranking by the number of rows.
        fit_rows: rows of the sample, at most; a mixture of 64 codewords in 512 dimensions takes 20,000 rows some 100 s.
        seed: of the fit.
    """

    names: tuple[CodebookName, ...] = get_args(CodebookName)
    chunks: int = Field(default=2, ge=1)
    codewords: Annotated[int, Field(ge=1, le=MAX_CODEWORDS)] | Literal["auto"] = "auto"
    fit_rows: int = Field(default=20_000, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


def take_sample(rows: pa.Table, count: int) -> pa.Table:
    """Return the ``count`` rows of smallest hash of their id, in that order; all of them where there are fewer.

    The sample of some rows is the sample of their parts' samples put together: so shards or parts may be sampled
    apart, in any order, and the gallery's sample is the same.
    """
    ranks = [sample_rank(sample_id) for sample_id in rows["id"].to_pylist()]
    return rows.take(pa.array(sorted(range(len(ranks)), key=ranks.__getitem__)[:count], pa.int64()))


def sample_rank(sample_id: str) -> bytes:
    """Return an id's place in the order of the samples; it has nothing to do with the id's shard."""
    return hashlib.sha256(b"codebook sample " + sample_id.encode()).digest()


def fit_codebooks(sample_ND: np.ndarray, plan: FitPlan) -> dict[str, Codebook]:
    """Return the codebooks by name; none where there are fewer rows than codewords, or 16 to choose their number by.

    One thread, so that the same rows give the same codebook whatever the machine's cores.

    Raises:
        ValueError: the dimensions do not divide into the chunks, or a row is zero or not finite.
    """
    if len(sample_ND) < (SMALLEST if plan.codewords == "auto" else plan.codewords):
        return {}
    fitted: dict[str, Codebook] = {}
    with threadpool_limits(1):
        if "manifold" in plan.names:
            options = plan.model_dump(include={"codewords", "fit_rows", "seed"})
            fitted["manifold"] = _fit("manifold", sample_ND, options)
        products = [name for name in plan.names if name != "manifold"]
        options, selection = plan.model_dump(exclude={"names"}), None
        if plan.codewords == "auto" and products:  # once for all of them: it sees the rows alone
            selection = select_codewords(sample_ND, criteria=("silhouette",), seed=plan.seed)
            options["codewords"] = selection.codewords
        for name in products:
            codebook = _fit(name, sample_ND, options)
            fitted[name] = replace(codebook, fitted=codebook.fitted.model_copy(update={"selection": selection}))
    return fitted


def _fit(name: str, sample_ND: np.ndarray, options: dict[str, Any]) -> Codebook:
    codebook = create_ranker(name, **options).fit(sample_ND)
    assert codebook is not None, "rankings with a codebook fit one"
    return codebook


def quantisation_error(codebook: Codebook, embedding_ND: np.ndarray) -> float:
    """Return the mean over the rows of ``sum_m min_k ||x_m - c_mk||^2``, to six decimals; 0 of no rows."""
    total = 0.0
    for start in range(0, len(embedding_ND), BLOCK):
        total += float(codebook.squared_distances(embedding_ND[start : start + BLOCK]).min(axis=2).sum())
    return round(total / max(1, len(embedding_ND)), 6)


def drift(codebook: Codebook, embedding_ND: np.ndarray, reference: float) -> float:
    """Return how many times larger a codebook's error is for some rows than for those it was fitted to.

    Args:
        codebook: of the gallery.
        embedding_ND: new or live rows; 1 is returned of none.
        reference: `quantisation_error` of the rows that it was fitted to, as `CodebookRef.error` keeps it.
    """
    if not len(embedding_ND):
        return 1.0
    smallest = 1e-6  # the error is kept to six decimals
    return round(max(quantisation_error(codebook, embedding_ND), smallest) / max(reference, smallest), 6)


def encode_codebooks(codebooks: Codebooks, sample_ND: np.ndarray) -> tuple[tuple[CodebookRef, ...], dict[str, bytes]]:
    """Return what a manifest says of freshly fitted codebooks, and the bytes of their objects by key.

    Args:
        codebooks: from `fit_codebooks`.
        sample_ND: the rows that they were fitted to.
    """
    references, objects = [], {}
    for name, codebook in sorted(codebooks.items()):
        data = codebook.to_bytes()
        key = f"codebook.{name}.{short_hash(data)}.safetensors"
        objects[key] = data
        error = quantisation_error(codebook, sample_ND)
        reference = {"name": name, "object": describe(key, data, codebook.codewords), "error": error}
        references.append(CodebookRef.model_validate(reference))
    return tuple(references), objects


def read_codebook(gallery: Store, reference: CodebookRef, *, dimension: int) -> Codebook:
    """Read one codebook of a gallery, its hash checked first.

    Raises:
        GalleryError: altered, no codebook, or one of other vectors; the object is named.
        NotFound: the object is gone.
    """
    uri = gallery.uri_of(reference.object.key)
    try:
        codebook = Codebook.from_bytes(read_object(gallery, reference.object))
    except CodebookError as error:
        raise GalleryError(f"{uri}: {error}") from error
    if codebook.dimension != dimension:
        raise GalleryError(f"{uri}: a codebook of {codebook.dimension} dimensions; the gallery has {dimension}")
    return codebook


def encode_rows(codebooks: Codebooks, embedding_ND: np.ndarray) -> pa.Table:
    """Return the codes of some rows as `codes_schema` describes them."""
    schema = codes_schema({name: codebook.chunks for name, codebook in sorted(codebooks.items())})
    columns: list[Any] = [
        pa.FixedSizeListArray.from_arrays(pa.array(codebooks[field.name].encode(embedding_ND).ravel()), type=field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def codes_matrix(codes: pa.Table, name: str) -> np.ndarray:
    """Return the codes_NM uint16 of one codebook."""
    flat = codes[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.uint16).reshape(codes.num_rows, codes.schema.field(name).type.list_size)
