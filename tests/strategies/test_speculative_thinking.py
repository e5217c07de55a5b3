from collections.abc import Callable, Sequence
from typing import Any

import pytest

from headgate.backends.scripted import END, Replies, Scripted, Table
from headgate.budget.cost import Cost, Limits
from headgate.orchestrator.recipe.knobs import knob_form
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.speculative_thinking import CUE, Cues, Growth, speculative_thinking
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Tom has 17 apples. Mia has 5 more. How many have both?")
WORDS = Cues(["yes", "final answer"], ["wait", "another", "hold on"], ["check", "verify"])
TABLE = {
    "\n": {" Wait": 0.3, " go": 0.7},
    " Wait": {" go": 1.0},
    " go": {" on": 0.6, "\n\n": 0.4},
    " on": {"\n\n": 0.5, " yes": 0.2, " go": 0.3},
    " yes": {" go": 0.5, "\n\n": 0.5},
    "\n\n": {" Wait": 0.3, " go": 0.6, "</think>": 0.1},
    ":": {" go": 1.0},
    "*": {END: 1.0},
}
GREEDY: dict[str, Any] = {"temperature": 0.0, "step_tokens": 40, "think_tokens": 120}
SAMPLED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "step_tokens": 40, "think_tokens": 200}


def replies(draft: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    return {"draft": Scripted(Replies(draft)), "target": Scripted(Replies(target))}


def kept(answer: Answer) -> list[tuple[str, str]]:
    return [(step.author, step.text) for step in answer.steps if step.kept]


def thought(answer: Answer) -> tuple[int, ...]:
    return tuple(i for step in answer.steps if step.kept for i in step.completion.token_ids)


def check_books(answer: Answer, run: Run) -> None:
    for purpose, stood in (("think", True), ("wasted", False)):
        billed = sum(c.output for (_, p), c in answer.bill.items() if p == purpose)
        assert billed == sum(step.completion.usage.output for step in answer.steps if step.kept is stood)
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()


# -- cues ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mood", "found"),
    [
        ("Go on.", "neutral", "no cue"),
        ("Yes, so it is 4.", "positive", "yes"),
        ("WAIT, that is wrong.", "negative", "wait"),
        ("Yes. Wait.", "negative", "yes, wait"),
        ("yes, yes, but wait", "positive", "yes, yes, wait"),
        ("Let me check.", "negative", "check"),
        ("The final answer is another.", "negative", "final answer, another"),
        ("Yesterday the waiter rechecked the checkout.", "neutral", "no cue"),
        ("on hold; final, answer", "neutral", "no cue"),
        ("", "neutral", "no cue"),
    ],
)
def test_a_mood_is_read_from_whole_words(text: str, mood: str, found: str) -> None:
    assert WORDS.mood(text) == (mood, found)


def test_checking_is_told_apart_from_doubting() -> None:
    assert WORDS.verifies("so I Verify it") and WORDS.verifies("check.")
    assert not WORDS.verifies("wait, unchecked")


def test_words_of_any_language_and_none_at_all() -> None:
    assert Cues([], ["отнюдь", "c++"], []).mood("Отнюдь! Or C++?") == ("negative", "отнюдь, c++")
    assert Cues([], [""], []).mood("wait, yes, check") == ("neutral", "no cue")


def test_signs_are_cues_wherever_they_stand() -> None:
    assert Cues([], ["*"], []).mood("Mia:3*Tom4;Mia12.") == ("negative", "*")


def test_a_length_grows_up_to_its_most() -> None:
    length, seen = Growth(15, 10, 30), list[int]()
    for _ in range(4):
        seen.append(length.now)
        length.grow()
    assert seen == [15, 25, 30, 30]


# -- the three takeovers --------------------------------------------------------------------------------------------


