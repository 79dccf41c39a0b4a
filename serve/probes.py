"""What a release has to answer before anybody is answered from it: the example sketches, looked up for themselves."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from serve.graph import Graph
from serve.group import ShardQuery
from serve.model import Model, probe_rasters
from serve.rasters import Raster
from serve.release import ReleaseInfo
from sketchray.gallery import Hit, Manifest

LIMIT = 10
SAME = 1e-4  # cosines that differ less are equal
ALIKE = 1e-6  # less than any two drawings differ, and more than rounding
Vector = npt.NDArray[np.float32]


class ProbeError(ValueError):
    """A release that gives a wrong answer; the message says which."""


def check_model(embed: Callable[[Raster], Vector], model: Model, manifest: Manifest) -> None:
    """Embed every example sketch.

    Raises:
        ProbeError: a vector is not of the gallery's dimension, not finite or not of unit length, or all are the same.
    """
    vectors = [embed(image_HW) for image_HW in model.probes]
    for vector_D in vectors:
        check_vector(vector_D, manifest.content.dimension)
    if min(float(vectors[0] @ vector_D) for vector_D in vectors) > 1 - ALIKE:
        raise ProbeError("the encoder embeds every example sketch alike")


def check_vector(vector_D: Vector, dimension: int) -> None:
    """Refuse what is no unit vector of a dimension."""
    if vector_D.shape != (dimension,):
        raise ProbeError(f"the encoder makes {len(vector_D)} numbers of a sketch where the gallery has {dimension}")
    length = float(np.linalg.norm(vector_D.astype(np.float64)))
    if not abs(length - 1) <= SAME:
        raise ProbeError(f"the encoder makes a vector of length {length:.4g} of an example sketch")


async def probe_release(graph: Graph, info: ReleaseInfo) -> None:
    """Look the example sketches up through the whole graph, by every ranking of the release.

    Raises:
        ProbeError: an answer that cannot be right.
    """
    for number, image_HW in enumerate(probe_rasters(info.image_size)):
        vector_D = await graph.embed(info.release, image_HW)
        for ranking in info.rankings:
            query = ShardQuery(vector_D, LIMIT, ranking)
            hits = await graph.search(info, query)
            _check_hits(hits, min(LIMIT, info.pictures), f"{ranking} ranking of example sketch {number}")
            if hits:
                await _check_first(graph, info, hits[0], vector_D)


def _check_hits(hits: list[Hit], expected: int, what: str) -> None:
    if len(hits) != expected or len({hit.id for hit in hits}) != expected:
        raise ProbeError(f"the {what} has {len(hits)} results where there should be {expected}")
    scores = [hit.score for hit in hits]
    if not np.isfinite(scores).all() or scores != sorted(scores, reverse=True):
        raise ProbeError(f"the scores of the {what} do not descend")


async def _check_first(graph: Graph, info: ReleaseInfo, hit: Hit, vector_D: Vector) -> None:
    own_D = await graph.vector(info, hit.id)
    if own_D is None or abs(float(own_D @ vector_D) - hit.similarity) > SAME:
        raise ProbeError(f"the similarity of {hit.id} is not that of its own vector")
    if not await graph.thumbnail(info, hit.id):
        raise ProbeError(f"{hit.id} has no thumbnail")
