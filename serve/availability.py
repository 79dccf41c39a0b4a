"""The ways in which the graph cannot answer now, as 503 with a time to come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from serve.errors import TOO_MANY, ProblemError
from serve.holding import NotHeldError
from serve.metrics import SHED


@asynccontextmanager
async def available(timeout_s: float) -> AsyncIterator[None]:
    """Give up after some seconds, and tell the caller what is the matter and when to ask again.

    Raises:
        ProblemError: 503.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        SHED.add("timeout")
        raise ProblemError(503, "The search took too long; try again in a moment.", retry_after=2) from error
    except BackPressureError as error:
        SHED.add("back_pressure")
        raise ProblemError(503, TOO_MANY, retry_after=1) from error
    except (RayActorError, DeploymentUnavailableError, NotHeldError) as error:
        SHED.add("unavailable")
        raise ProblemError(503, "A part of the search is starting again; try again.", retry_after=5) from error
