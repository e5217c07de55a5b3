"""The SDK: an agent is a recipe with its models loaded; it solves one question, or many, or streams what happens.

    from headgate import Agent
    agent = Agent("spec_reason")
    print(agent.solve("Tom has 17 apples. Mia has 5 more than Tom. How many does Mia have?").text)

With a folder, a run outlives its process: `Agent("spec_reason", folder="runs/x")` begins one there, and the same line
after a crash goes on with it.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypedDict, TypeVar

from ..backends.base import Backend
from ..budget.events import Event, Sink, Trace
from ..budget.ledger import Ledger
from ..budget.prices import Price
from ..strategies.base import Answer, Kept, digest
from ..verifiers import registry as verifiers
from ..verifiers.base import Problem
from . import recipe as recipes
from .errors import RecipeError
from .fleet.errors import FleetError
from .recipe import Executor, Recipe
from .run_folder import RunFolder, version
from .solver import Solver, Solving, failed, place

Result = TypeVar("Result")


class _Told(TypedDict):
    """What whoever solves is told of the run."""

    ledger: Ledger
    trace: Trace
    seed: int
    prices: Mapping[str, Price | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A problem and how it ended; `correct` is None where nobody can tell; seconds of wall clock.

    earlier: whether an earlier process of the run ended it.
    """

    problem: Problem
    answer: Answer
    correct: bool | None
    seconds: float
    earlier: bool = False


