"""What the journal's tests share: a place for one, a way to begin one, and one with a bit of everything."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headgate.budget.cost import Cost
from headgate.budget.events import Trace
from headgate.orchestrator.journal import Header, Journal, Level
from headgate.strategies.base import Answer, digest

Begin = Callable[..., tuple[Journal, Trace]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "journal.jsonl"


@pytest.fixture
def begin(path: Path) -> Iterator[Begin]:
    begun: list[Journal] = []

    def begin(level: Level = "off", **header: object) -> tuple[Journal, Trace]:
        known = {"run": "r1", "recipe": "d1", "headgate": "0.1"}
        journal = Journal.create(path, Header(**(known | header)), level)  # type: ignore[arg-type]
        begun.append(journal)
        return journal, Trace(journal)

    yield begin
    for journal in begun:
        journal.close()


@pytest.fixture
def lived(begin: Begin, path: Path) -> Path:
    """A journal of one problem that ended and one that did not, about twenty lines."""
    journal, trace = begin()
    trace.emit("run_start", "", recipe="nodes: {}", seed=3)
    tell_problem(trace, "p1", "What is 6 * 7?", "42")
    trace.emit("problem_end", "p1", cost=CALL, status="answered", answer="42", correct=True, reason="", result=SOLVED)
    tell_problem(trace, "p2", "What is 6 * 8?", "48")
    trace.emit("reserve", "p2/check", cost=CALL, role="target", purpose="judge", tokens=7)
    journal.close()
    return path


CALL = Cost(input=5, output=2, calls=1, nanodollars=700, seconds=0.25)
SOLVED = Answer(text="42", cost=CALL, cost_by_role={"draft": CALL}, bill={("draft", "think"): CALL})


def tell_problem(trace: Trace, name: str, question: str, text: str) -> None:
    answer = Answer(text=text, cost=CALL, cost_by_role={"draft": CALL}, bill={("draft", "think"): CALL})
    place = f"{name}/solve"
    trace.emit("problem_start", name, question=question, id=name)
    trace.emit("node_start", place, strategy="direct", roles={"model": "draft"})
    reserve = trace.emit("reserve", place, cost=CALL, role="draft", purpose="think", tokens=9)
    trace.emit("settle", place, parent=reserve, cost=CALL, role="draft", purpose="think", stop="eos", text=text)
    trace.emit("step", place, index=0, author="draft", kept=True, text=f"\x1b[1m{text}\u20ac", score=0.5, reason="")
    told = {"status": "answered", "text": text, "reason": ""}
    trace.emit("answer", place, cost=CALL, asked=digest(question), result=answer, **told)
    trace.emit("node_end", place, cost=CALL, status="answered")
