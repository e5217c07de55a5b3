import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.backends.scripted import Scripted, Skill
from headgate.budget.cost import Cost, Limits
from headgate.budget.ledger import Ledger
from headgate.strategies.base import Answer, Run, Status
from headgate.strategies.self_consistency import decided, elect, self_consistency, tally
from headgate.verifiers.base import Problem

NewRun = Callable[..., Run]
PROBLEM = Problem(text="What is 2 + 2?")
SKILL = Skill({PROBLEM.text: (["2 + 2 = 4", "so it is 4"], "4")}, skill=0.85)
STATUS = st.sampled_from(["answered", "answered", "answered", "abstained", "exhausted", "failed"])
VOTES = st.lists(st.builds(lambda text, status: Answer(text=text, status=status), st.sampled_from("1234"), STATUS))


def votes(*texts: str, status: Status = "answered") -> list[Answer]:
    return [Answer(text=text, status=status) for text in texts]


def ballot(texts: list[str]) -> tuple[Any, list[str]]:
    """A strategy that answers with these, by the number of its sample, and the list of those that were drawn."""
    drawn = list[str]()

    async def says(problem: Problem, run: Run) -> Answer:
        text = texts[int(run.path.rpartition("-")[2])]
        drawn.append(text)
        return Answer(text=text, status="answered" if text else "abstained")

    return says, drawn


# -- the vote -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "winner"),
    [
        (["18", "26", "18"], "18"),
        (["3", "5", "5", "3"], "3"),
        (["5", "3", "3", "5"], "5"),
        (["1,000", "7", "1000.0 dollars"], "1,000"),
        (["1/2", "0.5", "x", "x"], "1/2"),
        (["Paris", " paris.", "Rome"], "Paris"),
    ],
)
def test_the_most_frequent_answer_wins_and_ties_go_to_the_first(texts: list[str], winner: str) -> None:
    assert elect(votes(*texts), len(texts), 0.0).text == winner


def test_what_did_not_answer_does_not_vote() -> None:
    candidates = votes("7", "7", "7", status="exhausted") + votes("8")
    assert (elect(candidates, 4, 0.0).text, tally(candidates)[0].count) == ("8", 1)


@pytest.mark.parametrize(
    ("statuses", "status"),
    [(["abstained", "exhausted"], "exhausted"), (["abstained", "failed"], "failed"), (["abstained"], "abstained")],
)
def test_without_a_vote_it_says_why(statuses: list[Status], status: Status) -> None:
    candidates = [Answer(text="", status=each) for each in statuses]
    assert elect(candidates, 4, 0.0).status == status


def test_too_little_agreement_abstains_with_the_best_so_far() -> None:
    answer = elect(votes("1", "2", "1", "3"), 4, 0.6)
    assert (answer.status, answer.text, answer.reason) == ("abstained", "1", "2 of 4 agree")
    assert elect(votes("1", "2", "1", "3"), 4, 0.5).status == "answered"


@settings(max_examples=600)
@given(VOTES, st.integers(0, 10), st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.6, 0.9, 1.0]))
def test_no_further_sample_changes_what_was_decided(candidates: list[Answer], at: int, agreement: float) -> None:
    n = len(candidates)
    if n and decided(candidates[: min(at, n)], n, agreement):
        early, full = elect(candidates[: min(at, n)], n, agreement), elect(candidates, n, agreement)
        assert (early.text, early.status) == (full.text, full.status)


