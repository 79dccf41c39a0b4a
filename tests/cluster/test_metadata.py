"""What Ray keeps with a job names its verb, its recipe and the commit."""

import json
import subprocess
from pathlib import Path

import pytest

from cluster.metadata import job_metadata, main

TRAIN = ["python", "-m", "jobs.train", "--recipe", "rpkd-starter", "steps=3"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    (tmp_path / "file").write_text("1")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True, timeout=240)
    return tmp_path


def test_verb_recipe_and_commit_are_kept_and_whether_the_commit_is_all(checkout: Path) -> None:
    head = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    commit = subprocess.run(head, check=True, capture_output=True, text=True, timeout=240).stdout.strip()
    assert job_metadata(TRAIN, checkout) == {"verb": "train", "recipe": "rpkd-starter", "commit": commit}
    (checkout / "new").write_text("is no part of it")
    assert job_metadata(TRAIN, checkout)["commit"] == commit
    (checkout / "file").write_text("2")
    assert job_metadata(TRAIN, checkout)["commit"] == commit + "+"


def test_what_is_not_known_is_not_there(tmp_path: Path) -> None:
    assert job_metadata(["python", "-m", "jobs.index", "gc"], tmp_path) == {"verb": "index"}
    assert job_metadata(["python", "look.py"], tmp_path / "gone") == {}


def test_for_the_command_line_it_is_printed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert main(TRAIN[2:]) == 0
    assert json.loads(capsys.readouterr().out) == job_metadata(TRAIN, checkout)
