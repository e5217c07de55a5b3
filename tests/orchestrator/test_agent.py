"""The SDK: solve, asolve, stream and batches, on scripted models."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate import Agent, Event, Problem, RecipeError

QUESTION = "Tom has 1 apple. Mia has 2 more. How many does Mia have?"
SOLUTIONS = {QUESTION: [["Tom1.", "Mia:Tom1+2;Mia3."], "3"], "Other?": [["A=4."], "4"]}


@pytest.fixture
def recipe(tmp_path: Path) -> Mapping[str, object]:
    """A small model that errs half of the time, and a large one that never does."""
    for name, skill in (("draft", 0.5), ("target", 1.0)):
        form = {"form": "skill", "solutions": SOLUTIONS, "skill": skill, "seconds_per_token": 0.01}
        (tmp_path / f"{name}.json").write_text(json.dumps(form))
    models = {name: f"scripted:{tmp_path}/{name}.json" for name in ("draft", "target")}
    return {"version": 1, "models": models, "nodes": {"solve": {"use": "spec_reason"}}}


def events_of(agent: Agent, question: str) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in agent.stream(question)]

    return asyncio.run(collect())


def test_solve_answers_and_bills(recipe: Mapping[str, object]) -> None:
    answer = Agent(recipe).solve(QUESTION)
    assert (answer.text, answer.status) == ("3", "answered")
    assert sum(cost.output for cost in answer.bill.values()) == answer.cost.output > 0


def test_solve_works_inside_a_running_loop_as_in_a_notebook(recipe: Mapping[str, object]) -> None:
    async def cell() -> str:
        return Agent(recipe).solve(QUESTION).text

    assert asyncio.run(cell()) == "3"


def test_the_same_seed_gives_the_same_run_alone_or_beside_sixteen_others(
    recipe: Mapping[str, object],
) -> None:
    problems = [Problem(text=QUESTION, id=f"p{i}") for i in range(17)]

    async def batch() -> dict[str, list[str]]:
        solved = Agent(recipe, seed=3).solve_all(problems, parallel=17)
        return {one.problem.id: [step.text for step in one.answer.steps] async for one in solved}

    beside = asyncio.run(batch())
    assert len({tuple(steps) for steps in beside.values()}) > 1, "different problems draw differently"
    for problem in problems:
        assert [step.text for step in Agent(recipe, seed=3).solve(problem).steps] == beside[problem.id]


def test_a_stream_begins_with_the_run_and_ends_with_the_problem(recipe: Mapping[str, object]) -> None:
    kinds = [event.kind for event in events_of(Agent(recipe), QUESTION)]
    assert kinds[0] == "run_start"
    assert kinds[-1] == "problem_end"
    assert {"reserve", "settle", "step", "token", "node_end"} <= set(kinds)


def test_every_settle_belongs_to_a_reserve(recipe: Mapping[str, object]) -> None:
    events = events_of(Agent(recipe), QUESTION)
    reserved = {event.id for event in events if event.kind == "reserve"}
    settled = [event.parent for event in events if event.kind == "settle"]
    assert sorted(reserved) == sorted(parent for parent in settled if parent is not None)


def test_a_batch_compares_with_references(recipe: Mapping[str, object]) -> None:
    problems = [
        Problem(text=QUESTION, reference="3.0"),
        Problem(text="Other?", reference="5"),
        Problem(text=QUESTION, id="x"),
    ]

    async def batch() -> list[bool | None]:
        found = [one async for one in Agent(recipe).solve_all(problems, parallel=1)]
        return [one.correct for one in found]

    assert asyncio.run(batch()) == [True, False, None]


def test_the_total_budget_is_shared_by_all_problems(recipe: Mapping[str, object]) -> None:
    agent = Agent({**recipe, "budget": {"total": {"tokens": 600}}})
    statuses = [agent.solve(Problem(text=QUESTION, id=f"p{i}")).status for i in range(12)]
    assert statuses[0] == "answered"
    assert statuses[-1] == "exhausted"
    assert agent.ledger.spent.tokens <= 600
    assert agent.ledger.held == {"tokens": 0}


def test_an_empty_question_is_refused_before_anything_is_spent(recipe: Mapping[str, object]) -> None:
    agent = Agent(recipe)
    with pytest.raises(RecipeError, match="empty"):
        agent.solve("   ")
    assert agent.ledger.spent.calls == 0


def test_a_budget_too_small_for_one_answer_is_refused_before_anything_is_spent(
    recipe: Mapping[str, object],
) -> None:
    agent = Agent({**recipe, "budget": {"each": {"tokens": 3}}})
    with pytest.raises(RecipeError, match="tokens"):
        agent.solve(QUESTION)
    assert agent.ledger.spent.calls == 0


def test_a_closed_agent_opens_again(recipe: Mapping[str, object]) -> None:
    agent = Agent(recipe)
    assert agent.solve(QUESTION).text == "3"
    agent.close()
    assert agent.solve(QUESTION).text == "3"


def test_leaving_a_stream_early_leaves_nothing_held(recipe: Mapping[str, object]) -> None:
    agent = Agent({**recipe, "budget": {"total": {"tokens": 5000}}})

    async def leave() -> None:
        stream = agent.stream(QUESTION)
        async for event in stream:
            if event.kind == "reserve":
                break
        await stream.aclose()

    asyncio.run(leave())
    assert agent.ledger.held == {"tokens": 0}
