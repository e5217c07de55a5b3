"""The SDK: an agent is a recipe with its models loaded; it solves one question, or many, or streams what happens.

from headgate import Agent
agent = Agent("spec_reason")
    print(agent.solve("Tom has 17 apples. Mia has 5 more than Tom. How many does Mia have?").text)
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ..backends.base import Backend
from ..backends.model import Model
from ..budget.errors import HeadgateError
from ..budget.events import Event, Sink, Trace
from ..budget.ledger import Ledger
from ..strategies.base import Answer, Run, billed
from ..verifiers import numeric
from ..verifiers.base import Problem
from . import recipe as recipes
from .recipe import Recipe
from .scheduler import run_graph

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A problem and how it ended; `correct` is None without a reference; seconds of wall clock."""

    problem: Problem
    answer: Answer
    correct: bool | None
    seconds: float


class Agent:
    """A recipe at work; its total budget is shared by all that it solves.

    Models are loaded at the first question, or by `async with`. `solve` works anywhere, also inside a running loop:
    it uses a loop thread of its own. Use `solve` or the async methods, not both at once: one ledger, one loop.

    Raises: RecipeError, GraphError when the recipe is wrong; nothing is spent before it is checked.
    """

    def __init__(
        self, recipe: Recipe | str | Path | Mapping[str, object], *, seed: int = 0, sinks: Sequence[Sink] = ()
    ) -> None:
        self.recipe = recipe if isinstance(recipe, Recipe) else recipes.load(recipe)
        self.graph = recipes.graph(self.recipe)
        self.seed, self.trace = seed, Trace(*sinks)
        self.ledger = Ledger(self.recipe.budget.total, name="run", trace=self.trace)
        self._models: dict[str, Model] = {}
        self._opening: asyncio.Lock | None = None
        self._thread: _LoopThread | None = None

    async def asolve(self, problem: str | Problem) -> Answer:
        """Answer one question. Raises: RecipeError for one that cannot be asked of these models and this budget."""
        return (await self._solved(_problem(problem))).answer

    def solve(self, problem: str | Problem) -> Answer:
        """As `asolve`, from code that is not async, a notebook's running loop included."""
        self._thread = self._thread or _LoopThread()
        return self._thread.run(self.asolve(problem))

    async def stream(self, problem: str | Problem) -> AsyncGenerator[Event, None]:
        """What happens while one question is answered, as it happens; the last event is its `problem_end`."""
        queue = _Queue()
        self.trace.sinks.append(queue)
        task = asyncio.ensure_future(self._solved(_problem(problem)))
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
                    running.add(asyncio.ensure_future(self._solved(problem, survive=True)))
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
            if not self._models:
                backends = await asyncio.to_thread(recipes.open_backends, self.recipe)
                recipes.check_capabilities(self.graph, backends)
                self._models = {name: self._model(name, backend) for name, backend in backends.items()}
                self.trace.emit("run_start", "", recipe=recipes.dump(self.recipe), seed=self.seed)
        return self

    async def aclose(self) -> None:
        """Free the models; another question loads them again."""
        models, self._models = self._models, {}
        if models:
            self.trace.emit("run_end", "", cost=self.ledger.spent)
        for model in models.values():
            await model.backend.close()
        await self.trace.flush()

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

    def _model(self, name: str, backend: Backend) -> Model:
        price = recipes.price(self.recipe, name)
        return Model(name=name, backend=backend, ledger=self.ledger, price=price, trace=self.trace, seed=self.seed)

    async def _solved(self, problem: Problem, *, survive: bool = False) -> Solved:
        """One problem; with `survive`, whatever goes wrong becomes a failed answer with what it had cost."""
        began, ledger = time.perf_counter(), self._scope(problem)
        try:
            answer = await self._answer(problem, ledger)
        except Exception as error:
            if not survive:
                raise
            reason = str(error) if isinstance(error, HeadgateError) else f"{type(error).__name__}: {error}"
            answer = billed(Answer(text="", status="failed", reason=reason), ledger)
        return self._ended(problem, answer, time.perf_counter() - began)

    def _scope(self, problem: Problem) -> Ledger:
        budget = self.recipe.budget
        return self.ledger.scope(_place(problem), budget.each, answer_reserve=budget.answer_reserve)

    async def _answer(self, problem: Problem, ledger: Ledger) -> Answer:
        await self.open()
        backends = {name: model.backend for name, model in self._models.items()}
        recipes.check_question(self.recipe, self.graph, problem, backends)
        run = Run(models=self._models, ledger=ledger, trace=self.trace, path=_place(problem), seed=self.seed)
        run.tell("problem_start", question=problem.text, id=problem.id)
        return await run_graph(self.graph, problem, run)

    def _ended(self, problem: Problem, answer: Answer, seconds: float) -> Solved:
        correct = None if problem.reference is None else numeric.same(answer.text, problem.reference)
        told = {"status": answer.status, "answer": answer.text, "correct": correct, "reason": answer.reason}
        self.trace.emit("problem_end", _place(problem), parent=None, cost=answer.cost, **told)
        return Solved(problem=problem, answer=answer, correct=correct, seconds=seconds)


def _problem(problem: str | Problem) -> Problem:
    return problem if isinstance(problem, Problem) else Problem(text=problem)


def _place(problem: Problem) -> str:
    """Where a problem stands in a run: by its id, or by what it asks, never by when it came."""
    return problem.id.replace("/", "%2F") or "q" + hashlib.blake2b(problem.text.encode(), digest_size=4).hexdigest()


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
