"""What a person sees of a search while it runs, and what a trial failed with for the journal."""

# ruff: noqa: ARG002 - the arguments are Ray's

from typing import Any

from ray import tune

from jobs._progress import Progress
from jobs._tune_journal import Journal


class Narrator(tune.Callback):
    """A line for each report, a bar of trials that are over, and a record of those that fail.

    Args:
        journal: the search's.
        metric: the objective's name in the reports.
        trials: how many there will be.
    """

    def __init__(self, journal: Journal, *, metric: str, trials: int) -> None:
        self._journal, self._metric, self._trials = journal, metric, trials
        self._bar: Progress | None = None
        self._said: set[tuple[int, int]] = set()

    def setup(self, stop: Any = None, num_samples: Any = None, total_num_samples: Any = None, **_: Any) -> None:
        """Draw the bar; Ray copies this object before."""
        self._bar = Progress(self._trials, "tune", unit="trial")
        self._show()

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        """Say what a trial reported."""
        number, step = trial.config["number"], int(result.get("step", 0))
        if self._metric not in result or (number, step) in self._said:  # a trial says its last point twice
            return
        self._said.add((number, step))
        point = ", ".join(f"{key}={value}" for key, value in trial.config["point"].items())
        stopped = ": stopped" if self._journal.read(number).status == "stopped" else ""
        assert self._bar is not None
        self._bar.say(f"trial {number}: step {step}, {self._metric} {result[self._metric]:.4f} ({point}){stopped}")

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Move the bar on."""
        self._show()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Write down what the trial failed with."""
        lines = str(trial.get_error()).strip().splitlines()
        failed = {"status": "failed", "error": lines[-1].strip() if lines else "failed without a word"}
        self._journal.write(self._journal.read(trial.config["number"]).model_copy(update=failed))
        self._show()

    def on_experiment_end(self, trials: list[Any], **_: Any) -> None:
        """Leave the bar standing."""
        assert self._bar is not None
        self._bar.close()

    def _show(self) -> None:
        over = [trial for trial in self._journal.trials() if trial.status != "running"]
        values = [trial.value for trial in over if trial.status == "finished" and trial.value is not None]
        assert self._bar is not None
        self._bar.set(len(over), f"best {max(values):.4f}" if values else "")
