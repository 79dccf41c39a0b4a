"""The query graph: canonical raster, encoder, every shard at once, merge."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from serve.errors import ProblemError
from serve.limits import DEFAULT_LIMIT
from serve.models import Ready, Result, SearchAnswer, Timings
from serve.shard import ShardQuery
from sketchray.data.raster import BlankSketchError, Sketch, Strokes
from sketchray.data.transforms import prepare_sketch
from sketchray.gallery import Hit, Ranking, merge, shard_of
from sketchray.gallery.filters import Filter

PROBE = Strokes.from_json([[[0, 100, 100, 0, 0], [0, 0, 100, 100, 0]]])  # a square: any encoder can embed it


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """One question.

    Attributes:
        sketches: of one thing: the query is the mean of their unit vectors, normalised again.
        like: instead of sketches, the id of a picture of the gallery: its own vector is the query, and the picture
            itself is no answer.
        limit: results wanted.
        offset: results passed over, as those of the pages before.
        ranking: by what.
        min_confidence: results of a smaller one are left out; None for all.
        filter: pictures that may be found; None for all.
        gallery: which; None for the default one.
    """

    sketches: tuple[Sketch, ...] = ()
    like: str | None = None
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    ranking: Ranking = "nearest"
    min_confidence: float | None = None
    filter: Filter | None = None
    gallery: str | None = None


class Searcher:
    """Answers sketches over one version of one gallery. It keeps nothing between requests.

    Args:
        encoder: handle of the encoder deployment.
        shards: handle of every shard's deployment, in the manifest's order.
        gallery: what is served, for the answers.
        pool: threads in which sketches are rasterised.
        timeout_s: how long one stage may take before the request is given up, in seconds.
    """

    def __init__(
        self,
        *,
        encoder: DeploymentHandle[Any],
        shards: Sequence[DeploymentHandle[Any]],
        gallery: Ready,
        pool: Executor,
        timeout_s: float = 20.0,
    ) -> None:
        self.encoder = encoder
        self.shards = list(shards)
        self.gallery = gallery
        self.pool = pool
        self.timeout_s = timeout_s
        self._size: int | None = None

    async def search(self, request: SearchRequest, *, started: float | None = None) -> SearchAnswer:
        """Rank the gallery by cosine similarity to a sketch.

        Args:
            request: of one sketch or several.
            started: ``time.perf_counter()`` at which the request began; None for now.

        Raises:
            ProblemError: 422 for a blank sketch, 503 when a part of the graph cannot answer now.
        """
        began = time.perf_counter() if started is None else started
        async with self._available():
            size = await self._image_size()
            loop = asyncio.get_running_loop()
            drawn = (loop.run_in_executor(self.pool, prepare_sketch, sketch, size) for sketch in request.sketches)
            try:
                images = await asyncio.gather(*drawn)
            except BlankSketchError as error:
                raise ProblemError(422, "The sketch is blank: draw something first.") from error
            prepared = time.perf_counter()
            vectors = await asyncio.gather(*(self.encoder.embed.remote(image_3HW) for image_3HW in images))
            encoded = time.perf_counter()
            query = ShardQuery(mean_direction(vectors), request.offset + request.limit)
            answers = await asyncio.gather(*(shard.search.remote(query) for shard in self.shards))
            hits = merge(answers, request.limit, offset=request.offset)
        done = time.perf_counter()
        marks = (began, prepared, encoded, done)
        prepare, encode, search = (round((b - a) * 1000, 2) for a, b in pairwise(marks))
        return SearchAnswer(
            results=[_result(hit) for hit in hits],
            gallery_version=self.gallery.gallery_version,
            model=self.gallery.model,
            timings_ms=Timings(prepare=prepare, encode=encode, search=search, total=round((done - began) * 1000, 2)),
        )

    async def thumbnail(self, picture_id: str, gallery: str | None = None) -> bytes | None:
        """Return a picture's JPEG thumbnail, or None where the gallery (None: the default one) has no such id."""
        if gallery not in (None, self.gallery.gallery):
            return None
        async with self._available():
            shard = self.shards[shard_of(picture_id, len(self.shards))]
            data: bytes | None = await shard.thumbnail.remote(picture_id)
            return data

    async def ready(self) -> Ready:
        """Send a probe through the encoder and every shard.

        Raises:
            ProblemError: 503, naming what is the matter.
        """
        await self.search(SearchRequest(sketches=(PROBE,), limit=1))
        return self.gallery

    async def _image_size(self) -> int:
        if self._size is None:  # of one gallery version, so it never changes
            self._size = await self.encoder.image_size.remote()
        return self._size

    @asynccontextmanager
    async def _available(self) -> AsyncIterator[None]:
        """Turn the ways in which a deployment cannot answer into 503 with a time to come back."""
        try:
            async with asyncio.timeout(self.timeout_s):
                yield
        except TimeoutError as error:
            raise ProblemError(503, "The search took too long; try again in a moment.", retry_after=2) from error
        except BackPressureError as error:
            raise ProblemError(503, "Too many searches at once; try again in a moment.", retry_after=1) from error
        except (RayActorError, DeploymentUnavailableError) as error:
            raise ProblemError(503, "A part of the search is starting again; try again.", retry_after=5) from error


def mean_direction(vectors: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return the unit vector (D,) between unit vectors (D,); one alone is returned as it is."""
    if len(vectors) == 1:
        return vectors[0]
    mean_D = np.mean(vectors, axis=0, dtype=np.float64)
    return np.asarray(mean_D / np.linalg.norm(mean_D), np.float32)


def _result(hit: Hit) -> Result:
    return Result(id=hit.id, score=hit.score, uri=hit.uri, label=hit.label, image=f"/v1/images/{hit.id}")
