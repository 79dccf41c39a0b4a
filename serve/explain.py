"""Why this picture: the score of a sketch and a picture in its parts, computed when somebody asks.

The picture's thumbnail is what is compared, since the gallery keeps no other copy of its pictures: the score is a
little other than that of the search, for which the picture itself was embedded.
"""

import asyncio
import base64
import io
import time
from concurrent.futures import Executor

import numpy as np
from PIL import Image

from serve.errors import ProblemError
from serve.explain_models import Explanation
from serve.graph import Graph
from serve.metrics import STAGE_MS
from serve.rasters import Raster
from serve.release import ReleaseInfo
from sketchray.data.images import decode_image
from sketchray.data.transforms import prepare_photo

DIGITS = 6  # of a share


async def explain(graph: Graph, info: ReleaseInfo, raster_HW: Raster, picture_id: str, pool: Executor) -> Explanation:
    """Tell which parts of a sketch and a picture matched.

    Args:
        graph: is asked for the thumbnail, and for the parts.
        info: the release that is asked about.
        raster_HW: of the sketch, canonical, of the size that the release's encoder takes.
        picture_id: of a picture of the release.
        pool: threads in which pictures are decoded.

    Raises:
        ProblemError: 404 where there is no such picture.
    """
    began = time.perf_counter()
    thumbnail = await graph.thumbnail(info, picture_id)
    if thumbnail is None:
        raise ProblemError(404, "The gallery has no picture of this id.")
    loop = asyncio.get_running_loop()
    picture_3HW = await loop.run_in_executor(pool, decode, thumbnail, info.image_size)
    parts = await graph.explain(info.release, raster_HW, picture_3HW)
    STAGE_MS.observe((time.perf_counter() - began) * 1000, "explain")
    return Explanation(
        sketch=np.round(parts.sketch_hw, DIGITS).tolist(),
        picture=np.round(parts.picture_hw, DIGITS).tolist(),
        score=parts.score,
        exact=parts.exact,
        raster=data_url(raster_HW),
        gallery=info.gallery,
        gallery_version=info.version,
        model=info.model,
    )


def decode(thumbnail: bytes, size: int) -> Raster:
    """Return a thumbnail as an encoder takes it, (3, size, size)."""
    return prepare_photo(decode_image(thumbnail), size)


def data_url(image_HW: Raster) -> str:
    """Return a grey picture as a PNG in a data URL."""
    png = io.BytesIO()
    Image.fromarray(image_HW).save(png, "PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
