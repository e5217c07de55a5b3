"""Who judges an answer: the verifier that its problem names, in a batch, in a folder, and after a resume."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from headgate import Agent, Problem, RecipeError
from headgate.orchestrator.agent import Solved
from headgate.tasks import jsonl

from .conftest import headgate, rows

JUGS = {"kind": "jugs", "holds": [5, 3], "has": [0, 0], "goal": 2}
PLAN = Problem(text="Jugs?", id="plan", verifier="plan", meta={"puzzle": JUGS})
WRONG = Problem(text="Jugs again?", id="wrong", verifier="plan", meta={"puzzle": JUGS})
TEXT = Problem(text="Text?", id="text", reference="3", verifier="exact")
CHOICE = Problem(text="Which?", id="choice", reference="B", choices=("Rome", "Paris"), verifier="choices")
ANSWERS = {"Jugs?": "fill A, pour A B", "Jugs again?": "fill A", "Text?": "3.0", "Which?": "Paris"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model that knows the answers, a recipe and the problems."""
    monkeypatch.chdir(tmp_path)
    solutions = {question: [["Done."], answer] for question, answer in ANSWERS.items()}
    Path("m.json").write_text(json.dumps({"form": "skill", "skill": 1.0, "solutions": solutions}))
    Path("r.yaml").write_text("version: 1\nmodels: {target: scripted:m.json}\nnodes: {solve: {use: direct}}\n")
    Path("p.jsonl").write_text("".join(jsonl.line(one) + "\n" for one in (PLAN, WRONG, TEXT, CHOICE)))
    return tmp_path


def solved(*problems: Problem) -> list[Solved]:
    async def batch() -> list[Solved]:
        return [one async for one in Agent("r.yaml").solve_all(problems, parallel=1)]

    return asyncio.run(batch())


@pytest.mark.usefixtures("here")
def test_each_answer_is_judged_by_the_verifier_that_its_problem_names() -> None:
    assert [one.correct for one in solved(PLAN, WRONG, TEXT, CHOICE)] == [True, False, False, True]


@pytest.mark.usefixtures("here")
def test_what_was_judged_stands_in_the_folder_and_after_a_resume() -> None:
    told = headgate("run", "r.yaml", "--input", "p.jsonl", "--out", "out", "--quiet")
    judged = {row["id"]: row["correct"] for row in rows("out/answers.jsonl")}
    assert judged == {"plan": True, "wrong": False, "text": False, "choice": True}, told.output
    cut = [line for line in Path("out/journal.jsonl").read_text().splitlines(keepends=True) if line.strip()]
    last = max(i for i, line in enumerate(cut) if '"problem_end"' in line)
    Path("out/journal.jsonl").write_text("".join(cut[:last]))
    assert headgate("resume", "out", "--quiet").exit_code == 0
    assert {row["id"]: row["correct"] for row in rows("out/answers.jsonl")} == judged


@pytest.mark.usefixtures("here")
def test_a_verifier_that_there_is_not_is_refused_before_anything_is_spent() -> None:
    agent = Agent("r.yaml")
    with pytest.raises(RecipeError, match="there is no verifier `plam`; did you mean `plan`"):
        agent.solve(Problem(text="Jugs?", verifier="plam"))
    assert agent.ledger.spent.tokens == 0
    (one,) = solved(Problem(text="Jugs?", verifier="plam"))
    assert (one.answer.status, one.correct) == ("failed", None)


@pytest.mark.usefixtures("here")
def test_a_verifier_whose_package_is_missing_ends_a_batch_with_its_problems_unfinished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)  # as if it were not installed
    formula = Problem(text="Text?", reference="3", verifier="math")
    said = "the verifier `math` needs the package math-verify; pip install 'headgate[tasks]'"
    with pytest.raises(RecipeError, match=re.escape(said)):
        solved(TEXT, formula)
    Path("m.jsonl").write_text(jsonl.line(formula) + "\n")
    told = headgate("run", "r.yaml", "--input", "m.jsonl")
    assert (told.exit_code, told.output) == (2, f"error: m.jsonl: {said}\n")


@pytest.mark.usefixtures("here")
def test_a_file_with_a_verifier_that_there_is_not_is_refused_by_line() -> None:
    Path("bad.jsonl").write_text('{"question": "Jugs?", "verifier": "plan"}\n')
    told = headgate("run", "r.yaml", "--input", "bad.jsonl")
    assert told.exit_code == 2
    assert "bad.jsonl:1: the verifier `plan` cannot judge this: there is no object `puzzle`" in told.output
    assert not Path("runs").exists()


def test_the_tasks_are_listed_with_what_their_difficulty_counts() -> None:
    listed = headgate("tasks").stdout
    for part in ("stateful_math", "demonstrations left out of four, 0 to 4", "gsm8k:FILE", "reasoning_gym:DATASET"):
        assert part in listed
    assert "verifiers of answers" in headgate("list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("operator",), "there is no task `operator`; did you mean `operators`?"),
        (("operators", "--n", "0"), "n is 0; draw at least 1 problem"),
        (
            ("operators", "-d", "5"),
            "the difficulty of `operators` is demonstrations left out of four, 0 to 4; 5 is asked",
        ),
        (("gsm8k:none.jsonl",), "none.jsonl: cannot be read: No such file or directory"),
        (("gsm8k",), "`gsm8k` reads a FILE; write gsm8k:FILE"),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_a_line_and_an_exit_code(words: tuple[str, ...], said: str) -> None:
    told = headgate("tasks", "sample", *words)
    assert told.exit_code == 2
    assert told.output == f"error: {told.output.removeprefix('error: ')}"
    assert said in told.output
    assert told.output.count("\n") == 1


@pytest.mark.usefixtures("here")
def test_a_sample_is_a_file_of_problems_that_can_be_run() -> None:
    sampled = headgate("tasks", "sample", "planning_jugs", "-n", "3", "-d", "2", "--seed", "1").stdout
    assert [one.meta["difficulty"] for one in jsonl.parse(sampled.encode(), "stdin")] == [2, 2, 2]
