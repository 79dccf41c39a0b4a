"""Proposals, successive halving and the journal: a search goes on as if it had never been killed."""

from pathlib import Path
from typing import Any

import pytest

from jobs._train_config import TrainConfig
from jobs._tune_halving import Halving
from jobs._tune_journal import Journal, Trial, unfinished
from jobs._tune_progress import Narrator
from jobs._tune_proposals import Proposals, propose
from jobs._tune_space import Point, Space, read_space
from sketchray.storage import Store, open_store
from tests.jobs.tune_trials import TRIALS, trial

BASE = TrainConfig.model_validate({"method": {"name": "rpkd", "warmup": 1}, "steps": 4})

STEPS = 4


def test_a_proposal_follows_from_seed_number_and_what_is_known_alone() -> None:
    space = read_space({"method.lr": {"loguniform": [1e-4, 0.05]}, "method.warmup": {"integer": [1, 9]}}, BASE)
    known = [
        trial(n, {4: 0.2 * n}, "finished", {"method.lr": 1e-3 * (n + 1), "method.warmup": 1 + n % 9}) for n in range(12)
    ]

    def proposal(number: int, seed: int = 0, count: int = 12) -> Point:
        return propose(space, seed=seed, number=number, known=known[:count])

    assert proposal(12) == proposal(12)
    assert len({tuple(proposal(12, seed).values()) for seed in range(4)}) == 4
    assert proposal(3, count=2) == proposal(3, count=0)  # the first ten are drawn at random
    assert proposal(12) != proposal(12, count=0)
    assert all(space[key].drawn_as(value) == value for key, value in proposal(12).items())


def test_what_was_interrupted_comes_first_with_its_own_values_and_what_was_over_never_again(tmp_path: Path) -> None:
    space, journal = read_space({"method.lr": {"loguniform": [1e-4, 0.05]}}, BASE), Journal(open_store(str(tmp_path)))
    for known in [*TRIALS, trial(4, {2: 0.3}, point={"method.lr": 0.01})]:
        journal.write(known)
    proposals = Proposals(space, base=BASE, seed=0, journal=journal)
    given = [proposals.suggest("any") for _ in range(3)]
    assert given[:2] == [{"number": 3, "point": {"method.lr": 0.4}}, {"number": 4, "point": {"method.lr": 0.01}}]
    assert given[2]["number"] == 5
    assert [known.status for known in journal.trials()] == ["finished", "finished", "stopped"] + ["running"] * 3
    assert journal.read(4).curve == ((2, 0.3),)


def test_the_first_trial_has_the_recipes_own_values(tmp_path: Path) -> None:
    space, journal = read_space({"steps": {"integer": [9, 12]}}, BASE), Journal(open_store(str(tmp_path)))
    proposals = Proposals(space, base=BASE, seed=0, journal=journal)
    first, second = proposals.suggest("any"), proposals.suggest("any")
    assert first == {"number": 0, "point": {"steps": STEPS}}  # which lies outside of the space, and is never drawn
    assert 9 <= second["point"]["steps"] <= 12
    assert [known.steps for known in journal.trials()] == [STEPS, second["point"]["steps"]]


class Reported:
    """As Ray Tune's trials are: an identifier that is another in each session, and what was proposed."""

    def __init__(self, number: int, session: str, error: str = "") -> None:
        self.trial_id, self.error = f"{session}-{number}", error
        self.config: dict[str, Any] = {"number": number, "point": {"method.lr": 0.1}}

    def get_error(self) -> Exception:
        return ValueError(self.error)


def halving(journal: Journal) -> Halving:
    return Halving(journal, metric="val", time_attr="step", max_t=4, grace_period=2, reduction_factor=2)


