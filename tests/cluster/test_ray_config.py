"""The cluster launcher's files, by Ray's own schema and loader; nothing is contacted."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.ray_head import SERVE

ROOT = Path(__file__).resolve().parents[2]
FILES = {"aws": ROOT / "ray_config.yaml", "on-premise": ROOT / "cluster" / "on_premise.yaml"}


def load(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration as ``ray up`` would take it."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(config)
    validate_config(prepared)
    return prepared


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest) -> Path:
    return FILES[request.param]


@pytest.fixture
def config(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def starts(config: dict[str, Any]) -> list[str]:
    """Return the commands that start Ray: the head's and a worker's."""
    return [config[f"{role}_start_ray_commands"][-1] for role in ("head", "worker")]


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    assert load(config)["cluster_name"] == "sketchray"


def test_ray_refuses_a_misspelt_key(config: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="idle_timeout_minute"):
        load({**config, "idle_timeout_minute": 5})


def test_on_aws_node_types_can_hold_the_jobs() -> None:
    loaded = load(yaml.safe_load(FILES["aws"].read_text()))
    types = loaded["available_node_types"]
    assert loaded["head_node_type"] == "head"
    assert types["head"]["max_workers"] == 0
    assert types["head"]["resources"]["CPU"] == 0
    assert types["gpu"]["resources"]["GPU"] == 1
    assert sum(types[name]["max_workers"] for name in ("cpu", "gpu")) <= loaded["max_workers"]


def test_on_premise_every_host_is_taken_and_the_head_without_work() -> None:
    config = yaml.safe_load(FILES["on-premise"].read_text())
    loaded = load(config)
    assert loaded["max_workers"] == len(config["provider"]["worker_ips"])
    assert "--num-cpus=0" in starts(config)[0]


def test_every_node_checks_the_token(config: dict[str, Any]) -> None:
    assert "~/.ray/auth_token" in config["file_mounts"]
    assert any(re.match(r"chmod 600 .*auth_token", command) for command in config["setup_commands"])
    for start in starts(config):
        assert "RAY_AUTH_MODE=token" in start
        assert "--dashboard-host=0.0.0.0" not in start


def test_all_nodes_have_one_environment_with_the_demos_settings(config: dict[str, Any]) -> None:
    head, worker = (start.partition(";")[0] for start in starts(config))
    assert head == worker
    assert {f"{name}={value}" for name, value in SERVE.items()} <= set(head.split())


def test_it_holds_no_credentials_and_installs_what_was_locked(path: Path, config: dict[str, Any]) -> None:
    assert not re.search(r"AKIA|AWS_SECRET|AWS_ACCESS", path.read_text())
    torch = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert torch is not None
    assert any(torch.group() in command for command in config["setup_commands"])
    assert any("-c constraints.txt" in command for command in config["setup_commands"])


def test_what_it_copies_exists(config: dict[str, Any]) -> None:
    for local in config["file_mounts"].values():
        assert local.startswith("~") or (ROOT / local).exists(), local
