"""What the next trial is tried with: Optuna's proposal, as a pure function of the seed, its number and what is known.

So a search that was killed goes on with the points that it would have tried, and none twice.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from ray.tune.search import Searcher

from jobs._train_config import TrainConfig
from jobs._tune_journal import Journal, Trial, unfinished
from jobs._tune_space import Point, Space, at_point, present_point
from sketchray.config import digest


def propose(space: Space, *, seed: int, number: int, known: Sequence[Trial]) -> Point:
    """Return the point of a trial, four significant digits a value: what a report shows is then what was tried.

    Args:
        space: what to draw from.
        seed: of the search.
        number: the trial's.
        known: the trials before it, those that run among them.
    """
    import optuna

    distributions = {key: domain.distribution() for key, domain in space.items()}
    sampler = optuna.samplers.TPESampler(seed=int(digest({"seed": seed, "trial": number})[:8], 16))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(list(_frozen(known, space, distributions)))
    drawn = study.ask(distributions).params
    return {key: space[key].value_of(value) for key, value in drawn.items()}


def _frozen(known: Sequence[Trial], space: Space, distributions: dict[str, Any]) -> Iterator[Any]:
    """Yield what Optuna is to learn from: trials that ended, and how far those came that were stopped."""
    import optuna

    states = {"finished": optuna.trial.TrialState.COMPLETE, "stopped": optuna.trial.TrialState.PRUNED}
    for trial in known:
        drawn = {key: domain.drawn_as(trial.overrides.get(key)) for key, domain in space.items()}
        # The recipe's own values need not lie within the space.
        if trial.over and None not in drawn.values():
            yield optuna.trial.create_trial(
                state=states[trial.status],
                value=trial.value,
                params=drawn,
                distributions=distributions,
                intermediate_values=dict(trial.curve),
            )


class Proposals(Searcher):
    """Gives Ray Tune first the trials that were interrupted, then new ones; the first of all has the recipe's values.

    A trial is in the journal before Ray Tune hears of it.

    Args:
        space: what to draw from.
        base: what the trials have in common.
        seed: of the search.
        journal: the search's.
    """

    def __init__(self, space: Space, *, base: TrainConfig, seed: int, journal: Journal) -> None:
        super().__init__()
        self._space, self._base, self._seed, self._journal = space, base, seed, journal
        self._interrupted = unfinished(journal.trials())

    def suggest(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002 - Ray's signature
        """Return what Ray Tune hands to the trial: its number and its point."""
        trial = self._again(self._interrupted.pop(0)) if self._interrupted else self._next()
        self._journal.write(trial)
        return {"number": trial.trial, "point": trial.overrides}

    def _again(self, number: int) -> Trial:
        return self._journal.read(number).model_copy(update={"status": "running", "error": None})

    def _next(self) -> Trial:
        known = self._journal.trials()
        number = len(known)
        if number:
            point = propose(self._space, seed=self._seed, number=number, known=known)
        else:
            point = present_point(self._base, self._space)
        return Trial(trial=number, overrides=point, steps=at_point(self._base, point).steps)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The journal knows."""

    def set_search_properties(self, *_: Any, **__: Any) -> bool:
        """What is sought, and where, the journal and the space say."""
        return True

    def save(self, checkpoint_path: str) -> None:
        """There is nothing to save: the journal is in the store."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was saved."""
