"""Problems solved by worker processes: the same answers, one exact budget, and what becomes of workers that die."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headgate import Agent, Cost, Event, HeadgateError, Problem, RecipeError

from .conftest import Recipe, Seen, again, all_of, answers, kill_hard, lives, problems, settled, workers


async def test_answers_do_not_depend_on_how_many_workers_give_them(chain: Recipe) -> None:
    asked = problems(6)
    alone = await all_of(Agent(chain, seed=3), asked)
    assert len({one.answer.completion.text for one in alone.values() if one.answer.completion}) > 1
    for count in (1, 3):
        agent = Agent(chain, seed=3, workers=count)
        beside = await all_of(agent, asked)
        assert answers(beside) == answers(alone)
        for name, one in alone.items():
            assert one.answer.completion and beside[name].answer.completion
            assert beside[name].answer.completion.text == one.answer.completion.text
        assert agent.ledger.spent.output == sum(one.answer.cost.output for one in beside.values())
        assert agent.ledger.held == {"tokens": 0}


async def test_fifty_calls_of_a_hundred_under_a_thousand_are_ten(one_call: Recipe) -> None:
    seen = Seen()
    agent = Agent(one_call, sinks=[seen], workers=4)
    solved = await all_of(agent, problems(50), parallel=50)
    assert len(seen.of("reserve")) == 10
    assert len(solved) == 50
    assert sum(one.answer.cost.output == 100 for one in solved.values()) == 10
    assert {one.answer.status for one in solved.values() if not one.answer.cost.calls} == {"exhausted"}
    assert agent.ledger.spent.output == 1000
    assert agent.ledger.held == {"output": 0}


async def test_a_worker_that_is_killed_costs_nothing_that_was_acknowledged(chain: Recipe) -> None:
    asked, killed = problems(8), list[int]()
    whole = await all_of(Agent(chain, seed=5), asked)

    def kill(event: Event) -> None:
        if event.kind == "node_end" and event.path.endswith("/n3") and not killed:
            killed.append(workers()[0])
            kill_hard(killed[0])

    seen = Seen(then=kill)
    agent = Agent(chain, seed=5, sinks=[seen], workers=2)
    solved = await all_of(agent, asked)
    assert killed
    assert any("killed by SIGKILL" in str(event.payload["text"]) for event in seen.of("note"))
    assert answers(solved) == answers(whole)
    assert again(seen.events) == set()
    assert agent.ledger.spent.tokens == settled(seen.events).tokens
    assert agent.ledger.held == {"tokens": 0}
    assert len(seen.of("reserve")) == len(seen.of("settle"))
    assert {event.parent for event in seen.of("settle")} == {event.id for event in seen.of("reserve")}
    lost = [event for event in seen.of("settle") if event.payload.get("stop") == "lost"]
    assert sum((one.answer.cost for one in solved.values()), Cost()).output == settled(seen.events).output
    assert all(event.cost and event.cost.output for event in lost)
    assert [len([e for e in seen.of("problem_start") if e.path == p.id]) for p in asked] == [1] * len(asked)


async def test_a_problem_that_kills_three_workers_has_failed_and_the_others_have_not(chain: Recipe) -> None:
    asked = problems(5)

    def kill(event: Event) -> None:
        if event.kind == "reserve" and event.path.startswith("p2/"):
            for pid in workers():
                kill_hard(pid)

    seen = Seen(then=kill)
    agent = Agent(chain, sinks=[seen], workers=1)
    solved = await all_of(agent, asked)
    assert {name for name, one in solved.items() if one.answer.status == "failed"} == {"p2"}
    assert "died 3 times, at last: killed by SIGKILL" in solved["p2"].answer.reason
    its = [event for event in seen.events if event.path.startswith("p2/")]
    assert solved["p2"].answer.cost.output == settled(its).output > 0
    assert again(seen.events) == set()
    assert agent.ledger.held == {"tokens": 0}


async def test_workers_that_die_whatever_they_do_end_the_run_and_leave_the_rest_unfinished(chain: Recipe) -> None:
    def kill(event: Event) -> None:
        if event.kind == "reserve":
            for pid in workers():
                kill_hard(pid)

    seen = Seen(then=kill)
    agent = Agent(chain, sinks=[seen], workers=1)
    with pytest.raises(HeadgateError, match="no worker is left: the last one died, killed by SIGKILL"):
        await all_of(agent, problems(3), parallel=1)
    assert [event.path for event in seen.of("problem_end")] == ["p0"]
    assert agent.ledger.held == {"tokens": 0}


async def test_a_sink_that_fails_while_a_worker_is_buried_fails_its_problems_and_strands_nobody(chain: Recipe) -> None:
    def fail(event: Event) -> None:
        if event.kind == "node_end":
            for pid in workers():
                kill_hard(pid)
        elif event.kind == "note" or event.payload.get("stop") == "lost":
            raise OSError("no space left")

    agent = Agent(chain, sinks=[Seen(then=fail)], workers=1)
    async with asyncio.timeout(60):
        solved = await all_of(agent, problems(3))
    assert {one.answer.reason for one in solved.values()} == {"OSError: no space left"}


async def test_workers_that_die_before_they_are_ready_are_not_started_again(chain: Recipe) -> None:
    opening, killed = asyncio.create_task(Agent(chain, workers=2).open()), set[int]()
    while not opening.done():
        killed |= {pid for pid in workers() if pid not in killed and kill_hard(pid)}
        await asyncio.sleep(0.01)
    with pytest.raises(HeadgateError, match="no worker is left: the last one died, killed by SIGKILL"):
        await opening
    assert len(killed) == 2


async def test_workers_that_cannot_open_a_model_say_so_once(chain: Recipe, tmp_path: Path) -> None:
    recipe = {**chain, "models": {"target": f"scripted:{tmp_path}/none.json"}}
    agent = Agent(recipe, workers=3)
    with pytest.raises(RecipeError, match=r"none\.json is no scripted model"):
        await agent.open()
    assert workers() == []


async def test_a_question_that_cannot_be_asked_is_refused_as_without_workers(chain: Recipe) -> None:
    async with Agent(chain, workers=1) as agent:
        with pytest.raises(RecipeError, match="the question is empty"):
            await agent.asolve("  ")
        assert agent.ledger.spent == Cost()


async def test_the_deadline_of_the_whole_run_holds_in_every_worker(chain: Recipe) -> None:
    budget = {"total": {"seconds": 0.0}}
    solved = await all_of(Agent({**chain, "budget": budget}, workers=2), problems(4))
    assert {one.answer.status for one in solved.values()} == {"exhausted"}
    assert all("deadline" in one.answer.reason for one in solved.values())


async def test_limits_of_each_problem_hold_in_its_worker(chain: Recipe) -> None:
    budget = {"each": {"output": 100}, "answer_reserve": 0}
    solved = await all_of(Agent({**chain, "budget": budget}, workers=2), problems(4))
    assert [one.answer.cost.output for one in solved.values()] == [100] * 4


async def test_tokens_stream_from_a_worker_and_only_when_somebody_listens(chain: Recipe) -> None:
    quiet = Seen()
    async with Agent(chain, sinks=[quiet], workers=1) as agent:
        await agent.asolve("Question?")
        assert quiet.of("token") == []
        kinds = [event.kind async for event in agent.stream(Problem(text="Another?"))]
    assert kinds.count("token") == 12 * 40
    assert kinds[-1] == "problem_end"


async def test_leaving_a_stream_early_cancels_the_problem_in_its_worker(chain: Recipe) -> None:
    seen = Seen()
    async with Agent(chain, sinks=[seen], workers=1) as agent:
        stream = agent.stream(Problem(text="Question?"))
        async for event in stream:
            if event.kind == "reserve":
                break
        await stream.aclose()
        assert agent.ledger.spent.tokens == settled(seen.events).tokens
        assert len(seen.of("settle")) == len(seen.of("reserve")) < 12
    assert agent.ledger.held == {"tokens": 0}


async def test_a_closed_agent_leaves_no_process_and_opens_again(one_call: Recipe) -> None:
    agent = Agent(one_call, workers=1)
    for _ in range(2):
        assert (await agent.asolve("Question?")).cost.output == 100
        (pid,) = workers()
        assert b"\0OMP_NUM_THREADS=" in b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
        await agent.aclose()
        assert not lives(pid)


def test_an_agent_of_workers_answers_without_async_and_across_loops(one_call: Recipe) -> None:
    agent = Agent(one_call, workers=1)
    assert asyncio.run(agent.asolve("Question?")).cost.output == 100
    assert asyncio.run(agent.asolve("Another?")).cost.output == 100
    assert agent.solve("A third?").cost.output == 100
    assert agent.ledger.spent.output == 300
    agent.close()
    assert workers() == []


def test_engines_of_ones_own_do_not_go_with_workers(chain: Recipe) -> None:
    from headgate.backends.scripted import Replies, Scripted

    with pytest.raises(RecipeError, match="workers cannot reach them"):
        Agent(chain, backends={"target": Scripted(Replies([]))}, workers=1)


def test_a_recipe_says_who_solves(chain: Recipe) -> None:
    from headgate.orchestrator.recipe import Executor, dump, load, loads

    assert load(chain).executor == Executor()
    assert "executor" not in dump(load(chain))
    assert load({**chain, "executor": "ray"}).executor == Executor(use="ray")
    written: Mapping[str, object] = {"use": "ray", "workers": 4, "cpus": 2, "gpus": 0.5}
    recipe = load({**chain, "executor": written})
    assert recipe.executor == Executor(use="ray", workers=4, cpus=2, gpus=0.5)
    assert loads(dump(recipe)).executor == recipe.executor
    with pytest.raises(RecipeError, match="executor"):
        load({**chain, "executor": "rya"})
    assert replace(recipe.executor, workers=None).workers is None
