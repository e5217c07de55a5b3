from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import pytest

from headgate.backends.base import Context
from headgate.backends.dialect import Dialect
from headgate.backends.scripted import END, Replies, Scripted, Skill, Table
from headgate.budget.cost import Cost, Limits
from headgate.routers.score import ScoreRouter
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.random_routing import random_routing
from headgate.strategies.spec_reason import spec_reason
from headgate.verifiers.base import Problem
from headgate.verifiers.digit_judge import DigitJudge, Reading

from .pairs import Shown

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Tom has 17 apples. Mia has 5 more. How many have both?")
ASKED = Dialect(judge_prefill="score:")  # a table reads the judge's request from its last token
DRAFT = {
    "\n": {"a": 0.5, " b": 0.5},
    "a": {" b": 0.6, " c": 0.4},
    " b": {"\n\n": 0.5, " c": 0.5},
    " c": {"\n\n": 0.7, "a": 0.3},
    "\n\n": {"a": 0.4, " b": 0.35, " c": 0.1, "</think>": 0.15},
    "*": {END: 1.0},
}
TARGET = {
    "\n": {"a": 0.9, " d": 0.1},
    "a": {" d": 0.5, " c": 0.5},
    " b": {"\n\n": 0.9, " d": 0.1},
    " c": {"\n\n": 1.0},
    " d": {"\n\n": 0.6, "a": 0.4},
    "\n\n": {"a": 0.5, " d": 0.3, "</think>": 0.2},
    ":": {"2": 0.3, "6": 0.3, "9": 0.4},
    "*": {END: 1.0},
}


def pair() -> dict[str, Any]:
    return {"draft": Scripted(Table(DRAFT), dialect=ASKED), "target": Scripted(Table(TARGET), dialect=ASKED)}


def replies(draft: Sequence[str], target: Sequence[str], ratings: Sequence[int]) -> dict[str, Any]:
    return {"draft": Scripted(Replies(draft)), "target": Scripted(Replies(target, ratings=ratings))}


def kept(answer: Answer) -> list[tuple[str, str]]:
    return [(step.author, step.text) for step in answer.steps if step.kept]


def ids(answer: Answer) -> list[tuple[int, ...]]:
    completions = [step.completion for step in answer.steps if step.kept]
    return [c.token_ids for c in [*completions, *([answer.completion] if answer.completion else [])]]


def check_books(answer: Answer, run: Run, first_n: int = 0) -> None:
    """Where every token went."""
    written = {"think": Cost(), "wasted": Cost()}
    for step in answer.steps:
        written["think" if step.kept else "wasted"] += step.completion.usage
    for purpose, cost in written.items():
        billed = sum((c for (_, p), c in answer.bill.items() if p == purpose), Cost())
        assert billed.units() == cost.units()
    drafted = [step for step in answer.steps if step.author == "draft"]
    judged = sum(c.calls for (_, p), c in answer.bill.items() if p in ("judge", "score"))
    assert judged == len(drafted) == sum(step.kept for step in answer.steps) - min(first_n, len(kept(answer)))
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()
    assert sum(answer.cost_by_role.values(), Cost()).units() == answer.cost.units()


# -- the paper's example --------------------------------------------------------------------------------------


async def test_good_steps_stand_and_bad_ones_are_rewritten_by_the_target(new_run: NewRun) -> None:
    draft = ["Mia has 17 + 5 = 22.\n\n", "Together 17 + 22 = 40.\n\n", "</think>", "not asked"]
    target = ["Together 17 + 22 = 39.\n\n", "not asked"]
    run = new_run(replies([*draft[:3], "\\boxed{39}"], target, ratings=[9, 2, 8]))
    answer = await run.solve(spec_reason, PROBLEM, "solve", threshold=7)
    assert kept(answer) == [
        ("draft", "Mia has 17 + 5 = 22.\n\n"),
        ("target", "Together 17 + 22 = 39.\n\n"),
        ("draft", ""),
    ]
    assert [(step.author, step.kept, step.score.value if step.score else None) for step in answer.steps] == [
        ("draft", True, 9.0),
        ("draft", False, 2.0),
        ("target", True, None),
        ("draft", True, 8.0),
    ]
    assert (answer.text, answer.status) == ("39", "answered")
    assert set(answer.bill) >= {("draft", "think"), ("draft", "wasted"), ("target", "think"), ("target", "judge")}
    check_books(answer, run)


async def test_a_score_at_the_threshold_accepts(new_run: NewRun) -> None:
    for threshold, author in [(6.0, "draft"), (6.01, "target")]:
        run = new_run(replies(["one</think>", "\\boxed{1}"], ["two</think>", "\\boxed{2}"], ratings=[6]))
        answer = await run.solve(spec_reason, PROBLEM, "solve", threshold=threshold)
        assert [who for who, _ in kept(answer)] == [author]


