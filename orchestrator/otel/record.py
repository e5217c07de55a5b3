"""One span while it is being put together from events, before any library of OpenTelemetry's has seen it."""

from dataclasses import dataclass, field
from typing import Final, Literal

from ...budget.cost import Cost
from . import semconv
from .w3c import Place

Scope = Literal["run", "problem", "node", "strategy", "call", "tool"]
Attributes = dict[str, object]
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What happened at a moment of a span."""

    name: str
    ns: int
    attributes: Attributes


@dataclass(slots=True, kw_only=True, eq=False)
class Record:
    """A span: what it is called, where it belongs, and when.

    start, end, last: nanoseconds since the epoch; `last` is its latest event's. implied: nothing told its start, which
    is that of the first event at its path. held: what a call may cost. reason: why an answer is what it is. error:
    what went wrong; "" otherwise. inner: the scopes that are open below it, by their span's id.
    """

    scope: Scope
    name: str
    path: str
    place: Place
    start: int
    last: int
    attributes: Attributes
    parent: Place | None = None
    parent_remote: bool = False
    client: bool = False
    implied: bool = False
    end: int = 0
    happenings: list[Happening] = field(default_factory=list[Happening])
    links: list[Place] = field(default_factory=list[Place])
    held: Cost | None = None
    reason: str = ""
    error: str = ""
    above: "Record | None" = None
    inner: "dict[int, Record]" = field(default_factory=dict[int, "Record"])

    @property
    def interrupted(self) -> bool:
        """Whether it has no end of its own."""
        return self.attributes.get(semconv.ERROR_TYPE) == INTERRUPTED

    def fail(self, what: str, kind: str) -> None:
        """Mark it as an error of a kind, of which there are few."""
        self.error, self.attributes[semconv.ERROR_TYPE] = what, kind

    def interrupt(self) -> None:
        """Mark it as never ended."""
        self.fail("it never ended: what ran it stopped, or runs still", INTERRUPTED)
