import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from headgate.backends.base import Context
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Limits
from headgate.routers.entropy import Entropy, EntropyRouter
from headgate.strategies import registry
from headgate.strategies.base import Run
from headgate.strategies.direct import direct
from headgate.strategies.glimp_router import glimp_router
from headgate.verifiers.base import Problem

from .pairs import DRAFT, TARGET, Shown, check_books, kept, reciting, spent, tables, thought, written

NewRun = Callable[..., Run]
PROBLEM = Problem(text="What is 2 + 2?")
WARM: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}
TEXT = "So 2 and 2.\n\nThat is 3 and 1.\n\nHence 4.\n\nYes 4 it is.\n\n"


def nats(row: str, table: dict[str, dict[str, float]] = DRAFT) -> float:
    return -sum(p * math.log(p) for p in table[row].values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("knobs", [{}, {"compat": True}, {"entropy": "top20"}, {"entropy": "bound"}], ids=str)
async def test_each_step_is_written_by_whom_the_drafts_first_token_names(
    new_run: NewRun, seed: int, knobs: dict[str, Any]
) -> None:
    run = new_run(tables(), seed=seed)
    answer = await run.solve(glimp_router, PROBLEM, "solve", tau=0.5, **knobs, **WARM)
    context = Context.ask(PROBLEM.text)
    for step in answer.steps:
        seen = await run.draft.peek(context)
        assert step.author == ("target" if seen.entropy > 0.5 else "draft")
        assert step.score and step.score.value == pytest.approx(seen.entropy)
        assert ("above 0.5" in step.score.reason) == (step.author == "target")
        context = context.append(step.completion.piece("think", step.author))
    assert len({author for author, _ in kept(answer)}) == 2 or seed


async def test_the_probe_is_the_first_token_and_costs_no_call_of_its_own(new_run: NewRun) -> None:
    run = new_run(tables(), seed=1)
    answer = await run.solve(glimp_router, PROBLEM, "solve", tau=0.5, **WARM)
    authors = [author for author, _ in kept(answer)]
    assert spent(answer, "draft", "think").calls == authors.count("draft")
    assert spent(answer, "draft", "probe").calls == authors.count("target")
    assert spent(answer, "draft", "probe").output == spent(answer, "draft", "wasted").output == 0
    check_books(answer, run)


async def test_the_codes_way_probes_every_step_and_throws_the_token_away(new_run: NewRun) -> None:
    run = new_run(tables(), seed=1)
    answer = await run.solve(glimp_router, PROBLEM, "solve", tau=0.5, compat=True, **WARM)
    probes = spent(answer, "draft", "probe")
    assert probes.calls == probes.output == len(answer.steps)
    assert spent(answer, "draft", "think").calls == [author for author, _ in kept(answer)].count("draft")
    check_books(answer, run)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("compat", [False, True])
async def test_above_every_entropy_the_draft_thinks_alone_and_the_target_answers(
    new_run: NewRun, seed: int, compat: bool
) -> None:
    run = new_run(tables(), seed=seed)
    both = await run.solve(glimp_router, PROBLEM, "solve", tau=9.0, compat=compat, **WARM)
    draft = tables()["draft"]
    alone = await new_run({"draft": draft, "model": draft}, seed=seed).solve(direct, PROBLEM, "solve", **WARM)
    assert thought(both) == thought(alone)
    assert (spent(both, "target", "think").calls, spent(both, "target", "answer").calls) == (0, 1)
    assert spent(both, "draft", "answer").calls == 0
    check_books(both, run)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tau", [0.0, -1.0])
async def test_at_nought_the_target_is_alone_and_the_draft_is_never_asked(
    new_run: NewRun, seed: int, tau: float
) -> None:
    run = new_run(tables(), seed=seed)
    both = await run.solve(glimp_router, PROBLEM, "solve", tau=tau, **WARM)
    target = tables()["target"]
    alone = await new_run({"target": target, "model": target}, seed=seed).solve(direct, PROBLEM, "solve", **WARM)
    assert written(both) == written(alone)
    assert spent(both, "draft").calls == 0
    check_books(both, run)


@pytest.mark.parametrize("compat", [False, True])
async def test_a_tie_is_the_drafts(new_run: NewRun, compat: bool) -> None:
    for tau, author in [(nats("\n"), "draft"), (math.nextafter(nats("\n"), 0), "target")]:
        answer = await glimp_router(PROBLEM, new_run(tables()), tau=tau, compat=compat, **WARM)
        assert kept(answer)[0][0] == author


@pytest.mark.parametrize("reading", ["exact", "top20"])
async def test_on_a_fixed_trace_the_target_writes_no_more_at_a_higher_tau(new_run: NewRun, reading: Entropy) -> None:
    run = new_run(tables(), seed=3)
    trace = await glimp_router(PROBLEM, run, tau=9.0, **WARM | {"think_tokens": 200})
    asked = list[set[int]]()
    for tau in [0.01, 0.1, 0.199, 0.33, 0.9, 1.2, 1.3, 3.1]:
        router, context, those = EntropyRouter(run.draft, tau, reading), Context.ask(PROBLEM.text), set[int]()
        for index, step in enumerate(trace.steps):
            if not (await router(context)).accept:
                those.add(index)
            context = context.append(step.completion.piece("think", step.author))
        asked.append(those)
    assert all(higher <= lower for lower, higher in pairwise(asked))
    assert len(asked[0]) == len(trace.steps) > len(asked[3]) > len(asked[-1]) == 0


@pytest.mark.parametrize("tau", [-1.0, 0.05, 0.3, 0.6, 9.0])
@pytest.mark.parametrize("compat", [False, True])
async def test_with_one_model_in_both_roles_greedy_routing_is_plain_greedy_writing(
    new_run: NewRun, tau: float, compat: bool
) -> None:
    backends = reciting(TEXT, doubt=lambda place: place * 0.37 % 0.45)
    knobs: dict[str, Any] = {"temperature": 0.0, "step_tokens": 30}
    both = await glimp_router(PROBLEM, new_run(backends), tau=tau, compat=compat, **knobs)
    alone = await direct(PROBLEM, new_run({"model": backends["target"]}), **knobs)
    assert "".join(text for _, text in kept(both)) == "".join(text for _, text in kept(alone)) == TEXT
    assert written(both) == written(alone)


async def test_the_closing_tag_is_shown_once_and_only_for_the_answer(new_run: NewRun) -> None:
    shown = list[str]()
    backends = {"draft": Shown(Table(DRAFT), shown), "target": Shown(Table(TARGET), shown)}
    for seed in range(4):
        shown.clear()
        answer = await glimp_router(PROBLEM, new_run(backends, seed=seed), tau=0.5, **WARM)
        assert [text.count("</think>") for text in shown] == [0] * (len(shown) - 1) + [1]
        assert "</think>" not in "".join(text for _, text in kept(answer))


async def test_the_twenty_likeliest_tokens_alone_are_less_in_doubt_than_all(new_run: NewRun) -> None:
    flat = {f"w{index}": 1 / 30 for index in range(30)}
    model = new_run({"draft": Scripted(Table({"*": flat}))}).draft
    readings: list[tuple[Entropy, float]] = [("exact", math.log(30)), ("top20", math.log(20)), ("bound", math.log(30))]
    for reading, expected in readings:
        decision = await EntropyRouter(model, 3.1, reading)(Context.ask("Go."))
        assert decision.score.value == pytest.approx(expected)
        assert decision.accept == (expected <= 3.1)


async def test_a_bound_of_an_entropy_is_not_taken_for_the_entropy_unless_asked_to(new_run: NewRun) -> None:
    can = replace(tables()["draft"].capabilities, entropy="lower_bound")
    backends = tables() | {"draft": Scripted(Table(DRAFT), capabilities=can)}
    run = new_run(backends)
    refused = await run.solve(glimp_router, PROBLEM, "solve", compat=True, **WARM)
    assert (refused.status, refused.cost.calls) == ("failed", 0)
    assert "knows its entropy as lower bound only" in refused.reason
    served = await run.solve(glimp_router, PROBLEM, "again", entropy="bound", **WARM)
    assert served.status == "answered"


def test_what_the_draft_must_be_able_to_do_depends_on_how_it_is_probed() -> None:
    probes = {"generate", "continue"}
    assert registry.needs(glimp_router)["draft"] == probes | {"entropy_stop"}
    for knobs in ({"compat": True}, {"entropy": "top20"}, {"entropy": "bound"}):
        assert registry.needs(partial(glimp_router, **knobs))["draft"] == probes | {"peek"}  # type: ignore[arg-type]


async def test_what_decided_is_told_with_each_step(new_run: NewRun, recorder: Any) -> None:
    await glimp_router(PROBLEM, new_run(tables(), sink=recorder), tau=0.5, **WARM)
    told = [event.payload for event in recorder.events if event.kind == "step"]
    assert told
    assert all("nats" in str(payload["reason"]) and payload["score"] >= 0 for payload in told)


@pytest.mark.parametrize("output", range(1, 40, 3))
async def test_a_refusal_in_mid_thought_leaves_books_that_balance(new_run: NewRun, output: int) -> None:
    run = new_run(tables(), Limits(output=output), reserve=0.3, seed=output)
    answer = await run.solve(glimp_router, PROBLEM, "solve", tau=0.5, compat=output % 2 == 0, **WARM)
    assert run.ledger.spent.output <= output
    check_books(answer, run)
