import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headgate.backends.base import Completion, Context, Sampling
from headgate.backends.scripted import END, Replies, Scripted, Table
from headgate.budget.cost import Cost, Limits
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.lookahead_reasoning import lookahead_reasoning, needs
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Tom has 17 apples. Mia has 5 more. How many have both?")
DRAFT = {
    "\n": {"a": 0.5, " b": 0.5},
    "a": {" b": 0.6, "\n\n": 0.4},
    " b": {"\n\n": 0.5, "a": 0.5},
    "\n\n": {"a": 0.5, " b": 0.3, "</think>": 0.2},
    "*": {END: 1.0},
}
TARGET = DRAFT | {"\n": {"a": 0.5, " c": 0.5}, " c": {"\n\n": 1.0}, "\n\n": {"a": 0.5, " c": 0.3, "</think>": 0.2}}
SAMPLED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}


class Places(Scripted):
    """Says what stands at each place of the chain, whatever was said before, as long as `wait` lets it."""

    def __init__(self, steps: Sequence[str], waits: int = 0) -> None:
        super().__init__(Replies(()))
        self.steps, self.waits = steps, waits
        self.begun = list[int]()

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: Any = None
    ) -> list[Completion]:
        if context.writing == "think":
            place = len(context.pieces) - 1
            self.begun.append(place)
            self.speaker = Replies([self.steps[place]] if place < len(self.steps) else [])
        else:
            self.speaker = Replies(["\\boxed{39}"])
        done = await super().generate(context, sampling, n, on_token)
        for _ in range(self.waits):
            await asyncio.sleep(0)
        return done


def judge(*verdicts: str) -> Scripted:
    return Scripted(Table({"\n\n": dict.fromkeys(verdicts, 1 / len(verdicts))}))


def pair(**others: Any) -> dict[str, Any]:
    tables = {"draft": Scripted(Table(DRAFT)), "target": Scripted(Table(TARGET))}
    return {**tables, "judge": judge("no"), **others}


def steps_of(names: str) -> list[str]:
    *before, last = names
    return [f"{name}\n\n" for name in before] + [f"{last}</think>"]


def kept(answer: Answer) -> list[tuple[str, str]]:
    return [(step.author, step.text.strip()) for step in answer.steps if step.kept]


def ids(answer: Answer) -> list[tuple[int, ...]]:
    completions = [step.completion for step in answer.steps if step.kept]
    return [c.token_ids for c in [*completions, *([answer.completion] if answer.completion else [])]]


def check_books(answer: Answer, run: Run) -> None:
    """All that stands is thinking; all else that was written, cancelled calls included, is wasted."""
    thought = sum(c.output for (_, purpose), c in answer.bill.items() if purpose == "think")
    lost = sum(c.output for (_, purpose), c in answer.bill.items() if purpose == "wasted")
    assert thought == sum(step.completion.usage.output for step in answer.steps if step.kept)
    assert lost >= sum(step.completion.usage.output for step in answer.steps if not step.kept)
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()
    assert not any(run.ledger.held.values())


# -- the paper's example --------------------------------------------------------------------------------------------


async def test_the_longest_prefix_that_says_the_same_stands_and_then_the_targets_own_step(new_run: NewRun) -> None:
    draft, target = Places(steps_of("abxde")), Places(steps_of("ABcde"))
    run = new_run({"draft": draft, "target": target, "judge": judge("no")})
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=4)
    assert kept(answer) == [("draft", "a"), ("draft", "b"), ("target", "c"), ("draft", "d"), ("draft", "e")]
    assert answer.text == "39"
    check_books(answer, run)


@pytest.mark.parametrize(("verdict", "author"), [("yes", "draft"), ("no", "target")])
async def test_a_judge_decides_where_the_texts_differ(new_run: NewRun, verdict: str, author: str) -> None:
    backends = {"draft": Places(["a\n\n", "b</think>"]), "target": Places(["A one\n\n", "B one</think>"])}
    run = new_run(backends | {"judge": judge(verdict)})
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=1)
    assert kept(answer)[0][0] == author
    assert answer.bill["judge", "judge"].calls >= 1
    check_books(answer, run)


@pytest.mark.parametrize(("threshold", "author"), [(0.5, "draft"), (0.51, "target")])
async def test_a_verdict_equal_to_the_threshold_keeps_the_draft(new_run: NewRun, threshold: float, author: str) -> None:
    backends = {"draft": Places(["a</think>"]), "target": Places(["b</think>"]), "judge": judge("yes", "no")}
    answer = await new_run(backends).solve(lookahead_reasoning, PROBLEM, "solve", threshold=threshold)
    assert [who for who, _ in kept(answer)] == [author]


