"""A problem on its way through workers: what is known of it from before, and what it gains while it is worked on.

So that a worker's death costs no more than a crash of the whole would: what was acknowledged is given to the next
worker, and the problem's own limits count what the dead one spent.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...budget.events import Event
from ...budget.history import History, Spent
from ...budget.ledger import Ledger
from ...strategies.base import Answer, Kept, billed
from ...verifiers.base import Problem
from ..solver import place
from .messages import Done, Solve

_LEDGER = {"reserve", "settle", "rebook"}
_FIGURES = ("role", "purpose", "was", "now")


class Earlier:
    """What earlier processes of the run left, by problem."""

    def __init__(self, history: History, kept: Kept) -> None:
        self._spent: dict[str, dict[str, Spent]] = {}
        self._answers: dict[str, dict[str, tuple[str, Answer]]] = {}
        self._unknown: dict[str, set[str]] = {}
        for path, spent in history.scopes.items():
            self._spent.setdefault(_problem(path), {})[path] = spent
        for path, answer in kept.answers.items():
            self._answers.setdefault(_problem(path), {})[path] = answer
        for path in kept.unknown:
            self._unknown.setdefault(_problem(path), set()).add(path)

    def spent(self, at: str) -> Mapping[str, Spent]:
        """What a problem's scopes have spent."""
        return self._spent.get(at, {})

    def kept(self, at: str) -> Kept:
        """What stands of a problem, and what is in doubt."""
        return Kept(answers=self._answers.get(at, {}), unknown=frozenset(self._unknown.get(at, ())))


@dataclass(slots=True, eq=False)
class Job:
    """One problem to solve. deaths: of workers that were at it."""

    number: int
    problem: Problem
    run: str
    survive: bool
    earlier: Earlier
    ended: "asyncio.Future[Done]"
    deaths: int = 0
    called_off: bool = False
    began: bool = False
    _events: list[Event] = field(default_factory=list[Event])
    _answers: dict[str, tuple[str, Answer]] = field(default_factory=dict[str, tuple[str, Answer]])
    _lost: dict[int, Event] = field(default_factory=dict[int, Event])

    @property
    def place(self) -> str:
        """Where it stands in the run."""
        return place(self.problem)

    @property
    def alone(self) -> bool:
        """Whether it must be the only one on its worker: one more death, and it is known whose fault it was."""
        return self.deaths == DEATHS - 1

    def took(self, event: Event) -> None:
        """Keep what another worker would have to know; of most events that is the time."""
        if event.kind == "token":
            return
        result, asked = event.payload.get("result"), event.payload.get("asked")
        if event.kind in ("answer", "node_end") and isinstance(result, Answer):
            self._answers[event.path] = str(asked), result
        names = _FIGURES if event.kind in _LEDGER else ()
        payload = {name: event.payload[name] for name in names if name in event.payload}
        self._events.append(event._replace(payload=payload))

    def lost(self, reserve: Event, settle: Event) -> None:
        """A call of it was out when its worker died."""
        self._lost[settle.id] = reserve
        self.took(settle)

    def died(self) -> None:
        """Its worker died; what it took between this event and the next counts for no limit."""
        self.deaths += 1
        if self._events:
            self._events.append(self._events[-1]._replace(kind="run_start", path="", cost=None, payload={}))

    def spent(self) -> dict[str, Spent]:
        """What its scopes have spent up to now, in this process and before it."""
        spent = dict(self.earlier.spent(self.place))
        for path, now in History.of(self._events).scopes.items():
            if path:
                spent[path] = _together(spent.get(path), now)
        return spent

    def kept(self) -> Kept:
        """What stands of it, and what is in doubt."""
        before, lost = self.earlier.kept(self.place), History(open=self._lost).unknown
        return Kept(answers={**before.answers, **self._answers}, unknown=before.unknown | lost)

    def solve(self, *, streaming: bool, traceparent: str) -> Solve:
        """What a worker is told."""
        return Solve(
            number=self.number,
            problem=self.problem,
            run=self.run,
            survive=self.survive,
            spent=self.spent(),
            kept=self.kept(),
            streaming=streaming,
            traceparent=traceparent,
        )

    def failed(self, reason: str) -> Answer:
        """It cannot be solved: an answer that says so, with all that was spent on it."""
        ledger = Ledger(history=History(scopes=self.spent()))
        return billed(Answer(text="", status="failed", reason=reason), ledger.scope(self.place))


DEATHS = 3  # of workers, until a problem is given up


def _problem(path: str) -> str:
    return path.partition("/")[0]


def _together(before: Spent | None, now: Spent) -> Spent:
    if before is None:
        return now
    both = Spent(bill=dict(before.bill), seconds=before.seconds + now.seconds)
    for (role, purpose), cost in now.bill.items():
        both.add(role, purpose, cost)
    return both
