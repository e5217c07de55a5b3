"""Engines that the runs of a bench share: each model is opened once, and what a run left in its cache is forgotten.

A run that found another's questions in the cache would seem cheaper than it is, by no merit of its recipe.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...backends import registry as backends
from ...backends.base import Backend, Caching, Completion, Context, Likelihood, NextToken, OnToken, Piece, Sampling
from ...backends.errors import BackendError
from ...backends.registry import ModelSpec
from ..recipe import Recipe, check_capabilities, graph


class Engines:
    """The engines that are open, by model."""

    def __init__(self) -> None:
        self._open: dict[ModelSpec, Backend] = {}

    def lend(self, recipe: Recipe) -> Mapping[str, Backend]:
        """A recipe's engines by the names of its models; each is opened when it is first asked for, and not closed."""
        return _Loan(self, recipe)

    def engine(self, recipe: Recipe, name: str) -> Backend:
        """The engine of a recipe's model. Raises: RecipeError when it cannot be opened."""
        key = _key(recipe.models[name])
        if key not in self._open:
            try:
                self._open[key] = backends.open_backend(recipe.models[name])
            except BackendError as error:
                raise recipe.source.error(("models", name), str(error)) from error
        return self._open[key]

    def check(self, recipe: Recipe) -> None:
        """Whether a recipe's models, as far as they are open, can do what it asks. Raises: RecipeError."""
        if all(_key(spec) in self._open for spec in recipe.models.values()):
            check_capabilities(graph(recipe), self.lend(recipe))

    async def forget(self) -> None:
        """Empty the caches of those that can."""
        for engine in self._open.values():
            if isinstance(engine, Caching):
                await engine.forget()

    async def keep(self, recipes: Collection[Recipe]) -> None:
        """Close what none of these recipes uses."""
        wanted = {_key(spec) for recipe in recipes for spec in recipe.models.values()}
        for key in [key for key in self._open if key not in wanted]:
            await self._open.pop(key).close()

    async def close(self) -> None:
        """Close all."""
        await self.keep(())


class _Loan(Mapping[str, Backend]):
    """A recipe's engines, opened as they are asked for."""

    def __init__(self, engines: Engines, recipe: Recipe) -> None:
        self._engines, self._recipe = engines, recipe

    def __getitem__(self, name: str) -> Backend:
        if name not in self._recipe.models:
            raise KeyError(name)
        return Lent(self._engines.engine(self._recipe, name))

    def __contains__(self, name: object) -> bool:
        return name in self._recipe.models

    def __iter__(self) -> Iterator[str]:
        return iter(self._recipe.models)

    def __len__(self) -> int:
        return len(self._recipe.models)


class Lent:
    """An engine that whoever borrows it cannot close."""

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        self.capabilities = engine.capabilities

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def count(self, context: Context) -> int:
        return self._engine.count(context)

    async def generate(
        self, context: Context, sampling: Sampling, n: int = 1, on_token: OnToken | None = None
    ) -> list[Completion]:
        return await self._engine.generate(context, sampling, n, on_token)

    async def peek(self, context: Context, texts: Sequence[str] = ()) -> NextToken:
        return await self._engine.peek(context, texts)

    async def score(self, context: Context, continuation: Piece) -> Likelihood:
        return await self._engine.score(context, continuation)

    def judge(self, context: Context) -> Context:
        return self._engine.judge(context)

    def same(self, left: str, right: str) -> Context:
        return self._engine.same(left, right)

    async def close(self) -> None:
        """Nothing: its owner closes it."""


def _key(spec: ModelSpec) -> ModelSpec:
    return replace(spec, price=None)
