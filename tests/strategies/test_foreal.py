from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from headgate.backends.scripted import Scripted, Table, words
from headgate.budget.cost import Limits
from headgate.orchestrator.intervals import wilson
from headgate.routers.gate import Gate
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.strategies.foreal import foreal
from headgate.verifiers.base import Problem

from .pairs import DRAFT, TARGET, Recital, Shown, check_books, kept, reciting, spent, tables, thought, written

NewRun = Callable[..., Run]
PROBLEM = Problem(text="What is 2 + 2?")
WARM: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 20, "think_tokens": 80}
GREEDY: dict[str, Any] = {"temperature": 0.0, "step_tokens": 40, "think_tokens": 300}
SENTENCES = [
    "so it is 3.14 and no more than that.",
    " is that all there is to it?",
    " wait...",
    " then e.g. the other one is it.\n\n",
    "no it is \\boxed{5}.",
    " yes and so on and on\n",
    "then that is that at last!\n\n",
]
TEXT = "".join(SENTENCES)


def loud() -> dict[str, Any]:
    """A pair that recites one text, the draft in capitals."""
    return {"draft": Scripted(Recital(TEXT.upper())), "target": Scripted(Recital(TEXT))}


def said(answer: Answer) -> str:
    return "".join(text for _, text in kept(answer))


def led(n: int) -> str:
    """The text with the first n tokens of each sentence as the target has them."""
    parts = [words(sentence) for sentence in SENTENCES]
    return "".join("".join(part[:n]) + "".join(part[n:]).upper() for part in parts)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
async def test_the_target_writes_the_first_tokens_of_each_sentence_and_the_draft_the_rest(
    new_run: NewRun, n: int
) -> None:
    run = new_run(loud())
    answer = await run.solve(foreal, PROBLEM, "solve", n=n, **GREEDY)
    assert said(answer) == led(n)
    check_books(answer, run)


async def test_at_most_one_token_of_the_draft_is_wasted_for_each_sentence(new_run: NewRun) -> None:
    run = new_run(loud())
    answer = await run.solve(foreal, PROBLEM, "solve", n=3, **GREEDY)
    wasted = [step for step in answer.steps if not step.kept]
    assert [step.text for step in wasted] == [" IS", " WAIT", " THEN", " YES"]
    assert spent(answer, "target", "wasted").output == 0
    assert spent(answer, "draft", "wasted").output == len(wasted)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("never", [{"p": 0.0}, {"n": 0}], ids=str)
async def test_without_leading_the_draft_is_alone_token_for_token(
    new_run: NewRun, seed: int, never: dict[str, Any]
) -> None:
    run = new_run(tables(), seed=seed)
    both = await run.solve(foreal, PROBLEM, "solve", **never, **WARM)
    draft = tables()["draft"]
    alone = await new_run({"draft": draft, "model": draft}, seed=seed).solve(direct, PROBLEM, "solve", **WARM)
    assert written(both) == written(alone)
    assert spent(both, "target").calls == spent(both, "draft", "wasted").calls == 0
    check_books(both, run)


@pytest.mark.parametrize("n", [20, 10**6])
async def test_leading_past_the_longest_sentence_is_the_target_alone_token_for_token(new_run: NewRun, n: int) -> None:
    run = new_run(loud())
    both = await run.solve(foreal, PROBLEM, "solve", n=n, **GREEDY)
    target = loud()["target"]
    alone = await direct(PROBLEM, new_run({"target": target, "model": target}), **GREEDY)
    assert written(both) == written(alone)
    assert spent(both, "draft").calls == spent(both, "target", "wasted").calls == 0
    check_books(both, run)


@pytest.mark.parametrize("n", [0, 1, 3, 15])
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
async def test_with_one_model_in_both_roles_greedy_leading_is_plain_greedy_writing(
    new_run: NewRun, n: int, p: float
) -> None:
    backends = reciting(TEXT)
    both = await foreal(PROBLEM, new_run(backends), n=n, p=p, **GREEDY)
    alone = await direct(PROBLEM, new_run({"model": backends["target"]}), **GREEDY)
    assert written(both) == written(alone)
    assert (both.text, both.status) == ("4", "answered")


