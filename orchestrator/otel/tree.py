"""The spans of a run, rebuilt from its events: run, problem, node and nested strategy, with calls and tools below.

Where an event belongs follows from its path alone. A strategy within a strategy tells no start; its span begins with
the first event at its path. Ids are digests of the run's id and an event's, so that a journal that is exported twice
gives the same spans. What never ended ends with the last event of its process, as an error.
"""

from collections.abc import Callable
from typing import Final

from ...budget.events import Event
from . import attributes, semconv
from .attributes import Wording
from .calls import Calls
from .facts import Facts
from .record import Attributes, Happening, Record
from .scopes import Scopes
from .w3c import SAMPLED, Place, parse, span_of, trace_of

# their paths are those of scopes, whether or not anything told of the scope
_SCOPED: Final = frozenset({"reserve", "wait", "refuse", "retry", "tool_start", "answer"})
_STARTS: Final = frozenset({"problem_start", "node_start", *_SCOPED})


class SpanTree:
    """Takes events in order and gives back each span once it has ended. Raises: ValueError for an empty run's id."""

    def __init__(self, *, run_id: str, epoch_ns: int, wording: Wording, traceparent: str = "") -> None:
        if not run_id:
            raise ValueError("a run's id may not be empty: the ids of its spans are made from it")
        self.scopes, self._calls = Scopes(run_id), Calls(run_id, wording)
        self.epoch_ns = epoch_ns
        self._run_id, self._say, self._inbound = run_id, wording, traceparent
        self._facts, self._now = Facts(), epoch_ns
        self._before: Place | None = None  # the latest process's run
        self._ended: list[Record] = []
        self._on: dict[str, Callable[[Event], None]] = {
            "run_start": lambda _: None,
            "run_end": self._run_end,
            "problem_start": self._problem_start,
            "problem_end": self._problem_end,
            "node_start": self._node_start,
            "node_end": self._node_end,
            "answer": self._answer,
            "reserve": self._reserve,
            "settle": self._settle,
            "tool_start": self._tool_start,
            "tool_end": self._tool_end,
        }

    def take(self, event: Event) -> list[Record]:
        """The spans that an event ended."""
        if event.kind == "token":
            return []
        begun = self.scopes.run or (self._before and event.kind not in _STARTS)
        if event.kind == "run_start" or not begun:
            self._run_start(event)
        self._now = self.epoch_ns + round(event.t * 1e9)
        if event.kind in _SCOPED:
            self._imply(event)
        for scope in self.scopes.upwards(event.path):
            scope.last = self._now
        self._on.get(event.kind, self._happen)(event)
        ended, self._ended = self._ended, []
        return ended

    def finish(self) -> list[Record]:
        """End what is open, as a process that dies leaves it."""
        ended = self._calls.interrupt(self._now)
        if run := self.scopes.run:
            run.interrupt()
            ended += self.scopes.close(run, self._now)
            self.scopes.run = None
        return ended

    # -- the run, a process at a time -------------------------------------------------------------------------

    def _run_start(self, event: Event) -> None:
        """A trace of its own, linked to that of the process before."""
        self._ended, told = self.finish(), event.payload
        if isinstance(wall_ns := told.get("time_ns"), int):
            self.epoch_ns = wall_ns - round(event.t * 1e9)
        self._now = self.epoch_ns + round(event.t * 1e9)
        self._facts = Facts.of(told.get("recipe", ""))
        header = str(told.get("traceparent") or ("" if self._before else self._inbound))
        parent, name = parse(header), str(told.get("name") or "headgate")
        run = self.scopes.run = Record(
            scope="run",
            name=f"invoke_workflow {name}",
            path="",
            place=self._run_place(event, parent),
            parent=parent,
            parent_remote=True,
            start=self._now,
            last=self._now,
            attributes=self._run_attributes(event, name),
            links=[self._before] if self._before else [],
        )
        if header and not parent:
            text = f"traceparent {header[:60]!r} is malformed and was ignored; a new trace begins here"
            run.happenings.append(Happening(name="headgate.note", ns=self._now, attributes={"headgate.text": text}))
        self._before = run.place

    def _run_place(self, event: Event, parent: Place | None) -> Place:
        trace_id = parent.trace_id if parent else trace_of(self._run_id, event.id)
        implied = "run" if event.kind != "run_start" else ""  # whoever listens late misses the start
        return Place(trace_id, span_of(self._run_id, event.id, implied), parent.flags if parent else SAMPLED)

    def _run_attributes(self, event: Event, name: str) -> Attributes:
        found: Attributes = {semconv.OPERATION: "invoke_workflow", semconv.WORKFLOW: name}
        found |= {"headgate.scope": "run", "headgate.run.id": self._run_id, "headgate.resumed": bool(self._before)}
        if (seed := event.payload.get("seed")) is not None:
            found["headgate.seed"] = attributes.plain(seed)
        return {**found, **self._facts.limits.get("", {})}

    def _run_end(self, event: Event) -> None:
        if run := self.scopes.run:
            run.attributes |= attributes.spent(event.cost)
            self._ended += self.scopes.close(run, self._now)
            self.scopes.run = None

    # -- problems, nodes, strategies --------------------------------------------------------------------------

    def _problem_start(self, event: Event) -> None:
        found: Attributes = {semconv.OPERATION: "invoke_workflow", semconv.WORKFLOW: "problem"}
        found |= self._facts.limits.get("*", {})
        if name := event.payload.get("id"):
            found["headgate.problem.id"] = str(name)
        if self._say.content:
            found[semconv.INPUT_MESSAGES] = self._say.message("user", str(event.payload.get("question", "")))
        self.scopes.open(event.id, "problem", event.path, "invoke_workflow problem", found, self._now)

    def _node_start(self, event: Event) -> None:
        name = event.path.rpartition("/")[2]
        found = self._say.agent(name) | {"headgate.strategy": str(event.payload.get("strategy", ""))}
        found |= self._facts.limits.get(f"*/{name}", {})
        self.scopes.open(event.id, "node", event.path, f"invoke_agent {name}", found, self._now)

    def _imply(self, event: Event) -> None:
        """Open the strategies that a path names and nothing told of."""
        for path in self.scopes.missing(event.path):
            name = attributes.agent_name(path)
            self.scopes.open(event.id, "strategy", path, f"invoke_agent {name}", self._say.agent(name), self._now)

    def _answer(self, event: Event) -> None:
        """The end of a strategy inside a node."""
        if (scope := self._outcome(event, "text")) and scope.implied:
            self._close(scope, event)

    def _node_end(self, event: Event) -> None:
        if scope := self._outcome(event, "text"):
            self._close(scope, event)

    def _problem_end(self, event: Event) -> None:
        if scope := self._outcome(event, "answer"):
            if isinstance(correct := event.payload.get("correct"), bool):
                scope.attributes["headgate.correct"] = correct
            self._close(scope, event)

    def _outcome(self, event: Event, said: str = "") -> Record | None:
        """The scope that ended at an event's path, with what it came to."""
        scope, told = self.scopes.exactly(event.path), event.payload
        if scope is None:
            return None
        scope.attributes |= attributes.spent(event.cost)
        scope.reason = str(told.get("reason") or scope.reason)
        if status := told.get("status"):
            scope.attributes["headgate.status"] = str(status)
        if self._say.content and said:
            scope.attributes[semconv.OUTPUT_MESSAGES] = self._say.message("assistant", str(told.get(said, "")), "stop")
            scope.attributes |= {"headgate.reason": scope.reason} if scope.reason else {}
        return scope

    def _close(self, scope: Record, event: Event) -> None:
        if event.payload.get("status") == "failed":
            scope.fail(scope.reason or "failed", "failed")
        self._ended += self.scopes.close(scope, self._now)

    # -- calls, tools and all else ----------------------------------------------------------------------------

    def _reserve(self, event: Event) -> None:
        if above := self.scopes.at(event.path):
            self._calls.reserve(event, above, self._facts, self._now)

    def _settle(self, event: Event) -> None:
        if not self._calls.known(event):
            self._happen(event)
        elif call := self._calls.settle(event, self.scopes.at(event.path), self._now):
            self._ended.append(call)

    def _tool_start(self, event: Event) -> None:
        if above := self.scopes.at(event.path):
            self._calls.tool_start(event, above, self._now)

    def _tool_end(self, event: Event) -> None:
        if tool := self._calls.tool_end(event, self._now):
            self._ended.append(tool)

    def _happen(self, event: Event) -> None:
        """A moment of the innermost span around it."""
        if scope := self.scopes.at(event.path):
            told = self._say.happening(event)
            scope.happenings.append(Happening(name=f"headgate.{event.kind}", ns=self._now, attributes=told))
