import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.backends.base import Context, Sampling
from headgate.backends.dialect import Dialect
from headgate.backends.scripted import Replies, Scripted
from headgate.budget.cost import Limits
from headgate.strategies.base import Answer, Run
from headgate.strategies.chain import Chain, Pace
from headgate.verifiers.base import Problem, Step

NewRun = Callable[..., Run]
PROBLEM = Problem(text="What is 2 + 2?")


async def think(run: Run, **pace: Any) -> Chain:
    """A chain that one model writes alone."""

    async def write(chain: Chain) -> Step:
        return await chain.propose(run.model("model"))

    return await Chain.begin(PROBLEM, run, Pace(**pace)).think(write)


async def answer(run: Run, **pace: Any) -> Answer:
    return await (await think(run, **pace)).answer(run.model("model"))


def says(*replies: str) -> dict[str, Scripted]:
    return {"model": Scripted(Replies(replies))}


@pytest.mark.parametrize(
    ("replies", "stop", "kept"),
    [
        (["one\n\n", "two</think>"], "think_end", 2),
        (["one\n\n", "two"], "eos", 2),
        (["one\n\n", "two\n\n", "two\n\n", "never"], "repeated", 3),
        (["one\n\n", "two \n\n", "two\n\n\n", "never"], "repeated", 3),
        (["a\n\n", "b\n\n", "a\n\n", "b\n\n", "never"], "alternating", 4),
        (["c\n\n", "a\n\n", "b\n\n", "a\n\n", "b\n\n", "never"], "alternating", 5),
        (["one\n\n", "\n\n", "two</think>"], "think_end", 3),
        (["one\n\n", "\n\n", "\n\n", "never"], "empty", 3),
        (["a\n\n", "b\n\n", "b a\n\n", "b\n\n", "a</think>"], "think_end", 5),
        (["</think>"], "think_end", 1),
    ],
)
async def test_a_chain_knows_when_it_is_over(new_run: NewRun, replies: list[str], stop: str, kept: int) -> None:
    chain = await think(new_run(says(*replies)))
    assert (chain.stop, len(chain.kept), chain.index) == (stop, kept, kept)


async def test_thinking_ends_with_its_own_budget_to_the_token(new_run: NewRun) -> None:
    chain = await think(new_run(says("a b c\n\n", "d e f\n\n", "never")), think_tokens=7)
    assert chain.stop == "think_tokens"
    assert [step.completion.usage.output for step in chain.steps] == [4, 3]
    assert chain.steps[-1].completion.stop == "length"


async def test_without_tokens_for_thinking_there_is_none(new_run: NewRun) -> None:
    run = new_run(says("\\boxed{4}"))
    result = await answer(run, think_tokens=0)
    assert (result.text, result.steps) == ("4", ())
    assert set(run.ledger.bill) == {("model", "answer")}


async def test_a_step_that_its_cap_cut_is_continued_without_a_delimiter(new_run: NewRun) -> None:
    chain = await think(new_run(says("a b c", " d e\n\n", "f</think>")), step_tokens=3)
    assert [step.completion.stop for step in chain.kept] == ["length", "delimiter", "think_end"]
    assert "".join(piece.text for piece in chain.context.pieces[1:]) == "a b c d e\n\nf"


@pytest.mark.parametrize("last", ["two</think>", "two", "one\n\n"])
async def test_the_closing_tag_is_shown_exactly_once_whoever_ended_the_thinking(new_run: NewRun, last: str) -> None:
    shown = list[str]()

    class Listening(Scripted):
        async def generate(self, context: Context, sampling: Sampling, n: int = 1, on_token: Any = None) -> Any:
            parts = self.dialect.render(context)
            shown.append("".join(part if isinstance(part, str) else part.text for part in parts))
            return await super().generate(context, sampling, n, on_token)

    run = new_run({"model": Listening(Replies(["one\n\n", last, "\\boxed{2}"]))})
    assert (await answer(run)).text == "2"
    assert [text.count("</think>") for text in shown] == [0, 0, 1]
    assert [text.count("<think>") for text in shown] == [1, 1, 1]
    assert shown[-1].endswith(Dialect().think_close)


