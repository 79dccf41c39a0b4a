"""Who writes under a prefix, and who deletes there: never both.

A writer claims the prefix and then looks whether a collector is at work; a collector marks the prefix and then looks
whether there is a claim. Each writes before it looks, so at least one of two sees the other: the writer waits, the
collector lets go. A collector that died leaves its mark; the next one that finds it older than its age takes it over.
"""

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from sketchray.storage import Conflict, Entry, Store

CLAIM, MARK = "CLAIM", "COLLECTING"
WAIT_S = 30.0
LOOK_S = 0.1


def claim(place: Store, *, wait_s: float = WAIT_S) -> None:
    """Announce that objects will be written under a prefix, or made current; to be called before the first of them.

    Garbage collection then leaves the prefix alone for as long as its age says, from now on.

    Args:
        place: the prefix, of a version or of a build's work.
        wait_s: how long to wait for a collector that is at work there, in seconds.

    Raises:
        Conflict: it has not ended by then.
    """
    place.write(CLAIM, b"")
    until = time.monotonic() + wait_s
    while place.exists(MARK):
        if time.monotonic() > until:
            raise Conflict(
                f"{place.uri}: a garbage collection is deleting this, or ended while it did; let it end, or run it "
                f"again, and then try again"
            )
        time.sleep(LOOK_S)


def mark(place: Store, *, before: datetime) -> list[Entry] | None:
    """Begin to delete under a prefix, if nothing was written there lately.

    Args:
        place: the prefix.
        before: whatever was written after this moment is somebody's; a mark from before it is of a dead collector.

    Returns:
        The objects there, which are the caller's until `unmark`; None where the prefix is not.
    """
    name = secrets.token_hex(8).encode()  # an S3 etag is a hash of the content: equal marks could not be told apart
    try:
        place.write(MARK, name, only_if_absent=True)
    except Conflict:
        dead = place.head(MARK)
        if dead is None or dead.modified > before:
            return None
        try:
            place.write(MARK, name, if_match=dead.etag)
        except Conflict:
            return None
    there = [entry for entry in place.list() if entry.key != MARK]
    if newest(there) > before:
        unmark(place)
        return None
    return there


def unmark(place: Store) -> None:
    """End deleting under a prefix."""
    place.delete(MARK)


def newest(entries: Sequence[Entry]) -> datetime:
    """Return when the last of some objects was written, a collector's mark aside; the beginning of time of none."""
    times = (entry.modified for entry in entries if entry.key != MARK)
    return max(times, default=datetime.min.replace(tzinfo=UTC))
