"""Connections to S3 endpoints: to that of the ``AWS_*`` variables, or to that of a named AWS profile.

A profile is a section of the files that ``AWS_CONFIG_FILE`` and ``AWS_SHARED_CREDENTIALS_FILE`` name
(``~/.aws/config`` and ``~/.aws/credentials``): its ``endpoint_url``, ``region`` and credentials hold for whoever asks
by its name, and the ``AWS_*`` variables do not.
"""

import functools
import os
import threading
from typing import Any

ATTEMPTS = 3
CONNECT_S = 3.0
READ_S = 60.0
REGION = "us-east-1"

_making = threading.Lock()  # threads that ask for the first time together share one client


def client(profile: str | None) -> Any:
    """Return the process's own client of the variables as they are, or of a profile."""
    with _making:
        return _client(os.getpid(), _variables(), profile)


def endpoint(profile: str | None) -> str | None:
    """Return the URL of the endpoint, or None for AWS itself."""
    if profile is None:
        return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    session = _session(_variables(), profile)
    section = session.get_scoped_config()
    services = session.full_config.get("services", {}).get(section.get("services"), {})
    return services.get("s3", {}).get("endpoint_url") or section.get("endpoint_url") or None


def region(profile: str | None) -> str:
    """Return the region."""
    if profile is None:
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION
    return _session(_variables(), profile).get_scoped_config().get("region") or REGION


def arrow_options(profile: str | None) -> dict[str, Any]:
    """Return what ``pyarrow.fs.S3FileSystem`` takes to reach the same endpoint with the same credentials."""
    options: dict[str, Any] = {"region": region(profile)}
    url = endpoint(profile)
    if url:
        scheme, _, host = url.rpartition("://")
        options.update(endpoint_override=host.rstrip("/"), scheme=scheme or "https")
    if profile is not None:
        found = _session(_variables(), profile).get_credentials()
        if found is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        keys = found.get_frozen_credentials()
        options.update(access_key=keys.access_key, secret_key=keys.secret_key, session_token=keys.token)
        if not url:  # Arrow reads AWS_ENDPOINT_URL by itself
            options.update(endpoint_override=f"s3.{options['region']}.amazonaws.com")
    elif "AWS_ACCESS_KEY_ID" in os.environ:  # otherwise Arrow looks for a role itself, and renews it
        options.update(
            access_key=os.environ["AWS_ACCESS_KEY_ID"],
            secret_key=os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
            session_token=os.environ.get("AWS_SESSION_TOKEN"),
        )
    return options


def _variables() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))


@functools.lru_cache(maxsize=16)
def _session(variables: tuple[tuple[str, str], ...], profile: str | None) -> Any:
    from botocore.session import Session

    del variables
    return Session(profile=profile)


@functools.lru_cache(maxsize=16)
def _client(pid: int, variables: tuple[tuple[str, str], ...], profile: str | None) -> Any:
    """Make a client, once for each process (they do not survive a fork) and each state of the ``AWS_*`` variables."""
    import boto3
    from botocore.config import Config

    del pid
    url = endpoint(profile)
    return boto3.session.Session(botocore_session=_session(variables, profile)).client(
        "s3",
        endpoint_url=url,
        region_name=region(profile),
        config=Config(
            s3={"addressing_style": "path" if url else "auto"},
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=32,
            ignore_configured_endpoint_urls=profile is not None,  # or AWS_ENDPOINT_URL would win over the profile
        ),
    )
