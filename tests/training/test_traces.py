from pathlib import Path
from typing import Any

import pytest

from headgate.backends.base import Stop
from headgate.backends.model import Model
from headgate.backends.scripted import Replies, Scripted
from headgate.backends.scripted_reward import ScriptedReward, by_text
from headgate.budget.cost import Limits
from headgate.budget.ledger import Ledger
from headgate.strategies.arbitrage import arbitrage
from headgate.strategies.base import Run
from headgate.training.traces import Place, Trace, Written, append, balanced, load, traced
from headgate.verifiers.base import Problem

PROBLEM = Problem(text="Go.", id="p1")


def written(text: str, reward: float, stop: Stop = "delimiter") -> Written:
    return Written(text=text, stop=stop, reward=reward)


def place(draft: float, target: float, texts: tuple[str, str] = ("a", "b")) -> Place:
    return Place(draft=written(texts[0], draft), target=written(texts[1], target), by_target=target > draft)


def trace(name: str, *places: Place) -> Trace:
    return Trace(id=name, question=f"Q {name}", places=places)


def run(draft: list[str], target: list[str], rewards: dict[str, float], limits: Limits | None = None) -> Run:
    engines: dict[str, Any] = {"draft": Scripted(Replies(draft)), "target": Scripted(Replies(target))}
    engines["reward"] = ScriptedReward(critic=by_text(rewards))
    ledger = Ledger(limits)
    models = {role: Model(name=role, backend=engine, ledger=ledger) for role, engine in engines.items()}
    return Run(models=models, ledger=ledger)


async def test_a_trace_is_what_the_oracle_saw_and_chose() -> None:
    rewards = {"a": 0.4, "x": 0.9, "b": 0.6, "y": 0.6, "c": 0.8, "z": 0.7}
    hands = run(["a\n\n", "b\n\n", "c</think>", "1"], ["x\n\n", "y\n\n", "z</think>"], rewards)
    made = traced(PROBLEM, await arbitrage(PROBLEM, hands, mode="oracle"), "target")
    assert (made.id, made.question) == ("p1", "Go.")
    assert [(p.draft.text, p.draft.reward, p.target.text, p.target.reward, p.by_target) for p in made.places] == [
        ("a\n\n", 0.4, "x\n\n", 0.9, True),
        ("b\n\n", 0.6, "y\n\n", 0.6, False),
        ("c", 0.8, "z", 0.7, False),
    ]
    assert [p.better for p in made.places] == [True, False, False]
    assert [round(p.advantage, 9) for p in made.places] == [0.5, 0.0, -0.1]
    assert made.places[2].draft.stop == "think_end"


async def test_a_place_that_the_budget_left_half_written_is_none() -> None:
    hands = run(["a\n\n", "b\n\n"], ["A\n\n", "B\n\n"], {}, Limits(output=7))
    answer = await hands.solve(arbitrage, PROBLEM, "solve", mode="oracle", step_tokens=2, answer_tokens=1)
    made = traced(PROBLEM, answer, "target")
    assert len(made.places) < len([step for step in answer.steps if step.kept]) + 1


@pytest.mark.parametrize(
    ("texts", "rewards", "better"),
    [
        (("a", "b"), (0.5, 0.6), True),
        (("a", "b"), (0.5, 0.5), False),
        (("a", "b"), (0.6, 0.5), False),
        (("So it  is.", "so it is.\n\n"), (0.1, 0.9), False),
    ],
)
def test_a_tie_and_the_same_text_are_not_better(
    texts: tuple[str, str], rewards: tuple[float, float], better: bool
) -> None:
    assert place(*rewards, texts).better is better


def test_as_many_of_each_kind_are_learned_from_and_the_rest_by_lot() -> None:
    traces = [trace(str(i), place(0.1, 0.9), *[place(0.9, 0.1)] * 4) for i in range(20)]
    chosen = balanced(traces, seed=1)
    labels = [t.places[k].better for t, wanted in chosen for k in wanted]
    assert (sum(labels), len(labels)) == (20, 40)
    assert balanced(traces, seed=1) == chosen != balanced(traces, seed=2)


@pytest.mark.parametrize(("only", "what"), [((0.1, 0.9), "always"), ((0.9, 0.1), "never")])
def test_of_one_kind_alone_there_is_nothing_to_learn(only: tuple[float, float], what: str) -> None:
    with pytest.raises(ValueError, match=f"target's is {what} better"):
        balanced([trace("1", place(*only))], seed=1)


def test_problems_are_split_by_what_they_ask_and_never_by_their_steps() -> None:
    traces = [trace(str(i), place(0.1, 0.9)) for i in range(500)]
    held = [t.held_out for t in traces]
    assert held == [Trace(id="other", question=t.question, places=()).held_out for t in traces]
    assert 60 < sum(held) < 140


def test_a_line_that_a_crash_tore_is_cut_off_and_the_rest_goes_on(tmp_path: Path) -> None:
    file, first, second = tmp_path / "traces.jsonl", trace("1", place(0.1, 0.9)), trace("2", place(0.3, 0.2))
    assert load(file) == []
    append(file, first)
    whole = file.read_text()
    file.write_text(whole + whole[: len(whole) // 2])
    assert load(file) == [first]
    append(file, second)
    assert load(file) == [first, second]
