"""Asking replicas that die, are full or away: another one is asked, or the caller is told when to come back."""

import asyncio
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from serve.availability import available
from serve.errors import ProblemError
from serve.graph import ask, mean_direction
from serve.holding import NotHeldError
from serve.metrics import SHED


class Dying:
    """A method of a handle whose first replicas die over the question.

    Args:
        deaths: how many do.
    """

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.asked = 0

    async def remote(self, question: str) -> str:
        self.asked += 1
        if self.asked <= self.deaths:
            raise ActorDiedError
        return question.upper()


@pytest.mark.parametrize("deaths", [0, 1, 2])
def test_another_replica_is_asked_where_one_dies(deaths: int) -> None:
    method: Any = Dying(deaths)
    assert asyncio.run(ask(method, "a")) == "A"
    assert method.asked == deaths + 1


def test_a_question_that_kills_whoever_is_asked_is_given_up() -> None:
    method: Any = Dying(100)
    with pytest.raises(ActorDiedError):
        asyncio.run(ask(method, "a"))
    assert method.asked == 3


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ActorDiedError(), "unavailable"),
        (NotHeldError("shapes@v: the store is away"), "unavailable"),
        (DeploymentUnavailableError(None), "unavailable"),  # type: ignore[arg-type]
        (BackPressureError(5, 5), "back_pressure"),
        (None, "timeout"),
    ],
)
def test_what_cannot_answer_now_says_when_to_come_back(
    error: Exception | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons: list[str] = []
    monkeypatch.setattr(SHED, "add", reasons.append)

    async def main() -> None:
        async with available(0.01):
            if error is not None:
                raise error
            await asyncio.sleep(10)

    with pytest.raises(ProblemError) as raised:
        asyncio.run(main())
    assert raised.value.status == 503
    assert raised.value.retry_after
    assert reasons == [reason]


def test_a_bug_stays_a_bug() -> None:
    async def main() -> None:
        async with available(1):
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        asyncio.run(main())


def test_the_mean_direction_of_several_sketches() -> None:
    one_D, other_D = np.array([1, 0, 0], np.float32), np.array([0, 1, 0], np.float32)
    assert mean_direction([one_D]) is one_D
    np.testing.assert_allclose(mean_direction([one_D, other_D, other_D]), np.array([1, 2, 0]) / 5**0.5, atol=1e-7)
