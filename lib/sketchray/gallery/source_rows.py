"""The rows of a listing, and what is said of a picture that cannot be one."""

import pyarrow as pa

LISTING = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("label", pa.string()),
    ]
)
Problem = dict[str, str]


def listing_problem(uri: str, reason: str) -> Problem:
    """Return the report's row of a picture that cannot be listed; what is not UTF-8 in its URI is escaped."""
    return {"uri": uri.encode(errors="backslashreplace").decode(), "stage": "list", "reason": reason}
