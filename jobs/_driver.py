"""One driver at a time: who drives a run says so in the store, again and again, and a second one stays away.

The object ``DRIVER`` is created where there is none, and then written anew every few seconds, each time only over what
its driver wrote last. A second driver looks on for longer than that: if the object changes, the first one lives; if it
does not, the first one is dead, and the object is swapped. No two clocks are compared. A driver that was not dead but
away for so long is told so as soon as it checks.
"""

import contextlib
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from sketchray.config import Config
from sketchray.storage import Conflict, Entry, NotFound, Store, StoreError

DRIVER = "DRIVER"
BEAT_S, DEAD_S, LOOK_S = 3.0, 15.0, 0.5


class Said(Config):
    """What a driver says of itself; two writings are never equal, since an S3 etag is a hash of the content."""

    name: str
    host: str
    pid: int
    at: datetime

    def __str__(self) -> str:
        return f"{self.host} (process {self.pid}, last heard of {self.at:%Y-%m-%d %H:%M:%S} UTC)"


class Driver:
    """One driver of what lies under a prefix. A small picklable value.

    Args:
        place: the prefix.
        name: what no other driver has.
    """

    def __init__(self, place: Store, name: str) -> None:
        self._place, self._name = place, name

    def check(self) -> None:
        """Make sure that this is still the driver, before something is written that another one would write too.

        Raises:
            Conflict: it was not heard of for so long that another one took over.
        """
        found = self._look()
        if found is None or found[1].name != self._name:
            now = f"{found[1]} drives it now" if found else "it has ended"
            raise Conflict(f"{self._place.uri}: this process was not heard of for so long that {now}")

    def take(self, what: str, *, dead_s: float) -> str:
        """Become the driver, if there is none or it is dead; return the object's etag.

        Raises:
            Conflict: another one lives.
        """
        first, until = None, 0.0
        while True:
            found = self._look()
            if found is None:
                if etag := self._say(only_if_absent=True):
                    return etag
                continue  # another one was first
            entry, said = found
            if said.name == self._name:
                return entry.etag  # the answer to the writing was lost
            if first is None:
                print(
                    f"{what} was begun on {said}: looking for {dead_s:g} s whether it lives",
                    file=sys.stderr,
                    flush=True,
                )
                first, until = entry.etag, time.monotonic() + dead_s
            elif entry.etag != first:
                raise Conflict(f"{what} runs already, on {said}; submit it again when that has ended")
            elif time.monotonic() > until and (etag := self._say(if_match=first)):
                return etag
            time.sleep(LOOK_S)

    def beat(self, etag: str, ended: threading.Event, *, every_s: float) -> None:
        """Say again and again that this driver lives, until the event, or until it was taken over."""
        while not ended.wait(every_s):
            with contextlib.suppress(StoreError):  # the store may be away for a while
                if written := self._say(if_match=etag):
                    etag = written
                    continue
                found = self._look()
                if found is None or found[1].name != self._name:
                    return
                etag = found[0].etag  # the answer to the last writing was lost

    def leave(self) -> None:
        """Be the driver no longer."""
        with contextlib.suppress(StoreError):
            self.check()
            self._place.delete(DRIVER)

    def _say(self, *, only_if_absent: bool = False, if_match: str | None = None) -> str | None:
        """Write the object and return its etag, or None where the condition does not hold."""
        said = Said(name=self._name, host=socket.gethostname(), pid=os.getpid(), at=datetime.now(UTC))
        data = said.model_dump_json().encode()
        try:
            return self._place.write(DRIVER, data, only_if_absent=only_if_absent, if_match=if_match)
        except Conflict:
            return None

    def _look(self) -> tuple[Entry, Said] | None:
        entry = self._place.head(DRIVER)  # before the content: a swap in between makes a writing of ours fail
        try:
            return None if entry is None else (entry, Said.model_validate_json(self._place.read(DRIVER)))
        except NotFound:
            return None


@contextlib.contextmanager
def sole_driver(place: Store, what: str, *, beat_s: float = BEAT_S, dead_s: float = DEAD_S) -> Iterator[Driver]:
    """Be the only driver of what lies under a prefix.

    Args:
        place: the prefix.
        what: what is driven, for the messages.
        beat_s: seconds between two signs of life.
        dead_s: so long without one, and a driver counts as dead.

    Raises:
        Conflict: another driver lives; the message says where.
    """
    driver, ended = Driver(place, secrets.token_hex(8)), threading.Event()
    etag = driver.take(what, dead_s=dead_s)
    beats = threading.Thread(target=driver.beat, args=(etag, ended), kwargs={"every_s": beat_s}, daemon=True)
    beats.start()
    try:
        yield driver
    finally:
        ended.set()
        beats.join()
        driver.leave()
