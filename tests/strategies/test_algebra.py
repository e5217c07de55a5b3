import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from headgate.strategies import registry
from headgate.strategies.algebra import STEP_MS, Pair, break_even

QUARTER = Pair(draft_ms=1.0, target_ms=4.0, judge_ms=40.0, tokens=100, accept=0.7)
KNOBS: Mapping[str, Any] = {"p": 1.0, "n": 15, "gamma": 4}


def test_it_speaks_of_strategies_that_exist_or_will_not_be_listed() -> None:
    assert {"spec_reason", "likelihood_gate"} <= set(STEP_MS) & set(registry.names())


def test_deciding_after_the_draft_pays_at_a_quarter_and_a_tenth_from_35_percent_on() -> None:
    assert break_even("spec_reason", QUARTER, {}) == pytest.approx(0.35, abs=1e-3)
    assert STEP_MS["spec_reason"](QUARTER, {}) == pytest.approx(100 + 40 + 0.3 * 400)


def test_drafting_ahead_hides_the_shorter_of_draft_and_decision_in_accepted_steps_alone() -> None:
    sure, never = replace(QUARTER, accept=1.0), replace(QUARTER, accept=0.0)
    assert STEP_MS["spec_reason"](sure, {"overlap": True}) == 100
    assert STEP_MS["spec_reason"](never, {"overlap": True}) == STEP_MS["spec_reason"](never, {}) == 540


def test_deciding_before_the_step_wastes_one_token() -> None:
    assert STEP_MS["glimp_router"](replace(QUARTER, accept=0.0), {}) == 401
    assert STEP_MS["glimp_router"](replace(QUARTER, accept=1.0), {}) == 100
    assert break_even("glimp_router", QUARTER, {}) == pytest.approx(1 / 301, abs=1e-3)


@pytest.mark.parametrize(("p", "n", "ms"), [(0.0, 15, 100), (1.0, 0, 100), (1.0, 1000, 400), (0.5, 50, 175)])
def test_a_coin_that_never_falls_is_the_draft_and_one_that_leads_all_is_the_target(p: float, n: int, ms: float) -> None:
    assert STEP_MS["foreal"](QUARTER, {"p": p, "n": n}) == ms


def test_in_parallel_nothing_accepted_is_the_target_and_the_papers_formula_holds_between() -> None:
    assert STEP_MS["lookahead_reasoning"](replace(QUARTER, accept=0.0), KNOBS) == pytest.approx(400)
    a, k, c = 0.7, 4, 0.25
    speedup = (1 - a**k) / ((1 - a) + c * (a - a ** (k + 1) - k * (1 - a) * a**k))
    assert 400 / STEP_MS["lookahead_reasoning"](QUARTER, KNOBS) == pytest.approx(speedup)


@pytest.mark.parametrize("strategy", STEP_MS)
def test_more_by_the_draft_never_takes_longer(strategy: str) -> None:
    shares = [STEP_MS[strategy](replace(QUARTER, accept=a / 10), KNOBS) for a in range(11)]
    assert shares == sorted(shares, reverse=True)


def test_the_clock_of_a_simulated_run_agrees_with_the_algebra() -> None:
    """Eight accepted steps, one after the other, and drafted ahead."""
    from headgate.backends.model import Model
    from headgate.backends.scripted import Scripted, Skill
    from headgate.budget.ledger import Ledger
    from headgate.strategies.base import Run
    from headgate.strategies.spec_reason import spec_reason
    from headgate.verifiers.base import Problem

    solved = Skill({"Go.": ([f"take {i} and go on" for i in range(8)], "8")})
    ledger = Ledger()
    models = {
        name: Model(name=name, backend=Scripted(solved, seconds_per_token=s), ledger=ledger)
        for name, s in (("draft", 0.001), ("target", 0.004))
    }
    run = Run(models=models, ledger=ledger)
    answer = asyncio.run(run.solve(spec_reason, Problem(text="Go."), "solve"))
    step = answer.steps[0].completion.usage
    pair = Pair(draft_ms=1.0, target_ms=4.0, judge_ms=4.0, tokens=step.output, accept=1.0)
    thought = answer.bill["draft", "think"].seconds + answer.bill["target", "judge"].seconds
    closing = 0.001 * answer.steps[-1].completion.usage.output + 0.004
    assert thought - closing == pytest.approx(8 * STEP_MS["spec_reason"](pair, {}) / 1e3)
