"""The `bench` command: its options, and what it says when it is interrupted. What is slow is imported when it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from .options import (
    Baseline,
    BenchJson,
    BenchModels,
    BenchOut,
    BenchQuiet,
    BenchTotal,
    Budget,
    Count,
    Difficulty,
    Durability,
    Executor,
    Level,
    Parallel,
    Recipes,
    Seed,
    Seeds,
    Tasks,
    UntilWidth,
    Where,
    Workers,
)
from .terminal import interrupted

if TYPE_CHECKING:
    from ..bench.bench import Bench


def bench(
    recipe: Recipes,
    tasks: Tasks = None,
    n: Count = None,
    difficulty: Difficulty = None,
    seed: Seed = 0,
    seeds: Seeds = 1,
    until_width: UntilWidth = None,
    baseline: Baseline = "",
    model: BenchModels = None,
    budget: Budget = "",
    budget_total: BenchTotal = "",
    parallel: Parallel = 16,
    workers: Workers = None,
    executor: Executor = None,
    out: BenchOut = None,
    durability: Durability = Level.group,
    json: BenchJson = False,
    quiet: BenchQuiet = False,
) -> None:
    """Say what each recipe buys: accuracy against tokens, dollars and seconds, over the same problems."""
    from ..bench.bench import Bench
    from ..bench.cell import How
    from ..bench.folder import BenchFolder
    from . import benching, inputs

    asked = benching.asked(
        recipe,
        tasks=tasks or (),
        n=n,
        difficulty=difficulty,
        seed=seed,
        seeds=seeds,
        until_width=until_width,
        models=model or (),
        budget=budget,
        total=budget_total,
        against=baseline,
        parallel=parallel,
    )
    folder = BenchFolder(out or inputs.new_folder("bench"))
    folder.check(asked)
    how = How(workers=workers, executor=_where(executor), durability=durability.value)
    _run(Bench(asked, folder, how), quiet=quiet, json=json)


def go_on(
    path: Path,
    workers: int | None,
    executor: Where | None,
    durability: Level,
    *,
    quiet: bool,
    json: bool,
) -> None:
    """What `headgate resume` does with a bench."""
    from ..bench.cell import How
    from . import benching

    how = How(workers=workers, executor=_where(executor), durability=durability.value)
    _run(benching.kept(path, how), quiet=quiet, json=json)


def _where(executor: Where | None) -> Literal["local", "ray"] | None:
    return executor.value if executor else None


def _run(wanted: "Bench", *, quiet: bool, json: bool) -> None:
    from . import benching

    try:
        code = benching.run(wanted, quiet=quiet, json=json)
    except KeyboardInterrupt:
        if wanted.folder.began:
            raise interrupted(wanted.folder.path) from None
        raise
    raise typer.Exit(code)
