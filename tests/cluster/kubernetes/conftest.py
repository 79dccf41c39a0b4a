"""The manifests: as they are written, and as kustomize puts them together where there is a kubectl."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[3] / "cluster" / "kubernetes"
Manifest = dict[str, Any]


def read_manifests(text: str) -> list[Manifest]:
    """Return the objects of a YAML file, those of lists one by one."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    lists = [document["items"] if document["kind"] == "List" else [document] for document in documents]
    return [item for items in lists for item in items]


@pytest.fixture(scope="session")
def written() -> list[Manifest]:
    """Everything of the base, in the order of its kustomization."""
    names = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["resources"]
    return [manifest for name in names for manifest in read_manifests((FOLDER / "base" / name).read_text())]


@pytest.fixture(scope="session")
def jobs() -> list[Manifest]:
    """The jobs that one submits by hand."""
    return [
        manifest for path in sorted((FOLDER / "jobs").glob("*.yaml")) for manifest in read_manifests(path.read_text())
    ]


@pytest.fixture(scope="session", params=["base", "overlays/small", "overlays/aws"])
def built(request: pytest.FixtureRequest) -> list[Manifest]:
    """What ``kubectl apply -k`` would send."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl, which puts the overlays together (it needs no cluster for that)")
    done = subprocess.run(
        [kubectl, "kustomize", str(FOLDER / request.param)], capture_output=True, text=True, timeout=240, check=True
    )
    return read_manifests(done.stdout)


@pytest.fixture(scope="session")
def clusters(written: list[Manifest]) -> dict[str, Manifest]:
    """The specs of the two Ray clusters, by the label of their pods."""
    by_kind = {manifest["kind"]: manifest["spec"] for manifest in written if "spec" in manifest}
    return {"jobs": by_kind["RayCluster"], "endpoint": by_kind["RayService"]["rayClusterConfig"]}
