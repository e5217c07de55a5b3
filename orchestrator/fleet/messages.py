"""What driver and worker say to each other, in order, over one channel; every event of a worker is one too.

worker -> driver: Hello, then Ready or Broken; events; Lease, GiveBack, Flush; Done; Bye
driver -> worker: Setup; Solve, Cancel; Granted, Recall; Flushed; Stop
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...budget.events import Event
from ...budget.history import Spent
from ...budget.supply import Ask, Grant
from ...strategies.base import Answer, Kept
from ...verifiers.base import Problem
from ..recipe.source import Source


@dataclass(frozen=True, slots=True)
class Call:
    """Where a worker finds its driver, and what the two know of each other. launch: which start of which worker."""

    host: str
    port: int
    key: bytes = field(repr=False)
    launch: int


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker has found its driver. version: of its headgate."""

    launch: int
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a worker needs to know of the run.

    units: what it must lease. seconds: until the run's deadline. prices: a row for each model that has one. folder:
    from which relative paths count.
    """

    recipe: Source
    seed: int
    units: tuple[str, ...]
    seconds: float | None
    prices: Mapping[str, Mapping[str, object]]
    strict: bool
    folder: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The models are loaded."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The models cannot be loaded."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Solve:
    """A problem to solve. run: the run's id. spent, kept: what is known of it from before.

    streaming: whether anybody wants tokens. traceparent: the W3C context of what started the run, if any.
    """

    number: int
    problem: Problem
    run: str
    survive: bool
    spent: Mapping[str, Spent]
    kept: Kept
    streaming: bool
    traceparent: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop solving a problem; its Done follows once everything of it is settled."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """A problem's end: its answer, or why there is none, or neither where it was cancelled."""

    number: int
    answer: Answer | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker asks for more to spend."""

    number: int
    ask: Ask


@dataclass(frozen=True, slots=True)
class Granted:
    """What it got."""

    number: int
    grant: Grant


@dataclass(frozen=True, slots=True)
class GiveBack:
    """What a worker leased and does not need."""

    units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Recall:
    """Somebody waits: give back what is idle."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Say when all that was told before this is durable."""

    number: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """It is."""

    number: int


@dataclass(frozen=True, slots=True)
class Stop:
    """There is nothing more to do."""


@dataclass(frozen=True, slots=True)
class Bye:
    """Nothing more comes from this worker."""


FromWorker = Ready | Broken | Event | Lease | GiveBack | Flush | Done | Bye
FromDriver = Setup | Solve | Cancel | Granted | Recall | Flushed | Stop
Message = FromWorker | FromDriver
