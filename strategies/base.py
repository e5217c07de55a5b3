"""What a strategy may do, and the one answer type that every strategy gives."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeVar

from ..backends.base import Completion
from ..backends.errors import BackendError
from ..backends.model import Model, derive
from ..budget.cost import Cost, Limits
from ..budget.errors import BudgetExceeded
from ..budget.events import Kind, Trace
from ..budget.ledger import Ledger
from ..verifiers.base import Problem, Step

Status = Literal["answered", "abstained", "exhausted", "failed"]
STATUSES: Final[tuple[Status, ...]] = ("answered", "abstained", "exhausted", "failed")
Item = TypeVar("Item")

# one plain async function (problem, run, *, knobs) in `strategies/NAME.py`; its knobs are a recipe's `with:`
Strategy = Callable[..., Awaitable["Answer"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    r"""How a strategy ended.

    text: the answer itself, what stands in `\boxed{}` where there is one; "" without any. status: answered;
    abstained: it declined; exhausted: the budget ended before the strategy did, `text` is the best so far; failed: a
    backend gave up. reason: why, in a few words, when not answered. steps: all that were written, kept or not. bill:
    what it cost by model and purpose (think, wasted, judge, score, probe, answer): where every token went.
    """

    text: str
    status: Status = "answered"
    reason: str = ""
    steps: tuple[Step, ...] = ()
    candidates: tuple["Answer", ...] = ()
    completion: Completion | None = None
    cost: Cost = field(default_factory=Cost)
    cost_by_role: Mapping[str, Cost] = field(default_factory=dict[str, Cost])
    bill: Mapping[tuple[str, str], Cost] = field(default_factory=dict[tuple[str, str], Cost])

    @property
    def items(self) -> tuple[str, ...]:
        """The answer as a list: its lines, without bullets and numbers."""
        lines = (line.strip().lstrip("-*•0123456789.) ").strip() for line in self.text.splitlines())
        return tuple(line for line in lines if line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A strategy's hands: models by role, a scope of the ledger, a place in the run, and children.

    path: the structural place, such as `p1/solve`; seeds derive from it, never from the order of arrival.
    """

    models: Mapping[str, Model]
    ledger: Ledger
    trace: Trace = field(default_factory=Trace)
    path: str = ""
    seed: int = 0

    def model(self, role: str) -> Model:
        """The model in a role. Raises: KeyError naming the roles there are."""
        if role not in self.models:
            raise KeyError(f"no model plays `{role}` here; there are {', '.join(self.models)}")
        return self.models[role]

    @property
    def draft(self) -> Model:
        """The small model."""
        return self.model("draft")

    @property
    def target(self) -> Model:
        """The large model."""
        return self.model("target")

    def child(self, name: str, limits: Limits | None = None) -> "Run":
        """A run below this one: a path, a scope and models of its own."""
        path, ledger = f"{self.path}/{name}" if self.path else name, self.ledger.scope(name, limits)
        models = {role: model.at(path, ledger) for role, model in self.models.items()}
        return replace(self, path=path, ledger=ledger, models=models)

    def rng(self, name: str = "") -> random.Random:
        """Random draws of this place, the same whenever they are made."""
        return random.Random(derive(self.seed, f"{self.path}/{name}"))

    def tell(self, kind: Kind, at: str = "", *, cost: Cost | None = None, **payload: object) -> None:
        """Emit an event at this place."""
        if self.trace.live:
            path = "/".join(part for part in (self.path, at) if part)
            self.trace.emit(kind, path, parent=None, cost=cost, **payload)

    async def gather(self, work: Iterable[Awaitable[Item]]) -> list[Item]:
        """All results in order; the first failure cancels the rest and is raised as itself, not as a group."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_await(item)) for item in work]
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        return [task.result() for task in tasks]

    async def solve(
        self, strategy: Strategy, problem: Problem, name: str, limits: Limits | None = None, **knobs: object
    ) -> Answer:
        """A strategy in a child run; what it cost is filled in, and a spent budget or a failed backend is an answer."""
        child = self.child(name, limits)
        try:
            answer = await strategy(problem, child, **knobs)
        except BudgetExceeded as error:
            answer = Answer(text="", status="exhausted", reason=str(error))
        except BackendError as error:
            answer = Answer(text="", status="failed", reason=str(error))
        answer = billed(answer, child.ledger)
        child.tell("answer", cost=answer.cost, status=answer.status, text=answer.text, reason=answer.reason)
        return answer


def billed(answer: Answer, scope: Ledger) -> Answer:
    """The answer with all that was spent in its scope."""
    return replace(answer, cost=scope.spent, cost_by_role=scope.spent_by_role(), bill=dict(scope.bill))


async def _await(item: Awaitable[Item]) -> Item:
    return await item


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
