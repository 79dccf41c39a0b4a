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
    head: RayHead, *, port: int, args: dict[str, Any], config: Path = CONFIG, timeout: float = 180.0
) -> dict[str, Any]:
    """Deploy and wait until ``/readyz`` answers 200.

    Args:
        head: the cluster.
        port: of loopback, for the page and the API.
        args: arguments of the application, over those of the file.
        config: a Serve configuration with one application.
        timeout: seconds to wait.

    Returns:
        What ``/readyz`` says.

    Raises:
        DeployError: refused, failed, or not ready in time.
    """
    document: dict[str, Any] = yaml.safe_load(config.read_text())
    document["http_options"] = document.get("http_options", {}) | {"host": LOOPBACK, "port": port}
    (application,) = document["applications"]
    application["args"] = application.get("args", {}) | args
    url, headers = f"{head.dashboard_url}/api/serve/applications/", head.headers()
    answer = requests.put(url, json=document, headers=headers, timeout=timeout)
    if not answer.ok:
        raise DeployError(f"Serve refused the configuration: {answer.text.strip()[-1000:]}")
    deadline = time.monotonic() + timeout
    state: dict[str, Any] = {}
    while time.monotonic() < deadline:
        time.sleep(0.5)
        details = requests.get(url, headers=headers, timeout=30)
        state = details.json().get("applications", {}).get(application["name"], {}) if details.ok else {}
        if state.get("status") == "DEPLOY_FAILED":
            raise DeployError(last_line(state.get("message", "")))
        if state.get("status") == "RUNNING" and (ready := _ready(port)) is not None:
            return ready
    raise DeployError(f"not ready in {timeout:.0f} s: {state.get('status')} {last_line(state.get('message', ''))}")


def undeploy(head: RayHead) -> None:
    """Take the page and the API away; the cluster stays."""
    requests.delete(f"{head.dashboard_url}/api/serve/applications/", headers=head.headers(), timeout=60)


def last_line(text: str) -> str:
    """Return the last line of a message that may be a whole traceback."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _ready(port: int) -> dict[str, Any] | None:
    try:
        answer = requests.get(f"http://{LOOPBACK}:{port}/readyz", timeout=10)
        said = answer.json() if answer.ok else None
    except (requests.RequestException, ValueError):
        return None
    return said if isinstance(said, dict) else None