@given(VOTES.filter(bool), st.sampled_from([0.0, 0.5, 1.0]))
def test_it_is_decided_as_soon_as_it_can_be(candidates: list[Answer], agreement: float) -> None:
    """Where it is not, some ending leads elsewhere than another."""
    n, head = len(candidates), candidates[: len(candidates) // 2]
    if not tally(head) or decided(head, n, agreement):
        return
    rest = n - len(head)
    endings = [head + votes(*[text] * rest) for text in {*"12345"}] + [head + votes(*[""] * rest, status="abstained")]
    assert len({(e.text, e.status) for e in (elect(ending, n, agreement) for ending in endings)}) > 1


# -- the strategy ---------------------------------------------------------------------------------------------


async def test_it_draws_no_wave_that_could_not_matter(new_run: NewRun) -> None:
    says, drawn = ballot(["4", "4", "4", "4", "5", "5", "5", "5"])
    answer = await self_consistency(PROBLEM, new_run({}), n=8, wave=2, strategy=says)
    assert (answer.text, len(drawn), len(answer.candidates)) == ("4", 4, 4)


@settings(max_examples=80)
@given(st.lists(st.sampled_from(["1", "2", "3", ""]), min_size=1, max_size=9), st.integers(0, 5), st.booleans())
def test_an_early_stop_gives_the_answer_of_the_full_vote(texts: list[str], wave: int, agree: bool) -> None:
    agreement = 0.5 if agree else 0.0
    says, _ = ballot(texts)
    run = Run(models={}, ledger=Ledger())
    knobs: dict[str, Any] = {"n": len(texts), "wave": wave, "min_agreement": agreement, "strategy": says}
    early = asyncio.run(self_consistency(PROBLEM, run, **knobs))
    everyone = [Answer(text=text, status="answered" if text else "abstained") for text in texts]
    full = elect(everyone, len(texts), agreement)
    assert (early.text, early.status) == (full.text, full.status)


async def test_one_sample_is_that_sample(new_run: NewRun) -> None:
    backend = {"model": Scripted(SKILL)}
    one = await new_run(backend).solve(self_consistency, PROBLEM, "solve", n=1)
    assert one.text == one.candidates[0].text
    none = await new_run(backend).solve(self_consistency, PROBLEM, "solve", n=0)
    assert (none.status, none.cost) == ("abstained", Cost())


async def test_a_vote_is_right_more_often_than_a_sample(new_run: NewRun) -> None:
    right = {1: 0, 9: 0}
    for n in right:
        for seed in range(40):
            answer = await self_consistency(PROBLEM, new_run({"model": Scripted(SKILL)}, seed=seed), n=n)
            right[n] += answer.text == "4"
    assert right[9] > right[1]


async def test_samples_draw_apart_and_the_same_seed_draws_the_same(new_run: NewRun) -> None:
    first, again = [
        await new_run({"model": Scripted(SKILL)}, seed=3).solve(self_consistency, PROBLEM, "solve", n=12, wave=12)
        for _ in range(2)
    ]
    texts = [candidate.text for candidate in first.candidates]
    assert texts == [candidate.text for candidate in again.candidates]
    assert len(set(texts)) > 1


async def test_the_waves_do_not_change_the_samples(new_run: NewRun) -> None:
    one, other = [
        await self_consistency(PROBLEM, new_run({"model": Scripted(SKILL)}), n=6, wave=wave, min_agreement=1.0)
        for wave in (1, 6)
    ]
    assert [c.text for c in one.candidates] == [c.text for c in other.candidates][: len(one.candidates)]


async def test_the_bill_is_that_of_all_samples(new_run: NewRun) -> None:
    run = new_run({"model": Scripted(SKILL)})
    answer = await run.solve(self_consistency, PROBLEM, "solve", n=5)
    assert sum((c.cost for c in answer.candidates), Cost()).units() == answer.cost.units()
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units() == run.ledger.spent.units()


async def test_a_budget_for_two_samples_votes_with_two(new_run: NewRun) -> None:
    probe = await new_run({"model": Scripted(SKILL)}).solve(self_consistency, PROBLEM, "solve", n=1)
    limits = Limits(output=2 * probe.cost.output + 6)
    run = new_run({"model": Scripted(SKILL)}, limits)
    answer = await run.solve(self_consistency, PROBLEM, "solve", n=6, wave=1, min_agreement=0.0)
    assert answer.status in ("answered", "exhausted")
    assert run.ledger.spent.output <= 2 * probe.cost.output + 6
    assert {c.status for c in answer.candidates} >= {"answered", "exhausted"}
