from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any

import pytest

from headgate.backends.base import Context, Sampling
from headgate.backends.scripted import Scripted, Table
from headgate.budget.cost import Limits
from headgate.strategies.base import Run
from headgate.strategies.direct import direct
from headgate.strategies.entropy_switching import entropy_switching
from headgate.verifiers.base import Problem

from .pairs import DRAFT, TARGET, Recital, Shown, check_books, kept, reciting, spent, tables, thought, written

NewRun = Callable[..., Run]
PROBLEM = Problem(text="What is 2 + 2?")
WARM: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 20, "think_tokens": 80}
GREEDY: dict[str, Any] = {"temperature": 0.0, "step_tokens": 40, "think_tokens": 200}
TEXT = "So 2 and 2 are here.\n\nThat is 3 and 1 too.\n\nHence 4 it is.\n\nYes 4 it must be now.\n\n"


def waves(place: int) -> float:
    """Doubts that come and go."""
    return (0.02, 0.1, 0.45, 0.4, 0.3, 0.05, 0.01)[place % 7 if place % 3 else place // 3 % 7]


def apart() -> dict[str, Any]:
    """A pair that recites one text in capitals and in small letters, each with doubts of its own."""
    draft = Recital(TEXT.upper(), waves)
    return {"draft": Scripted(draft), "target": Scripted(Recital(TEXT, lambda place: waves(place + 3) / 2))}


def authors(answer: Any) -> list[str]:
    """Who wrote each token that stands, a closing one included."""
    return [step.author for step in answer.steps if step.kept for _ in range(step.completion.usage.output)]


async def one_by_one(run: Run, tau: float, down: float, window: int, dwell: int, carry: bool) -> list[tuple[str, str]]:
    """The paper's rule, spelled out: look at each token's entropy, decide, write the token."""
    context, since, active, last, told = (
        Context.ask(PROBLEM.text),
        dwell,
        "draft",
        list[float](),
        list[tuple[str, str]](),
    )
    while True:
        recent = [*last, (await run.model(active).peek(context)).entropy][-window:]
        mean = sum(recent) / window
        if since >= dwell and len(recent) == window and (mean > tau if active == "draft" else mean <= down):
            active, since, last = "target" if active == "draft" else "draft", 0, last if carry else []
            recent = [*last, (await run.model(active).peek(context)).entropy][-window:]
        last, since = recent, since + 1
        (done,) = await run.model(active).sample(context, Sampling(max_tokens=1), 1, at="one")
        told.append((active, done.text))
        if done.stop == "think_end":
            return told
        context = context.append(done.piece("think", active))


@pytest.mark.parametrize("carry", [True, False])
@pytest.mark.parametrize("dwell", [1, 3, 5])
@pytest.mark.parametrize(("tau", "down"), [(0.3, 0.3), (0.45, 0.2), (0.6, 0.05), (0.2, 0.5)])
@pytest.mark.parametrize("window", [1, 2, 5])
async def test_it_writes_what_the_rule_writes_token_by_token(
    new_run: NewRun, tau: float, down: float, window: int, dwell: int, carry: bool
) -> None:
    told = await one_by_one(new_run(apart()), tau, down, window, dwell, carry)
    run = new_run(apart())
    knobs: dict[str, Any] = {"tau": tau, "tau_down": down, "window": window, "min_dwell": dwell, "carry": carry}
    answer = await run.solve(entropy_switching, PROBLEM, "solve", **knobs, **GREEDY)
    assert "".join(text for _, text in kept(answer)) == "".join(text for _, text in told)
    assert authors(answer) == [author for author, _ in told]
    stays = [len(list(group)) for _, group in groupby(authors(answer))]
    assert all(stay >= dwell for stay in stays[1:-1])
    check_books(answer, run)


@pytest.mark.parametrize("seed", range(5))
async def test_above_every_entropy_the_draft_is_alone_token_for_token(new_run: NewRun, seed: int) -> None:
    run = new_run(tables(), seed=seed)
    both = await run.solve(entropy_switching, PROBLEM, "solve", tau=9.0, **WARM)
    draft = tables()["draft"]
    alone = await new_run({"draft": draft, "model": draft}, seed=seed).solve(direct, PROBLEM, "solve", **WARM)
    assert written(both) == written(alone)
    assert spent(both, "target").calls == 0


@pytest.mark.parametrize("seed", range(5))
async def test_below_every_entropy_a_window_of_one_is_the_target_alone_token_for_token(
    new_run: NewRun, seed: int
) -> None:
    run = new_run(tables(), seed=seed)
    both = await run.solve(entropy_switching, PROBLEM, "solve", tau=-1.0, window=1, **WARM)
    target = tables()["target"]
    alone = await new_run({"target": target, "model": target}, seed=seed).solve(direct, PROBLEM, "solve", **WARM)
    assert written(both) == written(alone)
    assert spent(both, "draft").output == 0
    check_books(both, run)


@pytest.mark.parametrize("window", [2, 5])
async def test_below_every_entropy_the_first_window_but_one_is_the_drafts(new_run: NewRun, window: int) -> None:
    answer = await entropy_switching(PROBLEM, new_run(apart()), tau=-1.0, window=window, **GREEDY)
    assert authors(answer)[: window - 1] == ["draft"] * (window - 1)
    assert {*authors(answer)[window - 1 :]} == {"target"}


@pytest.mark.parametrize("tau", [-1.0, 0.2, 0.4, 9.0])
@pytest.mark.parametrize(("window", "dwell"), [(1, 1), (5, 5), (3, 2)])
async def test_with_one_model_in_both_roles_greedy_switching_is_plain_greedy_writing(
    new_run: NewRun, tau: float, window: int, dwell: int
) -> None:
    backends = reciting(TEXT, doubt=waves)
    both = await entropy_switching(PROBLEM, new_run(backends), tau=tau, window=window, min_dwell=dwell, **GREEDY)
    alone = await direct(PROBLEM, new_run({"model": backends["target"]}), **GREEDY)
    assert written(both) == written(alone)
    assert (both.text, both.status) == ("4", "answered")


@pytest.mark.parametrize("window", [1, 3, 5])
async def test_on_a_fixed_trace_the_target_writes_no_more_at_a_higher_tau(new_run: NewRun, window: int) -> None:
    shares = list[int]()
    for tau in [-1.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 9.0]:
        run = new_run(reciting(TEXT, doubt=waves))
        answer = await entropy_switching(PROBLEM, run, tau=tau, window=window, min_dwell=1, **GREEDY)
        shares.append(authors(answer).count("target"))
    assert all(higher <= lower for lower, higher in pairwise(shares))
    assert len({*shares}) > 3 and shares[-1] == 0


async def test_between_two_thresholds_nothing_flaps(new_run: NewRun) -> None:
    backends = reciting(TEXT, doubt=lambda place: 0.4 if place % 2 else 0.1)  # 0.67 and 0.33 nats

    async def changes(**knobs: float) -> int:
        answer = await entropy_switching(PROBLEM, new_run(backends), window=1, min_dwell=1, **knobs, **GREEDY)
        return sum(a != b for a, b in pairwise(authors(answer)))

    assert await changes(tau=0.5) > 10
    assert await changes(tau=0.5, tau_down=0.2) == 1
    assert await changes(tau=0.8, tau_down=0.2) == 0


async def test_a_change_at_the_beginning_of_a_step_writes_nothing_and_is_billed_as_a_probe(new_run: NewRun) -> None:
    calm = {"a": {"\n\n": 1.0}, "\n\n": {"a": 0.5, " b": 0.5}, " b": {"\n\n": 1.0}, "*": {"a": 1.0}}
    run = new_run({"draft": Scripted(Table(calm)), "target": Scripted(Table(calm))})
    answer = await run.solve(entropy_switching, PROBLEM, "solve", tau=0.5, window=1, min_dwell=1, **GREEDY)
    assert kept(answer)[:2] == [("draft", "a\n\n"), ("target", "a")]
    assert (spent(answer, "draft", "probe").calls, spent(answer, "draft", "probe").output) == (1, 0)
    check_books(answer, run)


async def test_whoever_is_at_work_at_the_end_answers(new_run: NewRun) -> None:
    for tau, role in [(9.0, "draft"), (-1.0, "target")]:
        run = new_run(apart())
        answer = await run.solve(entropy_switching, PROBLEM, "solve", tau=tau, **GREEDY)
        assert [who for who, purpose in answer.bill if purpose == "answer"] == [role]


async def test_the_closing_tag_is_shown_once_and_only_for_the_answer(new_run: NewRun) -> None:
    shown = list[str]()
    backends = {"draft": Shown(Table(DRAFT), shown), "target": Shown(Table(TARGET), shown)}
    for seed in range(4):
        shown.clear()
        await entropy_switching(PROBLEM, new_run(backends, seed=seed), tau=0.6, window=2, min_dwell=2, **WARM)
        assert [text.count("</think>") for text in shown] == [0] * (len(shown) - 1) + [1]


async def test_a_change_is_told_with_the_mean_that_made_it(new_run: NewRun, recorder: Any) -> None:
    await entropy_switching(PROBLEM, new_run(apart(), sink=recorder), tau=0.45, tau_down=0.2, window=2, **GREEDY)
    told = [event.payload for event in recorder.events if event.kind == "step"]
    ups = [p for p in told if p["stop"] == "entropy" and p["author"] == "draft"]
    downs = [p for p in told if p["stop"] == "entropy" and p["author"] == "target"]
    assert ups and downs
    assert all(p["score"] > 0.45 and "above 0.45" in p["reason"] for p in ups)
    assert all(p["score"] <= 0.2 and "at most 0.2" in p["reason"] for p in downs)


@pytest.mark.parametrize("output", range(1, 60, 4))
async def test_a_refusal_in_mid_thought_leaves_books_that_balance(new_run: NewRun, output: int) -> None:
    run = new_run(apart(), Limits(output=output), reserve=0.3, seed=output)
    answer = await run.solve(entropy_switching, PROBLEM, "solve", tau=0.4, window=2, min_dwell=2, **GREEDY)
    assert run.ledger.spent.output <= output
    assert thought(answer) or output < 3
    check_books(answer, run)
