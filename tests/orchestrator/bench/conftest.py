"""A folder to bench in: two recipes over scripted models of unequal skill, and problems."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from headgate.orchestrator.bench.records import Rated, Record, Tokens
from headgate.orchestrator.bench.samples import Sample
from headgate.orchestrator.cli import app

SUMS = [(a, b) for a in range(2, 9) for b in range(3, 9)]
PRICE = "price: {input: 1, cached_input: 0, output: 2, nominal: true, date: '2026-11-22', source: a test}"


def furnish(n: int = 12) -> None:
    """Put models, recipes and n problems into the current folder."""
    solutions = {f"What is {a}+{b}?": [[f"Add {a} and {b}.", f"{a}+{b}={a + b}."], f"{a + b}"] for a, b in SUMS}
    for name, skill in (("draft", 0.5), ("target", 0.9)):
        model = {"form": "skill", "skill": skill, "solutions": solutions}
        Path(f"{name}.json").write_text(json.dumps(model), encoding="utf-8")
    draft, target = (f"{name}: {{backend: scripted, model: {name}.json, {PRICE}}}" for name in ("draft", "target"))
    both = f"version: 1\nmodels: {{{draft}, {target}}}\nnodes:\n  solve: {{use: spec_reason}}\n"
    one = f"version: 1\nmodels: {{{target}}}\nnodes:\n  solve: {{use: direct}}\n"
    vote = f"version: 1\nmodels: {{{target}}}\nnodes:\n  vote: {{use: self_consistency, with: {{n: 3, wave: 3}}}}\n"
    for name, text in (("spec", both), ("alone", one), ("vote", vote)):
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")
    rows = [{"question": f"What is {a}+{b}?", "answer": f"{a + b}", "id": f"s{a}-{b}"} for a, b in SUMS[:n]]
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, furnished."""
    monkeypatch.chdir(tmp_path)
    furnish()
    return tmp_path


def headgate(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def rows(file: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def a_record(
    problem: str = "p1",
    *,
    right: bool | None = True,
    recipe: str = "r",
    seed: int = 0,
    draft: int = 0,
    target: int = 10,
    dollars: float | None = 1.0,
    **more: Any,
) -> Record:
    """A record by its few figures: tokens that each model wrote, and dollars."""
    tokens = {name: Tokens(input=100, kept=wrote) for name, wrote in (("draft", draft), ("target", target)) if wrote}
    told: dict[str, Any] = {"task": "t", "status": "answered", "answer": "5", "seconds": 1.0, **more}
    nano = None if dollars is None else round(dollars * 1e9)
    return Record(recipe=recipe, seed=seed, problem=problem, correct=right, tokens=tokens, nanodollars=nano, **told)


def votes(*said: str, right: str = "5") -> tuple[Sample, ...]:
    return tuple(Sample(vote=one, right=one == right) for one in said)


def rated(*scores: float, author: str = "draft", signal: str = "digit_expected") -> tuple[Rated, ...]:
    return tuple(Rated(author=author, kept=True, tokens=5, score=score, signal=signal) for score in scores)


def binomial(rng: random.Random, n: int, p: float) -> int:
    return sum(rng.random() < p for _ in range(n))
