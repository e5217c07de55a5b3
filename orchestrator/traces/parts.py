"""The parts of a run's tree: scopes, and in them steps, calls, tools, waits, remarks. Times are seconds of the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, Literal, NamedTuple, Union

from ...budget.cost import Cost
from ...budget.events import Kind
from .tally import Tally

ScopeKind = Literal["run", "problem", "node", "strategy"]
RATES: Final = frozenset({"judge", "score", "reward", "router", "probe"})  # purposes of calls that write nothing
_NOTHING: Final = Cost()
_ORDER: Final = attrgetter("began", "id")


class Token(NamedTuple):
    """A token of a step; natural log-probability, and entropy in nats before it; None where nothing was told."""

    text: str
    logprob: float | None
    entropy: float | None


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """A model call. held: its bound; granted: tokens that it might write; step: what it wrote or judged, if any."""

    id: int
    path: str
    role: str
    purpose: str
    began: float
    held: Cost = _NOTHING
    granted: int = 0
    shrunk: bool = False
    ended: float | None = None
    cost: Cost = _NOTHING
    text: str = ""
    stop: str = ""
    error: str = ""
    unmeasured: bool = False
    step: "Step | None" = field(default=None, repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class Tool:
    """A tool call: arguments as they were given, what came back or what went wrong."""

    id: int
    path: str
    tool: str
    arguments: object
    began: float
    ended: float | None = None
    result: object = ""
    error: str = ""
    cost: Cost = _NOTHING


@dataclass(slots=True, kw_only=True, eq=False)
class Wait:
    """A call that the budget made wait: for how much of which unit; ended by its reservation or refusal."""

    id: int
    path: str
    began: float
    asked: float = 0
    unit: str = ""
    scope: str = ""
    role: str = ""
    purpose: str = ""
    ended: float | None = None
    refused: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Remark:
    """A moment that a person should know of; `facts` is what the event told.

    kind: retry, refuse, overrun, note, node_skip, or problem_start for one that began again.
    """

    id: int
    path: str
    kind: Kind
    began: float
    facts: Mapping[str, object]

    @property
    def ended(self) -> float:
        """A moment is over when it begins."""
        return self.began

    @property
    def text(self) -> str:
        """What was said, if anything."""
        return str(self.facts.get("error") or self.facts.get("reason") or self.facts.get("text") or "")


@dataclass(slots=True, kw_only=True, eq=False)
class Step:
    """A step of reasoning that was decided. began: when its first call left; ended: when it was decided.

    rejected: the drafts that were thrown away at this place before it; instead: what stands in the place of one that
    was. judged: by the calls among `calls` that wrote nothing of it. digits: the judge's probability of each of 0 to
    9. number: its place among the scope's steps, thrown away ones included.
    """

    id: int
    path: str
    index: int
    author: str
    kept: bool
    text: str
    began: float
    ended: float
    number: int = 0
    stop: str = ""
    score: float | None = None
    signal: str = ""
    reason: str = ""
    cost: Cost = _NOTHING
    calls: list[Call] = field(default_factory=list[Call], repr=False)
    rejected: list["Step"] = field(default_factory=list["Step"], repr=False)
    instead: "Step | None" = field(default=None, repr=False)
    digits: tuple[float, ...] = ()
    lengths: tuple[int, ...] = ()
    logprobs: tuple[float | None, ...] = ()
    entropies: tuple[float | None, ...] = ()

    @property
    def scope_path(self) -> str:
        """Of the scope that it is a step of."""
        return self.path.rpartition("/")[0]

    @property
    def judged(self) -> list[Call]:
        """The calls that rated it."""
        return [call for call in self.calls if call.purpose in RATES]

    @property
    def judge_cost(self) -> Tally:
        """What rating it cost."""
        spent = Tally()
        for call in self.judged:
            spent.add(call.cost)
        return spent

    def tokens(self) -> Iterator[Token]:
        """Its text token by token; without figures for what the journal does not tell of."""
        start = 0
        for i, length in enumerate(self.lengths):
            end = start + length
            yield Token(self.text[start:end], _or_none(self.logprobs, i), _or_none(self.entropies, i))
            start = end
        if start < len(self.text):
            yield Token(self.text[start:], None, None)


@dataclass(slots=True, kw_only=True, eq=False)
class Scope:
    """A run, a problem, a node of the graph or a strategy within one; what is counted counts everything below too.

    status: waiting, running, answered, abstained, exhausted, failed, skipped, cancelled. text: its answer. bill: by
    model and purpose. line: itself and all above it. ways: the bills of that line, by model and purpose. last: when
    something last happened in it or below. times: how often it was begun.
    """

    id: int
    path: str
    name: str
    kind: ScopeKind
    began: float
    parent: "Scope | None" = field(default=None, repr=False)
    line: tuple["Scope", ...] = field(default=(), repr=False)
    ended: float | None = None
    last: float = 0.0
    status: str = "running"
    question: str = ""
    strategy: str = ""
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    text: str = ""
    reason: str = ""
    correct: bool | None = None
    times: int = 1
    children: list["Scope"] = field(default_factory=list["Scope"], repr=False)
    steps: list[Step] = field(default_factory=list[Step], repr=False)
    calls: list[Call] = field(default_factory=list[Call], repr=False)
    tools: list[Tool] = field(default_factory=list[Tool], repr=False)
    waits: list[Wait] = field(default_factory=list[Wait], repr=False)
    remarks: list[Remark] = field(default_factory=list[Remark], repr=False)
    bill: dict[tuple[str, str], Tally] = field(default_factory=dict[tuple[str, str], Tally], repr=False)
    ways: dict[tuple[str, str], list[Tally]] = field(default_factory=dict[tuple[str, str], list[Tally]], repr=False)
    kept: int = 0
    rejected: int = 0
    retries: int = 0
    refusals: int = 0
    waited: int = 0

    @property
    def total(self) -> Tally:
        """All that was spent here and below."""
        total = Tally()
        for spent in self.bill.values():
            total += spent
        return total

    @property
    def latest(self) -> float:
        """When it ended, or when something last happened in it or below."""
        return self.last if self.ended is None else self.ended

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far; waiting included."""
        return max(0.0, self.latest - self.began)

    @property
    def judged(self) -> int:
        """How many calls rated something."""
        return sum(spent.calls for (_, purpose), spent in self.bill.items() if purpose in RATES)

    def by_model(self) -> dict[str, Tally]:
        """What each model cost, over all purposes."""
        found: dict[str, Tally] = {}
        for (role, _), spent in self.bill.items():
            found.setdefault(role, Tally()).__iadd__(spent)
        return found

    def inside(self) -> list["Item"]:
        """What stands directly in it, in the order in which it began; calls that belong to a step stand in the step."""
        loose = [call for call in self.calls if call.step is None]
        items: list[Item] = [*self.children, *self.steps, *loose, *self.tools, *self.waits, *self.remarks]
        return sorted(items, key=_ORDER)

    def walk(self) -> Iterator["Scope"]:
        """This scope and every one below it, each before its children."""
        yield self
        for child in self.children:
            yield from child.walk()


def _or_none(values: Sequence[float | None], i: int) -> float | None:
    return values[i] if i < len(values) else None


Item = Union[Scope, Step, Call, Tool, Wait, Remark]  # noqa: UP007  # the names are strings above
