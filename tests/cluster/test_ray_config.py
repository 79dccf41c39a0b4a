"""The cluster launcher's file, by Ray's own schema and loader; nothing is contacted."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "ray_config.yaml").read_text())
    return document


@pytest.fixture(scope="module")
def loaded(config: dict[str, Any]) -> dict[str, Any]:
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared: dict[str, Any] = prepare_config(config)
    validate_config(prepared)
    return prepared


def test_ray_accepts_it(loaded: dict[str, Any]) -> None:
    assert loaded["available_node_types"]["head"]["max_workers"] == 0
    assert loaded["head_node_type"] == "head"


def test_ray_refuses_a_misspelt_key(config: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises(Exception, match="idle_timeout_minute"):
        validate_config(prepare_config({**config, "idle_timeout_minute": 5}))


def test_node_types_can_hold_the_jobs(loaded: dict[str, Any]) -> None:
    types = loaded["available_node_types"]
    assert types["head"]["resources"]["CPU"] == 0
    assert types["gpu"]["resources"]["GPU"] == 1
    assert sum(types[name]["max_workers"] for name in ("cpu", "gpu")) <= loaded["max_workers"]


def test_every_node_checks_the_token(config: dict[str, Any]) -> None:
    assert "~/.ray/auth_token" in config["file_mounts"]
    for role in ("head", "worker"):
        start = config[f"{role}_start_ray_commands"][-1]
        assert "RAY_AUTH_MODE=token" in start
        assert "--dashboard-host=0.0.0.0" not in start


def test_it_holds_no_credentials_and_installs_what_was_locked(config: dict[str, Any]) -> None:
    text = (ROOT / "ray_config.yaml").read_text()
    assert not re.search(r"AKIA|AWS_SECRET|AWS_ACCESS", text)
    torch = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert torch is not None
    assert any(torch.group() in command for command in config["setup_commands"])


def test_what_it_copies_exists(config: dict[str, Any]) -> None:
    for local in config["file_mounts"].values():
        assert local.startswith("~") or (ROOT / local).exists(), local
