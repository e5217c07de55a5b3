"""The calls of models and tools that are out: spans from their reservation to what came of it.

Usage stands on calls alone, so that a sum over spans is the run's bill. What a tool costs is reserved and settled like
a call's, but its span is the tool's own.
"""

from ...budget.cost import Cost
from ...budget.events import Event
from . import attributes, semconv
from .attributes import Wording
from .facts import Facts
from .record import INTERRUPTED, Attributes, Record, Scope
from .w3c import Place, span_of

_UNKNOWN = "its outcome is unknown, so it is charged in full"


class Calls:
    """Opens a span with a reserve or a tool's start, and ends it with what belongs to that."""

    def __init__(self, run_id: str, say: Wording) -> None:
        self._run_id, self._say = run_id, say
        self._calls: dict[int, Record] = {}
        self._tools: dict[int, Record] = {}
        self._charges: set[int] = set()  # reservations of tools
        self._lost: set[int] = set()  # calls that were out when an earlier process died: charged there

    def reserve(self, event: Event, above: Record, facts: Facts, now: int) -> None:
        """A call leaves, or a tool's price is held."""
        if event.cost and event.cost.tool_calls and not event.cost.calls:
            self._charges.add(event.id)
            return
        role = str(event.payload.get("role", ""))
        found = self._say.call(event, facts.model(role))
        name = f"{found[semconv.OPERATION]} {found.get(semconv.MODEL) or role}"
        call = self._calls[event.id] = self._opened(event, "call", name, found, above, now)
        call.client, call.held = role in facts.remote, event.cost

    def settle(self, event: Event, above: Record | None, now: int) -> Record | None:
        """The call that an outcome ends; None where it was a tool's, or begun where nobody looked."""
        call = self._calls.pop(event.parent or 0, None)
        if call is None:
            self._charge(event, above)
            return None
        call.attributes |= self._say.outcome(event)
        if event.cost and event.payload.get("stop") != "released":
            call.attributes |= self._say.usage(event.cost)
        if error := event.payload.get("error"):
            call.fail(str(error), "backend_error")
        elif event.payload.get("unmeasured"):
            call.fail(_UNKNOWN, INTERRUPTED)
        call.end = now
        return call

    def tool_start(self, event: Event, above: Record, now: int) -> None:
        """A tool is called."""
        name = str(event.payload.get("tool", ""))
        found: Attributes = {semconv.OPERATION: "execute_tool", semconv.TOOL: name, semconv.TOOL_TYPE: "function"}
        if self._say.content and "arguments" in event.payload:
            found[semconv.TOOL_ARGUMENTS] = attributes.plain(event.payload["arguments"])
        self._tools[event.id] = self._opened(event, "tool", f"execute_tool {name}", found, above, now)

    def tool_end(self, event: Event, now: int) -> Record | None:
        """The tool that has ended."""
        tool = self._tools.pop(event.parent or 0, None)
        if tool is None:
            return None
        if self._say.content and event.payload.get("result") is not None:
            tool.attributes[semconv.TOOL_RESULT] = attributes.plain(event.payload["result"])
        if error := event.payload.get("error"):
            tool.fail(str(error), "tool_error")
        tool.end = now
        return tool

    def known(self, event: Event) -> bool:
        """Whether a settle belongs to something that was seen to begin."""
        return (event.parent or 0) in self._calls.keys() | self._charges | self._lost

    def interrupt(self, now: int) -> list[Record]:
        """End all that is out, as a process that dies leaves it: calls are charged in full."""
        for call in self._calls.values():
            call.attributes |= self._say.usage(call.held or Cost())
            call.attributes |= {semconv.FINISH_REASONS: ["error"], "headgate.unmeasured": True}
            call.fail(_UNKNOWN, INTERRUPTED)
        for tool in self._tools.values():
            tool.interrupt()
        ended = [*self._calls.values(), *self._tools.values()]
        for record in ended:
            record.end = now
        self._lost |= self._calls.keys()
        self._calls, self._tools = {}, {}
        return ended

    def _charge(self, event: Event, above: Record | None) -> None:
        """What a tool cost, on the tool's span, or on that around it where it has ended."""
        if event.parent not in self._charges or event.cost is None:
            return
        self._charges.discard(event.parent)
        role = event.payload.get("role")
        tools = [tool for tool in self._tools.values() if tool.attributes[semconv.TOOL] == role]
        here = [tool for tool in tools if f"{tool.path}/".startswith(f"{event.path}/")]
        if owner := here[-1] if here else above:
            spent = attributes.number(owner.attributes.get(semconv.NANODOLLARS)) + event.cost.nanodollars
            owner.attributes[semconv.NANODOLLARS] = spent

    def _opened(self, event: Event, scope: Scope, name: str, found: Attributes, above: Record, now: int) -> Record:
        return Record(
            scope=scope,
            name=name,
            path=event.path,
            place=Place(above.place.trace_id, span_of(self._run_id, event.id), above.place.flags),
            parent=above.place,
            start=now,
            last=now,
            attributes={**found, "headgate.path": event.path},
        )
