"""What a strategy may do, and the one answer type that every strategy gives."""

import asyncio
import functools
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal, TypeVar

from ..backends.base import Completion
from ..backends.errors import BackendError
from ..backends.model import Model, derive
from ..budget.cost import Cost, Limits
from ..budget.errors import BudgetExceeded
from ..budget.events import Kind, Trace
from ..budget.ledger import Ledger
from ..budget.slots import Seat
from ..verifiers.base import Problem, Step

Status = Literal["answered", "abstained", "exhausted", "failed"]
STATUSES: Final[tuple[Status, ...]] = ("answered", "abstained", "exhausted", "failed")
Item = TypeVar("Item")
_NOTHING: Final = Cost()
# shared by all that spent nothing, and never written to
_NOBODY: Final[Mapping[str, Cost]] = {}
_FREE: Final[Mapping[tuple[str, str], Cost]] = {}

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
    cost: Cost = _NOTHING
    cost_by_role: Mapping[str, Cost] = field(default_factory=lambda: _NOBODY)
    bill: Mapping[tuple[str, str], Cost] = field(default_factory=lambda: _FREE)

    @property
    def items(self) -> tuple[str, ...]:
        """The answer as a list: its lines, without bullets and numbers."""
        lines = (line.strip().lstrip("-*•0123456789.) ").strip() for line in self.text.splitlines())
        return tuple(line for line in lines if line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What earlier processes of a run left: answers that were acknowledged, by path, and what is in doubt.

    answers: with the digest of the question that each one answers. unknown: paths at or below which a call's outcome
    is not known.
    """

    answers: Mapping[str, tuple[str, Answer]] = field(default_factory=dict[str, tuple[str, Answer]])
    unknown: frozenset[str] = frozenset()

    def answer(self, path: str, problem: Problem) -> Answer | None:
        """The answer that stands for a problem at a place; None where it must be worked out."""
        asked, answer = self.answers.get(path, ("", None))
        return answer if answer and asked == digest(problem.text) else None


NOTHING_KEPT: Final = Kept()
NO_ROLES: Final[Mapping[str, str]] = {}


class Cast(Mapping[str, Model]):
    """Models by role, each moved to one place of a run when it is first asked for; also by their own names."""

    __slots__ = ("_ledger", "_models", "_moved", "_path", "_roles")

    def __init__(self, models: Mapping[str, Model], roles: Mapping[str, str], path: str, ledger: Ledger) -> None:
        self._models, self._roles, self._path, self._ledger = models, roles, path, ledger
        self._moved: dict[str, Model] = {}

    def __getitem__(self, role: str) -> Model:
        if (model := self._moved.get(role)) is None:
            model = self._models[self._roles.get(role, role)].at(self._path, self._ledger)
            self._moved[role] = model
        return model

    def __iter__(self) -> Iterator[str]:
        return iter({**self._models, **self._roles})

    def __len__(self) -> int:
        return len(self._models.keys() | self._roles.keys())

    def at(self, path: str, ledger: Ledger, roles: Mapping[str, str]) -> "Cast":
        """The same models below this place; `roles` says who plays what there, by a name or a role here."""
        if roles:
            roles = {**self._roles, **{role: self._roles.get(name, name) for role, name in roles.items()}}
        return Cast(self._models, roles or self._roles, path, ledger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A strategy's hands: models by role, a scope of the ledger, a place in the run, and children.

    path: the structural place, such as `p1/solve`; seeds derive from it, never from the order of arrival. id: of the
    whole run, the same after a resume. attempt: counts the tries of a node from 1. seat: the slot of the node at work.
    deadline: on the event loop's clock, when the node is cancelled.
    """

    models: Mapping[str, Model]
    ledger: Ledger
    trace: Trace = field(default_factory=Trace)
    path: str = ""
    seed: int = 0
    id: str = ""
    attempt: int = 1
    kept: Kept = NOTHING_KEPT
    seat: Seat | None = None
    deadline: float = math.inf

    @property
    def key(self) -> str:
        """For tools that must not act twice: the same for the same attempt at the same place of the same run."""
        return f"{self.id}:{self.path}:{self.attempt}"

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

    def child(self, name: str, limits: Limits | None = None, *, roles: Mapping[str, str] = NO_ROLES) -> "Run":
        """A run below this one: a path, a scope and models of its own; `roles` says who plays what there."""
        path, ledger = f"{self.path}/{name}" if self.path else name, self.ledger.scope(name, limits)
        models = self.models
        cast = models.at(path, ledger, roles) if isinstance(models, Cast) else Cast(models, roles, path, ledger)
        # by name and not by `replace`, which takes three times as long
        return Run(
            models=cast,
            ledger=ledger,
            trace=self.trace,
            path=path,
            seed=self.seed,
            id=self.id,
            attempt=self.attempt,
            kept=self.kept,
            seat=self.seat,
            deadline=self.deadline,
        )

    def rng(self, name: str = "") -> random.Random:
        """Random draws of this place, the same whenever they are made."""
        return random.Random(derive(self.seed, f"{self.path}/{name}"))

    def tell(self, kind: Kind, at: str = "", *, cost: Cost | None = None, **payload: object) -> None:
        """Emit an event at this place."""
        if self.trace.live:
            path = f"{self.path}/{at}" if at and self.path else at or self.path
            self.trace.tell(kind, path, None, cost, payload)

    async def gather(self, work: Iterable[Awaitable[Item]]) -> list[Item]:
        """All results in order; the first failure cancels the rest and is raised as itself, not as a group."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_await(item)) for item in work]
        except BaseExceptionGroup as failures:
            raise first(failures) from None
        return [task.result() for task in tasks]

    async def solve(
        self, strategy: Strategy, problem: Problem, name: str, limits: Limits | None = None, **knobs: object
    ) -> Answer:
        """A strategy in a child run; what it cost is filled in, and a spent budget or a failed backend is an answer.

        An answer that an earlier process of this run acknowledged is given again, with what it cost then.
        """
        child = self.child(name, limits)
        return child.recall(problem) or await child.answer(strategy, problem, **knobs)

    def recall(self, problem: Problem) -> Answer | None:
        """The answer that an earlier process acknowledged at this place, with what it cost then."""
        kept = self.kept.answer(self.path, problem) if self.kept.answers else None
        return billed(kept, self.ledger) if kept else None

    async def answer(self, strategy: Strategy, problem: Problem, **knobs: object) -> Answer:
        """A strategy at this very place, as `solve` has it in a child run; nothing is recalled."""
        answer = await self.work(strategy, problem, **knobs)
        self.acknowledge("answer", problem, answer)
        return answer

    async def work(self, strategy: Strategy, problem: Problem, **knobs: object) -> Answer:
        """As `answer`, and nobody is told."""
        try:
            answer = await strategy(problem, self, **knobs)
        except BudgetExceeded as error:
            answer = Answer(text="", status="exhausted", reason=str(error))
        except BackendError as error:
            answer = Answer(text="", status="failed", reason=str(error))
        return billed(answer, self.ledger)

    def acknowledge(self, kind: Literal["answer", "node_end"], problem: Problem, answer: Answer) -> None:
        """Tell an answer whole: where that is kept, a later process of this run gives it again."""
        if self.trace.live:
            told: dict[str, object] = {
                "asked": digest(problem.text),
                "status": answer.status,
                "text": answer.text,
                "reason": answer.reason,
                "result": answer,
            }
            self.trace.tell(kind, self.path, None, answer.cost, told)


@functools.lru_cache(maxsize=1024)  # the nodes of a problem mostly ask the same
def digest(text: str) -> str:
    """16 hexadecimal digits that stand for a text."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def billed(answer: Answer, scope: Ledger) -> Answer:
    """The answer with all that was spent in its scope."""
    bill = scope.bill
    if not bill and answer.cost is _NOTHING and not answer.bill:
        return answer
    roles: dict[str, Cost] = {}
    for (role, _), cost in bill.items():
        roles[role] = roles[role] + cost if role in roles else cost
    costs = list(roles.values()) or [_NOTHING]
    # by name and not by `replace`, which takes three times as long
    return Answer(
        text=answer.text,
        status=answer.status,
        reason=answer.reason,
        steps=answer.steps,
        candidates=answer.candidates,
        completion=answer.completion,
        cost=sum(costs[1:], costs[0]) if len(costs) > 1 else costs[0],
        cost_by_role=roles,
        bill=bill,
    )


async def _await(item: Awaitable[Item]) -> Item:
    return await item


def first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure that came first, out of all groups around it."""
    one = failures.exceptions[0]
    return first(one) if isinstance(one, BaseExceptionGroup) else one  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
