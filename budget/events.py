"""What happened in a run, in order: one envelope for console, journal, viewer and exporters alike.

| kind | when | payload |
|---|---|---|
| run_start, run_end | a process begins to work on a run, and ends | recipe, name, seed, headgate, time_ns |
| problem_start, problem_end | one problem of a run | question; status, answer, correct, reason |
| node_start, node_end, node_skip | a node of the graph | strategy, roles; as answer; reason |
| reserve | before a call leaves | role, purpose, backend, tokens (granted), shrunk |
| settle | its outcome is known; `parent` is its reserve | role, purpose, stop, text, unmeasured |
| rebook | what was spent turned out to be for something else; totals stay | role, was, now |
| wait, refuse, overrun | the budget made a call wait, refused it, or a provider broke its bound | unit, asked, left |
| retry | an attempt failed and another follows | role, error, attempt, wait_s |
| token | a piece of text as it is written; not for journals | role, purpose, text |
| step | a reasoning step is decided | index, author, kept, text, stop, tokens, score, signal, reason; its figures |
| tool_start, tool_end | a tool call; `parent` of the end is its start | tool, arguments; result, error |
| answer | a strategy inside a node ended | asked, status, text, reason, result |
| note | something a person should know | text |

A step's figures, where they are known: `digits`, the judge's probability of each of 0 to 9; token by token `lengths` in
characters of its text, `logprobs` (natural) and `entropies` (nats). A wait's `scope` is the one whose cap is too full.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal, NamedTuple, Protocol

from .cost import Cost

VERSION: Final = 1
_EMPTY: Final[Mapping[str, object]] = {}

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
    "rebook",
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


class Event(NamedTuple):
    """One thing that happened; a tuple, since five are made for every node, and this is the quickest value there is.

    id: counts up within a run. parent: the event it belongs to, if any. path: where in the run, such as
    `p1/solve/step-3`. t: seconds since the run began, from a monotonic clock. version: of this envelope.
    """

    id: int
    parent: int | None
    path: str
    kind: Kind
    t: float
    cost: Cost | None = None
    payload: Mapping[str, object] = _EMPTY
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


_event: Final = partial(tuple.__new__, Event)  # in half the time  # pyright: ignore[reportUnknownMemberType]


class Sink(Protocol):
    """A consumer of events; one that fails fails the run, so a viewer catches its own errors.

    streaming: whether it wants `token` events, the only kind that is dropped when nobody does.
    """

    streaming: bool

    def write(self, event: Event) -> None:
        """Take one event, never two at once; must not block."""
        ...

    async def flush(self) -> None:
        """Return once everything written so far is as durable as this sink makes it."""
        ...


class Trace:
    """Where a run tells what happens: numbers events and hands them to every sink; any thread may tell.

    strict: whether what is acknowledged must be durable before anything goes on from it.
    """

    def __init__(self, *sinks: Sink, clock: Callable[[], float] = time.monotonic, strict: bool = False) -> None:
        self.sinks = list(sinks)
        self.strict = strict
        self._clock, self._began, self._last = clock, clock(), 0
        self._lock = threading.Lock()

    def go_on(self, last: int, t: float) -> None:
        """Go on after an earlier process's last event; while no process runs, the run's clock stands still."""
        self._last, self._began = last, self._clock() - t

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
        """Tell every sink, and return the event's id; 0 where nobody listens."""
        return self.tell(kind, path, parent, cost, payload)

    def tell(self, kind: Kind, path: str, parent: int | None, cost: Cost | None, payload: Mapping[str, object]) -> int:
        """As `emit`, with a payload that is there already."""
        if not self.sinks:
            return 0
        with self._lock:
            self._last = id = self._last + 1
            event = _event((id, parent, path, kind, self._clock() - self._began, cost, payload, VERSION))
            for sink in self.sinks:
                sink.write(event)
            return id

    async def flush(self) -> None:
        """Return once every sink has made durable what it was told."""
        for sink in self.sinks:
            await sink.flush()
