"""Any S3 endpoint as an object store, configured by the standard ``AWS_*`` variables or by an AWS profile."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
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
from sketchray.storage.s3_client import ATTEMPTS, CONNECT_S, READ_S, arrow_options, client, endpoint

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
    """Objects under ``s3://bucket/prefix``, or ``s3://profile@bucket/prefix`` by the endpoint and keys of a profile."""

    bucket: str
    prefix: str = ""
    profile: str | None = None

    @property
    def uri(self) -> str:
        return f"{self._root}/{self.prefix}".rstrip("/")

    def uri_of(self, key: str) -> str:
        return f"{self._root}/{self._key(key)}"

    def child(self, prefix: str) -> "S3Store":
        return S3Store(self.bucket, self._key(prefix.strip("/")), self.profile)

    def arrow(self) -> tuple[Any, str]:
        from pyarrow import fs

        with self._named(self.uri):
            options = arrow_options(self.profile)
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
        return Entry(key, int(answer["ContentLength"]), str(answer["ETag"]), answer["LastModified"].astimezone(UTC))

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
        with self._named(f"{self._root}/{base}{prefix}"):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=base + prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        modified = item["LastModified"].astimezone(UTC)
                        yield Entry(item["Key"].removeprefix(base), int(item["Size"]), str(item["ETag"]), modified)

    def delete(self, key: str) -> None:
        with self._named(self.uri_of(key)):
            self._client().delete_object(Bucket=self.bucket, Key=self._key(key))

    def _key(self, key: str) -> str:
        if not key or key.startswith("/") or any(part in (".", "..") for part in key.split("/")):
            raise ValueError(f"{self.uri}: {key!r} is not a relative object key")
        return f"{self.prefix}/{key}" if self.prefix else key

    @property
    def _root(self) -> str:
        return f"s3://{self.bucket}" if self.profile is None else f"s3://{self.profile}@{self.bucket}"

    def _client(self) -> Any:
        return client(self.profile)

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
            hint = hint if self.profile is None else f"the AWS profile {self.profile} must have them"
            raise AccessDenied(f"{uri}: no usable credentials ({error}); {hint}") from error
        except boto.ProfileNotFound as error:
            places = "AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE (~/.aws/config, ~/.aws/credentials)"
            raise AccessDenied(f"{uri}: no AWS profile {self.profile} in {places}") from error
        except (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError) as error:
            where = endpoint(self.profile) or "the AWS endpoint"
            raise Unreachable(f"{uri}: {where} does not answer ({error})") from error
        except boto.BotoCoreError as error:
            raise StoreError(f"{uri}: {error}") from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