async def test_the_first_sentences_may_always_be_led(new_run: NewRun) -> None:
    for first in range(4):
        answer = await foreal(PROBLEM, new_run(loud()), n=2, p=0.0, always_lead_first=first, **GREEDY)
        parts = [words(sentence) for sentence in SENTENCES]
        expected = [("".join(part[:2]) if i < first else "".join(part[:2]).upper()) for i, part in enumerate(parts)]
        assert said(answer) == "".join(a + "".join(b[2:]).upper() for a, b in zip(expected, parts, strict=True))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
async def test_the_share_of_led_sentences_is_p_by_its_binomial_interval(new_run: NewRun, p: float) -> None:
    text = "".join(f" {word} goes on and on." for word in ["tom", "mia", "ann", "leo"] * 25) + "\n\n"
    backends = {"draft": Scripted(Recital(text.upper())), "target": Scripted(Recital(text))}
    knobs = GREEDY | {"think_tokens": 10**5, "step_tokens": 10**4}
    answer = await foreal(PROBLEM, new_run(backends, seed=11), n=1, p=p, **knobs)
    count = sum(said(answer).count(f" {word} ") for word in ("tom", "mia", "ann", "leo"))
    low, high = wilson(count, 100)
    assert low <= p <= high


def test_a_gates_draws_are_its_seeds_alone() -> None:
    draws = [[Gate(0.5, seed)(place).accept for place in range(40)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


async def test_the_targets_share_of_a_fixed_trace_grows_with_n_and_p(new_run: NewRun) -> None:
    async def share(**knobs: Any) -> int:
        answer = await foreal(PROBLEM, new_run(reciting(TEXT)), **knobs, **GREEDY)
        return sum(len(s.completion.token_ids) for s in answer.steps if s.kept and s.author == "target")

    by_n = [await share(n=n) for n in (0, 1, 2, 4, 8, 50)]
    by_p = [await share(n=3, p=p) for p in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert all(less <= more for less, more in [*pairwise(by_n), *pairwise(by_p)])
    assert by_n[0] == by_p[0] == 0 and by_n[-1] == len(words(TEXT))


async def test_what_ends_a_sentence_is_a_choice(new_run: NewRun) -> None:
    answer = await foreal(PROBLEM, new_run(loud()), n=2, delimiters="\n", **GREEDY)
    lines = [words(line) for line in ("".join(SENTENCES[:4]), "".join(SENTENCES[4:6]), SENTENCES[6])]
    assert said(answer) == "".join("".join(line[:2]) + "".join(line[2:]).upper() for line in lines)


@pytest.mark.parametrize("seed", range(4))
async def test_sentences_that_repeat_within_a_step_do_not_end_the_chain(new_run: NewRun, seed: int) -> None:
    text = "no. no. no. yes.\n\nso it is.\n\n"
    answer = await foreal(PROBLEM, new_run(reciting(text), seed=seed), n=1, p=0.5, **GREEDY)
    assert (said(answer), answer.text) == (text, "4")


async def test_the_closing_tag_is_shown_once_and_only_for_the_answer(new_run: NewRun) -> None:
    shown = list[str]()
    backends = {"draft": Shown(Table(DRAFT), shown), "target": Shown(Table(TARGET), shown)}
    for seed in range(4):
        shown.clear()
        await foreal(PROBLEM, new_run(backends, seed=seed), n=1, p=0.6, **WARM)
        assert [text.count("</think>") for text in shown] == [0] * (len(shown) - 1) + [1]


async def test_each_sentence_tells_its_draw_once(new_run: NewRun, recorder: Any) -> None:
    await foreal(PROBLEM, new_run(loud(), sink=recorder), n=2, p=0.5, **GREEDY)
    told = [event.payload for event in recorder.events if event.kind == "step" and "score" in event.payload]
    assert len(told) == len(SENTENCES) + 1  # the end of the thinking opens one more
    assert all((payload["author"] == "target") == (payload["score"] < 0.5) for payload in told)


@pytest.mark.parametrize("output", range(1, 60, 4))
async def test_a_refusal_in_mid_thought_leaves_books_that_balance(new_run: NewRun, output: int) -> None:
    run = new_run(loud(), Limits(output=output), reserve=0.3, seed=output)
    answer = await run.solve(foreal, PROBLEM, "solve", n=3, p=0.7, **GREEDY)
    assert run.ledger.spent.output <= output
    assert thought(answer) or output < 3
    check_books(answer, run)
