"""Building the application: arguments, and the file that is deployed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from serve.app import ServeArgs, build

CONFIG = Path(__file__).parents[2] / "serve" / "config.yaml"


def test_the_production_file_is_one_that_serve_takes() -> None:
    document = yaml.safe_load(CONFIG.read_text())
    (application,) = ServeDeploySchema.model_validate(document).applications
    assert application.import_path == "serve.app:build"
    assert ServeArgs.model_validate(application.args).gallery == "starter"


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"galery": "x"}, "galery"),
        ({"encoder_threads": 0}, "encoder_threads"),
        ({}, "SKETCHRAY_STORE"),
        ({"store": "ftp://somewhere"}, "ftp://somewhere"),
        ({"store": "{tmp}", "gallery": "Not A Name"}, "Not A Name"),
        ({"store": "{tmp}", "gallery": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_be_served_is_told(
    args: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKETCHRAY_STORE", raising=False)
    with pytest.raises(ValueError, match=reason):
        build({key: str(tmp_path) if value == "{tmp}" else value for key, value in args.items()})


def test_every_deployment_says_how_much_it_takes(gallery_folder: tuple[str, str, list[Any]]) -> None:
    """Serve's default of 5 ongoing requests a replica would starve the batches."""
    store, version, _ = gallery_folder
    application = build({"store": store, "gallery": "shapes", "version": version})
    encoder, shards = list(application._bound_deployment.init_args)
    deployments = [part._bound_deployment for part in (application, encoder, *shards)]
    assert [deployment.name for deployment in deployments] == ["ingress", "encoder", "shard-0", "shard-1"]
    assert all(deployment.max_ongoing_requests > 100 for deployment in deployments)