def test_halving_taken_up_again_decides_as_if_it_had_never_been_interrupted(tmp_path: Path) -> None:
    reports = [(0, 2, 0.5), (1, 2, 0.6), (2, 2, 0.2), (1, 4, 0.7), (0, 4, 0.1), (3, 2, 0.55), (3, 4, 0.3), (4, 2, 0.4)]

    def decisions(folder: Path, restart_after: int) -> list[str]:
        journal = Journal(open_store(str(folder)))
        for number in range(5):
            journal.write(trial(number, {}))
        scheduler, session, made = halving(journal), "a", []
        for count, (number, step, value) in enumerate(reports):
            if count == restart_after:
                scheduler, session = halving(journal), "b"
            if step == 2 or count == restart_after:
                scheduler.on_trial_add(None, Reported(number, session))
            made.append(scheduler.on_trial_result(None, Reported(number, session), {"step": step, "val": value}))
        statuses = [known.status for known in journal.trials()]
        assert statuses == ["finished", "finished", "stopped", "finished", "stopped"]
        return made

    whole = decisions(tmp_path / "whole", restart_after=-1)
    assert whole == ["CONTINUE", "CONTINUE", "STOP", *["CONTINUE"] * 3, "STOP", "STOP"]
    assert all(decisions(tmp_path / f"{cut}", restart_after=cut) == whole for cut in range(1, len(reports)))


class Killed(BaseException):
    """The end of a process."""


class Dying(Journal):
    """A journal whose process is killed right after its n-th writing."""

    def __init__(self, store: Store, left: float) -> None:
        super().__init__(store)
        self.left = left

    def write(self, trial: Trial) -> None:
        super().write(trial)
        self.left -= 1
        if self.left == 0:
            raise Killed


def session(journal: Journal, space: Space) -> list[Trial]:
    """Search as Ray Tune would, one trial at a time, six in all; a trial goes on from its last report."""
    proposals, scheduler = Proposals(space, base=BASE, seed=5, journal=journal), halving(journal)
    while len(known := journal.trials()) < 6 or unfinished(known):
        config = proposals.suggest("any")
        scheduler.on_trial_add(None, Reported(config["number"], str(id(journal))))
        begun = dict(journal.read(config["number"]).curve)
        for step in (2, 4):
            value = step * (0.1 - abs(0.02 - config["point"]["method.lr"]))
            report = Reported(config["number"], str(id(journal))), {"step": step, "val": value}
            if step not in begun and scheduler.on_trial_result(None, *report) == "STOP":
                break
    return journal.trials()


def test_a_search_killed_after_any_writing_ends_as_one_that_was_not(tmp_path: Path) -> None:
    space = read_space({"method.lr": {"loguniform": [1e-4, 0.05]}}, BASE)
    counting = Dying(open_store(str(tmp_path / "whole")), left=1000)
    whole = session(counting, space)
    assert {known.status for known in whole} == {"finished", "stopped"}
    for writing in range(1, 1000 - int(counting.left) + 1):
        store = open_store(str(tmp_path / f"{writing}"))
        with pytest.raises(Killed):
            session(Dying(store, left=writing), space)
        assert session(Journal(store), space) == whole


def test_the_recipes_own_values_are_never_stopped(tmp_path: Path) -> None:
    journal = Journal(open_store(str(tmp_path)))
    for known in (trial(0, {}), trial(1, {2: 0.9})):
        journal.write(known)
    scheduler = halving(journal)
    scheduler.on_trial_add(None, Reported(0, "a"))
    assert scheduler.on_trial_result(None, Reported(0, "a"), {"step": 2, "val": 0.1}) == "CONTINUE"
    assert scheduler.on_trial_result(None, Reported(0, "a"), {"done": True}) == "CONTINUE"
    assert journal.read(0).curve == ((2, 0.1),)


def test_each_report_is_told_once_and_what_a_trial_failed_with_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(open_store(str(tmp_path)))
    for known in (trial(0, {2: 0.5, 4: 0.625}, "finished"), trial(1, {2: 0.25}, "stopped"), trial(2, {})):
        journal.write(known)
    narrator = Narrator(journal, metric="val", trials=3)
    narrator.setup()
    for number, step, value in ((0, 4, 0.625), (0, 4, 0.625), (1, 2, 0.25)):
        narrator.on_trial_result(1, [], Reported(number, "a"), {"step": step, "val": value, "done": True})
    narrator.on_trial_result(1, [], Reported(1, "a"), {"done": True})
    narrator.on_trial_error(1, [], Reported(2, "a", error="Traceback\n  deep down\nValueError: too hot\n"))
    narrator.on_experiment_end([])
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("trial")] == [
        "trial 0: step 4, val 0.6250 (method.lr=0.1)",
        "trial 1: step 2, val 0.2500 (method.lr=0.1): stopped",
    ]
    assert [line for line in told if line.startswith("tune: 3/3 trial") and "best 0.6250" in line]
    assert (journal.read(2).status, journal.read(2).error) == ("failed", "ValueError: too hot")
