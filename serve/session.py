"""Session cookies: what a browser holds after it has shown a key. Nothing is kept here, so any replica can read them.

A token is ``v1.<key id>.<expires>.<proof>.<mac>``: the proof of the key (see `serve.keyfile`) and the time at which the
session ends, signed with HMAC-SHA256 under the secret of the file of keys.

- *Forging one* takes the secret, which is in the file, and a proof, which is not.
- *Stealing one* gives access until it expires or the key is revoked, but not the key. Scripts cannot read the cookie
  (HttpOnly), other sites cannot make a browser send it (SameSite=Strict, and `serve.auth` looks at Sec-Fetch-Site and
  Origin besides), and over https it is never sent in the clear (Secure, and the prefix ``__Host-``, which no other
  host or path can set).
- *Signing out* takes the cookie away; as nothing is kept, a copy of it would go on until it expires. Revoke the key.
"""

import base64
import hmac
import re
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "sketchray_session"
TOKEN = re.compile(r"v1\.([0-9a-f]{12})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


class Shown(NamedTuple):
    """What a token that carries our signature says."""

    key_id: str
    expires: int
    proof: bytes


def make_token(secret: str, shown: Shown) -> str:
    """Return the text of the cookie.

    Args:
        secret: of the file of keys, hex.
        shown: ``expires`` in seconds since 1970.
    """
    body = f"v1.{shown.key_id}.{shown.expires}.{_text(shown.proof)}"
    return f"{body}.{_mac(secret, body)}"


def read_token(secret: str, token: str, now: float) -> Shown | None:
    """Return what a token says, or None if it is none of ours or its time is over."""
    match = TOKEN.fullmatch(token)
    if match is None or not hmac.compare_digest(_mac(secret, token.rpartition(".")[0]), match[4]):
        return None
    if int(match[2]) <= now:
        return None
    return Shown(match[1], int(match[2]), base64.urlsafe_b64decode(match[3] + "="))


def is_secure(scope: Scope) -> bool:
    """Return whether the browser came by https: here, or at a proxy in front that says so.

    A caller who lies about it changes only the flags of their own cookie.
    """
    forwarded = Headers(scope=scope).get("x-forwarded-proto", "").partition(",")[0].strip()
    return scope.get("scheme") == "https" or forwarded == "https"


def cookie_name(scope: Scope) -> str:
    """Return the name that the cookie has on this connection."""
    return f"__Host-{COOKIE}" if is_secure(scope) else COOKIE


def set_cookie(scope: Scope, token: str, *, seconds: int) -> str:
    """Return the header that hands a browser its token; an empty token and 0 seconds take it back."""
    secure = "; Secure" if is_secure(scope) else ""
    return f"{cookie_name(scope)}={token}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _mac(secret: str, body: str) -> str:
    return _text(hmac.digest(bytes.fromhex(secret), body.encode(), "sha256"))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
