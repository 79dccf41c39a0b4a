"""``python -m jobs`` names every verb and every recipe, at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.__main__ import main, recipes, verbs

ROOT = Path(__file__).resolve().parents[2]


def test_every_verb_and_recipe_has_a_line() -> None:
    assert verbs().keys() == {"evaluate", "index", "train", "tune"}
    assert recipes().keys() == {path.stem for path in (ROOT / "jobs" / "recipes").glob("*.yaml")}
    for line in [*verbs().values(), *recipes().values()]:
        assert 10 < len(line) < 130
        assert "\n" not in line


def test_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  train ") for line in lines)
    assert any(line.startswith("  rpkd-starter ") and "starter set" in line for line in lines)


def test_nothing_heavy_is_imported_for_that() -> None:
    code = "import sys, jobs.__main__; jobs.__main__.main(); print({'ray', 'torch'} & sys.modules.keys())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
