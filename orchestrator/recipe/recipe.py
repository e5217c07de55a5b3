"""A recipe: models, limits and a graph of strategies, read from YAML and checked before anything is spent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ...backends.registry import ModelSpec
from ...budget.cost import Limits
from ...budget.errors import meant
from ...strategies.attempts import Retry
from ..errors import RecipeError
from ..graph import Map, Node
from .checks import check_backends, check_names, check_prices, check_tools, graph, roles
from .knobs import bind
from .language import NodeForm, RecipeForm
from .source import Source
from .wording import complaint
from .yaml_reader import KeyPath, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits for each problem and for all together; `answer_reserve` is the share of each kept for its answer.

    on_unpriced: whether models without a price are refused where dollars are limited, or count no dollars.
    """

    each: Limits = field(default_factory=Limits)
    total: Limits = field(default_factory=Limits)
    answer_reserve: float = 0.05
    on_unpriced: Literal["refuse", "allow"] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Where problems are solved: in this process, by `workers` processes of this machine, or by as many actors of Ray.

    workers: None for none here, and one of Ray. cpus, gpus: what Ray sets aside for each worker.
    """

    use: Literal["local", "ray"] = "local"
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe that has been checked; `source` is how it was written, for errors that come later."""

    name: str
    models: Mapping[str, ModelSpec]
    budget: Budget
    nodes: Mapping[str, Node]
    output: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    executor: Executor = field(default_factory=Executor)
    source: Source = field(repr=False)


def load(recipe: str | Path | Mapping[str, object]) -> Recipe:
    """Read a recipe file, a shipped recipe by its name, or a mapping of the same form. Raises: RecipeError."""
    if isinstance(recipe, Mapping):
        return of(Source(values=dict(recipe)))
    path = Path(recipe)
    if not path.exists():
        path = _shipped_path(path)
    return of(Source.of_file(path))


def loads(text: str, file: str = "recipe") -> Recipe:
    """Read a recipe's YAML; `file` is what errors call it. Raises: RecipeError."""
    return of(Source.of_text(text, file))


def of(source: Source) -> Recipe:
    """Check what was written, strategies and knobs included, and make it a recipe. Raises: RecipeError."""
    try:
        form = RecipeForm.model_validate(source.values)
    except ValidationError as error:
        raise complaint(error, source) from None
    budget = Budget(
        each=form.budget.each.limits,
        total=form.budget.total.limits,
        answer_reserve=form.budget.answer_reserve,
        on_unpriced=form.budget.on_unpriced,
    )
    models = {name: model.spec for name, model in form.models.items()}
    recipe = Recipe(
        name=Path(source.file).stem or "recipe",
        models=models,
        budget=budget,
        nodes={name: _node(source, name, node, models) for name, node in form.nodes.items()},
        output=tuple(form.output),
        tools=tuple(form.tools),
        executor=Executor(**form.executor.model_dump()),
        source=source,
    )
    return _checked(recipe)


def override(
    recipe: Recipe,
    *,
    models: Sequence[str] = (),
    budget: str = "",
    total: str = "",
    settings: Sequence[str] = (),
) -> Recipe:
    """The recipe with what the command line says: `target=local:x`, `tokens=20k,seconds=60`, `nodes.solve.with.n=5`.

    Raises: RecipeError naming the option.
    """
    source = recipe.source
    for written in models:
        if (name := written.partition("=")[0]) not in recipe.models:
            hint = meant(name, recipe.models)
            raise RecipeError(f"there is no model `{name}`", file=f"--model {written}", hint=hint)
        source = _set(source, ("models",), written, f"--model {written}")
    for option, scope, amounts in (("--budget", "each", budget), ("--budget-total", "total", total)):
        for written in filter(None, amounts.split(",")):
            source = _set(source, ("budget", scope), written.strip(), f"{option} {amounts}")
    for written in settings:
        source = _set(source, (), written, f"--set {written}")
    return of(source)


def shipped() -> dict[str, Path]:
    """The recipes that come with headgate, by name."""
    folder = Path(str(files(f"{__name__.split('.')[0]}.recipes")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _shipped_path(path: Path) -> Path:
    known = shipped()
    if path.suffix in ("", ".yaml") and path.stem in known and path.parent.name in ("", "recipes"):
        return known[path.stem]
    hint = f"shipped recipes: {meant(path.stem, known)}" if path.suffix in ("", ".yaml") else ""
    raise RecipeError("there is no such file", file=path, hint=hint)


def _node(source: Source, name: str, form: NodeForm, models: Mapping[str, ModelSpec]) -> Node:
    path: KeyPath = ("nodes", name)
    strategy = bind(source, path, form.use, form.knobs)
    return Node(
        name=name,
        strategy=strategy,
        strategy_name=form.use,
        needs=tuple(form.needs),
        when={need: frozenset(outcomes) for need, outcomes in form.when.items()},
        map=Map(over=form.map.over, item=form.map.item) if form.map else None,
        roles=roles(source, path, form, strategy, models),
        limits=form.budget.limits if form.budget else None,
        question=form.question,
        join=form.join,
        retry=Retry(attempts=form.retry.attempts, wait_s=form.retry.wait_s) if form.retry else None,
        timeout_s=form.timeout_s,
        on_unknown=form.on_unknown,
    )


def _checked(recipe: Recipe) -> Recipe:
    check_backends(recipe)
    check_names(recipe)
    check_tools(recipe)
    check_prices(recipe)
    graph(recipe)
    return recipe


def _set(source: Source, at: KeyPath, written: str, option: str) -> Source:
    """One `key.key=value` below a path."""
    keys, equals, value = written.partition("=")
    if not equals or not all(keys.split(".")):
        raise RecipeError(f"`{written}` sets nothing", file=option, hint="write KEY=VALUE")
    path = (*at, *keys.strip().split("."))
    return source.with_value(path, value.strip() if at == ("models",) else read(value, option)[0], option)
