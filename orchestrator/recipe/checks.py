"""What a recipe can have wrong beyond its form: names of backends, roles, nodes and tools, prices, and the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from ...backends import registry as backends
from ...backends.registry import ModelSpec
from ...budget.cost import Limits
from ...budget.errors import meant
from ...strategies import registry as strategies
from ...strategies.base import Strategy
from ..errors import GraphError
from ..graph import Graph
from .language import NodeForm
from .source import Source, dotted
from .wording import complaint
from .yaml_reader import KeyPath

if TYPE_CHECKING:
    from .recipe import Recipe

_OPTIONS: Final = ("base_url", "key_env", "dtype", "dialect", "engine")


def check_backends(recipe: Recipe) -> None:
    """Every model's backend exists and takes the options given. Raises: RecipeError."""
    for name, spec in recipe.models.items():
        if spec.backend not in backends.names():
            what, hint = f"there is no backend `{spec.backend}`", meant(spec.backend, backends.names())
            raise recipe.source.error(("models", name, "backend"), what, hint=hint)
        for option in _OPTIONS:
            if getattr(spec, option) and option not in backends.options(spec.backend):
                allowed = ("backend", "model", "price", *backends.options(spec.backend))
                what, hint = f"`{spec.backend}` takes no `{option}`", f"it takes {', '.join(allowed)}"
                raise recipe.source.error(("models", name, option), what, hint=hint, key=True)
        if spec.engine and (form := backends.settings(spec.backend)):
            try:
                form.model_validate(spec.engine)
            except ValidationError as error:
                raise complaint(error, recipe.source, ("models", name, "engine"), f"`{spec.backend}`") from None


def roles(
    source: Source, path: KeyPath, form: NodeForm, strategy: Strategy, models: Mapping[str, ModelSpec]
) -> dict[str, str]:
    """Who plays each role of a node's strategy: who it says, else the model of that name, else the only one.

    Raises: RecipeError for a role that nobody plays or that the strategy does not have.
    """
    wanted = strategies.needs(strategy)
    for role, model in form.roles.items():
        if role not in wanted:
            hint = meant(role, wanted, "its roles are")
            raise source.error((*path, "roles", role), f"`{form.use}` has no role `{role}`", hint=hint, key=True)
        if model not in models:
            raise source.error((*path, "roles", role), f"there is no model `{model}`", hint=meant(model, models))
    only = next(iter(models)) if len(models) == 1 else ""
    cast = {role: form.roles.get(role) or (role if role in models else only) for role in wanted}
    if missing := next((role for role, model in cast.items() if not model), None):
        hint = f"write `roles: {{{missing}: ...}}` with one of {', '.join(models)}, or name a model `{missing}`"
        raise source.error((*path, "use"), f"no model plays `{missing}` for `{form.use}`", hint=hint)
    return cast


def check_names(recipe: Recipe) -> None:
    """Needs, conditions and outputs name nodes. Raises: RecipeError at the name."""
    for path, name in _named(recipe):
        if name not in recipe.nodes:
            hint = meant(name, recipe.nodes)
            what = f"`{dotted(path[:-1])}` names `{name}`, which is no node"
            raise recipe.source.error(path, what, hint=hint, key=path[-1] == name)


def check_tools(recipe: Recipe) -> None:
    """Every tool is installed. Raises: RecipeError."""
    known = tool_names()
    for index, tool in enumerate(recipe.tools):
        if tool not in known:
            hint = meant(tool, known) if known else "no tools are installed yet; leave `tools` out"
            raise recipe.source.error(("tools", index), f"there is no tool `{tool}`", hint=hint)


def check_prices(recipe: Recipe) -> None:
    """Every model has a price where dollars are limited, or may go without. Raises: RecipeError."""
    path = next((path for path, limits in _limits(recipe) if limits.dollars is not None), None)
    if path is None or recipe.budget.on_unpriced == "allow":
        return
    if free := next((name for name, spec in recipe.models.items() if spec.cost is None), None):
        what = f"`{free}` has no price, which `{dotted(path)}.dollars` needs"
        price = f"`{free}: {{..., price: {{input: 0.5, output: 2}}}}`, in dollars per million tokens"
        hint = f"write {price}, or `budget: {{on_unpriced: allow}}`, and its calls count no dollars"
        raise recipe.source.error(("models", free), what, hint=hint)


def graph(recipe: Recipe) -> Graph:
    """The recipe's nodes as a graph that can be run. Raises: RecipeError."""
    try:
        return Graph(recipe.nodes.values(), recipe.output)
    except GraphError as error:
        path = _blamed(recipe, error)
        raise recipe.source.error(path, error.what, hint=error.hint, key=len(path) == 2) from None


def tool_names() -> tuple[str, ...]:
    """The tools there are: files of `backends/tools/`."""
    folder = files(backends.__package__ or "").joinpath("tools")
    stems = (entry.name for entry in folder.iterdir()) if folder.is_dir() else iter(())
    return tuple(sorted(name.removesuffix(".py") for name in stems if name.endswith(".py") and name[0] != "_"))


# -- reading a recipe's parts ---------------------------------------------------------------------------------


def _blamed(recipe: Recipe, error: GraphError) -> KeyPath:
    """The key to look at: of the node that the error names, the one that its words are about."""
    if error.node is None:
        return ("output",)
    about = {"circle": ("map", "needs"), "is no list": ("map",), "quotes": ("question",), "join": ("join",)}
    keys = next((keys for word, keys in about.items() if word in error.what), ())
    written = [key for key in keys if recipe.source.has(("nodes", error.node, key))]
    return ("nodes", error.node, *written[-1:])


def _named(recipe: Recipe) -> Iterable[tuple[KeyPath, str]]:
    for name, node in recipe.nodes.items():
        yield from ((("nodes", name, "needs", index), need) for index, need in enumerate(node.needs))
        yield from ((("nodes", name, "when", need), need) for need in node.when)
        if node.map:
            yield ("nodes", name, "map", "over"), node.map.node
    yield from ((("output", index), name) for index, name in enumerate(recipe.output))


def _limits(recipe: Recipe) -> Iterable[tuple[KeyPath, Limits]]:
    yield ("budget", "each"), recipe.budget.each
    yield ("budget", "total"), recipe.budget.total
    yield from ((("nodes", n.name, "budget"), n.limits) for n in recipe.nodes.values() if n.limits)
