"""Every manifest against the strict schemas of Kubernetes and of KubeRay, which refuse what they do not know."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

Manifest = dict[str, Any]
KUBERNETES = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.37.0-local-strict"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def validate() -> Callable[[Manifest], None]:
    """Give a function that raises where an object is not as its API server would take it."""
    definitions = json.loads((KUBERNETES / "_definitions.json").read_text())
    registry: Registry[Any] = Registry().with_resource("/api/_definitions.json", Resource.from_contents(definitions))

    def check(manifest: Manifest) -> None:
        group, _, version = manifest["apiVersion"].rpartition("/")
        if group == "ray.io":
            schema = yaml.safe_load((HERE / "kuberay.yaml").read_text())
        else:
            words = [manifest["kind"].lower(), group.partition(".")[0], version]
            schema = json.loads((KUBERNETES / f"{'-'.join(filter(None, words))}.json").read_text())
        Draft202012Validator(schema, registry=registry).validate(manifest)

    return check


def test_what_is_written_is_valid(
    validate: Callable[[Manifest], None], written: list[Manifest], jobs: list[Manifest]
) -> None:
    assert {manifest["kind"] for manifest in written} >= {"Namespace", "NetworkPolicy", "RayCluster", "RayService"}
    assert {manifest["metadata"]["name"] for manifest in jobs} == {"train", "tune", "index"}
    for manifest in written + jobs:
        validate(manifest)


def test_what_kustomize_builds_is_valid_and_has_the_same_clusters(
    validate: Callable[[Manifest], None], built: list[Manifest]
) -> None:
    for manifest in built:
        validate(manifest)
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "sketchray"
    assert {manifest["kind"] for manifest in built} >= {"RayCluster", "RayService", "NetworkPolicy", "ConfigMap"}


BREAKAGES: dict[str, Callable[[Manifest], Any]] = {
    "Additional properties": lambda spec: spec.update(authOption={"mode": "token"}),
    "is not one of": lambda spec: spec["authOptions"].update(mode="tokens"),
    "required property": lambda spec: spec["workerGroupSpecs"][0].pop("maxReplicas"),
    "unevaluated|Additional properties": lambda spec: spec["headGroupSpec"]["template"]["spec"].update(hostNetwrk=True),
    "is not of type": lambda spec: spec["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
}


@pytest.mark.parametrize("message", BREAKAGES)
def test_a_slip_is_refused(validate: Callable[[Manifest], None], written: list[Manifest], message: str) -> None:
    (cluster,) = [copy.deepcopy(manifest) for manifest in written if manifest["kind"] == "RayCluster"]
    BREAKAGES[message](cluster["spec"])
    with pytest.raises(ValidationError, match=message):
        validate(cluster)


@pytest.mark.parametrize("kind", ["NetworkPolicy", "StatefulSet", "PodDisruptionBudget", "Service"])
def test_a_slip_in_what_is_kubernetes_own_is_refused(
    validate: Callable[[Manifest], None], written: list[Manifest], kind: str
) -> None:
    first = next(copy.deepcopy(manifest) for manifest in written if manifest["kind"] == kind)
    first["spec"]["selectr"] = {}
    with pytest.raises(ValidationError, match="selectr"):
        validate(first)
