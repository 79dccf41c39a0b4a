"""The file of API keys: one small JSON object in any store, in which no key can be read.

What it holds against:

- *Somebody reads the file.* A key is 256 random bits, so there is nothing to guess, and a salt or a slow hash would add
  nothing. The file has only ``hash = SHA-256(proof)``, where ``proof = SHA-256(key)``. A caller shows the key, and a
  session's cookie carries the proof, signed with the file's own secret (see `serve.session`): to make either, one would
  have to invert SHA-256. So the file alone lets nobody in.
- *Somebody times the answers.* Hashes are compared in constant time; the id in a key only says which hash to compare
  with, and one that is unknown is compared all the same.
- *Two people change the file at once.* Changes are compare-and-swap on its etag, and the loser tries again.

Not held against: somebody who may write the file can let in whom they like. Keep it where only operators write.
"""

import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sketchray.storage import Conflict, NotFound, locate

KEY = re.compile(r"sketchray_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
DEFAULT_NAME = "keys.json"  # in the store
NOBODY = "0" * 64
MAX_NAME = 100
TRIES = 20


class KeyFileError(ValueError):
    """The file of keys is missing, unreadable or cannot be changed so; the message names it."""


class ApiKey(BaseModel):
    """What is kept of one key.

    Attributes:
        id: the part of the key that may be shown.
        name: whose it is, for people.
        hash: hex SHA-256 of the key's proof.
        created_at, revoked_at: UTC; a key that was revoked stays in the file, so that nobody wonders where it went.
        rate: questions a second; None for the endpoint's default.
        burst: questions at once, after a rest; None for the endpoint's default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(min_length=1, max_length=MAX_NAME)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: datetime
    revoked_at: datetime | None = None
    rate: float | None = Field(None, gt=0, allow_inf_nan=False)
    burst: float | None = Field(None, ge=1, allow_inf_nan=False)


class KeyFile(BaseModel):
    """The whole file.

    Attributes:
        format: version of this layout.
        secret: hex, 32 bytes; signs session cookies. A new one ends every session.
        keys: in the order they were made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    secret: str = Field(default_factory=lambda: secrets.token_hex(32), pattern=r"^[0-9a-f]{64}$")
    keys: tuple[ApiKey, ...] = ()


class Stored(NamedTuple):
    """The file as it was read, and the etag that it had."""

    file: KeyFile
    etag: str


def proof_of(key: str) -> bytes:
    """Return what stands for a key in a session: 32 bytes from which the key cannot be found."""
    return hashlib.sha256(key.encode()).digest()


def is_proof(proof: bytes, known: ApiKey | None) -> bool:
    """Return whether a proof belongs to a key, in a time that tells nothing about it."""
    shown = hashlib.sha256(proof).hexdigest()
    return hmac.compare_digest(shown, known.hash if known else NOBODY) and known is not None


def new_key(name: str, *, rate: float | None = None, burst: float | None = None) -> tuple[str, ApiKey]:
    """Make a key: its text, which nobody can ever show again, and what the file keeps of it.

    Raises:
        ValueError: no name, or a rate or burst that is no rate or burst.
    """
    if not 1 <= len(name) <= MAX_NAME:
        raise ValueError(f"a key's name has 1 to {MAX_NAME} characters, not {len(name)}")
    if rate is not None and not 0 < rate < math.inf:
        raise ValueError(f"a key's rate is a number of questions a second above 0, not {rate:g}")
    if burst is not None and not 1 <= burst < math.inf:
        raise ValueError(f"a key's burst is a number of questions from 1, not {burst:g}")
    identity = secrets.token_hex(6)
    text = f"sketchray_{identity}_{secrets.token_urlsafe(32)}"
    kept = hashlib.sha256(proof_of(text)).hexdigest()
    made = ApiKey(id=identity, name=name, hash=kept, created_at=datetime.now(UTC), rate=rate, burst=burst)
    return text, made


def read_keys(uri: str) -> Stored:
    """Read the file.

    Raises:
        KeyFileError: there is none, or it is not one of ours.
        StoreError: the store cannot be read.
    """
    store, name = locate(uri)
    entry = store.head(name)  # before the bytes: if it changes in between, the next look at the etag shows it
    if entry is None:
        raise KeyFileError(f"there is no file of API keys at {uri}")
    try:
        return Stored(KeyFile.model_validate_json(store.read(name)), entry.etag)
    except NotFound as error:
        raise KeyFileError(f"there is no file of API keys at {uri}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]  # the input may hold the secret
        where = ".".join(str(part) for part in first["loc"])
        raise KeyFileError(f"{uri} is not a file of API keys: {where} {first['msg']}".replace("  ", " ")) from error


def change_keys(uri: str, change: Callable[[KeyFile], KeyFile], *, create: bool = False) -> KeyFile:
    """Replace the file by what ``change`` makes of it, however many others do so at the same time.

    Args:
        uri: of the file, in any store.
        change: called again with the newer file where somebody else was faster.
        create: begin a new file where there is none.

    Raises:
        KeyFileError: there is none to change, or it is not one of ours.
        StoreError: the store cannot be read or written.
    """
    store, name = locate(uri)
    for _ in range(TRIES):
        stored = None if create and not store.exists(name) else read_keys(uri)
        changed = change(stored.file if stored else KeyFile())
        data = changed.model_dump_json(indent=1, exclude_none=True).encode()
        try:
            if stored:
                store.write(name, data, if_match=stored.etag)
            else:
                store.write(name, data, only_if_absent=True)
            return changed
        except Conflict:
            continue
    raise KeyFileError(f"{uri}: somebody else keeps changing it; try again")
