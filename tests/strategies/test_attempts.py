import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.backends.errors import EngineFailed, Refused
from headgate.budget.cost import Cost, Limits
from headgate.budget.errors import BudgetExceeded
from headgate.budget.ledger import Bound
from headgate.strategies.attempts import Retry, retried, timed
from headgate.strategies.base import Answer, Run, Strategy
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="?")
AT_ONCE = Retry(attempts=3, wait_s=0)


def failing(*ends: Any) -> tuple[Strategy, list[int]]:
    """A strategy that ends so, one after another, and the numbers of its attempts."""
    numbers = list[int]()

    async def fail(problem: Problem, run: Run) -> Answer:
        numbers.append(run.attempt)
        hold = await run.ledger.reserve(Bound.fixed(Cost(output=10)), role="draft", purpose="think")
        hold.settle(Cost(output=10))
        end = ends[len(numbers) - 1]
        if isinstance(end, Exception):
            raise end
        return Answer(text="", status=end)

    return fail, numbers


@pytest.mark.parametrize(
    ("ends", "status", "attempts"),
    [
        (["answered"], "answered", 1),
        (["failed", "answered"], "answered", 2),
        (["failed"] * 3, "failed", 3),
        ([EngineFailed("down"), "abstained"], "abstained", 2),
        ([ZeroDivisionError(), EngineFailed("down"), "answered"], "answered", 3),
        ([EngineFailed("down")] * 3, "failed", 3),
        ([Refused("never")], "failed", 1),
        ([BudgetExceeded("p1", "tokens", 9, 1)], "exhausted", 1),
        (["exhausted"], "exhausted", 1),
    ],
)
async def test_what_may_go_better_is_tried_again(new_run: NewRun, ends: list[Any], status: str, attempts: int) -> None:
    strategy, numbers = failing(*ends)
    answer = await new_run({}).solve(retried(strategy, AT_ONCE), PROBLEM, "solve")
    assert (answer.status, numbers) == (status, list(range(1, attempts + 1)))
    assert answer.cost == Cost(output=10 * attempts)


async def test_a_bug_is_raised_once_the_attempts_are_spent(new_run: NewRun) -> None:
    strategy, numbers = failing(*[ZeroDivisionError("a bug")] * 3)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await new_run({}).solve(retried(strategy, AT_ONCE), PROBLEM, "solve")
    assert len(numbers) == 3


async def test_all_attempts_spend_within_the_nodes_limits(new_run: NewRun) -> None:
    strategy, _ = failing("failed", "failed", "failed")
    answer = await new_run({}).solve(retried(strategy, AT_ONCE), PROBLEM, "solve", Limits(tokens=25))
    assert (answer.status, answer.cost) == ("exhausted", Cost(output=20))


async def test_every_wait_is_told_and_only_the_last_answer_counts(new_run: NewRun, recorder: Any) -> None:
    strategy, _ = failing("failed", ValueError("odd"), "answered")
    await new_run({}, sink=recorder).solve(retried(strategy, Retry(wait_s=0.001)), PROBLEM, "solve")
    told = [event for event in recorder.events if event.kind == "retry"]
    assert [(event.path, event.payload["attempt"], event.payload["error"]) for event in told] == [
        ("p1/solve", 1, ""),
        ("p1/solve", 2, "odd"),
    ]
    assert 0.0005 <= float(told[0].payload["wait_s"]) <= 0.0015
    assert 0.001 <= float(told[1].payload["wait_s"]) <= 0.003
    assert [event.payload["status"] for event in recorder.events if event.kind == "answer"] == ["answered"]


async def test_an_attempt_within_an_attempt_has_a_number_of_its_own(new_run: NewRun) -> None:
    strategy, numbers = failing(*["failed"] * 4)
    await new_run({}).solve(
        retried(retried(strategy, Retry(attempts=2, wait_s=0)), Retry(attempts=2, wait_s=0)), PROBLEM, "solve"
    )
    assert numbers == [1, 2, 3, 4]


async def test_no_attempt_is_waited_for_that_would_begin_past_the_deadline(new_run: NewRun) -> None:
    strategy, numbers = failing("failed", "answered")
    patient = timed(retried(strategy, Retry(wait_s=60)), 20)
    answer = await asyncio.wait_for(new_run({}).solve(patient, PROBLEM, "solve"), 5)
    assert (answer.status, answer.reason, numbers) == ("failed", "", [1])


async def test_a_strategy_that_takes_too_long_is_cancelled_and_has_failed_with_its_bill(new_run: NewRun) -> None:
    async def slow(problem: Problem, run: Run) -> Answer:
        hold = await run.ledger.reserve(Bound.fixed(Cost(output=10)))
        try:
            await asyncio.sleep(60)
        finally:
            hold.settle(Cost(output=4))
        return Answer(text="late")

    run = new_run({})
    answer = await asyncio.wait_for(run.solve(timed(slow, 0.02), PROBLEM, "solve"), 5)
    assert (answer.status, answer.reason, answer.cost.output) == ("failed", "timed out after 0.02 s", 4)
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


async def test_a_childs_time_ends_with_its_parents(new_run: NewRun) -> None:
    deadlines = list[float]()

    async def note(problem: Problem, run: Run) -> Answer:
        deadlines.append(run.deadline)
        return Answer(text="x")

    async def outer(problem: Problem, run: Run) -> Answer:
        deadlines.append(run.deadline)
        await run.solve(timed(note, 60), problem, "longer")
        return await run.solve(timed(note, 5), problem, "shorter")

    await new_run({}).solve(timed(outer, 30), PROBLEM, "solve")
    assert deadlines[1] == deadlines[0] > deadlines[2]


async def test_a_timeout_of_the_strategys_own_stays_its_own(new_run: NewRun) -> None:
    async def own(problem: Problem, run: Run) -> Answer:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await new_run({}).solve(timed(own, 30), PROBLEM, "solve")


async def test_cancelling_from_outside_is_no_timeout_and_no_failure(new_run: NewRun) -> None:
    async def slow(problem: Problem, run: Run) -> Answer:
        await asyncio.sleep(60)
        return Answer(text="")

    work = new_run({}).solve(timed(retried(slow, AT_ONCE), 30), PROBLEM, "solve")
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_keys_for_tools_tell_attempts_apart(new_run: NewRun) -> None:
    keys = list[str]()

    async def note(problem: Problem, run: Run) -> Answer:
        keys.append(run.child("tool").key)
        return Answer(text="", status="failed")

    await replace(new_run({}), id="r1").solve(retried(note, Retry(attempts=2, wait_s=0)), PROBLEM, "solve")
    assert keys == ["r1:p1/solve/tool:1", "r1:p1/solve/tool:2"]
