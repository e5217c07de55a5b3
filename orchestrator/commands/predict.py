"""The `predict` command: what a recipe's step strategies would gain with a pair of models, by their own algebra."""

import json as json_
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import RecipeError
from .options import RecipeName, Set
from .terminal import terminal

if TYPE_CHECKING:
    from rich.table import Table

    from ...strategies.algebra import Pair

_SHARES: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_MS: Final = "MS"

Figure = Mapping[str, Any]


def predict(
    recipe: RecipeName,
    draft_ms: Annotated[float, typer.Option(metavar=_MS, min=1e-6, help="What a token takes the draft.")],
    target_ms: Annotated[float, typer.Option(metavar=_MS, min=1e-6, help="What a token takes the target.")],
    judge_ms: Annotated[float, typer.Option(metavar=_MS, min=0, help="What a decision about a step takes.")] = 0.0,
    accept: Annotated[float, typer.Option(min=0, max=1, help="The share of steps that the draft may write.")] = 0.7,
    step_tokens: Annotated[float, typer.Option(min=1, help="Tokens of a step, in the mean.")] = 30.0,
    settings: Set = None,
    json: Annotated[bool, typer.Option("--json", help="The figures as JSON, one line a node and share.")] = False,
) -> None:
    """Say what a recipe would gain on the target alone, in time, before anything is run."""
    from ...strategies.algebra import Pair

    pair = Pair(draft_ms=draft_ms, target_ms=target_ms, judge_ms=judge_ms, tokens=step_tokens, accept=accept)
    for node, strategy, knobs in _steps(recipe, settings or ()):
        figures = [_figure(strategy, knobs, replace(pair, accept=share)) for share in sorted({*_SHARES, accept})]
        if json:
            for figure in figures:
                typer.echo(json_.dumps({"node": node, "strategy": strategy, **figure}))
        else:
            _show(node, strategy, knobs, pair, figures)


def _steps(recipe: str, settings: Sequence[str]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """The nodes whose strategies have an algebra, with their knobs. Raises: RecipeError where there is none."""
    from ...strategies.algebra import STEP_MS
    from ..recipe import load, override
    from ..recipe.knobs import knobs_of

    chosen = override(load(recipe), settings=settings)
    found: list[tuple[str, str, Mapping[str, Any]]] = [
        (name, node.strategy_name, knobs_of(node.strategy))
        for name, node in chosen.nodes.items()
        if node.strategy_name in STEP_MS
    ]
    if not found:
        hint = f"these have one: {', '.join(STEP_MS)}"
        raise RecipeError(f"no node of `{chosen.name}` shares a chain of thought between two models", hint=hint)
    return found


def _figure(strategy: str, knobs: Mapping[str, Any], pair: "Pair") -> Figure:
    from ...strategies.algebra import STEP_MS

    ms = STEP_MS[strategy](pair, knobs)
    return {"accept": pair.accept, "step_ms": ms, "target_ms": pair.target, "speedup": pair.target / ms}


def _show(node: str, strategy: str, knobs: Mapping[str, Any], pair: "Pair", figures: Sequence[Figure]) -> None:
    from rich.text import Text

    from ...strategies.algebra import break_even

    console = terminal()
    console.print(Text.assemble((node, "bold"), f": {strategy}, a step of {pair.tokens:g} tokens"))
    console.print(_table(pair, figures))
    even = break_even(strategy, pair, knobs)
    for line in _said(even, figures, pair):
        console.print(Text(line))


def _table(pair: "Pair", figures: Sequence[Figure]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("written by the draft", "ms a step", "of the target alone", "speed-up", box=SIMPLE_HEAD)
    for column in table.columns:
        column.justify = "right"
    for one in figures:
        style = "bold" if one["accept"] == pair.accept else ""
        share = f"{one['step_ms'] / one['target_ms']:.0%}"
        table.add_row(f"{one['accept']:.0%}", f"{one['step_ms']:,.1f}", share, f"{one['speedup']:.2f}x", style=style)
    return table


def _said(even: float | None, figures: Sequence[Figure], pair: "Pair") -> Iterator[str]:
    if even is not None:
        alone = f"{pair.target:,.1f} ms a step"
        yield f"Below {even:.1%} written by the draft it is slower than the target alone ({alone})."
    elif all(one["speedup"] < 1 for one in figures):
        yield "It is slower than the target alone at every share."
    elif all(one["speedup"] >= 1 for one in figures):
        yield "It is never slower than the target alone."
    yield "One problem at a time; reading what the other model wrote is left out. `headgate bench` measures."
