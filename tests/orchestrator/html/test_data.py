from pathlib import Path
from typing import Any

import pytest

from headgate.budget.cost import Cost
from headgate.orchestrator.errors import RecipeError
from headgate.orchestrator.html import page, write
from headgate.orchestrator.html.data import LONGEST, Data
from headgate.orchestrator.traces import RunTree

from ..conftest import headgate
from ..traces.conftest import Teller, kept_run, story, told

WORDS = "The next quantity follows from the one before it by the rule that the question gives, so it is "


def items(scope: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [item for item in scope.get("items", []) if item["type"] == kind]
    return found + [one for item in scope.get("items", []) if item["type"] == "scope" for one in items(item, kind)]


@pytest.fixture
def tree() -> RunTree:
    return told(story(Teller()))


def test_a_page_has_every_problem_with_its_steps_calls_and_bill(tree: RunTree) -> None:
    made = Data(tree).run("runs/x")
    assert [problem["path"] for problem in made["problems"]] == ["p1", "p2", "p3"]
    assert made["models"] == {"draft": "local:embedded/draft", "target": "local:embedded/target"}
    first = items(made["problems"][0], "step")
    assert [(step["author"], step.get("rejected", False)) for step in first] == [
        ("draft", False),
        ("draft", True),
        ("target", False),
        ("draft", False),
    ]
    assert [call["purpose"] for call in first[0]["calls"]] == ["think", "judge"]
    assert sum(line["cost"][3] for line in made["bill"]) == tree.root.total.output


def test_a_rejected_draft_and_its_rewrite_have_anchors_of_their_own_and_name_each_other(tree: RunTree) -> None:
    _, thrown, again, _ = items(Data(tree).run("x")["problems"][0], "step")
    assert again["anchor"] == "p1/solve/step-1"
    assert thrown["anchor"].startswith("p1/solve/step-1~")
    assert (thrown["instead"], again["before"]) == (again["anchor"], [thrown["anchor"]])
    both = [n for kind, n in thrown["diff"] if kind != "right"], [n for kind, n in thrown["diff"] if kind != "left"]
    assert [sum(side) for side in both] == [len(thrown["text"].strip()), len(again["text"].strip())]


def test_every_anchor_is_there_once_also_where_a_problem_was_begun_again() -> None:
    teller = Teller()
    story(teller)
    story(teller)
    made = Data(told(teller.kept.events)).run("x")
    anchors = [step["anchor"] for problem in made["problems"] for step in items(problem, "step")]
    assert len(anchors) == len(set(anchors)) >= 10


def test_trouble_is_told_where_it_was(tree: RunTree) -> None:
    made = Data(tree).run("x")["problems"][1]
    assert [remark["kind"] for remark in items(made, "remark")] == ["retry", "refuse", "note"]
    assert (items(made, "wait")[0]["unit"], items(made, "tool")[0]["result"]) == ("tokens", "42")
    assert {bar[0] for lane in made["lanes"] for bar in lane.get("bars", [])} >= {"call", "tool", "budget", "retry"}


def test_one_problem_is_told_with_its_own_bill_alone(tree: RunTree) -> None:
    made = Data(tree).run("x", "p1")
    assert [problem["path"] for problem in made["problems"]] == ["p1"]
    assert made["bill"] == made["problems"][0]["bill"]
    with pytest.raises(RecipeError, match="there is no problem `p9`"):
        Data(tree).run("x", "p9")


def test_a_text_without_end_is_cut_and_says_so() -> None:
    teller = Teller()
    teller.begin("p1", "?")
    teller.step("p1/solve", 0, "draft", "x" * (LONGEST + 5))
    (step,) = items(Data(told(teller.kept.events)).run("x")["problems"][0], "step")
    assert step["text"].endswith("x\n... 5 characters more stand in the journal")


def long_run(problems: int, steps: int) -> RunTree:
    """Steps of 100 tokens with figures for each."""
    teller = Teller()
    for n in range(problems):
        teller.begin(f"word_problems-v1-{n:016x}", "Mia has 17 apples. " * 5)
        for i in range(steps):
            text = f"{WORDS * 4}{n * i}.\n\n"
            figures: dict[str, Any] = {"lengths": [4] * 99 + [len(text) - 396], "logprobs": [-0.123] * 100}
            scope = f"word_problems-v1-{n:016x}/solve"
            teller.step(scope, i, "draft", text, score=8.5, entropies=[0.25] * 100, **figures)
        teller.end(f"word_problems-v1-{n:016x}", "17", True)
    return told(teller.kept.events)


def test_a_thousand_steps_of_a_hundred_tokens_take_less_than_two_megabytes() -> None:
    made = page(long_run(100, 10), title="runs/long")
    assert len(made.encode()) < 2_000_000
    assert '"without"' not in made


def test_figures_of_tokens_are_left_out_where_they_would_make_a_page_too_large() -> None:
    made = Data(long_run(2, 3), room=1_600).run("x")
    kept = [step for problem in made["problems"] for step in items(problem, "step") if "figures" in step]
    assert (len(kept), made["without"]) == (3, 3)


def test_a_file_is_written_from_a_journal_alone(tmp_path: Path) -> None:
    write(kept_run(tmp_path / "x"), tmp_path / "made" / "x.html", problem="p1")
    written = (tmp_path / "made" / "x.html").read_text(encoding="utf-8")
    assert written.startswith("<!doctype html>")
    assert "\\u003c/script" not in written  # of another problem
    assert "p1/solve/step-1" in written


def test_the_command_writes_a_page_and_says_where(tmp_path: Path) -> None:
    made, file = kept_run(tmp_path / "x"), tmp_path / "x.html"
    result = headgate("trace", str(made), "--html", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"wrote {file}\n")
    assert file.read_text(encoding="utf-8").count("<script") == 2
    wrong = headgate("trace", str(made), "--html", str(file), "--problem", "p4")
    assert "there is no problem `p4` in this run" in wrong.stderr
    assert wrong.exit_code == 2


def test_a_cost_of_nothing_is_left_out() -> None:
    teller = Teller()
    teller.begin("p1", "?")
    out = teller.tell("reserve", "p1", role="draft", purpose="think", tokens=3)
    teller.tell("settle", "p1", out, cost=Cost(), role="draft", purpose="think", text="")
    (call,) = items(Data(told(teller.kept.events)).run("x")["problems"][0], "call")
    assert "cost" not in call
