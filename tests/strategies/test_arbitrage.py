from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from headgate.backends.scripted import Scripted, Table
from headgate.backends.scripted_reward import ScriptedReward, by_text
from headgate.budget.cost import Cost
from headgate.strategies.arbitrage import arbitrage, needs
from headgate.strategies.base import Answer, Run
from headgate.strategies.direct import direct
from headgate.training.traces import traced
from headgate.verifiers.base import Problem

from .pairs import DRAFT, kept, saying, scored, written

NewRun = Callable[..., Run]
PROBLEM = Problem(text="Tom has 17 apples. Mia has 5 more. How many have both?")
SAMPLED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "step_tokens": 6, "think_tokens": 80}


def pair(**others: Any) -> dict[str, Any]:
    return scored("router", "reward", **others)


def replies(draft: Sequence[str], target: Sequence[str], read: Mapping[str, float]) -> dict[str, Any]:
    readers = {"router": ScriptedReward(critic=by_text(read, 0.0)), "reward": ScriptedReward(critic=by_text(read))}
    return {**saying(draft, target), **readers}


def wasted(answer: Answer) -> list[tuple[str, str]]:
    return [(step.author, step.text) for step in answer.steps if not step.kept]


# -- the router ---------------------------------------------------------------------------------------------------


async def test_the_target_writes_only_what_it_is_expected_to_write_better(new_run: NewRun) -> None:
    draft = ["Mia has 22.\n\n", "Together 40.\n\n", "So it is.</think>", "\\boxed{39}"]
    run = new_run(replies(draft, ["Together 39.\n\n", "not asked"], {"Model 0: Together 40.": 0.8}))
    answer = await run.solve(arbitrage, PROBLEM, "solve", tau=0.5)
    assert kept(answer) == [("draft", "Mia has 22.\n\n"), ("target", "Together 39.\n\n"), ("draft", "So it is.")]
    assert wasted(answer) == [("draft", "Together 40.\n\n")]
    assert answer.cost_by_role["target"].calls == 1
    assert answer.bill["router", "router"].calls == 3


@pytest.mark.parametrize(("tau", "author"), [(0.8, "draft"), (0.7999, "target")])
async def test_a_chance_equal_to_tau_keeps_the_draft(new_run: NewRun, tau: float, author: str) -> None:
    run = new_run(replies(["one</think>", "\\boxed{1}"], ["two</think>", "\\boxed{2}"], {"Model 0: one": 0.8}))
    assert [who for who, _ in kept(await run.solve(arbitrage, PROBLEM, "solve", tau=tau))] == [author]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("tau", "role"), [(1.0, "draft"), (-0.01, "target")])
async def test_at_its_extremes_it_is_one_model_alone_token_for_token(
    new_run: NewRun, seed: int, tau: float, role: str
) -> None:
    both = await new_run(pair(), seed=seed).solve(arbitrage, PROBLEM, "solve", tau=tau, answer_by=role, **SAMPLED)
    engine = pair()[role]
    alone = await new_run({role: engine, "model": engine}, seed=seed).solve(direct, PROBLEM, "solve", **SAMPLED)
    assert written(both) == written(alone)
    assert {author for author, _ in kept(both)} == {role}


@pytest.mark.parametrize(("chance", "role"), [(0.4, "draft"), (0.6, "target")])
async def test_a_router_that_always_says_the_same_is_one_model_alone(new_run: NewRun, chance: float, role: str) -> None:
    sure = ScriptedReward(critic=lambda problem, steps: [chance] * len(steps))
    answer = await new_run(pair(router=sure)).solve(arbitrage, PROBLEM, "solve", **SAMPLED)
    assert {author for author, _ in kept(answer)} == {role}


async def test_the_router_is_shown_who_wrote_each_step_and_the_candidate_as_the_drafts(new_run: NewRun) -> None:
    shown = list[list[str]]()

    def read(problem: str, steps: Sequence[str]) -> list[float]:
        shown.append(list(steps))
        return [0.9 if "slip" in step else 0.1 for step in steps]

    backends = replies(["one\n\n", "slip\n\n", "three</think>", "\\boxed{1}"], ["two\n\n"], {})
    run = new_run(backends | {"router": ScriptedReward(critic=read)})
    await run.solve(arbitrage, PROBLEM, "solve")
    assert shown == [
        ["Model 0: one"],
        ["Model 0: one", "Model 0: slip"],
        ["Model 0: one", "Model 1: two", "Model 0: three"],
    ]


async def test_writers_never_see_the_tags(new_run: NewRun) -> None:
    run = new_run(pair(), seed=1)
    answer = await run.solve(arbitrage, PROBLEM, "solve", tau=0.4, **SAMPLED)
    assert {author for author, _ in kept(answer)} == {"draft", "target"}
    assert "Model" not in "".join(step.text for step in answer.steps)


# -- the oracle ---------------------------------------------------------------------------------------------------


