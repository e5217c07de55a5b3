"""Recipes over scripted models that worker processes can open, and what is asked of a run's events."""

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headgate import Agent, Cost, Event, Problem, Solved

Recipe = Mapping[str, object]
SHORT = {"think_tokens": 0, "temperature": 1}


@dataclass(slots=True)
class Seen:
    """A sink that keeps everything; `then` is called with each event."""

    events: list[Event] = field(default_factory=list[Event])
    streaming: bool = False
    then: Callable[[Event], None] | None = None

    def write(self, event: Event) -> None:
        self.events.append(event)
        if self.then:
            self.then(event)

    async def flush(self) -> None:
        return

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A model that never ends by itself: every call generates what it is bound to."""
    (tmp_path / "table.json").write_text(json.dumps({"form": "table", "table": {"*": {" so": 0.6, " it": 0.4}}}))
    return f"scripted:{tmp_path}/table.json"


@pytest.fixture
def one_call(table: str) -> Recipe:
    """Each problem is one call of a hundred tokens, of which a thousand may be spent."""
    node = {"use": "direct", "roles": {"model": "target"}, "with": {**SHORT, "answer_tokens": 100}}
    budget = {"total": {"output": 1000}, "answer_reserve": 0}
    return {"version": 1, "models": {"target": table}, "budget": budget, "nodes": {"solve": node}}


@pytest.fixture
def chain(table: str) -> Recipe:
    """Each problem is a chain of nodes, one call each."""
    node = {"use": "direct", "roles": {"model": "target"}, "with": {**SHORT, "answer_tokens": 40}}
    names = [f"n{index}" for index in range(12)]
    nodes = {name: {**node, "needs": names[index - 1 : index] if index else []} for index, name in enumerate(names)}
    return {"version": 1, "models": {"target": table}, "budget": {"total": {"tokens": "1M"}}, "nodes": nodes}


def problems(n: int) -> list[Problem]:
    return [Problem(text=f"Question {index}?", id=f"p{index}") for index in range(n)]


async def all_of(agent: Agent, asked: Sequence[Problem], parallel: int = 16) -> dict[str, Solved]:
    async with agent:
        return {one.problem.id: one async for one in agent.solve_all(asked, parallel=parallel)}


def answers(solved: Mapping[str, Solved]) -> dict[str, tuple[str, str]]:
    return {name: (one.answer.text, one.answer.status) for name, one in solved.items()}


def settled(events: Sequence[Event]) -> Cost:
    return sum((event.cost or Cost() for event in events if event.kind == "settle"), Cost())


def again(events: Sequence[Event]) -> set[str]:
    """Places that were acknowledged and called for afterwards."""
    answered, found = set[str](), set[str]()
    for event in events:
        if event.kind in ("answer", "node_end") and "asked" in event.payload:
            answered.add(event.path)
        elif event.kind == "reserve" and event.path in answered:
            found.add(event.path)
    return found


def workers(pid: int | None = None) -> list[int]:
    """The worker processes of a process, this one by default."""
    pid = pid or os.getpid()
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        children = [int(child) for child in said_by(tasks).split()]
        found += [child for child in children if b"fleet.worker" in said_by(Path(f"/proc/{child}/cmdline"))]
    return found


def said_by(file: Path) -> bytes:
    """What the kernel says of a thread or a process; nothing of one that has just gone."""
    with suppress(OSError):
        return file.read_bytes()
    return b""


def kill_hard(pid: int) -> bool:
    """Whether the process was there to be killed: one that was killed already goes at a moment of its own."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
