"""Building the application: arguments, and the file that is deployed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema

from serve.app import build
from serve.keys import main
from serve.settings import KEEP_MEMORY, WAIT_ASLEEP, EncoderArgs, ServeArgs

CONFIG = Path(__file__).parents[2] / "serve" / "config.yaml"


def test_the_production_file_is_one_that_serve_takes() -> None:
    document = yaml.safe_load(CONFIG.read_text())
    (application,) = ServeDeploySchema.model_validate(document).applications
    assert application.import_path == "serve.app:build"
    settings = ServeArgs.model_validate(application.args)
    assert settings.auth == "keys"
    for part in (settings.ingress, settings.encoder, settings.shards):
        options = serve.deployment(name="x", **part.options())(Thing)
        assert options.max_ongoing_requests > 100
        config = options._deployment_config.autoscaling_config
        assert config is not None
        assert config.max_replicas > config.min_replicas >= 1


def test_the_encoder_keeps_its_memory_unless_its_environment_says_else() -> None:
    mine = {"num_cpus": 2, "runtime_env": {"pip": ["x"], "env_vars": {"A": "1", "MALLOC_ARENA_MAX": "4"}}}
    actor = EncoderArgs(ray_actor_options=mine).options()["ray_actor_options"]
    variables = KEEP_MEMORY | WAIT_ASLEEP | {"A": "1", "MALLOC_ARENA_MAX": "4"}
    assert actor == {"num_cpus": 2, "runtime_env": {"pip": ["x"], "env_vars": variables}}
    assert EncoderArgs().options()["ray_actor_options"]["runtime_env"] == {"env_vars": KEEP_MEMORY | WAIT_ASLEEP}
    assert EncoderArgs(num_replicas=3).options()["num_replicas"] == 3


class Thing:
    """Something to deploy."""


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"galery": "x"}, "galery"),
        ({"encoder": {"threads": 0}}, "encoder.threads"),
        ({"encoder": {"thread": 1}}, "did you mean encoder.threads"),
        ({"shards": {"num_replicas": 2, "autoscaling_config": {}}}, "exclude"),
        ({"galleries": []}, "galleries"),
        ({}, "SKETCHRAY_STORE"),
        ({"store": "ftp://somewhere"}, "ftp://somewhere"),
        ({"store": "{tmp}", "galleries": ["Not A Name"]}, "Not A Name"),
        ({"store": "{tmp}", "galleries": ["nowhere"]}, "nowhere"),
    ],
)
def test_what_cannot_be_served_is_told(
    args: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKETCHRAY_STORE", raising=False)
    with pytest.raises(ValueError, match=reason):
        build({"auth": "open"} | {key: str(tmp_path) if value == "{tmp}" else value for key, value in args.items()})


def test_every_deployment_says_how_much_it_takes(gallery_folder: tuple[str, str, list[Any]]) -> None:
    """Serve's default of 5 ongoing requests a replica would starve the batches."""
    store, _, _ = gallery_folder
    args = {"store": store, "galleries": ["shapes"], "auth": "open", "shard_groups": 2}
    application = build(args | {"encoder": {"autoscaling_config": {"max_replicas": 4}}})
    director, encoder, shards = list(application._bound_deployment.init_args)
    deployments = [part._bound_deployment for part in (application, director, encoder, *shards)]
    names = [deployment.name for deployment in deployments]
    assert names == ["ingress", "director", "encoder", "shards-0", "shards-1"]
    assert all(deployment.max_ongoing_requests > 100 for deployment in deployments)
    scaled = [deployment._deployment_config.autoscaling_config for deployment in deployments]
    assert [config and config.max_replicas for config in scaled] == [None, None, 4, None, None]


def test_keys_are_needed_unless_open_is_said(gallery_folder: tuple[str, str, list[Any]], tmp_path: Path) -> None:
    keys = str(tmp_path / "keys.json")
    args = {"store": gallery_folder[0], "galleries": ["shapes"], "keys": keys}
    with pytest.raises(ValueError, match=rf"no file of API keys at {keys}.*python -m serve\.keys create.*auth: open"):
        build(args)
    assert main(["create", "ana", "--keys", keys]) == 0
    given: Any = build(args)._bound_deployment.init_kwargs
    limiter = given["limiter"]._bound_deployment
    assert (limiter.name, limiter.num_replicas) == ("limiter", 1)
    given = build(args | {"auth": "open"})._bound_deployment.init_kwargs
    assert given["limiter"] is None
