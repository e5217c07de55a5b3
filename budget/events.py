"""What happened in a run, in order: one envelope for console, journal, viewer and exporters alike.

| kind | when | payload |
|---|---|---|
| run_start, run_end | a recipe starts and ends | recipe, seed, headgate; status counts |
| problem_start, problem_end | one problem of a run | question; status, answer, correct, reason |
| node_start, node_end, node_skip | a node of the graph | strategy, roles; status; reason |
| reserve | before a call leaves | role, purpose, backend, tokens (granted), shrunk |
| settle | its outcome is known; `parent` is its reserve | role, purpose, stop, text, unmeasured |
| wait, refuse, overrun | the budget made a call wait, refused it, or a provider broke its bound | unit, asked, left |
| retry | an attempt failed and another follows | role, error, attempt, wait_s |
| token | a piece of text as it is written; not for journals | role, purpose, text |
| step | a reasoning step is decided | index, author, kept, text, stop, tokens, score, reason |
| tool_start, tool_end | a tool call; `parent` of the end is its start | tool, arguments; result, error |
| answer | a strategy ended | status, text, stop |
| note | something a person should know | text |
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from .cost import Cost

VERSION: Final = 1

Kind = Literal[
    "run_start",
    "run_end",
    "problem_start",
    "problem_end",
    "node_start",
    "node_end",
    "node_skip",
    "reserve",
    "settle",
    "wait",
    "refuse",
    "overrun",
    "retry",
    "token",
    "step",
    "tool_start",
    "tool_end",
    "answer",
    "note",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    id: counts up within a run. parent: the event it belongs to, if any. path: where in the run, such as
    `p1/solve/step-3`. t: seconds since the run began, from a monotonic clock. version: of this envelope.
    """

    id: int
    parent: int | None
    path: str
    kind: Kind
    t: float
    cost: Cost | None = None
    payload: Mapping[str, object] = field(default_factory=dict[str, object])
    version: int = VERSION

    def as_dict(self) -> dict[str, object]:
        """For JSON, one line an event."""
        cost = self.cost.as_dict() if self.cost else None
        head: dict[str, object] = {
            "v": self.version,
            "id": self.id,
            "parent": self.parent,
            "path": self.path,
            "kind": self.kind,
        }
        return head | {"t": round(self.t, 6), "cost": cost, "payload": dict(self.payload)}


class Sink(Protocol):
    """A consumer of events; one that fails fails the run, so a viewer catches its own errors.

    streaming: whether it wants `token` events, the only kind that is dropped when nobody does.
    """

    streaming: bool

    def write(self, event: Event) -> None:
        """Take one event; must not block."""
        ...

    async def flush(self) -> None:
        """Return once everything written so far is as durable as this sink makes it."""
        ...


class Trace:
    """Where a run tells what happens: numbers events and hands them to every sink."""

    def __init__(self, *sinks: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self.sinks = list(sinks)
        self._clock, self._began, self._last = clock, clock(), 0

    @property
    def live(self) -> bool:
        """Whether anybody listens; without a sink no event is made."""
        return bool(self.sinks)

    @property
    def streaming(self) -> bool:
        """Whether anybody wants text token by token."""
        return any(sink.streaming for sink in self.sinks)

    def emit(
        self,
        kind: Kind,
        path: str,
        *,
        parent: int | None = None,
        cost: Cost | None = None,
        **payload: object,
    ) -> int:
        """Tell every sink, and return the event's id."""
        self._last += 1
        if self.sinks:
            t = self._clock() - self._began
            event = Event(id=self._last, parent=parent, path=path, kind=kind, t=t, cost=cost, payload=payload)
            for sink in self.sinks:
                sink.write(event)
        return self._last

    async def flush(self) -> None:
        """Return once every sink has made durable what it was told."""
        for sink in self.sinks:
            await sink.flush()
