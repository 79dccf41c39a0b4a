"""A made-up gallery behind the real API and the real page, in a thread: the page without Ray or a model."""

import asyncio
import io
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any, cast

import numpy as np
import uvicorn
from PIL import Image, ImageDraw

from serve.access import OPEN, Access
from serve.api import create_api
from serve.canvas import mount_canvas
from serve.errors import ProblemError
from serve.explain_models import Explanation
from serve.models import GalleryInfo, Ready, Result, SearchAnswer, Timings
from serve.search import Searcher, SearchRequest
from sketchray.data.raster import Strokes
from tests.serve.browser.hand import Line
from tests.serve.browser.visitor import Visitor

HOSTILE = """<img src=x onerror="window.pwned=1">${window.pwned=2}{{value}}'"&"""
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PICTURES = 60
ZIGZAG: Line = [(0.2, 0.3), (0.7, 0.4), (0.3, 0.7)]
LINES: list[Line] = [[(0.1 * i, 0.1), (0.1 * i, 0.9)] for i in range(1, 5)]
SOON_MS = 250  # the timers of pad and options are shorter
AT_REST = "document.querySelector('#results [aria-busy=false]')"


class Show:
    """Answers as a `Searcher` does, by dice that fall the same way for the same question.

    Of its two galleries ``many`` is the default one, calibrated, with every ranking; ``plain`` has neither.

    Attributes:
        asked: every search so far.
        version: of both galleries.
        trouble: raised instead of an answer; None for answers.
        best: score of the first result.
        slow_s: how long an answer takes, seconds.
    """

    def __init__(self) -> None:
        self.asked: list[SearchRequest] = []
        self.version = "v1"
        self.trouble: ProblemError | None = None
        self.best = 0.95
        self.slow_s = 0.0

    def galleries(self) -> list[GalleryInfo]:
        """Return both, the default one first."""
        return [self.about("many"), self.about("plain")]

    def about(self, gallery: str | None = None) -> GalleryInfo:
        """Describe one."""
        many = gallery != "plain"
        return GalleryInfo(
            gallery="many" if many else "plain",
            gallery_version=self.version,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            pictures=5000 if many else PICTURES,
            shards=2,
            model="show@1",
            rankings=["nearest", "cluster", "mixture", "manifold"] if many else ["nearest"],
            columns=[],
            calibrated=many,
            calibration_note="made up for the tests",
            default=many,
        )

    async def search(self, request: SearchRequest, *, started: float | None = None) -> SearchAnswer:
        """Rank the pictures by dice."""
        self.asked.append(request)
        await asyncio.sleep(self.slow_s)
        if self.trouble is not None:
            raise self.trouble
        info = self.about(request.gallery)
        dice = Random(f"{fingerprint(request)} {request.ranking} {info.gallery}")
        order = [number for number in dice.sample(range(PICTURES), PICTURES) if f"{number}" != request.like]
        results = [result(number, info, round(self.best - place / 100, 2)) for place, number in enumerate(order)]
        if request.min_confidence is not None:
            results = [one for one in results if (one.confidence or 0) >= request.min_confidence]
        return SearchAnswer(
            results=results[: request.limit],
            gallery=info.gallery,
            gallery_version=info.gallery_version,
            ranking=request.ranking,
            model=info.model,
            timings_ms=Timings(prepare=1, encode=2, search=3, total=6.4),
        )

    async def thumbnail(self, picture_id: str, gallery: str | None = None) -> bytes | None:
        """Draw a picture."""
        dice, image = Random(picture_id), Image.new("RGB", (160, 160), "white")
        corners = [(dice.randint(10, 150), dice.randint(10, 150)) for _ in range(3 + int(picture_id) % 5)]
        colour = (dice.randrange(200), dice.randrange(200), dice.randrange(200))
        ImageDraw.Draw(image).polygon(corners, fill=colour)
        data = io.BytesIO()
        image.save(data, "JPEG")
        return data.getvalue()

    async def explain(self, sketch: Any, picture_id: str, gallery: str | None = None) -> Explanation:
        """Say that the top left matched."""
        if self.trouble is not None:
            raise self.trouble
        shares = np.outer([3, 2, 1, 1], [3, 2, 1, 1]) / 49
        told = {"gallery": "many", "gallery_version": self.version, "model": "show@1"}
        return Explanation(
            sketch=shares.tolist(), picture=shares.tolist(), score=float(shares.sum()), exact=True, raster=PIXEL, **told
        )

    async def ready(self) -> Ready:
        """Be ready."""
        return Ready(gallery="many", gallery_version=self.version, pictures=5000, shards=2, model="show@1")


def fingerprint(request: SearchRequest) -> int:
    """Return a number of what is searched for, the same for the same sketch."""
    drawn = [sketch.lines if isinstance(sketch, Strokes) else sketch.ink_HW for sketch in request.sketches]
    return zlib.crc32(f"{request.like} {drawn}".encode())


def result(number: int, info: GalleryInfo, score: float) -> Result:
    """Make up one result: some hostile, some without a label, some from the web."""
    path = "" if info.default else f"?gallery={info.gallery}"
    return Result(
        id=f"{number}",
        score=score,
        confidence=score if info.calibrated else None,
        uri=f"https://example.org/{number}.jpg" if number % 4 == 0 else f"file:///pictures/<b>shape_{number}.png",
        label=HOSTILE if number % 5 == 1 else None if number % 3 == 0 else f"shape {number}",
        metadata={"year": 1960 + number, "by": HOSTILE, "place": None},
        image=f"/v1/images/{number}{path}",
    )


def found(visitor: Visitor) -> list[str]:
    """Wait until the last question is answered; return the ids of the pictures."""
    visitor.page.wait_for_timeout(SOON_MS)
    visitor.page.wait_for_function(AT_REST)
    return visitor.ids()


@contextmanager
def on_stage(show: Show, access: Access = OPEN) -> Iterator[str]:
    """Serve the page and the API over a show; give its address."""
    with ThreadPoolExecutor(1) as pool:
        api = create_api(cast(Searcher, show), pool, attribution="Made up.", access=access)
        app = mount_canvas(api, attribution=True)
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.02)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(20)