@pytest.mark.parametrize(("step_tokens", "replies"), [(None, 1), (30, 3)])
async def test_a_full_context_ends_thinking_and_leaves_room_for_the_answer(
    new_run: NewRun, step_tokens: int | None, replies: int
) -> None:
    can = replace(Scripted(Replies([])).capabilities, max_context=120)
    speaker = Replies([*(f" {name}" * 500 for name in "abc"[:replies]), "\\boxed{4}"])
    run = new_run({"model": Scripted(speaker, capabilities=can)})
    chain = await think(run, step_tokens=step_tokens, think_tokens=10**6)
    assert (chain.stop, len(chain.kept)) == ("context", replies)
    result = await chain.answer(run.model("model"))
    assert (result.text, result.status) == ("4", "answered")


async def test_a_spent_budget_ends_thinking_and_the_reserve_pays_the_answer(new_run: NewRun) -> None:
    run = new_run(says(*(f"step {i} goes on\n\n" for i in range(50)), "\\boxed{4}"), Limits(output=40), reserve=0.4)
    seen = await think(run)
    assert (seen.stop, seen.spent is not None) == ("budget", True)
    run = new_run(says("a b c d e f\n\n", "g h i j k l\n\n", "\\boxed{4}"), Limits(output=20), reserve=0.4)
    result = await answer(run)
    assert (result.status, result.text) == ("exhausted", "4")
    assert "raise `budget.output`" in result.reason
    assert run.ledger.spent.output <= 20


async def test_without_even_a_reserve_the_answer_is_empty_and_not_an_exception(new_run: NewRun) -> None:
    result = await answer(new_run(says("a b c\n\n", "d</think>"), Limits(tokens=1)))
    assert (result.status, result.text, result.steps) == ("exhausted", "", ())


async def test_an_answer_that_the_budget_cut_is_exhausted_rather_than_abstained(new_run: NewRun) -> None:
    result = await answer(new_run(says("a</think>", "so it is then \\boxed{4}"), Limits(output=5)))
    assert (result.status, result.reason) == ("exhausted", "the budget cut its answer short")


@pytest.mark.parametrize(
    ("written", "status", "text"),
    [
        ("It is \\boxed{4}.", "answered", "4"),
        (" four ", "answered", "four"),
        ("", "abstained", ""),
        ("\\boxed{}", "abstained", ""),
        ("a b c d e f g h i j", "abstained", ""),
        ("\\boxed{4} b c d e f g h", "answered", "4"),
    ],
)
async def test_the_answer_is_what_stands_in_the_box_or_all_of_it(
    new_run: NewRun, written: str, status: str, text: str
) -> None:
    result = await answer(new_run(says("a</think>", written)), answer_tokens=9)
    assert (result.status, result.text) == (status, text)


async def test_a_proposal_that_was_never_decided_is_wasted(new_run: NewRun, recorder: Any) -> None:
    run = new_run(says("a b c\n\n", "\\boxed{4}"), Limits(tokens=10_000), sink=recorder)

    async def write(chain: Chain) -> Step:
        await chain.propose(run.model("model"))
        return await chain.propose(run.child("poor", Limits(tokens=0)).model("model"))

    chain = await Chain.begin(PROBLEM, run, Pace()).think(write)
    assert (chain.stop, chain.kept, [step.kept for step in chain.steps]) == ("budget", [], [False])
    assert run.ledger.bill["model", "wasted"] == chain.steps[0].completion.usage


async def test_steps_are_told_as_they_are_decided(new_run: NewRun, recorder: Any) -> None:
    await think(new_run(says("one\n\n", "two</think>"), sink=recorder))
    told = [event for event in recorder.events if event.kind == "step"]
    assert [(e.path, e.payload["index"], e.payload["kept"]) for e in told] == [
        ("p1/step-0", 0, True),
        ("p1/step-1", 1, True),
    ]


async def test_a_chain_that_is_cancelled_leaves_nothing_held(new_run: NewRun) -> None:
    run = new_run(says(*(f"step {i}\n\n" for i in range(500))), Limits(tokens=10**6))
    task = asyncio.create_task(think(run))
    for _ in range(7):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert run.ledger.held["tokens"] == 0
    assert run.ledger.spent.output > 0