async def test_a_proposal_to_stop_thinking_is_judged_like_any_step(new_run: NewRun) -> None:
    run = new_run(replies(["</think>", "b</think>", "\\boxed{1}"], ["a\n\n"], ratings=[1, 9]))
    answer = await run.solve(spec_reason, PROBLEM, "solve")
    assert [(step.author, step.kept, step.completion.stop) for step in answer.steps] == [
        ("draft", False, "think_end"),
        ("target", True, "delimiter"),
        ("draft", True, "think_end"),
    ]


async def test_the_answer_is_written_by_whoever_closed_the_thinking_or_by_choice(new_run: NewRun) -> None:
    choices: list[tuple[Literal["last", "draft", "target"], int, str]]
    choices = [("last", 9, "D"), ("last", 0, "T"), ("draft", 0, "D"), ("target", 9, "T")]
    for by, rating, text in choices:
        backends = replies(["a</think>", "\\boxed{D}"], ["b</think>", "\\boxed{T}"], ratings=[rating])
        if by == "target":
            backends["target"] = Scripted(Replies(["\\boxed{T}"], ratings=[rating]))
        answer = await spec_reason(PROBLEM, new_run(backends), answer_by=by)
        assert answer.text == text


# -- the extremes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_threshold_nought_is_the_draft_alone_token_for_token(new_run: NewRun, seed: int) -> None:
    knobs: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}
    run = new_run(pair(), seed=seed)
    both = await run.solve(spec_reason, PROBLEM, "solve", threshold=0, **knobs)
    alone = await new_run({"draft": (d := pair()["draft"]), "model": d}, seed=seed).solve(
        direct, PROBLEM, "solve", **knobs
    )
    assert ids(both) == ids(alone)
    assert both.text == alone.text
    assert all(step.kept and step.author == "draft" for step in both.steps)
    check_books(both, run)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("extreme", [{"threshold": 9.1}, {"first_n": 10**6}])
async def test_a_threshold_above_nine_is_the_target_alone_token_for_token(
    new_run: NewRun, seed: int, extreme: dict[str, Any]
) -> None:
    knobs: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}
    run = new_run(pair(), seed=seed)
    both = await run.solve(spec_reason, PROBLEM, "solve", answer_by="target", **extreme, **knobs)
    alone = await new_run({"target": (t := pair()["target"]), "model": t}, seed=seed).solve(
        direct, PROBLEM, "solve", **knobs
    )
    assert ids(both) == ids(alone)
    assert all(author == "target" for author, _ in kept(both))
    check_books(both, run, extreme.get("first_n", 0))
    if "first_n" in extreme:
        assert not any(purpose in ("judge", "score", "wasted") for _, purpose in both.bill)


@pytest.mark.parametrize("first_n", [0, 1, 3])
async def test_the_first_steps_are_the_targets_and_are_not_judged(new_run: NewRun, first_n: int) -> None:
    run = new_run(pair(), seed=2)
    answer = await run.solve(
        spec_reason, PROBLEM, "solve", threshold=5, first_n=first_n, temperature=1.0, top_p=1.0, think_tokens=60
    )
    assert all(author == "target" for author, _ in kept(answer)[:first_n])
    check_books(answer, run, first_n)


@pytest.mark.parametrize("score", ["expected", "greedy"])
async def test_on_a_fixed_trace_a_higher_threshold_accepts_no_more(new_run: NewRun, score: Reading) -> None:
    run = new_run(pair(), seed=1)
    target = TARGET | {":": {"3": 0.4, "8": 0.6}}
    judging = new_run({"target": Scripted(Table(target), dialect=ASKED)}, seed=1)
    traced = await spec_reason(PROBLEM, run, threshold=0, temperature=1.0, top_p=1.0, think_tokens=60)
    accepted = list[set[int]]()
    thresholds = [-1.0, 0.0, 2.0, 5.0, 6.0, 8.5, 9.0, 9.1]
    for threshold in thresholds:
        router, context, those = (
            ScoreRouter(DigitJudge(judging.target, score), threshold),
            Context.ask(PROBLEM.text),
            set[int](),
        )
        for index, step in enumerate(traced.steps):
            if (await router(context, replace(step, score=None))).accept:
                those.add(index)
            context = context.append(step.completion.piece("think", step.author))
        accepted.append(those)
    assert all(higher <= lower for lower, higher in pairwise(accepted))
    assert len(accepted[0]) > len(accepted[-1]) == 0


# -- judging leaves no mark -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
async def test_judging_changes_neither_models_continuation(new_run: NewRun, seed: int) -> None:
    async def trace(strategy: Any, **knobs: Any) -> list[tuple[str, str]]:
        run = new_run(pair(), seed=seed)
        return kept(await strategy(PROBLEM, run, temperature=1.0, top_p=1.0, think_tokens=60, **knobs))

    for share, threshold, author in [(0.0, 0.0, "draft"), (1.0, 1e9, "target")]:
        unjudged = await trace(random_routing, share=share)
        assert {who for who, _ in unjudged} == {author}
        for score in ("expected", "greedy"):
            assert await trace(spec_reason, score=score, threshold=threshold) == unjudged


