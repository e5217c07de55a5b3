"""What is checked once models are loaded, and once a question is asked, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ...backends import registry as backends
from ...backends.base import Backend, Context
from ...backends.errors import BackendError, ContextTooLong
from ...backends.registry import ModelSpec
from ...budget.cost import Cost, Limits
from ...budget.prices import Price
from ...strategies import registry as strategies
from ...verifiers.base import Problem
from ..errors import RecipeError
from ..graph import Graph, Node

if TYPE_CHECKING:
    from .recipe import Recipe


def open_backends(recipe: Recipe, given: Mapping[str, Backend] | None = None) -> dict[str, Backend]:
    """Load every model that is not given; two names for one model share it. Raises: RecipeError."""
    opened: dict[ModelSpec, Backend] = {}
    given = given or {}
    for name, spec in recipe.models.items():
        if name in given:
            continue
        key = replace(spec, price=None)
        try:
            opened[key] = opened.get(key) or backends.open_backend(spec)
        except BackendError as error:
            raise recipe.source.error(("models", name), str(error)) from error
    return {name: given.get(name) or opened[replace(spec, price=None)] for name, spec in recipe.models.items()}


def price(recipe: Recipe, model: str) -> Price | None:
    """What a model costs: the recipe's price, else the price table's."""
    return recipe.models[model].cost


def check_capabilities(graph: Graph, opened: Mapping[str, Backend]) -> None:
    """Every model can do what the strategies ask of its roles. Raises: RecipeError."""
    for node in graph.nodes.values():
        for role, operations in strategies.needs(node.strategy).items():
            model = node.roles[role]
            can = opened[model].capabilities.operations
            if missing := sorted(operations - can):
                what = f"`nodes.{node.name}`: `{node.strategy_name}` needs a {role} that can {', '.join(missing)}"
                raise RecipeError(f"{what}; `{model}` can {', '.join(sorted(can))}", hint="give the role another model")


def check_question(recipe: Recipe, graph: Graph, problem: Problem, opened: Mapping[str, Backend]) -> None:
    """The question can be asked of these models within this budget. Raises: RecipeError, ContextTooLong."""
    if not problem.text.strip():
        raise RecipeError("the question is empty", hint="write what is to be solved")
    context = Context.ask(problem.text)
    first = [node for node in graph.nodes.values() if not node.waits_for and not node.question]
    for node in first:
        _check_context(node, context, opened)
        limits = [("budget.each", recipe.budget.each), ("budget.total", recipe.budget.total)]
        if node.limits:
            limits.append((f"nodes.{node.name}.budget", node.limits))
        _check_budget(recipe, node, context, opened, limits)


def _check_context(node: Node, context: Context, opened: Mapping[str, Backend]) -> None:
    for model in node.roles.values():
        size, most = opened[model].count(context), opened[model].capabilities.max_context
        if size >= most:
            what = f"the question has {size} tokens for `{model}`, which reads fewer than {most}"
            raise ContextTooLong(what, hint="shorten it, or use a model with a longer context")


def _check_budget(
    recipe: Recipe, node: Node, context: Context, opened: Mapping[str, Backend], limits: Iterable[tuple[str, Limits]]
) -> None:
    """The cheapest of the node's models can read the question and write one token."""
    calls = [_smallest(recipe, model, opened[model].count(context)).units() for model in set(node.roles.values())]
    for where, limit in limits:
        for unit, cap in limit.caps().items():
            least = min((call.get(unit, 0) for call in calls), default=0)
            if least > cap:
                name, scale = ("dollars", 1e9) if unit == "nanodollars" else (unit, 1)
                what = f"`{where}` allows {cap / scale:.9g} {name}, one answer takes at least {least / scale:.9g}"
                raise RecipeError(what, hint=f"raise `{where}.{name}`")


def _smallest(recipe: Recipe, model: str, prompt: int) -> Cost:
    cost, rates = Cost(input=prompt, output=1, calls=1), price(recipe, model)
    return rates.priced(cost) if rates else cost