async def test_after_a_whole_round_that_stands_comes_the_targets_own_step(new_run: NewRun) -> None:
    run = new_run({"draft": Places(steps_of("abcdefg")), "target": Places(steps_of("abcdefg")), "judge": judge("no")})
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=2)
    assert [who for who, _ in kept(answer)] == ["draft", "draft", "target"] * 2 + ["draft"]
    assert ("judge", "judge") not in answer.bill
    check_books(answer, run)


async def test_a_draft_that_closes_the_thinking_alone_does_not_stand(new_run: NewRun) -> None:
    run = new_run({"draft": Places(["a</think>"]), "target": Places(["a\n\n", "b</think>"]), "judge": judge("yes")})
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=3)
    assert kept(answer)[0] == ("target", "a")
    check_books(answer, run)


# -- the extremes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gamma", [1, 3, 6])
async def test_a_judge_that_always_says_no_leaves_the_target_alone_token_for_token(
    new_run: NewRun, seed: int, gamma: int
) -> None:
    run = new_run(pair(), seed=seed)
    both = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=gamma, threshold=2.0, **SAMPLED)
    engine = pair()["target"]
    alone = await new_run({"target": engine, "model": engine}, seed=seed).solve(direct, PROBLEM, "solve", **SAMPLED)
    assert ids(both) == ids(alone)
    assert {who for who, _ in kept(both)} == {"target"}
    check_books(both, run)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("gamma", [1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
async def test_one_model_in_both_roles_accepts_everything_and_says_what_it_says_alone(
    new_run: NewRun, seed: int, gamma: int, temperature: float
) -> None:
    knobs = SAMPLED | {"temperature": temperature}
    engine = Scripted(Table(DRAFT))
    run = new_run({"draft": engine, "target": engine, "judge": judge("no")}, seed=seed)
    both = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=gamma, **knobs)
    alone = await new_run({"draft": engine, "model": engine}, seed=seed).solve(direct, PROBLEM, "solve", **knobs)
    assert ids(both) == ids(alone)
    assert ("judge", "judge") not in both.bill
    check_books(both, run)


@pytest.mark.parametrize("seed", range(6))
async def test_what_stands_is_the_targets_own_or_says_the_same(new_run: NewRun, seed: int) -> None:
    run = new_run(pair(), seed=seed)
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=3, same="text", **SAMPLED)
    for step in answer.steps:
        if step.kept and step.author == "draft":
            assert step.score and step.score.value == 1.0
    check_books(answer, run)


# -- ahead and beside ----------------------------------------------------------------------------------------


async def test_the_target_writes_beside_every_draft_before_any_verdict(new_run: NewRun) -> None:
    draft, target = Places(steps_of("abcdef")), Places(steps_of("abcdef"), waits=50)
    run = new_run({"draft": draft, "target": target, "judge": judge("no")})
    task = asyncio.create_task(run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=3))
    while len(target.begun) < 4:
        await asyncio.sleep(0)
    assert (draft.begun, sorted(target.begun)) == ([0, 1, 2], [0, 1, 2, 3])
    assert kept(await task) == [("draft", n) for n in "abc"] + [("target", "d")] + [("draft", n) for n in "ef"]


async def test_calls_that_became_useless_are_cancelled_and_paid(new_run: NewRun) -> None:
    draft, target = Places(steps_of("xbcdef")), Places(["a</think>", *steps_of("bcdef")], waits=3)
    run = new_run({"draft": draft, "target": target, "judge": judge("no")})
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=5)
    assert kept(answer) == [("target", "a")]
    assert answer.bill["draft", "wasted"].output > 0
    assert ("draft", "think") not in {key for key, cost in answer.bill.items() if cost.output}
    check_books(answer, run)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("output", range(1, 60, 3))
async def test_a_refusal_ends_the_thinking_and_the_answer_comes_from_the_reserve(new_run: NewRun, output: int) -> None:
    backends = {"draft": Places(steps_of("abcdefgh")), "target": Places(steps_of("abcdefgh")), "judge": judge("no")}
    run = new_run(backends, Limits(output=output), reserve=0.3)
    answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=3)
    assert run.ledger.spent.output <= output
    assert answer.status in ("exhausted", "answered")
    check_books(answer, run)
    assert len(asyncio.all_tasks()) == 1


async def test_the_thinkings_budget_is_kept_however_far_ahead_the_draft_is(new_run: NewRun) -> None:
    for most in range(1, 14):
        run = new_run({"draft": Places(["a b c\n\n"] * 9), "target": Places(["a b c\n\n"] * 9), "judge": judge("no")})
        answer = await run.solve(lookahead_reasoning, PROBLEM, "solve", gamma=4, think_tokens=most)
        assert 0 < sum(step.completion.usage.output for step in answer.steps if step.kept) <= most
        check_books(answer, run)


def test_a_judge_is_needed_only_where_one_is_asked() -> None:
    assert needs()["judge"] == {"peek"}
    assert needs(same="embedding")["judge"] == {"embed"}
    assert "judge" not in needs(same="text")
