"""How much one request may hold. Every number is stated in the OpenAPI description too."""

from sketchray.data.sketch import MAX_COORDINATE, MAX_POINTS, MAX_STROKES
from sketchray.gallery.filter_syntax import LENGTH as MAX_FILTER

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_BATCH",
    "MAX_COORDINATE",
    "MAX_DEPTH",
    "MAX_FILTER",
    "MAX_ID",
    "MAX_JSON_BYTES",
    "MAX_LIMIT",
    "MAX_PIXELS",
    "MAX_POINTS",
    "MAX_SKETCHES",
    "MAX_STROKES",
]

DEFAULT_LIMIT = 20  # results
MAX_LIMIT = 200  # results
MAX_DEPTH = 1000  # offset + limit: how far down a ranking one can page
MAX_SKETCHES = 8  # of one thing, in one query
MAX_BATCH = 32  # queries
MAX_JSON_BYTES = 4 * 2**20  # a parsed document takes some thirty times its bytes
MAX_PIXELS = 40_000_000  # of one uploaded picture
MAX_ID = 128  # characters
