"""What the two Ray clusters promise: a token, a head that may be lost, no root, limits, probes; and Ray reads them."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]
ROOT = Path(__file__).resolve().parents[3]


def groups(cluster: Manifest) -> Iterator[Manifest]:
    """Yield the groups of a cluster, the head's first."""
    yield cluster["headGroupSpec"]
    yield from cluster["workerGroupSpecs"]


def pods(manifests: list[Manifest], clusters: dict[str, Manifest]) -> Iterator[Manifest]:
    """Yield the spec of every pod there may be, but for those that the operator adds."""
    for cluster in clusters.values():
        yield from (group["template"]["spec"] for group in groups(cluster))
    yield from (manifest["spec"]["template"]["spec"] for manifest in manifests if manifest["kind"] == "StatefulSet")


@pytest.mark.parametrize("name", ["jobs", "endpoint"])
def test_every_cluster_asks_for_the_token_and_keeps_its_heads_knowledge(
    clusters: dict[str, Manifest], name: str
) -> None:
    cluster = clusters[name]
    assert cluster["authOptions"] == {"mode": "token", "secretName": "ray-token"}
    assert cluster["rayVersion"] == version("ray")
    redis = cluster["gcsFaultToleranceOptions"]
    assert redis["redisAddress"]
    assert redis["redisPassword"]["valueFrom"]["secretKeyRef"] == {"name": "redis", "key": "password"}
    for group in groups(cluster):
        assert group["template"]["metadata"]["labels"]["sketchray.io/cluster"] == name


def test_no_pod_is_root_or_without_limits(written: list[Manifest], clusters: dict[str, Manifest]) -> None:
    for pod in pods(written, clusters):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            for bound in ("requests", "limits"):
                assert {"cpu", "memory"} <= container["resources"][bound].keys()
    for cluster in clusters.values():
        assert not cluster["autoscalerOptions"]["securityContext"]["allowPrivilegeEscalation"]


def test_every_probe_asks_what_ray_answers_without_a_token(clusters: dict[str, Manifest]) -> None:
    """As the installed Ray has it: the kubelet has no token to show."""
    import ray
    from ray.dashboard.http_server_agent import PUBLIC_EXACT_PATHS

    head = (Path(ray.__file__).parent / "dashboard" / "http_server_head.py").read_text()
    public = set(re.findall(r'"([^"]+)"', head[head.index("public_exact_paths = {") :].partition("}")[0]))
    answered = {"dashboard": public, "serve": {"/-/healthz"}, 52365: set(PUBLIC_EXACT_PATHS)}
    for cluster in clusters.values():
        for group in groups(cluster):
            (container,) = group["template"]["spec"]["containers"]
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container[kind]["httpGet"]
                assert asked["path"] in answered[asked["port"]], asked


def test_ray_reads_the_groups_and_they_fit_the_machines_of_the_cluster_launcher(clusters: dict[str, Manifest]) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    launcher = yaml.safe_load((ROOT / "ray_config.yaml").read_text())["available_node_types"]
    for name, cluster in clusters.items():
        derived = _derive_autoscaling_config_from_ray_cr(
            {"metadata": {"name": name, "namespace": "sketchray"}, "spec": cluster}
        )["available_node_types"]
        assert derived.pop("headgroup")["resources"]["CPU"] == 0
        assert derived.keys() <= launcher.keys()
        for kind, read in derived.items():
            assert read["max_workers"] == launcher[kind]["max_workers"]
            assert 0 < read["resources"]["CPU"] <= launcher[kind]["resources"]["CPU"]
            assert read["resources"].get("GPU", 0) == launcher[kind]["resources"].get("GPU", 0)
    assert {group["groupName"] for group in clusters["jobs"]["workerGroupSpecs"]} == {"cpu", "gpu"}


def test_on_aws_the_machines_are_those_of_the_cluster_launcher() -> None:
    launcher = yaml.safe_load((ROOT / "ray_config.yaml").read_text())["available_node_types"]
    overlay = (ROOT / "cluster" / "kubernetes" / "overlays" / "aws" / "kustomization.yaml").read_text()
    asked = set(re.findall(r"instance-type: ([\w.]+)", overlay))
    assert asked == {launcher[kind]["node_config"]["InstanceType"] for kind in ("cpu", "gpu")}


def test_the_endpoint_is_configured_as_everywhere_but_for_its_address(written: list[Manifest]) -> None:
    (service,) = [manifest["spec"] for manifest in written if manifest["kind"] == "RayService"]
    elsewhere = yaml.safe_load((ROOT / "serve" / "config.yaml").read_text())
    elsewhere["http_options"]["host"] = "0.0.0.0"
    assert yaml.safe_load(service["serveConfigV2"]) == elsewhere


def test_jobs_are_lines_that_the_verbs_take(jobs: list[Manifest], clusters: dict[str, Manifest]) -> None:
    from jobs._cli import recipe_path
    from jobs._index_config import BuildConfig
    from jobs._train_config import TrainConfig
    from jobs._tune_config import TuneConfig
    from sketchray.config import Config, load_config

    for manifest in jobs:
        spec, verb = manifest["spec"], manifest["metadata"]["name"]
        assert spec["clusterSelector"] == {"ray.io/cluster": "jobs"}
        python, dash_m, module, *arguments = spec["entrypoint"].split()
        assert (python, dash_m, module) == ("python", "-m", f"jobs.{verb}")
        assert spec["metadata"]["verb"] == verb
        recipe = recipe_path(spec["metadata"]["recipe"]) if "recipe" in spec["metadata"] else None
        overrides = [argument for argument in arguments if "=" in argument]
        assert set(arguments) - set(overrides) == ({"--recipe", spec["metadata"]["recipe"]} if recipe else {"build"})
        classes: dict[str, type[Config]] = {"train": TrainConfig, "tune": TuneConfig, "index": BuildConfig}
        load_config(classes[verb], verb=verb, recipe=recipe, overrides=overrides)


def test_nothing_secret_is_in_the_folder() -> None:
    for path in (ROOT / "cluster" / "kubernetes").rglob("*.yaml"):
        text = path.read_text()
        assert "kind: Secret\n" not in text, path
        assert not re.search(r"AKIA|AWS_SECRET|AWS_ACCESS", text), path
