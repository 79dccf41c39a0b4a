"""Ingress replicas without Ray: the real application, guards, keys and page around a searcher that answers at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from serve.access import Access, Keys
from serve.api import create_api
from serve.auth import Rate
from serve.errors import ProblemError
from serve.keyring import KeyRing
from serve.leases import Leases
from serve.limiter import Limiter
from serve.models import GalleryInfo, Ready, SearchAnswer, Timings

STROKES = {"strokes": [[[0, 50, 100], [0, 90, 0]]]}


class NoSearcher:
    """Knows one picture, ``known``; counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def search(self, request: Any, *, started: float | None = None) -> SearchAnswer:
        self.asked += 1
        timings = Timings(prepare=0, encode=0, search=0, total=0)
        return SearchAnswer(results=[], gallery="shapes", gallery_version="1", model="none", timings_ms=timings)

    async def thumbnail(self, picture_id: str, gallery: str | None = None) -> bytes | None:
        self.asked += 1
        return b"jpeg" if picture_id == "known" else None

    async def explain(self, *question: Any) -> Any:
        self.asked += 1
        raise ProblemError(404, "There is no such picture.")

    def about(self, gallery: str | None = None) -> GalleryInfo:
        self.asked += 1
        return GalleryInfo(
            gallery="shapes",
            gallery_version="1",
            created_at=datetime.now(UTC),
            pictures=1,
            shards=1,
            model="none",
            rankings=["nearest"],
            columns=[],
            calibrated=False,
            calibration_note="not calibrated",
            default=True,
        )

    def galleries(self) -> list[GalleryInfo]:
        return [self.about()]

    async def ready(self) -> Ready:
        return Ready(gallery="shapes", gallery_version="1", pictures=1, shards=1, model="none")


class Replica:
    """One of them.

    Args:
        access: who may come in.
        mount: puts a page into the application; None for the API alone.
        base_url: by which it is called.
    """

    def __init__(
        self, access: Access, *, mount: Callable[[FastAPI], Any] | None = None, base_url: str = "http://sketch.example"
    ) -> None:
        self.searcher = NoSearcher()
        self.access = access
        stand_in: Any = self.searcher
        self.app = create_api(stand_in, ThreadPoolExecutor(1), attribution="None needed.", access=access)
        if mount is not None:
            mount(self.app)
        self.http = TestClient(self.app, base_url=base_url, follow_redirects=False)

    def refresh(self) -> bool:
        """Look for changes of the keys now, not in a few seconds."""
        assert self.access.keys is not None
        return self.access.keys.ring.refresh()


def access_by_keys(
    uri: str,
    limiter: Limiter,
    *,
    name: str,
    rate: Rate,
    clock: Callable[[], float],
) -> Access:
    """Return access by the keys of a file, with a clock that is set by hand."""
    leases = Leases(limiter.lease, replica=name, clock=clock, timeout_s=0.5)
    return Access(Keys(KeyRing(uri, now=clock), leases, rate), session_s=3600, cors_origins=())
