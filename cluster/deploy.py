"""Deploy the page and the API on a running cluster, as ``serve deploy serve/config.yaml`` does, and wait for them."""

import time
from pathlib import Path
from typing import Any

import requests
import yaml

from cluster.ports import LOOPBACK
from cluster.ray_head import RayHead
from cluster.submit import CHECKOUT

CONFIG = CHECKOUT / "serve" / "config.yaml"


class DeployError(RuntimeError):
    """The application did not come up; the message is Serve's."""


def deploy(
    head: RayHead,
    *,
    port: int,
    args: dict[str, Any],
    version: str | None = None,
    config: Path = CONFIG,
    listen: str = LOOPBACK,
    timeout: float = 600.0,
) -> dict[str, Any]:
    """Deploy and wait until ``/readyz`` answers 200.

    What runs already with the same arguments goes on, and takes a newly published version in by itself.

    Args:
        head: the cluster.
        port: for the page and the API.
        args: arguments of the application, over those of the file.
        version: of the default gallery, that has to be answered from; None for any.
        config: a Serve configuration with one application.
        listen: the address that every node with a replica listens on.
        timeout: seconds to wait.

    Returns:
        What ``/readyz`` says.

    Raises:
        DeployError: refused, failed, a version that did not pass its checks, or not ready in time.
    """
    document: dict[str, Any] = yaml.safe_load(config.read_text())
    document["http_options"] = document.get("http_options", {}) | {"host": listen, "port": port}
    (application,) = document["applications"]
    application["args"] = application.get("args", {}) | args
    url, headers = f"{head.dashboard_url}/api/serve/applications/", head.headers()
    try:
        answer = requests.put(url, json=document, headers=headers, timeout=timeout)
    except requests.RequestException as error:
        raise DeployError(f"Serve was not reached: {error}") from error
    if not answer.ok:
        raise DeployError(f"Serve refused the configuration: {answer.text.strip()[-1000:]}")
    deadline = time.monotonic() + timeout
    state: dict[str, Any] = {}
    told = ""
    while time.monotonic() < deadline:
        time.sleep(0.5)
        try:
            details = requests.get(url, headers=headers, timeout=30)
        except requests.Timeout as error:  # of a busy machine
            told = str(error)
            continue
        except requests.RequestException as error:
            raise DeployError(f"Serve was not reached: {error}") from error
        told = ""
        state = details.json().get("applications", {}).get(application["name"], {}) if details.ok else {}
        if state.get("status") == "DEPLOY_FAILED":
            raise DeployError(last_line(state.get("message", "")))
        if state.get("status") == "RUNNING":
            ready, told = readiness(port, version, address=head.address)
            if ready is not None:
                return ready
    told = told or f"{state.get('status')} {last_line(state.get('message', ''))}"
    raise DeployError(f"not ready in {timeout:.0f} s: {told}")


def undeploy(head: RayHead) -> None:
    """Take the page and the API away; the cluster stays."""
    requests.delete(f"{head.dashboard_url}/api/serve/applications/", headers=head.headers(), timeout=240)


def last_line(text: str) -> str:
    """Return the last line of a message that may be a whole traceback."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def readiness(port: int, version: str | None, *, address: str = LOOPBACK) -> tuple[dict[str, Any] | None, str]:
    """Return what ``/readyz`` says if it is as wanted, and else why it is not.

    Raises:
        DeployError: the version was refused, so that waiting is of no use.
    """
    try:
        answer = requests.get(f"http://{address}:{port}/readyz", timeout=10)
        said = answer.json()
    except (requests.RequestException, ValueError) as error:
        return None, str(error)
    if not isinstance(said, dict):
        return None, f"/readyz answers {answer.status_code}"
    if answer.status_code == requests.codes.service_unavailable and "Retry-After" not in answer.headers:
        raise DeployError(str(said.get("detail", "")))
    if not answer.ok:
        return None, str(said.get("detail", ""))
    refused = said.get("refused")
    if refused is not None and refused["version"] == version:
        raise DeployError(f"version {version} was refused: {refused['reason']}")
    if version is not None and said["gallery_version"] != version:
        return None, f"version {said['gallery_version']} is still answered from"
    return said, ""