async def test_the_closing_tag_is_never_inside_the_thinking_and_once_before_the_answer(new_run: NewRun) -> None:
    draft, target = ["a\n\n", "b</think>", "c</think>", "\\boxed{1}"], ["d\n\n", "\\boxed{2}"]
    shown = list[str]()
    backends = {"draft": Shown(Replies(draft), shown), "target": Shown(Replies(target, ratings=[9, 0, 9]), shown)}
    answer = await spec_reason(PROBLEM, new_run(backends))
    assert (answer.text, answer.status) == ("1", "answered")
    *thinking, last = shown
    assert all("</think>" not in text for text in thinking)
    assert last.count("</think>") == 1
    assert "</think>" not in "".join(text for _, text in kept(answer))


# -- the bill and refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("score", ["expected", "greedy"])
async def test_the_books_balance_at_any_threshold(new_run: NewRun, seed: int, score: Reading) -> None:
    run = new_run(pair(), seed=seed)
    knobs: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "think_tokens": 70, "step_tokens": 8}
    answer = await run.solve(spec_reason, PROBLEM, "solve", threshold=5.7, score=score, **knobs)
    check_books(answer, run)
    assert sum(step.completion.usage.output for step in answer.steps if step.kept) <= 70
    assert sum(answer.bill.values(), Cost()).units() == run.ledger.spent.units()


@pytest.mark.parametrize("output", range(1, 60, 2))
async def test_a_refusal_in_mid_thought_still_ends_with_an_answer_from_the_reserve(
    new_run: NewRun, output: int
) -> None:
    steps = [f"step {name} goes on\n\n" for name in "abcdefgh"]
    skill = Skill({PROBLEM.text: (steps, "39")}, skill=0.7)
    run = new_run(
        {"draft": Scripted(skill), "target": Scripted(skill)}, Limits(output=output), reserve=0.4, seed=output
    )
    answer = await run.solve(spec_reason, PROBLEM, "solve", threshold=5)
    assert run.ledger.spent.output <= output
    assert run.ledger.held["output"] == 0
    assert answer.status == "exhausted"
    assert "raise `budget.output`" in answer.reason or answer.reason == "the budget cut its answer short"
    if output - int(output * 0.6) >= 7:  # what a boxed number takes
        assert answer.text in ("39", "30")
    wasted = sum((s.completion.usage for s in answer.steps if not s.kept), Cost())
    billed = sum((c for (_, purpose), c in answer.bill.items() if purpose == "wasted"), Cost())
    assert wasted.units() == billed.units()


async def test_nothing_at_all_to_spend_is_an_exhausted_answer(new_run: NewRun) -> None:
    answer = await new_run(pair(), Limits(tokens=0)).solve(spec_reason, PROBLEM, "solve")
    assert (answer.status, answer.text, answer.cost) == ("exhausted", "", Cost())


async def test_with_nothing_kept_the_draft_answers_whoever_else_there_is(new_run: NewRun) -> None:
    loud = Scripted(Replies(["\\boxed{not mine}"]))
    backends = {"other": loud, **replies(["a b c d e f\n\n"], [], ratings=[9]), "model": loud}
    backends["draft"] = Scripted(Replies(["\\boxed{draft}"]))
    answer = await spec_reason(PROBLEM, new_run(backends), think_tokens=0)
    assert answer.text == "draft"


# -- steps that lead nowhere ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draft", "ratings", "kept_steps"),
    [
        (["a\n\n", "a\n\n"], [9], 2),
        (["a\n\n", "b\n\n", "a\n\n", "b\n\n"], [9], 4),
        (["a\n\n", "\n\n", "\n\n"], [9], 3),
    ],
)
async def test_steps_that_repeat_alternate_or_stay_empty_end_the_chain(
    new_run: NewRun, draft: list[str], ratings: list[int], kept_steps: int
) -> None:
    run = new_run(replies([*draft, "\\boxed{1}"], [], ratings))
    answer = await spec_reason(PROBLEM, run)
    assert (len(kept(answer)), answer.text) == (kept_steps, "1")


async def test_a_rejected_repetition_does_not_end_the_chain(new_run: NewRun) -> None:
    run = new_run(replies(["a\n\n", "a\n\n", "c</think>", "\\boxed{1}"], ["b\n\n"], ratings=[9, 0, 9]))
    answer = await spec_reason(PROBLEM, run)
    assert [text for _, text in kept(answer)] == ["a\n\n", "b\n\n", "c"]


async def test_as_the_budget_runs_low_ever_fewer_bad_steps_are_rewritten(new_run: NewRun) -> None:
    wrote: dict[float, int] = {}
    for plenty in (0.0, 1.0):
        kept_by_target = 0
        for seed in range(12):
            run = new_run(pair(), Limits(output=60), seed=seed)
            answer = await run.solve(spec_reason, PROBLEM, "solve", threshold=9.1, plenty=plenty, temperature=1.0)
            kept_by_target += sum(author == "target" for author, _ in kept(answer))
            assert run.ledger.spent.output <= 60
            whys = [step.score.reason for step in answer.steps if step.kept and step.author == "draft" and step.score]
            assert all("of the budget is left" in why for why in whys)
        wrote[plenty] = kept_by_target
    assert 0 < wrote[1.0] < wrote[0.0]