class Agent:
    """A recipe at work; its total budget is shared by all that it solves.

    Models are loaded at the first question, or by `async with`. `solve` works anywhere, also inside a running loop:
    it uses a loop thread of its own. Use `solve` or the async methods, not both at once: one ledger, one loop.

    folder: where the run is kept; a run that is there already goes on: what it finished is given again, what it spent
    counts; its seed stays. backends: engines of one's own for some of the recipe's models, by name; `aclose` closes
    them.

    Raises: RecipeError, GraphError when the recipe is wrong; nothing is spent before it is checked. JournalError when
    the folder's journal is damaged or in use.

    workers: processes that open the models and solve the problems in this one's place; None as the recipe says, 0 for
    none. executor: where they live, `local` or `ray`; None as the recipe says.
    """

    def __init__(
        self,
        recipe: Recipe | str | Path | Mapping[str, object],
        *,
        seed: int = 0,
        sinks: Sequence[Sink] = (),
        folder: RunFolder | str | Path | None = None,
        backends: Mapping[str, Backend] | None = None,
        workers: int | None = None,
        executor: Literal["local", "ray"] | None = None,
    ) -> None:
        self.recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
        self.graph = recipes.graph(self.recipe)
        self.folder = RunFolder.at(folder) if isinstance(folder, str | Path) else folder
        if self.folder:
            self.folder.check_recipe(self.recipe)
        self.past = self.folder.past if self.folder else None
        self.seed = self.past.header.seed if self.past else seed
        self.trace = Trace(*sinks, strict=bool(self.folder and self.folder.durability == "strict"))
        self._lost: list[Event] = []  # calls of a dead process, to be told once
        self.ledger = self._ledger()
        self._given = backends or {}
        self._executor = self._chosen(workers, executor)
        self._solving: Solving | None = None
        self._opening: asyncio.Lock | None = None
        self._thread: _LoopThread | None = None

    async def asolve(self, problem: str | Problem) -> Answer:
        """Answer one question. Raises: RecipeError for one that cannot be asked of these models and this budget."""
        return (await self.solved(_problem(problem))).answer

    async def solved(self, problem: Problem, *, survive: bool = False) -> Solved:
        """As `asolve`, with how long it took. survive: whatever goes wrong becomes a failed answer with its cost.

        Not so workers that cannot go on, and a verifier whose package is missing here: those are raised.
        """
        if ended := self._ended_before(problem):
            return ended
        began = time.perf_counter()
        if what := verifiers.missing(problem):
            raise RecipeError(what)
        try:
            if what := verifiers.lacks(problem):
                raise RecipeError(what)
            answer = await self._answer(problem, survive)
        except FleetError:
            raise
        except Exception as error:
            if not survive:
                raise
            answer = failed(error, self.ledger.scope(place(problem)))
        return await self._ended(problem, answer, time.perf_counter() - began)

    def solve(self, problem: str | Problem) -> Answer:
        """As `asolve`, from code that is not async, a notebook's running loop included."""
        self._thread = self._thread or _LoopThread()
        return self._thread.run(self.asolve(problem))

    async def stream(self, problem: str | Problem) -> AsyncGenerator[Event, None]:
        """What happens while one question is answered, as it happens; the last event is its `problem_end`."""
        queue = _Queue()
        self.trace.sinks.append(queue)
        task = asyncio.ensure_future(self.solved(_problem(problem)))
        task.add_done_callback(lambda _: queue.events.put_nowait(None))
        try:
            while (event := await queue.events.get()) is not None:
                yield event
            await task
        finally:
            self.trace.sinks.remove(queue)
            await _cancel(task)

    async def solve_all(self, problems: Iterable[Problem], *, parallel: int = 16) -> AsyncGenerator[Solved, None]:
        """Many problems, `parallel` at a time, each yielded as it ends; one that breaks is `failed`, not raised."""
        running: set[asyncio.Task[Solved]] = set()
        queue = iter(problems)
        try:
            while True:
                while len(running) < parallel and (problem := next(queue, None)) is not None:
                    running.add(asyncio.ensure_future(self.solved(problem, survive=True)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                await _cancel(task)

    async def open(self) -> Self:
        """Load the models and check that they can do what the recipe asks. Raises: RecipeError, BackendError."""
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if not self._solving:
                solving = self._solver()
                await solving.open()
                self._solving = solving
                await self._begin()
        return self

    async def aclose(self) -> None:
        """Free the models; another question loads them again."""
        solving, self._solving = self._solving, None
        if solving:
            await solving.close()
            self.trace.emit("run_end", "", cost=self.ledger.spent)
        await self.trace.flush()
        if self.folder and self.folder.journal:
            if self.folder.journal in self.trace.sinks:
                self.trace.sinks.remove(self.folder.journal)
            self.folder.close()

    def close(self) -> None:
        """As `aclose`, for code that is not async."""
        thread, self._thread = self._thread or _LoopThread(), None
        thread.run(self.aclose())
        thread.stop()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _ledger(self) -> Ledger:
        """Beginning with what earlier processes spent, on a clock that stood still in between."""
        history = None
        if self.past:
            self.trace.go_on(self.past.last, self.past.t)
            history = self.past.history
            self._lost += history.open.values()
        return Ledger(self.recipe.budget.total, name="run", trace=self.trace, history=history)

    async def _begin(self) -> None:
        """Open the journal, tell that the run begins or goes on, and what became of the calls that were out."""
        if self.folder:
            self.trace.sinks.append(self.folder.open(self.recipe, self.seed))
        told: dict[str, object] = {"recipe": recipes.dump(self.recipe), "name": self.recipe.name, "seed": self.seed}
        told |= {"headgate": version(), "time_ns": time.time_ns()}
        self.trace.emit("run_start", "", parent=None, cost=None, **told)
        while self._lost:
            call = self._lost.pop(0)
            told = {name: call.payload.get(name, "") for name in ("role", "purpose")}
            self.trace.emit("settle", call.path, parent=call.id, cost=call.cost, **told, stop="lost", unmeasured=True)
        await self.trace.flush()

    def _chosen(self, workers: int | None, executor: Literal["local", "ray"] | None) -> Executor:
        """Who solves. Raises: RecipeError for workers that could not use the engines that were given."""
        said = self.recipe.executor
        use = executor or said.use
        wanted = said.workers if workers is None else workers
        if wanted is None:
            wanted = 1 if use == "ray" else 0
        if wanted and self._given:
            hint = "leave `workers` out, or name backends that every process can open"
            raise RecipeError("engines of one's own live in this process, and workers cannot reach them", hint=hint)
        return replace(said, use=use, workers=wanted)

    def _solver(self) -> Solving:
        """This process, or workers."""
        pinned: Mapping[str, Mapping[str, object]] = self.past.header.prices if self.past else {}
        prices = {
            name: Price.of(pinned[name]) if name in pinned else recipes.price(self.recipe, name)
            for name in self.recipe.models
        }
        told: _Told = {"ledger": self.ledger, "trace": self.trace, "seed": self.seed, "prices": prices}
        if not self._executor.workers:
            return Solver(self.recipe, self.graph, given=self._given, **told)
        from .fleet.fleet import Fleet

        history = self.past.history if self.past else None
        return Fleet(self.recipe, self._executor, history=history, traceparent=self._traceparent, **told)

    def _traceparent(self) -> str:
        """The W3C context of what started the run, once its journal has begun."""
        journal = self.folder.journal if self.folder else None
        return (journal.header.traceparent or "") if journal else ""

    async def _answer(self, problem: Problem, survive: bool) -> Answer:
        await self.open()
        assert self._solving
        run = self.folder.id if self.folder else ""
        kept = self.past.kept if self.past else Kept()
        return await self._solving.answer(problem, run=run, kept=kept, survive=survive)

    def _ended_before(self, problem: Problem) -> Solved | None:
        """How an earlier process of this run ended the problem, if it did."""
        ended = self.past.ended.get(place(problem)) if self.past else None
        if ended is None or ended.asked != digest(problem.text):
            return None
        return Solved(problem=problem, answer=ended.answer, correct=ended.correct, seconds=ended.seconds, earlier=True)

    async def _ended(self, problem: Problem, answer: Answer, seconds: float) -> Solved:
        """Told, and durable before anybody hears of it."""
        correct = await verifiers.right(answer.text, problem)
        told: dict[str, object] = {"status": answer.status, "answer": answer.text, "correct": correct}
        told["reason"] = answer.reason
        told |= {"asked": digest(problem.text), "seconds": seconds, "result": answer}
        self.trace.emit("problem_end", place(problem), parent=None, cost=answer.cost, **told)
        await self.trace.flush()
        return Solved(problem=problem, answer=answer, correct=correct, seconds=seconds)


def _problem(problem: str | Problem) -> Problem:
    return problem if isinstance(problem, Problem) else Problem(text=problem)


async def _cancel(task: "asyncio.Task[Solved]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


@dataclass(slots=True)
class _Queue:
    """A sink that hands events to one reader; None ends them."""

    events: "asyncio.Queue[Event | None]" = field(default_factory=lambda: asyncio.Queue())
    streaming: bool = True

    def write(self, event: Event) -> None:
        self.events.put_nowait(event)

    async def flush(self) -> None:
        return


class _LoopThread:
    """An event loop in a daemon thread, so that blocking code may call async code from anywhere."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="headgate", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, Result]) -> Result:
        """Its result; an interrupt while waiting cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
