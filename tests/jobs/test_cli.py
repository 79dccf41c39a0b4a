"""The command shape of every verb: the last line is JSON, a mistake is one line and exit status 2."""

import json

import pytest

from jobs._cli import RECIPES, recipe_path, run_verb
from sketchray.config import Config


class Small(Config):
    steps: int = 1


def test_the_last_line_is_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    status = run_verb("train", Small, lambda config: {"steps": config.steps}, doc=None, argv=["steps=4"])
    assert status == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"steps": 4}


@pytest.mark.parametrize("argv", [["stesp=4"], ["--recipe", "no-such-recipe"], ["steps=x"]])
def test_a_mistake_is_one_clear_line(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert run_verb("train", Small, lambda config: {}, doc=None, argv=argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("train: ")


def test_a_defect_of_ours_keeps_its_traceback_and_ends_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(config: Small) -> dict[str, int]:
        raise KeyError("ours")

    assert run_verb("train", Small, broken, doc=None, argv=[]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" in err
    assert err.splitlines()[-1] == "train: failed, and not by what it was told: KeyError: 'ours'"


def test_recipes_are_found_by_name() -> None:
    for path in RECIPES.glob("*.yaml"):
        assert recipe_path(path.stem) == path
