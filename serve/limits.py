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
    "MAX_LISTS",
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
MAX_JSON_BYTES = 4 * 2**20  # which take some twenty times as much once parsed
MAX_LISTS = 200_000  # lists and objects in a JSON body: Python's garbage collector takes a second for a million
MAX_PIXELS = 25_000_000  # of one uploaded picture: a telephone's; decoding may take 16 bytes of each
MAX_ID = 128  # characters
