"""What `headgate run` does once its options are read: one question to standard output, or a batch into a folder."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console as Terminal

from ...budget.events import Sink
from ...verifiers.base import Problem
from ..agent import Agent, Solved
from ..console.console import Console
from ..console.summary import summary
from ..recipe import Recipe, dump_limits, dump_model, load, price
from ..recipe.knobs import knobs_of
from .folder import Folder, exit_code
from .records import EventLog, line, whole

_WIDTH = 120  # of tables that go into a pipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to run: `compare` names a model that solves everything again, alone."""

    seed: int = 0
    json: bool = False
    quiet: bool = False
    parallel: int = 16
    events: Path | None = None
    compare: str = ""


def one(recipe: Recipe, question: str, settings: Settings) -> int:
    """Answer one question: the answer on standard output, how it came about on standard error."""
    solved = asyncio.run(_one(recipe, Problem(text=question), settings))
    print(line(whole(solved.answer)) if settings.json else solved.answer.text, flush=True)  # noqa: T201
    if not settings.quiet:
        _sum_up(recipe, [solved], settings, _terminal(stderr=True))
    return exit_code([solved.answer.status])


def batch(
    recipe: Recipe, problems: Sequence[Problem], folder: Folder, settings: Settings, *, bad_lines: int = 0
) -> int:
    """Solve problems into a folder, each kept as it ends; the summary goes to standard output, or `json` does."""
    solved: list[Solved] = []
    try:
        asyncio.run(_batch(recipe, problems, folder, settings, solved.append))
    finally:
        folder.close()
    if not settings.quiet:
        _sum_up(recipe, solved, settings, _terminal(stderr=settings.json))
    return exit_code(folder.statuses, bad_lines)


async def _one(recipe: Recipe, problem: Problem, settings: Settings) -> Solved:
    console = Console(quiet=settings.quiet, limits=recipe.budget.each)
    log = EventLog(settings.events) if settings.events else None
    async with AsyncExitStack() as stack:
        agent = await _open(stack, recipe, settings, console, log)
        began = time.perf_counter()
        answer = await agent.asolve(problem)
        return Solved(problem=problem, answer=answer, correct=None, seconds=time.perf_counter() - began)


async def _batch(
    recipe: Recipe, problems: Sequence[Problem], folder: Folder, settings: Settings, told: Callable[[Solved], None]
) -> None:
    console = Console(quiet=settings.quiet, total=len(problems), limits=recipe.budget.total)
    logs = [EventLog(folder.events), *([EventLog(settings.events)] if settings.events else [])]
    async with AsyncExitStack() as stack:
        agent = await _open(stack, recipe, settings, console, *logs)
        folder.start()
        ending = agent.solve_all(problems, parallel=settings.parallel)
        async with aclosing(ending):
            async for solved in ending:
                written = folder.add(solved)
                told(solved)
                if settings.json:
                    print(written, flush=True)  # noqa: T201


async def _open(
    stack: AsyncExitStack, recipe: Recipe, settings: Settings, console: Console, *logs: EventLog | None
) -> Agent:
    """An agent with its models loaded, and everything closed in the end, however it ends."""
    kept: list[EventLog] = [log for log in logs if log]
    for log in kept:
        stack.callback(log.close)
    stack.enter_context(console)
    sinks: list[Sink] = [console, *kept]
    return await stack.enter_async_context(Agent(recipe, seed=settings.seed, sinks=sinks))


def _sum_up(recipe: Recipe, solved: Sequence[Solved], settings: Settings, terminal: Terminal) -> None:
    again: list[Solved] = []
    if settings.compare and solved:
        again = asyncio.run(_alone(recipe, [one.problem for one in solved], settings))
    prices = {name: price(recipe, name) for name in recipe.models}
    target = settings.compare or "target"
    terminal.print(summary(solved, prices=prices, target=target, compare=again, answers=False))


async def _alone(recipe: Recipe, problems: Sequence[Problem], settings: Settings) -> list[Solved]:
    """The same problems by one model that thinks and answers alone, at the recipe's pace."""
    async with Agent(alone(recipe, settings.compare), seed=settings.seed) as agent:
        return [solved async for solved in agent.solve_all(problems, parallel=settings.parallel)]


def alone(recipe: Recipe, model: str) -> Recipe:
    """A recipe of one model alone, with the knobs and limits of the recipe's first node that has such."""
    wanted = ("temperature", "top_p", "step_tokens", "think_tokens", "answer_tokens")
    knobs = next(
        (k for node in recipe.nodes.values() if "think_tokens" in (k := knobs_of(node.strategy))), dict[str, object]()
    )
    pace = {name: knobs[name] for name in wanted if name in knobs}
    nodes = {"alone": {"use": "direct", "roles": {"model": model}, "with": pace}}
    budget = {"each": dump_limits(recipe.budget.each), "total": dump_limits(recipe.budget.total)}
    models = {model: dump_model(recipe.models[model])}
    return load({"version": 1, "models": models, "budget": budget, "nodes": nodes})


def _terminal(*, stderr: bool) -> Terminal:
    file = sys.stderr if stderr else sys.stdout
    return Terminal(file=file, width=None if file.isatty() else _WIDTH)