async def test_the_target_takes_over_where_the_draft_affirms_or_doubts(new_run: NewRun) -> None:
    draft = ["One and two.\n\n", "Wait, is that so", " all right.\n\n", "So\n\n", "Yes it is</think>", "\\boxed{39}"]
    run = new_run(replies(draft, ["No, it is what it is", "That all.</think>"]))
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", takeover_tokens=4)
    assert kept(answer) == [
        ("draft", "One and two.\n\n"),
        ("target", "No, it is"),
        ("draft", " all right.\n\n"),
        ("draft", "So\n\n"),
        ("target", "That all."),
    ]
    assert [step.text for step in answer.steps if not step.kept] == ["Wait, is that", "Yes it is"]
    assert answer.cost_by_role["target"].calls == 2
    assert answer.text == "39"
    check_books(answer, run)


@pytest.mark.parametrize(
    ("prefer", "targets", "author"),
    [(True, "wait again", "target"), (False, "wait again", "draft"), (False, "yes", "target"), (False, "", "target")],
)
async def test_of_two_of_one_mood_the_preferred_one_stands(
    new_run: NewRun, prefer: bool, targets: str, author: str
) -> None:
    run = new_run(replies(["One.\n\n", "Wait, no", "</think>", "\\boxed{1}"], [targets]))
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", prefer_target=prefer)
    assert [who for who, _ in kept(answer)][1] == author
    check_books(answer, run)


async def test_where_a_check_is_announced_the_target_goes_on_with_it(new_run: NewRun) -> None:
    draft = ["One.\n\n", "Let me check", " and on.</think>", "\\boxed{1}"]
    run = new_run(replies(draft, ["I verify it so", " as follows: a a a a a a a a a a"]))
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", takeover_tokens=3, verify_tokens=5)
    assert kept(answer)[1:4] == [("target", "I verify it"), ("target", " as follows: a a"), ("draft", " and on.")]
    check_books(answer, run)


async def test_many_doubts_open_a_look_back_and_begin_anew_with_more_patience(new_run: NewRun) -> None:
    back = " all is well so far and on"
    targets = ["Wait a\n\n", "Wait b\n\n", back, "Wait c\n\n", "Wait d\n\n", "Wait e\n\n", back]
    draft = ["One.\n\n", "Wait", "Wait", ".\n\n", *["Wait"] * 3, "</think>", "\\boxed{39}"]
    run = new_run(replies(draft, targets))
    knobs: dict[str, Any] = {"takeover_tokens": 3, "doubts": [2, 1, 3], "recap_tokens": [3, 2, 9]}
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", **knobs)
    doubts = [("target", f"Wait {name}\n\n") for name in "abcde"]
    assert kept(answer) == [
        ("draft", "One.\n\n"),
        *doubts[:2],
        ("cue", CUE),
        ("target", " all is well"),
        ("draft", ".\n\n"),
        *doubts[2:],
        ("cue", CUE),
        ("target", " all is well so far"),
        ("draft", ""),
    ]
    assert next(step for step in answer.steps if step.author == "cue").completion.usage == Cost()
    check_books(answer, run)


async def test_without_a_number_of_doubts_nobody_looks_back(new_run: NewRun) -> None:
    run = new_run(replies(["One.\n\n", *["Wait"] * 40], [f"Wait {x}\n\n" for x in "abcdefghijklmnopqrstuv"]))
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", doubts=None, takeover_tokens=3)
    assert "cue" not in {who for who, _ in kept(answer)}
    assert sum(who == "target" for who, _ in kept(answer)) >= 20


async def test_the_target_may_write_the_beginning(new_run: NewRun) -> None:
    run = new_run(replies([" and on</think>", "\\boxed{1}"], ["a b c d e f"]))
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", first_tokens=4)
    assert kept(answer) == [("target", "a b c d"), ("draft", " and on")]


async def test_a_draft_that_does_not_reason_is_always_taken_over(new_run: NewRun) -> None:
    run = new_run(replies(["One.\n\n", "plain", " on</think>", "\\boxed{1}"], ["mine own words"]))
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", always=True, takeover_tokens=1)
    assert kept(answer) == [("draft", "One.\n\n"), ("target", "mine"), ("draft", " on")]


