"""Any S3 endpoint as an object store, configured by the standard ``AWS_*`` variables."""

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sketchray.storage.base import (
    AccessDenied,
    BucketMissing,
    Conflict,
    Entry,
    NoSpace,
    NotFound,
    Store,
    StoreError,
    Unreachable,
    check_condition,
)

ATTEMPTS = 3
CONNECT_S = 3.0
READ_S = 60.0

CODES: dict[str, type[StoreError]] = {
    "NoSuchKey": NotFound,
    "404": NotFound,
    "NoSuchBucket": BucketMissing,
    "PreconditionFailed": Conflict,
    "412": Conflict,
    "ConditionalRequestConflict": Conflict,
    "AccessDenied": AccessDenied,
    "403": AccessDenied,
    "ExpiredToken": AccessDenied,
    "InvalidAccessKeyId": AccessDenied,
    "InvalidToken": AccessDenied,
    "SignatureDoesNotMatch": AccessDenied,
    "InsufficientStorage": NoSpace,
    "QuotaExceeded": NoSpace,
    "507": NoSpace,
}


@dataclass(frozen=True)
class S3Store(Store):
    """Objects under ``s3://bucket/prefix``."""

    bucket: str
    prefix: str = ""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def uri_of(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._key(key)}"

    def child(self, prefix: str) -> "S3Store":
        return S3Store(self.bucket, self._key(prefix.strip("/")))

    def arrow(self) -> tuple[Any, str]:
        from pyarrow import fs

        options: dict[str, Any] = {"region": _region()}
        endpoint = _endpoint()
        if endpoint:
            scheme, _, host = endpoint.rpartition("://")
            options.update(endpoint_override=host.rstrip("/"), scheme=scheme or "https")
        if "AWS_ACCESS_KEY_ID" in os.environ:  # otherwise Arrow looks for a role itself, and renews it
            options.update(
                access_key=os.environ["AWS_ACCESS_KEY_ID"],
                secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
                session_token=os.environ.get("AWS_SESSION_TOKEN"),
            )
        retry = fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)
        s3 = fs.S3FileSystem(connect_timeout=CONNECT_S, request_timeout=READ_S, retry_strategy=retry, **options)
        return s3, f"{self.bucket}/{self.prefix}".rstrip("/")

    def read(self, key: str) -> bytes:
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        for attempt in range(1, ATTEMPTS + 1):  # botocore retries the request, not the reading of its body
            with self._named(self.uri_of(key)):
                try:
                    return bytes(self._client().get_object(Bucket=self.bucket, Key=self._key(key))["Body"].read())
                except (IncompleteReadError, HTTPClientError):
                    if attempt == ATTEMPTS:
                        raise
        raise AssertionError("the last attempt returns or raises")

    def head(self, key: str) -> Entry | None:
        with self._named(self.uri_of(key)):
            try:
                answer = self._client().head_object(Bucket=self.bucket, Key=self._key(key))
            except self._client().exceptions.ClientError as error:
                if _code(error) in ("404", "NoSuchKey"):
                    return None
                raise
        return Entry(key, int(answer["ContentLength"]), str(answer["ETag"]))

    def write(self, key: str, data: bytes, *, only_if_absent: bool = False, if_match: str | None = None) -> str:
        check_condition(self.uri_of(key), only_if_absent, if_match)
        condition = {"IfNoneMatch": "*"} if only_if_absent else {"IfMatch": if_match} if if_match else {}
        with self._named(self.uri_of(key)):
            try:
                answer = self._put(key, data, condition)
            except self._client().exceptions.ClientError as error:
                # A condition that fails on a second attempt may have failed because the first one arrived.
                retried = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
                if CODES.get(_code(error)) is Conflict and retried:
                    entry = self.head(key)
                    if entry is not None and self.read(key) == data:
                        return entry.etag
                if CODES.get(_code(error)) is NotFound and if_match:  # If-Match on an object that is gone
                    raise Conflict(f"{self.uri_of(key)}: changed since it was read") from error
                raise
        return str(answer["ETag"])

    def _put(self, key: str, data: bytes, condition: dict[str, Any]) -> dict[str, Any]:
        for _ in range(ATTEMPTS):  # 409 says that two conditional writes met; the server asks to try again
            try:
                return dict(self._client().put_object(Bucket=self.bucket, Key=self._key(key), Body=data, **condition))
            except self._client().exceptions.ClientError as error:
                if _code(error) != "ConditionalRequestConflict":
                    raise
        return dict(self._client().put_object(Bucket=self.bucket, Key=self._key(key), Body=data, **condition))

    def copy(self, key: str, target: str) -> None:
        source = {"Bucket": self.bucket, "Key": self._key(key)}
        with self._named(self.uri_of(key)):
            self._client().copy_object(Bucket=self.bucket, Key=self._key(target), CopySource=source)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        base = f"{self.prefix}/" if self.prefix else ""
        with self._named(f"s3://{self.bucket}/{base}{prefix}"):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=base + prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        yield Entry(item["Key"].removeprefix(base), int(item["Size"]), str(item["ETag"]))

    def delete(self, key: str) -> None:
        with self._named(self.uri_of(key)):
            self._client().delete_object(Bucket=self.bucket, Key=self._key(key))

    def _key(self, key: str) -> str:
        if not key or key.startswith("/") or any(part in (".", "..") for part in key.split("/")):
            raise ValueError(f"{self.uri}: {key!r} is not a relative object key")
        return f"{self.prefix}/{key}" if self.prefix else key

    def _client(self) -> Any:
        settings = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
        return _client(os.getpid(), settings)

    @contextlib.contextmanager
    def _named(self, uri: str) -> Iterator[None]:
        """Turn what botocore says into the store's own errors."""
        from botocore import exceptions as boto

        try:
            yield
        except boto.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            fallback = Unreachable if status >= 500 else StoreError
            kind = CODES.get(_code(error), CODES.get(str(status), fallback))
            message = error.response.get("Error", {}).get("Message") or f"HTTP {status}"
            raise kind(f"{uri}: {_code(error)}: {message}") from error
        except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
            hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            raise AccessDenied(f"{uri}: no usable credentials ({error}); {hint}") from error
        except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError) as error:
            where = _endpoint() or "the AWS endpoint"
            raise Unreachable(f"{uri}: {where} does not answer ({error})") from error
        except boto.BotoCoreError as error:
            raise StoreError(f"{uri}: {error}") from error


@functools.lru_cache(maxsize=4)
def _client(pid: int, settings: tuple[tuple[str, str], ...]) -> Any:
    """Make a client, once for each process (they do not survive a fork) and each state of the ``AWS_*`` variables."""
    import boto3
    from botocore.config import Config

    del pid, settings
    return boto3.session.Session().client(
        "s3",
        endpoint_url=_endpoint(),
        region_name=_region(),
        config=Config(
            s3={"addressing_style": "path" if _endpoint() else "auto"},
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=32,
        ),
    )


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
