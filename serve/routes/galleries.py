"""What can be searched, and its pictures: ``/v1/gallery``, ``/v1/galleries``, ``/v1/images/{id}``."""

import hashlib
from typing import Annotated

from fastapi import FastAPI, Header, Path, Query, Response

from serve.errors import ProblemError
from serve.limits import MAX_ID
from serve.models import GalleryInfo, GalleryList, GalleryName
from serve.openapi import problems
from serve.search import Searcher

# Private, since a key may be needed; not for long, since an update of the gallery may bring another picture.
IMAGE_CACHE = "private, max-age=600"

Gallery = Annotated[GalleryName | None, Query(description="one of /v1/galleries; the default one if not given")]


def add_galleries(app: FastAPI, searcher: Searcher) -> None:
    """Add the routes.

    Args:
        app: gets them.
        searcher: knows the galleries.
    """

    @app.get("/v1/galleries", tags=["galleries"], responses=problems(401, 429))
    async def galleries() -> GalleryList:
        """List what can be searched, the default gallery first."""
        return GalleryList(galleries=searcher.galleries())

    @app.get("/v1/gallery", tags=["galleries"], responses=problems(401, 404, 422, 429))
    async def gallery(name: Gallery = None) -> GalleryInfo:
        """Tell what a gallery holds, by what it can be ranked and filtered, and which version is being searched."""
        return searcher.about(name)

    @app.get(
        "/v1/images/{id}",
        tags=["galleries"],
        response_class=Response,
        responses={
            200: {
                "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
                "description": "the thumbnail",
                "headers": {"ETag": {"schema": {"type": "string"}, "description": "changes with the picture"}},
            },
            304: {"description": "the caller's copy is current"},
            **problems(401, 404, 422, 429, 503),
        },
    )
    async def image(
        id: Annotated[str, Path(description="from a search result", max_length=MAX_ID)],
        gallery: Gallery = None,
        if_none_match: Annotated[str | None, Header(description="the ETag of a copy that the caller has")] = None,
    ) -> Response:
        """Return the thumbnail of a picture."""
        data = await searcher.thumbnail(id, gallery)
        if data is None:
            raise ProblemError(404, "The gallery has no picture of this id.")
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"', "Cache-Control": IMAGE_CACHE}
        if if_none_match is not None and _is_current(headers["ETag"], if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/jpeg", headers=headers)


def _is_current(etag: str, if_none_match: str) -> bool:
    known = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return etag in known or known == ["*"]
