"""What a real run tells, read back as a tree; and the command that prints it where nobody can press keys."""

import json
from pathlib import Path

import pytest

from headgate.orchestrator.agent import Agent
from headgate.orchestrator.run_folder import RunFolder
from headgate.orchestrator.traces import RunTree, load
from headgate.verifiers.base import Problem

from ..conftest import DOUBLE, SUM, furnish, headgate


async def ran() -> RunTree:
    """Two questions solved by scripted models."""
    async with Agent(Path("r.yaml"), folder=RunFolder.new("out")) as agent:
        for question in (SUM, DOUBLE):
            await agent.solved(Problem(text=question))
    return load(Path("out/journal.jsonl"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    furnish()


async def test_every_step_of_a_run_has_its_calls_and_its_tokens(here: None) -> None:
    tree = await ran()
    steps = [step for scope in tree.root.walk() for step in scope.steps]
    assert len(steps) > 3 and tree.root.kept + tree.root.rejected == len(steps)
    for step in steps:
        tokens = list(step.tokens())
        assert "".join(token.text for token in tokens) == step.text
        assert all(token.logprob is not None for token in tokens)
        assert step.calls[0].role == step.author and step.calls[0].text == step.text
        assert len(step.digits) == (10 if step.score is not None else 0)
    rejected = [step for step in steps if not step.kept]
    assert rejected and all(step.instead and step.instead.rejected == [step] for step in rejected)


async def test_a_tree_is_billed_what_the_run_was_billed(here: None) -> None:
    tree = await ran()
    ends = [json.loads(line) for line in Path("out/journal.jsonl").read_text().splitlines()[1:]]
    costs = {event["path"]: event["cost"] for event in ends if event["kind"] == "problem_end"}
    for problem in tree.problems:
        assert problem.total.output == costs[problem.path]["output"]
        assert problem.total.calls == costs[problem.path]["calls"]
    assert tree.out(tree.root) == []


def test_a_wait_says_which_limit_was_too_full_for_how_much(here: None) -> None:
    text = (
        Path("r.yaml")
        .read_text()
        .replace("solve: {use: spec_reason}", "vote: {use: self_consistency, roles: {model: draft}}")
    )
    Path("r.yaml").write_text(text)
    assert headgate("run", "r.yaml", SUM, "--out", "v", "--budget", "tokens=900", "-q").exit_code in (0, 3)
    waits = [wait for scope in load(Path("v/journal.jsonl")).root.walk() for wait in scope.waits]
    assert waits and all(wait.unit == "tokens" and wait.asked > 0 and wait.scope for wait in waits)
    assert all(wait.ended is not None for wait in waits)


def test_in_a_pipe_a_run_is_printed_and_two_runs_are_refused(here: None) -> None:
    headgate("run", "r.yaml", "--input", "p.jsonl", "--out", "out", "-q")
    assert "= 5" in headgate("trace", "out").stdout
    refused = headgate("trace", "out", "out")
    assert refused.exit_code == 2 and "can only be compared in the viewer" in refused.stderr
    assert headgate("trace", "out", "-p", "a", "-p", "b").exit_code == 2


def test_watching_needs_a_terminal_of_its_own(here: None) -> None:
    refused = headgate("run", "r.yaml", SUM, "--watch", "--json")
    assert refused.exit_code == 2 and "`--watch` has the terminal for itself" in refused.stderr
    assert headgate("run", "r.yaml", SUM, "--watch").stdout.strip()  # in a pipe nobody watches
    assert not Path("runs").exists()
