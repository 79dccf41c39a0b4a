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
