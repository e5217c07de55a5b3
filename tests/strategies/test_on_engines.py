"""Strategies that hand a text from one model to the other give the same steps on vLLM as on the local engine."""

import asyncio
from typing import Any

import pytest

from headgate.backends.base import Context, Piece
from headgate.strategies import registry
from headgate.strategies.base import Answer
from headgate.tasks import registry as tasks
from headgate.verifiers.base import Problem

from ..backends.engines import Seat, seated
from .conftest import make_run
from .pairs import kept, thought

PROBLEMS = tasks.sample("word_problems", 3, seed=61)
KNOBS: dict[str, Any] = {"temperature": 0.0, "step_tokens": 64, "think_tokens": 200, "answer_tokens": 24}
HANDING: list[tuple[str, dict[str, Any], list[float]]] = [
    ("glimp_router", {"tau": 0.01}, [0.01]),
    ("glimp_router", {"tau": 0.01, "entropy": "top20"}, [0.01]),
    ("foreal", {"n": 3}, []),
    ("entropy_switching", {"tau": 0.02, "tau_down": 0.005, "window": 1, "min_dwell": 2}, [0.02, 0.005]),
    ("spec_reason", {"threshold": 7.0}, []),
    ("spec_reason", {"threshold": 7.0, "overlap": True}, []),
    ("likelihood_gate", {"threshold": -2.5}, []),
    ("trig_reason", {"first_n": 1, "rho": 0.85}, []),
    ("hybrid_routing", {"sure": 0.003, "lost": 0.3}, [0.003, 0.3]),
    ("speculative_thinking", {"always": True, "takeover_tokens": 4}, []),
    ("lookahead_reasoning", {"gamma": 3, "same": "text"}, []),
    ("random_routing", {"share": 0.3}, []),
]
CLOSE = 1e-4  # of log-probabilities and entropies: two engines in fp32, each with an order of sums of its own


async def solved(seat: Seat, backends: dict[str, Any], strategy: str, knobs: dict[str, Any]) -> list[Answer]:
    run = make_run(backends)
    work = (run.solve(registry.find(strategy), p, f"p{i}", **KNOBS, **knobs) for i, p in enumerate(PROBLEMS))
    return list(await asyncio.gather(*work))


def at_a_tie(seat: Seat, problem: Problem, mine: list[int], theirs: list[int], taus: list[float]) -> bool:
    """Whether two texts part where two tokens, or an entropy and a threshold, are equal but for rounding."""
    at = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs)))
    for role in ("draft", "target"):
        tokens: Any = seat.backend(role)._tokens  # type: ignore[attr-defined]
        said = Piece(role="assistant", text="?", part="think", ids={tokens.key: tuple(mine[:at])})
        seen = seat.do(seat.backend(role).peek(Context.ask(problem.text).append(said)))
        if seen.top[0] - seen.top[1] < CLOSE or any(abs(seen.entropy - tau) < CLOSE for tau in taus):
            return True
    return False


def drafts_ahead(strategy: str, knobs: dict[str, Any]) -> bool:
    """Whether it writes steps before it is known that they follow: how many of them in vain depends on the clock."""
    return strategy == "lookahead_reasoning" or bool(knobs.get("overlap"))


def every(answer: Answer) -> list[tuple[str, bool, str]]:
    return [(step.author, step.kept, step.text) for step in answer.steps]


@pytest.mark.slow
def test_vllm_gives_the_steps_of_the_local_engine() -> None:
    with seated("local") as ours, seated("vllm") as theirs:
        pairs = [{role: seat.backend(role) for role in ("draft", "target")} for seat in (ours, theirs)]
        for strategy, knobs, taus in HANDING:
            mine = ours.do(solved(ours, pairs[0], strategy, knobs))
            other = theirs.do(solved(theirs, pairs[1], strategy, knobs))
            for problem, left, right in zip(PROBLEMS, mine, other, strict=True):
                same = thought(left) == thought(right)
                assert same or at_a_tie(ours, problem, thought(left), thought(right), taus), strategy
                if same:
                    told = kept if drafts_ahead(strategy, knobs) else every
                    assert (told(left), left.text) == (told(right), right.text), strategy
