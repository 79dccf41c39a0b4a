"""One question, and what a release cannot be asked."""

from dataclasses import dataclass

from serve.errors import ProblemError
from serve.limits import DEFAULT_LIMIT, MAX_DEPTH
from serve.release import ReleaseInfo
from sketchray.data.raster import Sketch
from sketchray.gallery import Ranking
from sketchray.gallery.filters import Filter, FilterError
from sketchray.gallery.segment import vector_schema


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


def check_request(request: SearchRequest, info: ReleaseInfo) -> None:
    """Refuse a question that does not fit a release.

    Raises:
        ProblemError: 422, a ranking that the release has no codebook for, a confidence where none is known, or a filter
            on other columns than the release has.
    """
    assert bool(request.sketches) != (request.like is not None)
    assert request.offset + request.limit <= MAX_DEPTH
    if request.ranking not in info.rankings:
        known = ", ".join(info.rankings)
        text = f"The gallery {info.gallery!r} has no codebook for {request.ranking} ranking, only: {known}."
        raise ProblemError(422, text)
    if request.min_confidence is not None and info.calibration is None:
        raise ProblemError(
            422, f"min_confidence cannot be used: the encoder of gallery {info.gallery!r} is not calibrated."
        )
    if request.filter is not None:
        schema = vector_schema(1, info.columns)
        try:
            request.filter.check(schema.remove(schema.get_field_index("embedding")))
        except FilterError as error:
            text = f"Filter, character {error.position + 1}: {error.reason}."
            raise ProblemError(422, text, position=error.position) from error
