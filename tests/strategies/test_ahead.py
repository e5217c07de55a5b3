import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from headgate.backends.base import Context, NextToken, Sampling
from headgate.backends.dialect import Dialect
from headgate.backends.errors import Cancelled
from headgate.backends.scripted import Scripted, Skill, Table
from headgate.budget.cost import Cost, Limits
from headgate.strategies.base import Answer, Run
from headgate.strategies.spec_reason import spec_reason
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
STEPS = [f"take {i} and go on" for i in range(8)]
SOLVED = {"Go.": (STEPS, "8")}
PROBLEM = Problem(text="Go.")
ASKED = Dialect(judge_prefill="score:")
BABBLE = {
    "\n\n": {" a": 0.6, " b": 0.3, "</think>": 0.1},
    " a": {" b": 0.5, "\n\n": 0.5},
    " b": {" a": 0.5, "\n\n": 0.5},
    ":": {"3": 0.5, "8": 0.5},
    "*": {" a": 0.5, " b": 0.5},
}
KNOBS: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 12, "think_tokens": 90}


class SimulatedTime(asyncio.SelectorEventLoop):
    """A loop in which nothing takes time but sleeping, and a sleep takes none of ours."""

    def __init__(self) -> None:
        super().__init__(_Jumping(self))
        self.now = 0.0

    def time(self) -> float:
        return self.now


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    def __init__(self, loop: SimulatedTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._loop.now += timeout
        return super().select(0)


class Slow(Scripted):
    """Takes the time that it says it took."""

    async def generate(self, context: Context, sampling: Sampling, n: int = 1, on_token: Any = None) -> Any:
        done = await super().generate(context, sampling, n, on_token)
        return await _pace(done, sum((c.usage for c in done), Cost()))

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        seen = await super().peek(context, texts)
        return await _pace(seen, seen.usage)


async def _pace(result: Any, usage: Cost) -> Any:
    try:
        await asyncio.sleep(usage.seconds)
    except asyncio.CancelledError as error:
        raise Cancelled(usage) from error
    return result


def simulated(work: Coroutine[Any, Any, Answer]) -> tuple[Answer, float]:
    """An answer, and the seconds it took."""
    with asyncio.Runner(loop_factory=SimulatedTime) as runner:
        return runner.run(work), runner.get_loop().time()


def pair(draft_s: float, judge_s: float, skill: float = 1.0) -> dict[str, Any]:
    """Models whose draft takes so long a step, and whose judge so long a step."""
    words = 6  # of a step, its delimiter included
    return {
        "draft": Slow(Skill(SOLVED, skill=skill), seconds_per_token=draft_s / words),
        "target": Slow(Skill(SOLVED), seconds_per_token=judge_s),
    }


def kept(answer: Answer) -> list[tuple[str, tuple[int, ...]]]:
    return [(step.author, step.completion.token_ids) for step in answer.steps if step.kept]


@pytest.mark.parametrize(("draft_s", "judge_s"), [(1.0, 3.0), (3.0, 1.0), (2.0, 2.0)])
def test_an_accepted_step_costs_the_longer_of_drafting_and_judging(
    new_run: NewRun, draft_s: float, judge_s: float
) -> None:
    (plain, alone_s), (early, early_s) = (
        simulated(new_run(pair(draft_s, judge_s)).solve(spec_reason, PROBLEM, "solve", overlap=overlap))
        for overlap in (False, True)
    )
    assert kept(plain) == kept(early)
    assert (plain.text, plain.cost.units()) == (early.text, early.cost.units())
    drafted = [step.completion.usage.seconds for step in early.steps]
    assert early.completion
    answered = early.completion.usage.seconds
    assert alone_s == pytest.approx(sum(d + judge_s for d in drafted) + answered)
    hidden = sum(max(d, judge_s) for d in drafted[1:])
    assert early_s == pytest.approx(drafted[0] + hidden + judge_s + answered)


def test_a_rejected_step_takes_what_was_drafted_after_it_along_and_its_tokens_are_wasted(new_run: NewRun) -> None:
    plain, _ = simulated(new_run(pair(1.0, 3.0, 0.5)).solve(spec_reason, PROBLEM, "solve"))
    early, _ = simulated(new_run(pair(1.0, 3.0, 0.5)).solve(spec_reason, PROBLEM, "solve", overlap=True))
    assert kept(plain) == kept(early)
    assert 0 < sum(not step.kept for step in plain.steps) < sum(not step.kept for step in early.steps)
    for answer in (plain, early):
        wasted = sum((step.completion.usage for step in answer.steps if not step.kept), Cost())
        assert answer.bill["draft", "wasted"].output == wasted.output
        assert answer.bill["draft", "think"].output == sum(
            step.completion.usage.output for step in answer.steps if step.kept and step.author == "draft"
        )


def test_what_was_written_of_a_cancelled_step_is_billed_as_wasted(new_run: NewRun) -> None:
    early, _ = simulated(new_run(pair(3.0, 1.0, 0.5)).solve(spec_reason, PROBLEM, "solve", overlap=True))
    seen = sum(step.completion.usage.output for step in early.steps if not step.kept)
    assert early.bill["draft", "wasted"].output > seen
    assert sum(early.bill.values(), Cost()).units() == early.cost.units()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("threshold", [0, 5, 9.5])
async def test_the_chain_says_the_same_with_it_and_without(new_run: NewRun, seed: int, threshold: float) -> None:
    answers = []
    for overlap in (False, True):
        models = {role: Scripted(Table(BABBLE), dialect=ASKED) for role in ("draft", "target")}
        run = new_run(models, seed=seed)
        answers.append(await run.solve(spec_reason, PROBLEM, "solve", threshold=threshold, overlap=overlap, **KNOBS))
        assert run.ledger.spent.units() == answers[-1].cost.units()
        assert not any(run.ledger.held.values())
    assert kept(answers[0]) == kept(answers[1])
    assert (answers[0].text, answers[0].status) == (answers[1].text, answers[1].status)


@pytest.mark.parametrize("limits", [Limits(tokens=60), Limits(output=17), Limits(output=30)], ids=str)
async def test_a_budget_that_refuses_the_early_step_is_kept_and_leaves_nothing_held(
    new_run: NewRun, limits: Limits
) -> None:
    for seed in range(8):
        models = {role: Scripted(Table(BABBLE), dialect=ASKED) for role in ("draft", "target")}
        run = new_run(models, limits, seed=seed)
        answer = await run.solve(spec_reason, PROBLEM, "solve", threshold=5, overlap=True, **KNOBS)
        assert answer.status in ("answered", "exhausted", "abstained")
        assert all(run.ledger.spent.units().get(unit, 0) <= cap for unit, cap in limits.caps().items())
        assert not any(run.ledger.held.values())


async def test_it_cancels_cleanly_while_a_step_is_drafted_early(new_run: NewRun) -> None:
    moments = random.Random(0)
    for _ in range(60):
        models = {role: Scripted(Table(BABBLE), dialect=ASKED) for role in ("draft", "target")}
        run = new_run(models, Limits(tokens=5000))
        solving = run.solve(spec_reason, PROBLEM, "solve", threshold=5, overlap=True, **KNOBS)
        task = asyncio.create_task(solving)
        for _ in range(moments.randrange(1, 60)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not any(run.ledger.held.values())
        assert len(asyncio.all_tasks()) == 1
