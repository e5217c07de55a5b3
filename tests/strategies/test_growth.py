import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.backends.errors import Refused
from headgate.backends.scripted import Replies, Scripted
from headgate.budget.cost import Cost, Limits
from headgate.budget.ledger import Bound
from headgate.budget.slots import Seat, Slots
from headgate.strategies.base import Answer, Kept, Run, digest
from headgate.strategies.growth import Growth
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="a b c")


async def echo(problem: Problem, run: Run, *, times: int = 1) -> Answer:
    return Answer(text=problem.text * times)


async def draw(problem: Problem, run: Run) -> Answer:
    return Answer(text=str(run.rng().random()))


async def refuse(problem: Problem, run: Run) -> Answer:
    raise Refused("not this one")


async def pay(problem: Problem, run: Run) -> Answer:
    hold = await run.ledger.reserve(Bound.fixed(Cost(output=10)), role="draft", purpose="think")
    hold.settle(Cost(output=10))
    return Answer(text="paid")


def joined(*answers: Answer) -> Problem:
    return Problem(text="+".join(answer.text for answer in answers))


async def plan(problem: Problem, run: Run) -> Answer:
    """A node for every word, and one that puts their answers together."""
    async with Growth(run) as growth:
        words = [growth.add(f"word-{word}", echo, Problem(text=word), times=2) for word in problem.text.split()]
        end = growth.add("end", echo, joined, needs=words)
    return replace(end.answer, candidates=tuple(word.answer for word in words))


async def seated(run: Run, most: int) -> Run:
    line = Slots(most).line(lambda: None)
    await line.take()
    return replace(run, seat=Seat(line))


async def test_each_node_starts_when_what_it_needs_has_ended(new_run: NewRun, recorder: Any) -> None:
    answer = await new_run({}, sink=recorder).solve(plan, PROBLEM, "plan")
    assert answer.text == "aa+bb+cc"
    order = [(event.kind, event.path) for event in recorder.events if event.kind.startswith("node")]
    assert order.index(("node_start", "p1/plan/end")) > order.index(("node_end", "p1/plan/word-c"))
    assert recorder.events[-1].path == "p1/plan"


async def test_a_planner_adds_node_after_node_and_awaits_some(new_run: NewRun) -> None:
    async def count(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            said = Answer(text="")
            while len(said.text) < 5:
                said = await growth.add(f"n{len(said.text)}", echo, Problem(text=said.text + "x"))
        return Answer(text=",".join(growth.nodes))

    assert (await new_run({}).solve(count, PROBLEM, "count")).text == "n0,n1,n2,n3,n4"


@pytest.mark.parametrize("most", [1, 2, 64])
async def test_growing_deeper_than_there_are_slots_comes_to_its_end(new_run: NewRun, most: int) -> None:
    async def deep(problem: Problem, run: Run, *, depth: int = 4) -> Answer:
        async with Growth(run) as growth:
            for side in "lr" if depth else "":
                growth.add(side, deep, problem, depth=depth - 1)
        return Answer(text=str(1 + sum(int(grown.answer.text) for grown in growth.nodes.values())))

    run = await seated(new_run({}), most)
    answer = await asyncio.wait_for(run.solve(deep, PROBLEM, "deep"), 20)
    assert (answer.text, run.seat and run.seat.line.held) == ("31", 1)


async def test_no_more_grown_nodes_are_at_work_than_there_are_slots(new_run: NewRun) -> None:
    now = most = 0

    async def work(problem: Problem, run: Run) -> Answer:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0)
        now -= 1
        return Answer(text="x")

    async def many(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            for i in range(20):
                growth.add(f"n{i}", work, problem)
        return Answer(text="done")

    await (await seated(new_run({}), 3)).solve(many, PROBLEM, "many")
    assert most == 3


async def test_a_failed_need_keeps_those_after_it_from_running(new_run: NewRun, recorder: Any) -> None:
    async def tools(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            bad = growth.add("bad", refuse, problem)
            after = growth.add("after", echo, joined, needs=[bad])
        return after.answer

    answer = await new_run({}, sink=recorder).solve(tools, PROBLEM, "tools")
    assert (answer.status, answer.reason) == ("failed", "`bad` failed: not this one")
    assert [event.path for event in recorder.events if event.kind == "node_skip"] == ["p1/tools/after"]


async def test_an_error_cancels_the_rest_and_is_raised_as_itself(new_run: NewRun) -> None:
    stopped = list[str]()

    async def crash(problem: Problem, run: Run) -> Answer:
        await asyncio.sleep(0)
        raise ZeroDivisionError("a bug")

    async def wait(problem: Problem, run: Run) -> Answer:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(run.path)
        return Answer(text="")

    async def both(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            growth.add("wait", wait, problem)
            await growth.add("crash", crash, problem)
        return Answer(text="")

    run = await seated(new_run({}), 2)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        await run.solve(both, PROBLEM, "both")
    assert stopped == ["p1/both/wait"]
    assert run.seat and run.seat.line.held == 1


async def test_grown_nodes_draw_by_their_place_and_spend_within_their_strategys_limits(new_run: NewRun) -> None:
    async def grow(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            for name in problem.text.split():
                growth.add(name, draw if "draw" in name else pay, problem, limits=Limits(tokens=15))
        return Answer(text=" ".join(grown.answer.text for grown in growth.nodes.values()))

    first = await new_run({}).solve(grow, Problem(text="draw-1 draw-2"), "grow")
    again = await new_run({}).solve(grow, Problem(text="draw-2 draw-1"), "grow")
    assert first.text.split() == again.text.split()[::-1]
    assert len(set(first.text.split())) == 2
    paid = await new_run({}).solve(grow, Problem(text="a b c"), "grow", Limits(tokens=25))
    assert (paid.text.split(), paid.cost) == (["paid", "paid"], Cost(output=20))


async def test_roles_may_be_given_anew(new_run: NewRun) -> None:
    async def named(problem: Problem, run: Run) -> Answer:
        return Answer(text=f"{run.model('judge').name} at {run.model('judge').path}")

    async def grow(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            return await growth.add("rate", named, problem, roles={"judge": "target"})

    models = {"draft": Scripted(Replies([])), "target": Scripted(Replies([]))}
    assert (await new_run(models).solve(grow, PROBLEM, "grow")).text == "target at p1/grow/rate"


async def test_a_kept_answer_is_given_again_without_a_word(new_run: NewRun, recorder: Any) -> None:
    kept = Kept(answers={"p1/plan/word-b": (digest("b"), Answer(text="B"))})
    run = replace(new_run({}, sink=recorder), kept=kept)
    assert (await run.solve(plan, PROBLEM, "plan")).text == "aa+B+cc"
    assert "p1/plan/word-b" not in [event.path for event in recorder.events]


async def test_a_name_is_given_once(new_run: NewRun) -> None:
    async def twice(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            growth.add("a", echo, problem)
            growth.add("a", echo, problem)
        return Answer(text="")

    with pytest.raises(ValueError, match="`p1/twice` has grown a `a` already"):
        await new_run({}).solve(twice, PROBLEM, "twice")