async def test_the_oracle_keeps_the_better_of_two_and_pays_for_both(new_run: NewRun) -> None:
    read = {"a": 0.4, "A": 0.9, "b": 0.6, "B": 0.6, "c": 0.8, "C": 0.7}
    run = new_run(replies(["a\n\n", "b\n\n", "c</think>", "\\boxed{1}"], ["A\n\n", "B\n\n", "C</think>"], read))
    answer = await run.solve(arbitrage, PROBLEM, "solve", mode="oracle")
    assert kept(answer) == [("target", "A\n\n"), ("draft", "b\n\n"), ("draft", "c")]
    assert wasted(answer) == [("draft", "a\n\n"), ("target", "B\n\n"), ("target", "C")]
    for role in ("draft", "target"):
        lost = sum(s.completion.usage.output for s in answer.steps if not s.kept and s.author == role)
        assert answer.bill[role, "wasted"].output == lost > 0
    assert sum(answer.bill.values(), Cost()).units() == answer.cost.units()


@pytest.mark.parametrize(("margin", "author"), [(0.25, "draft"), (0.2499, "target")])
async def test_an_advantage_equal_to_the_margin_keeps_the_draft(new_run: NewRun, margin: float, author: str) -> None:
    backends = replies(["a</think>", "\\boxed{1}"], ["A</think>", "\\boxed{2}"], {"a": 0.5, "A": 0.75})
    answer = await new_run(backends).solve(arbitrage, PROBLEM, "solve", mode="oracle", margin=margin)
    assert [who for who, _ in kept(answer)] == [author]


@pytest.mark.parametrize("seed", range(4))
async def test_the_oracle_never_escalates_without_a_gain(new_run: NewRun, seed: int) -> None:
    answer = await new_run(pair(), seed=seed).solve(arbitrage, PROBLEM, "solve", mode="oracle", **SAMPLED)
    stood = [step for step in answer.steps if step.kept]
    lost = [step for step in answer.steps if not step.kept]
    assert len(stood) == len(lost) > 0
    for better, worse in zip(stood, lost, strict=True):
        assert better.score and worse.score
        gained = better.score.value > worse.score.value
        assert gained if better.author == "target" else better.score.value >= worse.score.value


async def test_two_steps_that_are_the_same_are_read_once(new_run: NewRun) -> None:
    run = new_run(replies(["a\n\n", "b</think>", "\\boxed{1}"], ["a\n\n", "b\n\n"], {}))
    answer = await run.solve(arbitrage, PROBLEM, "solve", mode="oracle")
    assert kept(answer) == [("draft", "a\n\n"), ("draft", "b")]
    assert answer.bill["reward", "reward"].calls == 3


async def test_several_steps_of_the_target_count_by_their_mean_and_the_first_may_stand(new_run: NewRun) -> None:
    target = ["good\n\n", "poor\n\n", "fair\n\n", "</think>", "</think>", "</think>", "\\boxed{1}"]
    read = {"own": 0.5, "good": 0.9, "poor": 0.1, "fair": 0.8}
    run = new_run(replies(["own\n\n", "</think>", "\\boxed{1}"], target, read))
    answer = await run.solve(arbitrage, PROBLEM, "solve", mode="oracle", samples=3)
    assert kept(answer)[0] == ("target", "good\n\n")
    assert wasted(answer)[:3] == [("target", "poor\n\n"), ("target", "fair\n\n"), ("draft", "own\n\n")]
    stood = next(step for step in answer.steps if step.kept)
    assert stood.score and (stood.score.value, stood.score.reason) == (pytest.approx(0.6), "0.50 against 0.60")
    assert answer.cost_by_role["target"].calls == 6
    assert traced(PROBLEM, answer, "target").places[0].advantage == pytest.approx(0.1)


async def test_the_oracles_further_samples_are_drawn_anew_and_leave_the_first_as_it_was(new_run: NewRun) -> None:
    async def by_target(seed: int, samples: int) -> list[str]:
        run = new_run(pair(), seed=seed)
        answer = await run.solve(arbitrage, PROBLEM, "solve", mode="oracle", samples=samples, **SAMPLED)
        return [step.text for step in answer.steps if step.author == "target"][:samples]

    alone, several = [[await by_target(seed, n) for seed in range(6)] for n in (1, 3)]
    assert all(one in texts for (one,), texts in zip(alone, several, strict=True))
    assert sum(len(set(texts)) > 1 for texts in several) > 2


@pytest.mark.parametrize("mode", ["router", "oracle"])
async def test_one_model_in_both_roles_says_what_it_says_alone(new_run: NewRun, mode: str) -> None:
    greedy = SAMPLED | {"temperature": 0.0}
    engine = Scripted(Table(DRAFT))
    both = await new_run(pair(draft=engine, target=engine)).solve(arbitrage, PROBLEM, "solve", mode=mode, **greedy)
    alone = await new_run({"model": engine}).solve(direct, PROBLEM, "solve", **greedy)
    assert written(both) == written(alone)
    if mode == "oracle":
        assert {who for who, _ in kept(both)} == {"draft"}


def test_each_mode_needs_its_own_reader() -> None:
    assert needs()["router"] == needs(mode="oracle")["reward"] == {"reward"}
    assert "reward" not in needs() and "router" not in needs(mode="oracle")
