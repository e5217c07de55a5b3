"""One recipe with one seed over all problems: an ordinary run in a folder of its own, as far as a bench wants it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ...budget.cost import Cost, Limits
from ...verifiers.base import Problem
from .. import recipe as recipes
from ..agent import Agent, Solved
from ..commands.answers import Answers
from ..errors import RecipeError
from ..journal import Level, past
from ..recipe import Recipe
from ..run_folder import RECIPE, RunFolder
from ..solver import place
from .allowance import allowance, refused
from .engines import Engines
from .lost import Lost
from .prefix import Prefix
from .records import Record, record

Take = Callable[[Solved], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How runs are run; none of it changes what they give. workers, executor: None as each recipe says."""

    workers: int | None = None
    executor: Literal["local", "ray"] | None = None
    durability: Level = "group"


@dataclass(slots=True, kw_only=True)
class Cell:
    """One run of a bench. spent, seconds: of all its processes, what is beyond the table included."""

    name: str
    recipe: Recipe
    seed: int
    path: Path
    problems: Sequence[Problem]
    until_width: float | None = None
    parallel: int = 16
    spent: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    running: bool = False
    ended: bool = False  # whether its journal says that every problem ended
    fresh: int = 0  # problems that this process solved
    prefix: Prefix = field(init=False)

    def __post_init__(self) -> None:
        self.prefix = Prefix([problem.id for problem in self.problems], self.until_width)

    def look(self) -> None:
        """What earlier processes spent here; for a run whose turn has not come. Raises: JournalError."""
        folder = RunFolder(self.path)
        if folder.began:
            before = past(folder.journal_file)
            whole = before.history.at("")
            self.spent, self.seconds = sum(whole.bill.values(), Cost()) if whole else Cost(), before.t
            self.ended = len(before.ended) >= len(self.problems)

    async def run(
        self, engines: Engines, how: How, total: Limits, others: tuple[Cost, float], told: Callable[[Record], None]
    ) -> None:
        """Go on until it is done or the bench's budget is spent.

        total: limits of the bench; others: what its other runs spent, and for how long. Raises: RecipeError,
        JournalError, BackendError.
        """
        own = self.recipe.budget.total
        allowed = allowance(own, total, *others)
        recipe = replace(self.recipe, budget=replace(self.recipe.budget, total=allowed))
        folder = self._folder(recipe, how)
        lost, began, before = Lost(), time.monotonic(), folder.past.t if folder.past else 0.0
        for event in folder.before():
            lost.write(event)
        given = engines.lend(recipe) if self.in_process(how) else None
        agent = Agent(
            recipe,
            seed=self.seed,
            sinks=[lost],
            folder=folder,
            backends=given,
            workers=how.workers,
            executor=how.executor,
        )

        async def take(solved: Solved) -> None:
            late = agent.ledger.seconds_left() <= 0
            cut = refused(solved.answer, own, allowed, late=late)
            kept = None if cut else await self._record(solved, lost)
            self.prefix.add(solved.problem.id, kept)
            if kept:
                told(kept)

        self.running = True
        try:
            await self._work(agent, folder, take)
        finally:
            self.running = False
            await agent.aclose()
            self.spent, self.seconds = agent.ledger.spent, before + time.monotonic() - began

    async def _work(self, agent: Agent, folder: RunFolder, take: Take) -> None:
        """First what earlier processes ended, which needs no model, then the rest, as far as it is wanted."""
        ended = [await agent.solved(problem) for problem in self.problems if problem.id in folder.ended]
        for solved in ended:
            await take(solved)
        if self.prefix.done:
            return
        await agent.open()
        left = [problem for problem in self.problems if problem.id not in folder.ended]
        with Answers(folder.answers_file, folder.ended) as answers:
            for solved in ended:
                answers.add(solved)
            async with aclosing(agent.solve_all(left, parallel=self.parallel)) as ending:
                async for solved in ending:
                    self.fresh += 1
                    answers.add(solved)
                    await take(solved)
                    if self.prefix.done or self.prefix.refused:
                        return

    async def _record(self, solved: Solved, lost: Lost) -> Record:
        priced = {name: recipes.price(self.recipe, name) is not None for name in self.recipe.models}
        cost = lost.at(place(solved.problem))
        return await record(solved, recipe=self.name, seed=self.seed, priced=priced, lost=cost)

    def _folder(self, recipe: Recipe, how: How) -> RunFolder:
        """The run's folder, locked where it is there already. Raises: RecipeError where another recipe ran there."""
        if not RunFolder(self.path).began:
            return RunFolder.new(self.path, problems=self.problems, durability=how.durability)
        folder = RunFolder.resumed(self.path, durability=how.durability)
        folder.problems = self.problems
        before = recipes.loads(folder.past.recipe) if folder.past and folder.past.recipe else recipe
        total = recipe.budget.total  # follows from the bench's, and may have been raised
        if recipes.dump(replace(before, budget=replace(before.budget, total=total))) != recipes.dump(recipe):
            folder.close()
            hint = "put it back, or begin another bench"
            raise RecipeError("is not the recipe that this run began with", file=self.path / RECIPE, hint=hint)
        folder.accept_changed_recipe = True
        self._forget_refused(folder, before.budget.total)
        return folder

    def _forget_refused(self, folder: RunFolder, allowed: Limits) -> None:
        """Problems that the bench's budget kept from their end are solved again: it may have been raised."""
        if folder.past:
            late = allowed.seconds is not None and folder.past.t >= allowed.seconds
            own = self.recipe.budget.total
            ended = folder.past.ended.values()
            folder.solve_again([one.id for one in ended if refused(one.answer, own, allowed, late=late)])

    def in_process(self, how: How) -> bool:
        """Whether this process opens the models."""
        said = self.recipe.executor
        use = how.executor or said.use
        workers = said.workers if how.workers is None else how.workers
        return not workers and use == "local"
