"""Progress in a log: plain lines that say how far it is and how long it still takes; in a terminal, one bar."""

import io
import logging
import time

import pytest

from jobs import _progress
from jobs._cluster import quiet
from jobs._progress import Progress


class Terminal(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_plain_lines_with_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "LINE_EVERY_S", 0.0)
    bar = Progress(4, "train", unit="step")
    time.sleep(0.02)
    bar.set(2, "loss 0.5")
    bar.say("trial 0: step 2")
    bar.close()
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert "train: 2/4 step 00:00<00:00 , loss 0.5" in lines
    assert "trial 0: step 2" in lines
    assert not any("\x1b" in line or "█" in line or "|" in line for line in lines)


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    bar = Progress(4, "train", unit="step")
    bar.add(1)
    bar.close()
    shown = terminal.getvalue().split("\r")[-1]
    assert "train:  25%|" in shown
    assert "1/4" in shown
    assert "step/s" in shown or "s/step" in shown


def test_ray_train_says_nothing_of_a_report() -> None:
    from ray.train.v2._internal.execution.context import logger

    quiet()
    assert not logger.isEnabledFor(logging.INFO)
    assert logger.isEnabledFor(logging.WARNING)
