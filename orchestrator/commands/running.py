"""What `headgate run` does once its options are read: one question to standard output, or a batch into a folder."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...budget.events import Sink
from ...verifiers.base import Problem
from ..agent import Agent, Solved
from ..console.console import Console
from ..console.summary import summary
from ..errors import RecipeError
from ..journal import Level
from ..recipe import Recipe, dump_limits, dump_model, load, price
from ..recipe.knobs import knobs_of
from ..run_folder import RunFolder
from . import tracing
from .answers import Answers, exit_code
from .records import EventLog, line, whole
from .terminal import terminal
from .watching import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to run: `compare` names a model that solves everything again, alone.

    redact: no text of prompts and answers in `events`; a folder that leaves it out decides for itself.
    workers, executor: who solves; None as the recipe says. otel: the collector that gets each span as it ends.
    watch: the viewer has the terminal while the run is at work.
    """

    seed: int = 0
    json: bool = False
    quiet: bool = False
    parallel: int = 16
    events: Path | None = None
    redact: bool = False
    compare: str = ""
    workers: int | None = None
    executor: Literal["local", "ray"] | None = None
    otel: str = ""
    watch: bool = False


def one(recipe: Recipe, problem: Problem, settings: Settings, folder: RunFolder | None = None) -> int:
    """Answer one question: the answer on standard output, how it came about on standard error."""
    solved = asyncio.run(_one(recipe, problem, settings, folder))
    print(line(whole(solved.answer)) if settings.json else solved.answer.text, flush=True)  # noqa: T201
    if not settings.quiet:
        _sum_up(recipe, [solved], settings, stderr=True)
    return exit_code([solved.answer.status])


def batch(
    recipe: Recipe, problems: Sequence[Problem], folder: RunFolder, settings: Settings, *, bad_lines: int = 0
) -> int:
    """Solve problems into a folder, each kept as it ends; the summary goes to standard output, or `json` does."""
    solved: list[Solved] = []
    answers = Answers(folder.answers_file, folder.ended)
    asyncio.run(_batch(recipe, problems, folder, answers, settings, solved.append))
    if not settings.quiet:
        _sum_up(recipe, solved, settings, stderr=settings.json)
    return exit_code(answers.statuses, bad_lines)


def resumed(path: Path, *, again: Collection[str] = (), durability: Level = "group") -> RunFolder:
    """A run to go on with; `again` are statuses whose problems are solved again. Raises: RecipeError, JournalError."""
    folder = RunFolder.resumed(path, durability=durability)
    assert folder.past is not None
    ended = {one.id: one.answer.status for one in folder.past.ended.values()}
    answers = Answers(folder.answers_file, folder.ended)
    # a redacted journal holds no answers: those that are not in the file are lost with the process
    lost = {name for name in ended if folder.redact and not answers.has(name)}
    folder.solve_again(lost | {name for name, status in ended.items() if status in again})
    return folder


def asked_before(folder: RunFolder) -> list[Problem]:
    """The problems of a run. Raises: RecipeError when they are a program's."""
    problems = folder.load_problems()
    if not problems:
        hint = "start it again: `Agent(recipe, folder=...)` goes on with what is there"
        raise RecipeError("was asked by a program", file=folder.path, hint=hint)
    return problems


def finished(folder: RunFolder, problems: Sequence[Problem]) -> bool:
    """Whether every problem ended, and its line stands."""
    answers = Answers(folder.answers_file, folder.ended)
    return not folder.left(problems) and all(answers.has(problem.id) for problem in problems)


def ended(folder: RunFolder) -> int:
    """The exit code of a run that has nothing left to do."""
    return exit_code(one.answer.status for one in folder.past.ended.values()) if folder.past else 0


async def _one(recipe: Recipe, problem: Problem, settings: Settings, folder: RunFolder | None) -> Solved:
    console = Console(quiet=settings.quiet or settings.watch, limits=recipe.budget.each)
    async with AsyncExitStack() as stack:
        agent = await _open(stack, recipe, settings, console, folder)
        solved = await agent.solved(problem)
        if folder:
            with Answers(folder.answers_file, folder.ended) as answers:
                answers.add(solved)
        return solved


async def _batch(
    recipe: Recipe,
    problems: Sequence[Problem],
    folder: RunFolder,
    answers: Answers,
    settings: Settings,
    told: Callable[[Solved], None],
) -> None:
    console = Console(quiet=settings.quiet or settings.watch, total=len(problems), limits=recipe.budget.total)
    async with AsyncExitStack() as stack:
        agent = await _open(stack, recipe, settings, console, folder)
        stack.enter_context(answers)
        ending = agent.solve_all(problems, parallel=settings.parallel)
        async with aclosing(ending):
            async for solved in ending:
                written = answers.add(solved)
                told(solved)
                if settings.json:
                    print(written, flush=True)  # noqa: T201


async def _open(
    stack: AsyncExitStack, recipe: Recipe, settings: Settings, console: Console, folder: RunFolder | None
) -> Agent:
    """An agent with its models loaded, and everything closed in the end, however it ends."""
    secret = settings.redact or bool(folder and folder.redact)
    log = [EventLog(settings.events, redact=secret)] if settings.events else []
    for kept in log:
        stack.callback(kept.close)
    stack.enter_context(console)
    if settings.watch and folder:
        stack.enter_context(Watch(folder))
    for event in folder.before() if folder and not settings.quiet else ():
        console.write(event)
    sinks: list[Sink] = [console, *log]
    if settings.otel:
        sinks.append(spans := tracing.live(settings.otel, folder))
        stack.callback(spans.close)
    agent = Agent(
        recipe,
        seed=settings.seed,
        sinks=sinks,
        folder=folder,
        workers=settings.workers,
        executor=settings.executor,
    )
    return await stack.enter_async_context(agent)


def _sum_up(recipe: Recipe, solved: Sequence[Solved], settings: Settings, *, stderr: bool) -> None:
    again: list[Solved] = []
    if settings.compare and solved:
        again = asyncio.run(_alone(recipe, [one.problem for one in solved], settings))
    prices = {name: price(recipe, name) for name in recipe.models}
    target = settings.compare or "target"
    terminal(stderr=stderr).print(summary(solved, prices=prices, target=target, compare=again, answers=False))


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
