"""What is known of the cluster of one checkout, in one folder that only the user can read."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from cluster.processes import Record
from cluster.ray_head import RayHead
from cluster.ray_node import RayNode
from cluster.store_server import StoreServer

STATE_DIR = Path(".sketchray")


class BusyError(RuntimeError):
    """Another command holds this lock of the state folder."""


class State(BaseModel):
    """The servers of a cluster, as last recorded; each may have died since.

    Attributes:
        store: the embedded object store, or None when the user's own is used.
        ray: the head.
        nodes: Ray's nodes beside the head.
        env: what jobs and workers were given to reach the store.
        page_port: where Serve was told to listen, once it was.
        owner: the command that ends the cluster when it ends; None if it stays until ``down``.
    """

    store: StoreServer | None = None
    ray: RayHead | None = None
    nodes: list[RayNode] = []
    env: dict[str, str] = {}
    page_port: int | None = None
    owner: Record | None = None


def load(state_dir: Path) -> State:
    """Read the state; that of an older release or a half-written one counts as none."""
    try:
        return State.model_validate_json(_file(state_dir).read_bytes())
    except (FileNotFoundError, ValidationError):
        return State()


def save(state_dir: Path, state: State) -> None:
    """Write the state whole or not at all."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = _file(state_dir).with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(state.model_dump_json(indent=1))
    temporary.replace(_file(state_dir))


@contextlib.contextmanager
def locked(state_dir: Path, name: str = "state", *, wait: bool = True) -> Iterator[None]:
    """Hold a lock of the state folder; it is free again when this process ends, however it ends.

    Raises:
        BusyError: somebody else holds it, and `wait` is false.
    """
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (state_dir / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise BusyError(f"another one runs already (state folder {state_dir})") from error
        yield


def own_store_env(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Return the variables of the user's own store when ``SKETCHRAY_STORE`` names one, else None."""
    if not environ.get("SKETCHRAY_STORE"):
        return None
    return {name: value for name, value in environ.items() if name == "SKETCHRAY_STORE" or name.startswith("AWS_")}


def _file(state_dir: Path) -> Path:
    return state_dir / "cluster.json"
