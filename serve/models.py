"""What goes in and out of the HTTP API."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serve.errors import ProblemDetails
from serve.limits import (
    DEFAULT_LIMIT,
    MAX_BATCH,
    MAX_COORDINATE,
    MAX_DEPTH,
    MAX_FILTER,
    MAX_ID,
    MAX_LIMIT,
    MAX_POINTS,
    MAX_SKETCHES,
    MAX_STROKES,
)
from serve.request_ids import current_request_id
from sketchray.gallery import Column, Ranking

# fail_fast: a million wrong numbers are one error, not a million.
Coordinate = Annotated[float, Field(ge=-MAX_COORDINATE, le=MAX_COORDINATE, allow_inf_nan=False)]
Line = Annotated[list[Coordinate], Field(max_length=MAX_POINTS, fail_fast=True)]
Stroke = Annotated[list[Line], Field(min_length=2, max_length=3, fail_fast=True)]
Drawing = Annotated[list[Stroke], Field(min_length=1, max_length=MAX_STROKES, fail_fast=True)]
Drawings = Annotated[list[Drawing], Field(min_length=1, max_length=MAX_SKETCHES, fail_fast=True)]
GalleryName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
PictureId = Annotated[str, Field(min_length=1, max_length=MAX_ID)]

HOUSE: list[Any] = [[[10, 90, 90, 10, 10], [50, 50, 95, 95, 50]], [[10, 50, 90], [50, 10, 50]]]
ASKED_BY = {"strokes": "array", "sketches": "array", "like": "string"}


class Asked(BaseModel):
    """Base of what comes in: unknown names are refused, and nothing is taken for something of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Told(BaseModel):
    """Base of what goes out: every field is always there."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class SearchOptions(Asked):
    """What every way of asking takes."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="how many pictures to return")
    offset: int = Field(
        0, ge=0, lt=MAX_DEPTH, description=f"how many of the best to pass over; with limit at most {MAX_DEPTH:,}"
    )
    ranking: Ranking = Field("nearest", description="one of the gallery's own; see /v1/gallery")
    min_confidence: float | None = Field(
        None, ge=0, le=1, description="leave out less likely pictures; only where the gallery's encoder is calibrated"
    )
    filter: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_FILTER,
        description="a condition on label, uri, id and the gallery's own columns, as `label in ('cat', 'dog')`",
    )
    gallery: GalleryName | None = Field(None, description="one of /v1/galleries; the default one if not given")

    @model_validator(mode="after")
    def _not_too_deep(self) -> Self:
        if self.offset + self.limit > MAX_DEPTH:
            raise ValueError(f"offset and limit together are {self.offset + self.limit}; {MAX_DEPTH} is the most")
        return self


class SearchQuery(SearchOptions):
    """One question: a drawing, several drawings of one thing, or a picture of the gallery. Exactly one of these.

    Strokes may be in any unit: a drawing is cropped to its ink and centred before it is looked up.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [name], "properties": {name: {"type": kind}}} for name, kind in ASKED_BY.items()],
        }
    )

    strokes: Drawing | None = Field(
        None,
        description=f"[xs, ys] of each stroke, x to the right, y down; at most {MAX_STROKES:,} strokes and "
        f"{MAX_POINTS:,} points in all; a third list, as Quick, Draw! has for the times, is ignored",
    )
    sketches: Drawings | None = Field(
        None, description="strokes of several drawings of one thing; the search is for what they have in common"
    )
    like: PictureId | None = Field(None, description="id of a picture of the same gallery: more like this one")

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if sum(getattr(self, name) is not None for name in ASKED_BY) != 1:
            raise ValueError("send exactly one of strokes, sketches and like")
        return self


class BatchQuery(Asked):
    """Several questions at once, each with options of its own."""

    queries: list[SearchQuery] = Field(min_length=1, max_length=MAX_BATCH)


class Result(Told):
    """One picture of the gallery."""

    id: str
    score: float = Field(
        description="by the ranking, higher is better; of nearest the cosine similarity of sketch and picture"
    )
    confidence: float | None = Field(
        None, description="probability that this is what was drawn, 0 to 1; null where the encoder is not calibrated"
    )
    uri: str = Field(description="where the picture was indexed from")
    label: str | None = Field(description="its category, where the gallery knows one")
    metadata: dict[str, Any] = Field(default_factory=dict, description="its values of the gallery's columns")
    image: str = Field(description="path of its thumbnail on this server")


class Timings(Told):
    """Where the time of one answer went, in milliseconds."""

    prepare: float = Field(description="decoding the upload and drawing the canonical raster")
    encode: float = Field(description="waiting for and running the encoder")
    search: float = Field(description="asking every shard and merging")
    total: float


class SearchAnswer(Told):
    """Pictures that look like the sketch, best first."""

    results: list[Result]
    gallery: str = ""
    gallery_version: str
    ranking: Ranking = "nearest"
    model: str = Field(description="name and fingerprint of the encoder that embedded sketch and gallery")
    timings_ms: Timings
    request_id: str = Field(default_factory=current_request_id, description="also in the header X-Request-ID")


class BatchAnswer(Told):
    """The answers in the order of the queries; a query that cannot be answered has its problem instead."""

    answers: list[SearchAnswer | ProblemDetails]


class Refused(Told):
    """A newer version that did not pass its checks, so that the one before goes on."""

    version: str
    reason: str


class GalleryInfo(Told):
    """What can be searched, and how."""

    gallery: str
    gallery_version: str
    created_at: datetime
    pictures: int
    shards: int
    model: str
    rankings: list[Ranking] = Field(description="what `ranking` may be")
    columns: list[Column] = Field(description="metadata columns, for `filter`")
    calibrated: bool = Field(description="whether results have a confidence, and `min_confidence` can be asked for")
    calibration_note: str = Field(description="what the confidence was learnt from, or why there is none")
    default: bool = Field(description="whether this is searched when no gallery is named")
    refused: Refused | None = None


class GalleryList(Told):
    """Every gallery that can be searched, the default one first."""

    galleries: list[GalleryInfo]


class SessionQuery(Asked):
    """A key to sign in with."""

    key: str = Field(min_length=1, max_length=256)


class Session(Told):
    """Whether this browser is signed in."""

    signed_in: bool
    required: bool = Field(description="whether anything here needs a key")
    name: str | None = Field(description="of the key that it signed in with")


class Ready(Told):
    """What is being served."""

    status: str = "ready"
    gallery: str
    gallery_version: str
    pictures: int
    shards: int
    model: str
    refused: Refused | None = None


class Alive(Told):
    """This process answers."""

    status: str = "ok"
