"""Asking a shard that was just read what only a whole one can answer, before anybody else asks it."""

import numpy as np

from sketchray.data.images import ImageError, decode_image
from sketchray.gallery.manifest import GalleryError
from sketchray.gallery.part import Part
from sketchray.gallery.shard import Shard
from sketchray.ranking.nearest import Nearest, exact_scores

PROBES = 8  # rows of a segment that are looked up
DEEP = 10  # answers that an index is compared in
LEAST_RECALL = 0.5  # of those; an index over other rows finds next to none, a coarse one far more than this
SAME = 1e-5  # cosines that differ less are of equal pictures


def check_shard(shard: Shard) -> None:
    """Look some rows of every segment up by their own vectors, by every ranking, and decode their pictures.

    Raises:
        GalleryError: a row does not find itself, an index finds other rows than a plain comparison of the same vectors
            does, a score is not a number, or a thumbnail is not a picture.
    """
    for part in shard.parts:
        _check_finding(shard, part)
        for sample_id in (str(part.columns["id"][row].as_py()) for row in probe_rows(part, PROBES)):
            try:
                decode_image(shard.thumbnail(sample_id) or b"")
            except ImageError as error:
                raise GalleryError(f"the thumbnail of {sample_id} is not a picture: {error}") from error


def probe_rows(part: Part, count: int) -> list[int]:
    """Return some rows that can be found, spread evenly, the first and the last among them."""
    live = np.flatnonzero(part.live_N) if part.live_N is not None else np.arange(len(part.embedding_ND))
    return [int(row) for row in live[np.unique(np.linspace(0, len(live) - 1, count).astype(int))]]


def check_one_row(shard: Shard) -> None:
    """Look one row up by its own vector: cheap enough to be asked every few seconds.

    Raises:
        GalleryError: it does not find itself.
    """
    for part in shard.parts[:1]:
        row = probe_rows(part, 1)[0]
        query_D = part.embedding_ND[row]
        own = float(exact_scores(query_D, query_D[None])[0])
        (hits,) = shard.search(query_D[None], 1)
        if not hits or not hits[0].score >= own - SAME:
            raise GalleryError(f"{part.columns['id'][row].as_py()} does not find itself")


def _check_finding(shard: Shard, part: Part) -> None:
    row_B = probe_rows(part, PROBES)
    query_BD = part.embedding_ND[row_B]
    exact = Nearest(part.embedding_ND).search(query_BD, DEEP, allowed_N=part.live_N)
    for ranking in shard.rankings:
        for row, hits, score_K in zip(row_B, shard.search(query_BD, DEEP, ranking=ranking), exact[0], strict=True):
            sample_id = str(part.columns["id"][row].as_py())
            if not hits or not np.isfinite([hit.score for hit in hits]).all():
                raise GalleryError(f"the {ranking} ranking of {sample_id} by itself has no scores")
            if ranking != "nearest":
                continue
            if hits[0].score < score_K[0] - SAME:
                raise GalleryError(f"{sample_id} does not find itself, but {hits[0].id} with score {hits[0].score:.4f}")
            found = sum(hit.score >= score_K[-1] - SAME for hit in hits)
            if found < LEAST_RECALL * len(score_K):
                raise GalleryError(f"the index finds {found} of the {len(score_K)} rows nearest to {sample_id}")
