"""Who may come in: the arguments, what is checked at deploy time, and what each ingress replica makes of them."""

import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field, field_validator
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from serve.auth import Authenticate, Rate
from serve.guard import Guard
from serve.keyfile import DEFAULT_NAME, KeyFileError, read_keys
from serve.keyring import KeyRing
from serve.leases import Leases
from serve.limiter import Ask, Grant
from sketchray.config import Config
from sketchray.storage import Store

ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|\*")


class AccessArgs(Config):
    """Who may come in, and from where.

    Attributes:
        auth: ``keys``, everybody shows a key or a session; or ``open``, everybody who reaches the port may search.
        keys: URI of the file of keys, which ``python -m serve.keys`` makes; None for ``keys.json`` in the store. Every
            ingress replica reads it.
        keys_poll_s: seconds between two looks of a replica at that file: so long a revoked key may go on.
        requests_per_second, burst: of a key that has no rate of its own, over all replicas.
        limiter_timeout_s: seconds without an answer after which the limiter counts as away, and each replica goes by
            its share of a rate.
        session_hours: how long a browser stays signed in.
        cors_origins: sites whose pages may call the API from a browser, with a key in a header, as
            ``https://shop.example``; ``*`` for all.
    """

    auth: Literal["keys", "open"] = "keys"
    keys: str | None = None
    keys_poll_s: float = Field(5.0, gt=0, allow_inf_nan=False)
    requests_per_second: float = Field(50.0, gt=0, allow_inf_nan=False)
    burst: float = Field(200.0, ge=1, allow_inf_nan=False)
    limiter_timeout_s: float = Field(0.5, gt=0, allow_inf_nan=False)
    session_hours: float = Field(12.0, gt=0, le=24 * 365)
    cors_origins: tuple[str, ...] = ()

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; it is as https://shop.example, without a path, or *")
        return origins


Args = TypeVar("Args", bound=AccessArgs)


def with_keys(args: Args, store: Store) -> Args:
    """Look at the file of keys when the application is built, so that a missing one stops the deployment.

    Args:
        args: of the application.
        store: where the keys are if ``args`` do not say.

    Returns:
        The arguments with the URI of the file in ``keys``.

    Raises:
        ValueError: there is no such file, or it is not one of ours.
        StoreError: the store cannot be read.
    """
    if args.auth == "open":
        return args
    keys = args.keys or store.uri_of(DEFAULT_NAME)
    try:
        read_keys(keys)
    except KeyFileError as error:
        raise KeyFileError(
            f"auth: keys: {error}. Make one with `python -m serve.keys create NAME --keys {keys}`, "
            "or say auth: open to let in everybody who reaches the port"
        ) from error
    return args.model_copy(update={"keys": keys})


class Keys(NamedTuple):
    """What a replica needs to tell callers apart."""

    ring: KeyRing
    leases: Leases
    rate: Rate


class Access(NamedTuple):
    """What a replica needs to let callers in.

    Attributes:
        keys: None where everybody may come in.
        session_s: how long a session lasts.
        cors_origins: other sites that may call.
    """

    keys: Keys | None
    session_s: int
    cors_origins: tuple[str, ...]


OPEN = Access(None, 0, ())


def open_access(args: AccessArgs, lease: Callable[[Ask], Awaitable[Grant]] | None) -> Access:
    """Read the keys and begin to watch them.

    Args:
        args: as the application was built with.
        lease: asks the limiter; None only where ``auth`` is open.

    Raises:
        KeyFileError, StoreError: there are no keys to be read; a replica that knew nobody would be of no use.
    """
    session_s = round(args.session_hours * 3600)
    if args.auth == "open":
        return Access(None, session_s, args.cors_origins)
    assert args.keys is not None
    assert lease is not None
    ring = KeyRing(args.keys, every_s=args.keys_poll_s)
    ring.watch()
    leases = Leases(lease, replica=secrets.token_hex(8), timeout_s=args.limiter_timeout_s)
    return Access(Keys(ring, leases, Rate(args.requests_per_second, args.burst)), session_s, args.cors_origins)


def guards(access: Access, *, own: re.Pattern[str]) -> list[Middleware]:
    """Return what stands in front of every route, the outermost first: CORS, paths and sizes, keys and rates.

    Args:
        access: who may come in.
        own: matches the paths of our own routes.
    """
    # There even without origins: Gradio, which would let in every site, leaves CORS to an application that has this.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=access.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "X-API-Key", "Content-Type", "X-Request-ID"),
        expose_headers=("X-Request-ID", "Retry-After", "ETag"),
    )
    paths = Middleware(Guard, own=own)
    if access.keys is None:
        return [cors, paths]
    return [cors, paths, Middleware(Authenticate, **access.keys._asdict())]
