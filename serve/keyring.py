"""The keys that a replica knows: the file of keys, looked at again every few seconds.

While the store is away, or the file is gone or broken, the keys that were read last go on: an outage of the store must
not be one of the endpoint. So a revocation is seen within ``every_s`` seconds and the time of two requests to the
store, but not before the store can be read again.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from serve.keyfile import KEY, ApiKey, is_proof, proof_of, read_keys
from serve.session import Shown, make_token, read_token
from sketchray.storage import locate

log = logging.getLogger("ray.serve")


class _Known(NamedTuple):
    """One reading of the file, replaced whole, so that a request never sees half of two."""

    secret: str
    keys: dict[str, ApiKey]
    etag: str


class KeyRing:
    """Tells whose a key or a session is.

    Args:
        uri: of the file of keys.
        every_s: seconds between two looks at its etag.
        now: seconds since 1970.

    Raises:
        KeyFileError: there is no such file, or it is not one of ours.
        StoreError: the store cannot be read.
    """

    def __init__(self, uri: str, *, every_s: float = 5.0, now: Callable[[], float] = time.time) -> None:
        self.uri = uri
        self.every_s = every_s
        self._now = now
        self._known = self._read()
        self._closed = threading.Event()

    def watch(self) -> None:
        """Begin to look for changes, in a thread of its own, until `close`."""
        threading.Thread(target=self._watch, name="keys", daemon=True).start()

    def close(self) -> None:
        """Stop looking for changes."""
        self._closed.set()

    def refresh(self) -> bool:
        """Look once; return whether the file had changed.

        Raises:
            KeyFileError, StoreError: as above; what was known goes on.
        """
        store, name = locate(self.uri)
        entry = store.head(name)
        if entry is not None and entry.etag == self._known.etag:
            return False
        self._known = self._read()
        return True

    def of_key(self, text: str) -> ApiKey | None:
        """Return whose key this is; None if it is unknown, wrong or revoked."""
        match = KEY.fullmatch(text)
        return self._owner(self._known, match[1] if match else "", proof_of(text))

    def of_session(self, token: str) -> ApiKey | None:
        """Return whose session this is; None if it is not ours, has expired, or its key was revoked."""
        known = self._known
        shown = read_token(known.secret, token, self._now())
        return None if shown is None else self._owner(known, shown.key_id, shown.proof)

    def begin_session(self, text: str, *, seconds: int) -> str:
        """Return the token of a new session for a key that `of_key` has accepted."""
        match = KEY.fullmatch(text)
        assert match is not None, "a session begins with a key that was checked"
        return make_token(self._known.secret, Shown(match[1], int(self._now()) + seconds, proof_of(text)))

    @staticmethod
    def _owner(known: _Known, identity: str, proof: bytes) -> ApiKey | None:
        key = known.keys.get(identity)
        if not is_proof(proof, key) or key is None or key.revoked_at is not None:
            return None
        return key

    def _read(self) -> _Known:
        file, etag = read_keys(self.uri)
        return _Known(file.secret, {key.id: key for key in file.keys}, etag)

    def _watch(self) -> None:
        trouble = ""
        while not self._closed.wait(self.every_s):
            try:
                if self.refresh():
                    log.info("API keys: %s has changed, %d keys", self.uri, len(self._known.keys))
                trouble = ""
            except Exception as error:  # whatever it is: were this thread to end, no revocation would ever be seen
                if str(error) != trouble:  # once, not every few seconds
                    log.error("API keys: %s; those that are known go on", error)
                trouble = str(error)
