"""Patience with a strategy: tried again when it fails, cancelled when it takes too long.

Model calls are retried where they are made (`backends/model.py`); this is for a node as a whole. All attempts spend
from one scope, so that the node's limits hold over all of them.
"""

import asyncio
from dataclasses import dataclass, replace
from itertools import count

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, retry_if_result, stop_after_attempt

from ..backends.errors import BackendError
from ..backends.model import derive
from ..budget.errors import HeadgateError
from ..verifiers.base import Problem
from .base import Answer, Run, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """attempts: in all, the first included. wait_s: before the second, about; it doubles with every further one."""

    attempts: int = 3
    wait_s: float = 1.0


def retried(strategy: Strategy, retry: Retry) -> Strategy:
    """The strategy, tried again after a failed answer or an error of its own; the last attempt's is what it gives.

    A spent budget, wrong input and what an engine will refuse again are not tried again. It waits for no attempt that
    could only begin past the run's deadline.
    """

    async def persistent(problem: Problem, run: Run, **knobs: object) -> Answer:
        numbers = count((run.attempt - 1) * retry.attempts + 1)

        async def attempt() -> Answer:
            return await strategy(problem, replace(run, attempt=next(numbers)), **knobs)

        retrying = AsyncRetrying(
            stop=lambda state: stop_after_attempt(retry.attempts)(state) or state.upcoming_sleep >= _left(run),
            retry=retry_if_exception(_passing) | retry_if_result(_failed),
            wait=lambda state: _pause(run, retry, state),
            before_sleep=lambda state: _tell(run, state),
            retry_error_callback=_last,
        )
        return await retrying(attempt)

    return persistent


def timed(strategy: Strategy, timeout_s: float) -> Strategy:
    """The strategy, cancelled and failed once its time is over; what it had spent stays spent."""

    async def hurried(problem: Problem, run: Run, **knobs: object) -> Answer:
        at = asyncio.get_running_loop().time() + timeout_s
        if at >= run.deadline:  # whoever set that one cancels this too
            return await strategy(problem, run, **knobs)
        deadline = asyncio.timeout_at(at)
        try:
            async with deadline:
                return await strategy(problem, replace(run, deadline=at), **knobs)
        except TimeoutError:
            if not deadline.expired():
                raise
        return Answer(text="", status="failed", reason=f"timed out after {timeout_s:g} s")

    return hurried


def _passing(error: BaseException) -> bool:
    """Whether another attempt may do better."""
    if isinstance(error, BackendError):
        return error.retryable
    return isinstance(error, Exception) and not isinstance(error, HeadgateError)


def _failed(answer: Answer) -> bool:
    return answer.status == "failed"


def _last(state: RetryCallState) -> Answer:
    """What the last attempt gave. Raises: what it raised."""
    assert state.outcome is not None
    answer: Answer = state.outcome.result()
    return answer


def _left(run: Run) -> float:
    """Seconds in which an attempt could still begin."""
    return min(run.deadline - asyncio.get_running_loop().time(), run.ledger.seconds_left())


def _pause(run: Run, retry: Retry, state: RetryCallState) -> float:
    jitter = derive(run.seed, f"{run.path}/{state.attempt_number}") % 1000 / 1000
    return float(retry.wait_s * 2 ** (state.attempt_number - 1) * (0.5 + jitter))


def _tell(run: Run, state: RetryCallState) -> None:
    assert state.outcome is not None
    error = state.outcome.exception()
    why = _last(state).reason if error is None else str(error) or type(error).__name__
    run.tell("retry", attempt=state.attempt_number, error=why, wait_s=state.upcoming_sleep)
