"""Dashboard, rules and code name the same metrics, with labels that these have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

from serve.metrics import Counter, Histogram, Metric

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "cluster" / "monitoring"
RAY = Path(ray.__file__).parent
OPERATORS = {"or", "and", "unless", "offset"}
ADDED = {"application", "deployment", "replica"}  # by Ray Serve, to every metric that a replica records
NAME = r"[a-zA-Z_:][\w:]*"


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((MONITORING / "prometheus" / "rules.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((MONITORING / "grafana" / "sketchray.json").read_text())
    return document


def expressions() -> dict[str, str]:
    """Every PromQL expression, by where it stands."""
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    of_panels = {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel["targets"]
    }
    of_annotations = {note["name"]: note["expr"] for note in dashboard()["annotations"]["list"]}
    return {rule.get("record") or rule["alert"]: rule["expr"] for rule in rules()} | of_panels | of_annotations


def selectors(expression: str) -> Iterator[tuple[str, list[str]]]:
    """Return each metric that an expression reads, with the names of the labels that it is filtered by."""
    bare = re.sub(rf"{NAME} (by|without|on) \([^)]*\)|\[[^]]*\]|{NAME}\s*(?=\()", " ", expression)
    for name, matchers in re.findall(rf"({NAME})(?:\{{(.*?)\}})?", bare):
        if name not in OPERATORS and not re.fullmatch(r"e\d*", name):
            yield name, re.findall(rf"({NAME})\s*[=!]", matchers)


def own_series() -> dict[str, set[str]]:
    """What the endpoint's metrics are called in Prometheus, with their labels."""
    series = {}
    for metric in Metric.known:
        suffixes = ["_bucket", "_sum", "_count"] if isinstance(metric, Histogram) else [""]
        for suffix in ["_total"] if isinstance(metric, Counter) else suffixes:
            series[f"ray_{metric.name}{suffix}"] = {*metric.labels, *ADDED}
    return series


def recorded_series() -> dict[str, set[str]]:
    """Recording rules, with the labels that they keep."""
    return {
        rule["record"]: set(re.findall(r"\w+", re.findall(r"by \((.*?)\)", rule["expr"])[0])) - {"le"}
        for rule in rules()
        if "record" in rule
    }


def is_rays(name: str) -> bool:
    """Return whether the installed Ray names this metric in its source."""
    base = name.removeprefix("ray_")
    place = RAY / "serve" if base.startswith("serve_") else RAY / "dashboard" / "modules" / "reporter"
    spelt = {f'"{base}"', f'"{base.removesuffix("_total")}"'}
    return name.startswith("ray_") and any(
        word in text for file in place.rglob("*.py") for text in [file.read_text()] for word in spelt
    )


@pytest.mark.parametrize("where", expressions())
def test_every_name_is_that_of_a_metric_and_every_label_one_of_its(where: str) -> None:
    expression, known = expressions()[where], own_series() | recorded_series()
    found = list(selectors(expression))
    assert found
    for name, labels in found:
        if name in known:
            assert set(labels) <= known[name], name
        else:
            assert name == "up" or is_rays(name), f"nobody exports {name}"
    kept = {label for group in re.findall(r"by \((.*?)\)", expression) for label in re.findall(r"\w+", group)} - {"le"}
    for name in {name for name, _ in found} & known.keys():
        assert kept <= known[name], name
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", []))
    assert [metric.name for metric in Metric.known if f"ray_{metric.name}" not in shown] == []


def test_a_name_that_nobody_exports_is_noticed() -> None:
    expression = 'sum by (le) (rate(ray_sketchray_nothing_total{a="b", c!~"d|e"}[5m])) or vector(0)'
    assert list(selectors(expression)) == [("ray_sketchray_nothing_total", ["a", "c"])]
    assert "ray_sketchray_nothing_total" not in own_series()
    assert not is_rays("ray_sketchray_nothing_total")
    assert not is_rays("ray_serve_nothing_total")


def test_the_dashboard_lies_in_rows_without_overlap_and_names_its_datasource() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(0 <= x < 24 for x, _ in cells), panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_alerts_say_what_is_wrong_and_what_to_do() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert len(alerts) >= 5
    for alert in alerts:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description"} <= alert["annotations"].keys()


def test_prometheus_loads_the_rules_and_looks_where_ray_lists_its_nodes() -> None:
    from ray._private.ray_constants import PROMETHEUS_SERVICE_DISCOVERY_FILE

    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    assert [(MONITORING / "prometheus" / name).is_file() for name in config["rule_files"]] == [True]
    (job,) = config["scrape_configs"]
    (place,) = job["file_sd_configs"]
    assert job["job_name"] == "ray", "the alert SketchrayUnseen asks for it"
    assert [Path(file).name for file in place["files"]] == [PROMETHEUS_SERVICE_DISCOVERY_FILE]
