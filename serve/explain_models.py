"""What goes in and out of ``/v1/explain``."""

from pydantic import ConfigDict, Field

from serve.models import HOUSE, Asked, Drawing, GalleryName, PictureId, Told
from serve.request_ids import current_request_id


class ExplainOptions(Asked):
    """What every way of asking for an explanation takes."""

    id: PictureId = Field(description="of the picture")
    gallery: GalleryName | None = Field(None, description="one of /v1/galleries; the default one if not given")


class ExplainQuery(ExplainOptions):
    """A drawing and one of its results."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"strokes": HOUSE, "id": "7n2kq0c5xw3l"}]})

    strokes: Drawing = Field(description="as in a search")


class Explanation(Told):
    """Which parts of sketch and picture matched.

    The score is a sum over places of the sketch, and over places of the picture; so each place has a share of it, which
    is negative where the place speaks against the match.
    """

    sketch: list[list[float]] = Field(description="shares of the sketch's places, rows from top to bottom")
    picture: list[list[float]] = Field(
        description="shares of the places of the picture's largest centred square, rows from top to bottom"
    )
    score: float = Field(
        description="what the shares sum to: cosine similarity of the sketch and the picture's thumbnail, a little "
        "other than that of a result, for which the picture itself was embedded"
    )
    exact: bool = Field(
        description="whether the encoder has these parts by nature; otherwise the sum is right, and the shares assume "
        "that a place mattered the more the more its own features are like those of the whole"
    )
    raster: str = Field(description="the sketch as the encoder saw it: a PNG as a data URL")
    gallery: str
    gallery_version: str
    model: str
    request_id: str = Field(default_factory=current_request_id)