# -- the extremes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extreme", [{"takeover_tokens": 0}, {"positive": [], "negative": [], "verify": []}])
@pytest.mark.parametrize("seed", range(3))
async def test_without_cues_or_takeovers_the_draft_is_alone(
    new_run: NewRun, seed: int, extreme: dict[str, Any]
) -> None:
    table, other = Scripted(Table(TABLE)), Scripted(Table({"*": {" x": 1.0}}))
    run = new_run({"draft": table, "target": other}, seed=seed)
    both = await run.solve(speculative_thinking, PROBLEM, "solve", **extreme, **GREEDY)
    alone = await new_run({"model": table}).solve(direct, PROBLEM, "solve", **GREEDY)
    assert thought(both) == thought(alone)
    assert both.text == alone.text
    assert both.cost_by_role.keys() == {"draft"}


async def test_without_takeovers_even_the_draws_are_the_drafts(new_run: NewRun) -> None:
    knobs = SAMPLED | {"takeover_tokens": 0}
    table = Scripted(Table(TABLE))
    both = await new_run({"draft": table, "target": Scripted(Replies(()))}, seed=5).solve(
        speculative_thinking, PROBLEM, "solve", **knobs
    )
    plain = {name: value for name, value in SAMPLED.items() if name != "top_k"}
    alone = await new_run({"draft": table, "model": table}, seed=5).solve(direct, PROBLEM, "solve", **plain)
    assert thought(both) == thought(alone)


@pytest.mark.parametrize("always", [False, True])
async def test_one_model_in_both_roles_and_no_words_put_in_its_mouth_says_what_it_says_alone(
    new_run: NewRun, always: bool
) -> None:
    table = Scripted(Table(TABLE | {"\n": {" Wait": 1.0}, " on": {" yes": 0.6, "\n\n": 0.4}}))
    run = new_run({"draft": table, "target": table})
    both = await run.solve(speculative_thinking, PROBLEM, "solve", always=always, doubts=None, **GREEDY)
    alone = await new_run({"model": table}).solve(direct, PROBLEM, "solve", **GREEDY)
    assert thought(both)[: len(thought(alone))] == thought(alone)[: len(thought(both))]
    assert both.text == alone.text


@pytest.mark.parametrize("seed", range(5))
async def test_every_token_is_in_the_books_and_the_thinking_within_its_budget(new_run: NewRun, seed: int) -> None:
    run = new_run({"draft": Scripted(Table(TABLE)), "target": Scripted(Table(TABLE))}, seed=seed)
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", doubts=[2, 1, 4], **SAMPLED)
    assert sum(step.completion.usage.output for step in answer.steps if step.kept) <= 200
    check_books(answer, run)


@pytest.mark.parametrize("output", range(1, 90, 4))
async def test_a_refusal_at_any_moment_keeps_the_cue_only_with_what_follows_it(new_run: NewRun, output: int) -> None:
    run = new_run(
        replies(["One.\n\n", *["Wait"] * 40], [f"Wait {x}\n\n" for x in "abcdefghijklmnopqrstuv"]),
        Limits(output=output),
        reserve=0.2,
    )
    answer = await run.solve(speculative_thinking, PROBLEM, "solve", doubts=[2, 0, 2], takeover_tokens=3)
    assert run.ledger.spent.output <= output
    steps = kept(answer)
    for index, (who, _) in enumerate(steps):
        assert who != "cue" or steps[index + 1][0] == "target"
    assert answer.status in ("answered", "exhausted", "abstained")


def test_a_recipe_may_write_all_its_knobs() -> None:
    form = knob_form("speculative_thinking")
    read = form.model_validate({"doubts": None, "recap_tokens": [1, 2, 3], "negative": ["wait"]})
    assert read.model_dump()["recap_tokens"] == [1, 2, 3]
    for wrong in ({"recap_tokens": [1, 2]}, {"doubts": [1, -1, 2]}, {"positive": "yes"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            form.model_validate(wrong)
