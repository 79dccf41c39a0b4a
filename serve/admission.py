"""Admission: more questions than can be answered soon are turned away at once, so that the others do not wait for them.

By Little's law a question that finds N before it, where R are answered a second, waits N / R seconds. So the limit of
what is in flight is the rate at which answers leave, times the wait that is still good: it follows the speed of the
machine, the encoder and the number of replicas by itself, and ingress replicas need not talk to one another.
"""

import re
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import TOO_MANY, ProblemError, problem_response
from serve.metrics import SHED
from sketchray.config import Config

QUESTIONS = re.compile(r"/v1/(search|search:batch|explain)")  # what makes the encoder and the shards work
WINDOW_S = 1.0  # over which the rate is measured
TICKET = "sketchray.ticket"  # where a request's questions stand in its scope


class AdmissionConfig(Config):
    """How much is let in.

    Attributes:
        wait_s: seconds that a question may spend here when everything is busy.
        floor: questions in flight that are always let in: what keeps the batches full, and small bursts.
        ceiling: questions in flight that are never exceeded, whatever the rate.
    """

    wait_s: float = 0.5
    floor: int = 16
    ceiling: int = 192


class Admission:
    """ASGI middleware: lets questions in as long as they can be answered soon.

    Args:
        app: the application behind.
        config: how much is let in.
        clock: monotonic seconds.
    """

    def __init__(self, app: ASGIApp, *, config: AdmissionConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.config = config
        self.clock = clock
        self.in_flight = 0  # questions
        self._rate = 0.0
        self._answered = 0
        self._turned_away = False
        self._window = clock()

    @property
    def limit(self) -> int:
        """Questions in flight from which on others are turned away."""
        return max(self.config.floor, min(self.config.ceiling, int(self._rate * self.config.wait_s)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not QUESTIONS.fullmatch(scope["path"]):
            return await self.app(scope, receive, send)
        if self.in_flight >= self.limit:
            self._turn_away()
            return await problem_response(503, TOO_MANY, {"Retry-After": "1"})(scope, receive, send)
        ticket = scope[TICKET] = Ticket(self)

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:  # a refusal costs nothing
                self._answered += ticket.questions
            await send(message)

        self.in_flight += 1
        try:
            return await self.app(scope, receive, counted)
        finally:
            self.in_flight -= ticket.questions
            self._measure()

    def admit_more(self, ticket: "Ticket", questions: int) -> bool:
        """Let further questions of a request in; one that is alone is let in however many they are."""
        if self.in_flight > ticket.questions and self.in_flight + questions > self.limit:
            self._turn_away()
            return False
        self.in_flight += questions
        ticket.questions += questions
        return True

    def _turn_away(self) -> None:
        SHED.add("busy")
        self._turned_away = True

    def _measure(self) -> None:
        """Measure the rate, where a window is over. One in which everybody was let in says only what is at least so."""
        passed = self.clock() - self._window
        if passed < WINDOW_S:
            return
        rate = self._answered / passed
        self._rate = (self._rate + rate) / 2 if self._turned_away else max(self._rate, rate)
        self._answered, self._turned_away, self._window = 0, False, self.clock()


class Ticket:
    """The questions of one request that were let in."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.questions = 1


def admit(request: Request, questions: int) -> None:
    """Ask for the questions that a request has beyond its first, as in a batch.

    Raises:
        ProblemError: 503, there are too many in flight for these.
    """
    ticket: Ticket | None = request.scope.get(TICKET)
    if ticket is not None and questions > 0 and not ticket.admission.admit_more(ticket, questions):
        raise ProblemError(503, TOO_MANY, retry_after=1)
