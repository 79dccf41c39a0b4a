"""What goes in and out of the HTTP API."""

from pydantic import BaseModel, ConfigDict, Field

MAX_LIMIT = 200
DEFAULT_LIMIT = 20


class StrokesQuery(BaseModel):
    """A drawing as strokes, in any unit: it is cropped to its ink and centred before it is looked up."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"strokes": [[[10, 90, 50, 10], [80, 80, 10, 80]]], "limit": 5}]},
    )

    strokes: list[list[list[float]]] = Field(description="[xs, ys] of each stroke, x to the right, y down")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="how many pictures to return")


class Result(BaseModel):
    """One picture of the gallery."""

    id: str
    score: float = Field(description="cosine similarity of sketch and picture, -1 to 1; higher is better")
    uri: str = Field(description="where the picture was indexed from")
    label: str | None = Field(description="its category, where the gallery knows one")
    image: str = Field(description="path of its thumbnail on this server")


class Timings(BaseModel):
    """Where the time of one answer went, in milliseconds."""

    prepare: float = Field(description="decoding the upload and drawing the canonical raster")
    encode: float = Field(description="waiting for and running the encoder")
    search: float = Field(description="asking every shard and merging")
    total: float


class SearchAnswer(BaseModel):
    """Pictures that look like the sketch, best first."""

    results: list[Result]
    gallery_version: str
    model: str = Field(description="name and fingerprint of the encoder that embedded sketch and gallery")
    timings_ms: Timings


class Ready(BaseModel):
    """What is being served."""

    status: str = "ready"
    gallery: str
    gallery_version: str
    pictures: int
    shards: int
    model: str
