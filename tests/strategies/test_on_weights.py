"""Strategies that hand a text from one model to the other within a step, on real weights and their tokens."""

import asyncio
from typing import Any

import pytest

from headgate.backends.local.backend import LocalBackend
from headgate.strategies import registry
from headgate.strategies.base import Answer
from headgate.tasks import registry as tasks

from .conftest import make_run
from .pairs import check_books, kept, spent

PROBLEMS = tasks.sample("word_problems", 4, seed=57)
KNOBS: dict[str, Any] = {"temperature": 0.0, "step_tokens": 64, "think_tokens": 300, "answer_tokens": 24}
HANDING: list[tuple[str, dict[str, Any]]] = [
    ("glimp_router", {"tau": 1e-4}),
    ("glimp_router", {"tau": 1e-4, "compat": True}),
    ("glimp_router", {"tau": 1e-4, "entropy": "top20"}),
    ("foreal", {"n": 3}),
    ("foreal", {"n": 2, "p": 0.5}),
    ("entropy_switching", {"tau": 1e-3, "window": 1, "min_dwell": 1}),
    ("entropy_switching", {"tau": 1e-3, "tau_down": 1e-4, "window": 5, "min_dwell": 3}),
]


@pytest.fixture(scope="module")
def small() -> LocalBackend:
    return LocalBackend("embedded/draft")


@pytest.fixture(scope="module")
def large() -> LocalBackend:
    return LocalBackend("embedded/target")


async def all_of(strategy: str, backends: dict[str, Any], knobs: dict[str, Any]) -> list[Answer]:
    run = make_run(backends)
    answers = await asyncio.gather(
        *(run.solve(registry.find(strategy), p, f"p{i}", **KNOBS, **knobs) for i, p in enumerate(PROBLEMS))
    )
    assert sum(answer.cost.output for answer in answers) == run.ledger.spent.output
    return answers


def texts(answers: list[Answer]) -> list[str]:
    return ["".join(text for _, text in kept(answer)) for answer in answers]


@pytest.mark.parametrize(("strategy", "knobs"), HANDING, ids=str)
async def test_two_copies_of_one_model_write_greedily_what_it_writes_alone(
    strategy: str, knobs: dict[str, Any], small: LocalBackend
) -> None:
    twin = LocalBackend("embedded/draft")
    both = await all_of(strategy, {"draft": small, "target": twin}, knobs)
    alone = await all_of("direct", {"model": small}, {})
    assert texts(both) == texts(alone)
    assert [answer.text for answer in both] == [answer.text for answer in alone]
    assert any(spent(answer, "target", "think").output for answer in both)
    await twin.close()


@pytest.mark.parametrize(("strategy", "knobs"), HANDING, ids=str)
async def test_a_small_and_a_large_model_share_a_text_and_the_books_balance(
    strategy: str, knobs: dict[str, Any], small: LocalBackend, large: LocalBackend
) -> None:
    for index, problem in enumerate(PROBLEMS[:2]):
        run = make_run({"draft": small, "target": large})
        answer = await run.solve(registry.find(strategy), problem, f"p{index}", **KNOBS, **knobs)
        assert answer.completion is not None
        check_books(answer, run)
