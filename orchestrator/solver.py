"""Solves problems in this process: a recipe's models, loaded, and a scope of the ledger for each problem.

An agent has one of its own, or workers that have one each.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from ..backends.base import Backend
from ..backends.model import Model
from ..budget.errors import HeadgateError
from ..budget.events import Trace
from ..budget.ledger import Ledger
from ..budget.prices import Price
from ..budget.slots import Slots
from ..strategies.base import Answer, Kept, Run, billed, digest
from ..verifiers.base import Problem
from . import recipe as recipes
from .graph import Graph
from .recipe import Recipe
from .scheduler import run_graph


class Solving(Protocol):
    """Who solves an agent's problems: this process, or workers."""

    async def open(self) -> None:
        """Load the models. Raises: RecipeError, BackendError."""
        ...

    async def answer(self, problem: Problem, *, run: str, kept: Kept, survive: bool) -> Answer:
        """Answer a problem of a run. survive: whatever goes wrong becomes a failed answer with its cost."""
        ...

    async def close(self) -> None:
        """Free the models."""
        ...


class Solver:
    """A recipe's models in this process. given: engines of one's own for some of them, by name."""

    def __init__(
        self,
        recipe: Recipe,
        graph: Graph,
        *,
        ledger: Ledger,
        trace: Trace,
        seed: int,
        prices: Mapping[str, Price | None],
        given: Mapping[str, Backend] | None = None,
    ) -> None:
        self._recipe, self._graph, self._given = recipe, graph, given or {}
        self._ledger, self._trace, self._seed, self._prices = ledger, trace, seed, prices
        self._models: dict[str, Model] = {}
        self._slots = Slots()  # of nodes at work, over all problems together

    async def open(self) -> None:
        """Load the models and check that they can do what the recipe asks. Raises: RecipeError, BackendError."""
        backends = await asyncio.to_thread(recipes.open_backends, self._recipe, self._given)
        recipes.check_capabilities(self._graph, backends)
        self._models = {name: self._model(name, backend) for name, backend in backends.items()}

    async def answer(self, problem: Problem, *, run: str, kept: Kept, survive: bool = False) -> Answer:
        """Answer a problem in a scope of its own. Raises: RecipeError for one that cannot be asked."""
        budget = self._recipe.budget
        ledger = self._ledger.scope(place(problem), budget.each, answer_reserve=budget.answer_reserve)
        try:
            return await self._answer(problem, ledger, run, kept)
        except Exception as error:
            if not survive:
                raise
            return failed(error, ledger)

    async def close(self) -> None:
        """Free the models; calls in flight are cancelled."""
        models, self._models = self._models, {}
        for model in models.values():
            await model.backend.close()

    async def _answer(self, problem: Problem, ledger: Ledger, run: str, kept: Kept) -> Answer:
        backends = {name: model.backend for name, model in self._models.items()}
        recipes.check_question(self._recipe, self._graph, problem, backends)
        hands = Run(
            models=self._models,
            ledger=ledger,
            trace=self._trace,
            path=place(problem),
            seed=self._seed,
            id=run,
            kept=kept,
        )
        hands.tell("problem_start", question=problem.text, id=problem.id)
        return await run_graph(self._graph, problem, hands, slots=self._slots)

    def _model(self, name: str, backend: Backend) -> Model:
        price = self._prices[name]
        return Model(name=name, backend=backend, ledger=self._ledger, price=price, trace=self._trace, seed=self._seed)


def place(problem: Problem) -> str:
    """Where a problem stands in a run: by its id, or by what it asks, never by when it came."""
    named = problem.id.replace("/", "%2F") or f"q{digest(problem.text)[:8]}"
    return named if named != "run" else "%72un"  # `run` is the path of the whole


def failed(error: Exception, scope: Ledger) -> Answer:
    """What went wrong as an answer, with all that was spent in its scope."""
    reason = str(error) if isinstance(error, HeadgateError) else f"{type(error).__name__}: {error}"
    return billed(Answer(text="", status="failed", reason=reason), scope)
