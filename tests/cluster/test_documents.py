"""What the documents of this room name is there: files, folders and links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "SECURITY.md", *sorted((ROOT / "cluster").rglob("*.md"))]
ROOMS = ("lib/", "jobs/", "serve/", "cluster/", "tests/", "benchmarks/", "docs/", "base/", "overlays/", "monitoring/")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_files_are_there(document: Path) -> None:
    text = document.read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = [name for name in re.findall(r"`([\w./-]+)`", text) if name.startswith(ROOMS)]
    places = (document.parent, ROOT)
    assert [name for name in linked if not (document.parent / name).exists()] == []
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_something_is_looked_at() -> None:
    assert len(DOCUMENTS) >= 5


def test_every_alert_has_its_line_in_the_runbook() -> None:
    runbook = (ROOT / "cluster" / "README.md").read_text().partition("## Runbook")[2]
    rules = (ROOT / "cluster" / "monitoring" / "prometheus" / "rules.yml").read_text()
    alerts = set(re.findall(r"- alert: (\w+)", rules))
    assert alerts == set(re.findall(r"\*\*(Sketchray\w+)\*\*", runbook))


def test_every_verb_has_its_line() -> None:
    from jobs.__main__ import verbs
    from jobs.index import VERBS

    lines = (ROOT / "cluster" / "README.md").read_text()
    submitted = set(re.findall(r"^submit (jobs\.\w+(?: [a-z]+\b)?)", lines, re.MULTILINE))
    assert {f"jobs.index {verb}" for verb in VERBS} <= submitted
    assert {f"jobs.{verb}" for verb in verbs()} == {line.partition(" ")[0] for line in submitted}
