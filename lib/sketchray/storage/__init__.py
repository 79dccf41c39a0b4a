"""One door to the object store, and to a plain folder that stands in for one."""

import os

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
)
from sketchray.storage.folder import FolderStore, folder_of
from sketchray.storage.s3 import S3Store

__all__ = [
    "AccessDenied",
    "BucketMissing",
    "Conflict",
    "Entry",
    "NoSpace",
    "NotFound",
    "Store",
    "StoreError",
    "Unreachable",
    "default_store",
    "locate",
    "open_store",
    "read_uri",
]


def open_store(uri: str) -> Store:
    """Open ``s3://bucket/prefix``, ``file:///abs/folder`` or a plain path. Nothing is contacted or created yet.

    ``s3://profile@bucket/prefix`` takes endpoint, region and credentials from the AWS profile of that name
    (``~/.aws/config``, ``~/.aws/credentials``) and nothing from the ``AWS_*`` variables, so that one job can read a
    bucket here and write to a store there. Every process that reads the URI needs the profile.

    URIs are taken as they are: nothing in them is percent-decoded.

    Raises:
        ValueError: an unknown scheme, a bucket name missing, or credentials inside the URI.
    """
    if uri.startswith("s3://"):
        place, _, prefix = uri.removeprefix("s3://").partition("/")
        profile, at, bucket = place.rpartition("@")
        if ":" in place:
            raise ValueError("credentials do not belong into a store URI; use the AWS_* variables or an AWS profile")
        if not bucket or (at and not profile):
            raise ValueError(f"{uri}: a bucket is missing, as in s3://bucket/prefix or s3://profile@bucket/prefix")
        return S3Store(bucket, prefix.strip("/"), profile or None)
    if "://" in uri and not uri.startswith("file://"):
        raise ValueError(f"{uri}: a store is s3://bucket/prefix, file:///abs/folder or a path")
    if not uri:
        raise ValueError("a store URI is empty; it is s3://bucket/prefix, file:///abs/folder or a path")
    return FolderStore(folder_of(uri))


def default_store() -> Store:
    """Open the store that ``SKETCHRAY_STORE`` names.

    Raises:
        ValueError: the variable is not set.
    """
    uri = os.environ.get("SKETCHRAY_STORE")
    if not uri:
        raise ValueError("SKETCHRAY_STORE is not set; it is s3://bucket/prefix or file:///abs/folder")
    return open_store(uri)


def locate(uri: str) -> tuple[Store, str]:
    """Return the store and the key of one object by its absolute URI, or of one file by its path.

    Raises:
        ValueError: no URI of an object, as `open_store` and the stores' keys have it.
    """
    if uri.startswith("s3://"):
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        store, name = open_store(f"s3://{bucket}"), key
    else:
        parent, _, name = uri.rpartition("/")
        store = open_store(parent or ("/" if uri.startswith("/") else "."))
    store.uri_of(name)  # refuses what is no key
    return store, name


def read_uri(uri: str) -> bytes:
    """Return the bytes of one object by its absolute URI (or of one file by its path); `NotFound` if there is none.

    A process keeps one connection pool for each endpoint and its credentials, so that pictures are read one by one.
    """
    store, key = locate(uri)
    return store.read(key)
