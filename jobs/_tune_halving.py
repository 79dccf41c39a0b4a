"""Successive halving that can be taken up again: ASHA, told first what is known, and writing down what it decides."""

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from jobs._tune_journal import Journal

FIRST = 0  # the recipe's own values: they are what the others are to beat, so they are never stopped
NOBODY: Any = None  # ASHA asks nothing of Ray Tune's controller


class Halving(ASHAScheduler):
    """ASHA over trials by their number. Each report is in the journal, with the decision, before it has an effect.

    Args:
        journal: the search's; what it has of earlier trials counts at the rungs.
        metric: the objective's name in the reports; the higher the better.
        asha: Ray Tune's arguments.
    """

    def __init__(self, journal: Journal, *, metric: str, **asha: Any) -> None:
        # A trial at its last step ends by itself: its workers leave in order.
        super().__init__(metric=metric, mode="max", stop_last_trials=False, **asha)
        self._journal = journal
        for trial in journal.trials():
            known = _numbered(trial.trial)
            super().on_trial_add(NOBODY, known)
            for step, value in trial.curve:
                super().on_trial_result(NOBODY, known, {self._time_attr: step, metric: value})

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, _of(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if self._metric not in result:
            return str(TrialScheduler.CONTINUE)
        known = _of(trial)
        decision = super().on_trial_result(tune_controller, known, result)
        if known.number == FIRST:
            decision = TrialScheduler.CONTINUE
        before = self._journal.read(known.number)
        step, value = int(result[self._time_attr]), float(result[self._metric])
        after = before.reported(step, value, stop=decision == TrialScheduler.STOP)
        if after != before:  # a trial says its last point twice
            self._journal.write(after)
        return str(decision)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, _of(trial), result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_remove(tune_controller, _of(trial))


def _of(trial: Any) -> Any:
    return _numbered(trial.config["number"])


def _numbered(number: int) -> Any:
    """Return what ASHA asks of a trial; Ray's own identifiers are others after a restart."""
    return SimpleNamespace(trial_id=f"trial-{number}", number=number)
