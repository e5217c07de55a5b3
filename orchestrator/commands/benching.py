"""What `headgate bench` does once its options are read: run what is missing, and tell what came of it."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from ...budget.errors import meant
from .. import recipe as recipes
from ..bench.asked import Asked, baseline, limits, named
from ..bench.bench import Bench, Outcome
from ..bench.board import Board
from ..bench.cell import How
from ..bench.folder import BenchFolder
from ..bench.plots import draw
from ..bench.problems import drawn
from ..bench.report import differences, notes, report
from ..bench.table import table
from ..console.ink import count, dollars
from ..errors import RecipeError
from ..recipe import Recipe
from .terminal import terminal

FAILED, SPENT = 4, 3


def asked(
    names: Sequence[str],
    *,
    tasks: Sequence[str],
    n: int | None,
    difficulty: int | None,
    seed: int,
    seeds: int,
    until_width: float | None,
    models: Sequence[str],
    budget: str,
    total: str,
    against: str,
    parallel: int,
) -> Asked:
    """What the options ask. Raises: RecipeError, BadLine."""
    if seeds < 1:
        raise RecipeError(f"asks for {seeds} seeds", file="--seeds", hint="ask for 1 or more")
    if until_width is not None and not 0 < until_width < 1:
        raise RecipeError(f"{until_width:g} is no width", file="--until-width", hint="write a share, such as 0.06")
    found = named([_chosen(name, models, budget) for name in names])
    _check_models(models, found.values())
    problems = drawn(tasks, n, seed, difficulty)
    if until_width is not None and any(p.reference is None and p.verifier == "numeric" for p in problems):
        hint = "give every problem an `answer`, or leave --until-width out"
        raise RecipeError("there are problems without an answer to compare with", file="--until-width", hint=hint)
    return Asked(
        recipes=found,
        tasks=tuple(tasks),
        problems=problems,
        seed=seed,
        seeds=seeds,
        until_width=until_width,
        total=limits(total, found),
        baseline=baseline(found, against),
        parallel=parallel,
    )


def run(bench: Bench, *, quiet: bool, json: bool) -> int:
    """Run what is missing, write records, report and pictures, and say what came of it. Returns the exit code."""
    board = Board(bench, quiet=quiet)
    try:
        with board.shown():
            asyncio.run(bench.run(board.take))
    finally:
        if bench.folder.bench.exists():
            _write_records(bench)
    outcome = bench.outcome()
    written = _write_report(bench.folder, outcome)
    if json:
        sys.stdout.write("".join(f"{record.line()}\n" for record in bench.records))
    if not quiet:
        terminal(stderr=json).print(_summary(outcome, written))
    if any(record.status == "failed" for record in bench.records):
        return FAILED
    return 0 if outcome.ended else SPENT


def kept(path: Path, how: How) -> Bench:
    """A bench to go on with. Raises: RecipeError, BadLine."""
    folder = BenchFolder(path)
    return Bench(folder.asked(), folder, how)


def _chosen(name: str, models: Sequence[str], budget: str) -> Recipe:
    """A recipe with what the options say of models that it has."""
    loaded = recipes.load(name)
    own = [written for written in models if written.partition("=")[0] in loaded.models]
    return recipes.override(loaded, models=own, budget=budget)


def _check_models(models: Sequence[str], found: Iterable[Recipe]) -> None:
    """Every model that an option names is one of some recipe. Raises: RecipeError."""
    known = {name for recipe in found for name in recipe.models}
    for written in models:
        if (name := written.partition("=")[0]) not in known:
            raise RecipeError(f"no recipe has a model `{name}`", file=f"--model {written}", hint=meant(name, known))


def _write_records(bench: Bench) -> None:
    draft = bench.folder.records.with_suffix(".tmp")
    lines = "".join(f"{record.line()}\n" for record in bench.records)
    draft.write_text(lines, encoding="utf-8", errors="backslashreplace")
    draft.replace(bench.folder.records)


def _write_report(folder: BenchFolder, outcome: Outcome) -> list[str]:
    """Write report and pictures; returns what to say of them."""
    drawn_, without = draw(outcome, folder.plots)
    pictures = {f"plots/{path.name}": title for path, title in drawn_.items()}
    folder.report.write_text(report(outcome, pictures), encoding="utf-8")
    return [f"report in {folder.report}", *([without] if without else [])]


def _summary(outcome: Outcome, more: Sequence[str]) -> RenderableType:
    """What stands at the end."""
    spent = outcome.spent
    paid = f", {dollars(spent.nanodollars)}" if spent.nanodollars else ""
    lines = [f"  {line}" for line in differences(outcome)]
    known = any(one.accuracy is not None for one in outcome.rows)
    more = [*([] if known else [next(iter(notes(outcome)))]), *more]
    if not outcome.ended:
        more.insert(
            0, "The bench's budget is spent; raise `budget_total` in bench.yaml, and `headgate resume` goes on."
        )
    texts = [*lines, "", f"  {count(spent.tokens)} tokens{paid} in all", *(f"  {line}" for line in more)]
    width = terminal(stderr=False).width
    said = f"  models: tokens they wrote a problem; share: the target's; s: seconds, {outcome.asked.parallel} at a time"
    legend = f"{said}; µ: millionths" if outcome.priced else said
    return Group(table(outcome.rows, width=width), Text(legend, "dim"), *(Text(line) for line in texts))
