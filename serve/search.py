"""Answering one question: canonical rasters, encoder, every shard at once, merge, all from one release."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import pairwise
from urllib.parse import quote

from serve.availability import available
from serve.confidence import least_similarity
from serve.errors import ProblemError
from serve.examples import examples
from serve.explain import explain
from serve.explain_models import Explanation
from serve.graph import Graph, Vector, mean_direction
from serve.group import ShardQuery
from serve.metrics import STAGE_MS
from serve.models import GalleryInfo, Ready, Result, SearchAnswer, Timings
from serve.rasters import Raster, draw
from serve.release import ReleaseInfo
from serve.releases import Releases
from serve.request import SearchRequest, check_request
from sketchray.data.raster import BlankSketchError, Sketch, Strokes
from sketchray.gallery import Hit

__all__ = ["SearchRequest", "Searcher"]


class Searcher:
    """Answers sketches over the active releases. It keeps nothing between requests.

    Args:
        graph: encoder and shards.
        releases: what to answer from.
        pool: threads in which sketches are rasterised.
        timeout_s: how long a request may take before it is given up, seconds.
    """

    def __init__(self, graph: Graph, releases: Releases, *, pool: Executor, timeout_s: float) -> None:
        self.graph = graph
        self.releases = releases
        self.pool = pool
        self.timeout_s = timeout_s

    async def search(self, request: SearchRequest, *, started: float | None = None) -> SearchAnswer:
        """Rank a gallery.

        Args:
            request: the question.
            started: ``time.perf_counter()`` at which the request began; None for now.

        Raises:
            ProblemError: 404 for an unknown gallery or picture, 422 for what the gallery cannot be asked or a blank
                sketch, 503 when a part of the graph cannot answer now.
        """
        marks = [time.perf_counter() if started is None else started]
        with self.releases.use(request.gallery) as info:
            check_request(request, info)
            async with available(self.timeout_s):
                images = await self._rasters(request.sketches, info)
                marks.append(time.perf_counter())
                query_D = await self._query(request, images, info)
                marks.append(time.perf_counter())
                hits = await self._hits(request, query_D, info)
                marks.append(time.perf_counter())
        prepare, encode, search = ((b - a) * 1000 for a, b in pairwise(marks))
        timings = Timings(prepare=prepare, encode=encode, search=search, total=(marks[-1] - marks[0]) * 1000)
        for stage, ms in timings:
            STAGE_MS.observe(ms, stage)
        return SearchAnswer(
            results=self._results(request, hits, info),
            gallery=info.gallery,
            gallery_version=info.version,
            ranking=request.ranking,
            model=info.model,
            timings_ms=Timings(**{stage: round(ms, 2) for stage, ms in timings}),
        )

    async def thumbnail(self, picture_id: str, gallery: str | None = None) -> bytes | None:
        """Return a picture's JPEG thumbnail, or None where the gallery (None: the default one) has no such id.

        Raises:
            ProblemError: 404 for an unknown gallery, 503 when the shard cannot answer now.
        """
        with self.releases.use(gallery) as info:
            async with available(self.timeout_s):
                return await self.graph.thumbnail(info, picture_id)

    async def explain(self, sketch: Sketch, picture_id: str, gallery: str | None = None) -> Explanation:
        """Tell which parts of a sketch and of a picture of a gallery (None: the default one) matched.

        Raises:
            ProblemError: 404 for an unknown gallery or picture, 422 for a blank sketch, 503 when a part of the graph
                cannot answer now.
        """
        with self.releases.use(gallery) as info:
            async with available(self.timeout_s):
                (image_HW,) = await self._rasters([sketch], info)
                return await explain(self.graph, info, image_HW, picture_id, self.pool)

    def about(self, gallery: str | None = None) -> GalleryInfo:
        """Tell what can be searched in a gallery (None: the default one), and how.

        Raises:
            ProblemError: 404 for an unknown gallery, 503 while nothing of it can be answered from.
        """
        return self.releases.about(gallery)

    def galleries(self) -> list[GalleryInfo]:
        """Tell of every gallery that can be searched now, the default one first."""
        answered = {info.gallery for info in self.releases.active}
        return [self.about(name) for name in self.releases.galleries if name in answered]

    async def ready(self) -> Ready:
        """Send a probe through the encoder and every shard, for every gallery; tell of the default one.

        Raises:
            ProblemError: 503, naming what is the matter.
        """
        probe = SearchRequest(sketches=(Strokes.from_json(examples()[0].strokes),), limit=1)
        for name in self.releases.galleries:
            await self.search(replace(probe, gallery=name))
        return Ready.model_validate(self.about().model_dump(include=set(Ready.model_fields)))

    async def _rasters(self, sketches: Sequence[Sketch], info: ReleaseInfo) -> list[Raster]:
        run = asyncio.get_running_loop().run_in_executor
        drawn = (run(self.pool, draw, sketch, info.image_size) for sketch in sketches)
        try:
            return list(await asyncio.gather(*drawn))
        except BlankSketchError as error:
            raise ProblemError(422, "The sketch is blank: draw something first.") from error

    async def _query(self, request: SearchRequest, images: Sequence[Raster], info: ReleaseInfo) -> Vector:
        if request.like is None:
            return mean_direction(await asyncio.gather(*(self.graph.embed(info.release, image) for image in images)))
        own_D = await self.graph.vector(info, request.like)
        if own_D is None:
            raise ProblemError(404, f"The gallery {info.gallery!r} has no picture of the id in 'like'.")
        return own_D

    async def _hits(self, request: SearchRequest, query_D: Vector, info: ReleaseInfo) -> list[Hit]:
        least, depth = None, request.offset + request.limit + (request.like is not None)
        if request.min_confidence is not None and info.calibration is not None:
            least = least_similarity(info.calibration, request.min_confidence)
        query = ShardQuery(query_D, depth, request.ranking, request.filter, least)
        return await self.graph.search(info, query)

    def _results(self, request: SearchRequest, hits: Sequence[Hit], info: ReleaseInfo) -> list[Result]:
        hits = [hit for hit in hits if hit.id != request.like]
        confidences: list[float | None] = [None] * len(hits)
        if info.calibration is not None:
            confidences = info.calibration.probability([hit.similarity for hit in hits]).tolist()
        least = 0.0 if request.min_confidence is None else request.min_confidence
        kept = [pair for pair in zip(hits, confidences, strict=True) if pair[1] is None or pair[1] >= least]
        where = "" if info.gallery == self.releases.default else f"?gallery={quote(info.gallery)}"
        return [
            Result(
                id=hit.id,
                score=hit.score,
                confidence=confidence,
                uri=hit.uri,
                label=hit.label,
                metadata=hit.metadata,
                image=f"/v1/images/{quote(hit.id, safe='')}{where}",
            )
            for hit, confidence in kept[request.offset :][: request.limit]
        ]
