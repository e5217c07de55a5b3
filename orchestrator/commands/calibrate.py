"""The `calibrate` command: find the threshold that gives the target a wanted share, and write it into the recipe."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import BenchModels, Parallel, RecipeName, Set, Tasks
from .terminal import interrupted, terminal

if TYPE_CHECKING:
    from ...verifiers.base import Problem
    from ..calibration import Dial, Round
    from ..recipe import Recipe


def calibrate(
    recipe: RecipeName,
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the steps, those that the target shall write.")],
    tasks: Tasks = None,
    n: Annotated[int, typer.Option("--n", "-n", min=10, help="Problems; no answers are looked at.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, max=10, help="How often the threshold is found anew.")] = 3,
    node: Annotated[str, typer.Option(help="The node to set, where several have a threshold.")] = "",
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="The recipe to write; else the one that was read.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the problems: others than a bench's.")] = 41,
    model: BenchModels = None,
    settings: Set = None,
    parallel: Parallel = 16,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where the rounds' runs are kept.")
    ] = None,
) -> None:
    """Set a recipe's threshold so that the target writes a wanted share of the steps, from problems without answers."""
    from ..bench.problems import drawn
    from ..calibration import dial
    from ..recipe import load, override
    from . import inputs

    chosen = override(load(recipe), models=model or (), settings=settings or ())
    turning = dial(chosen, node)
    target = _file(recipe, write)
    problems = drawn(tasks or ["word_problems"], n, seed)[:n]
    folder = out or inputs.new_folder("calibrate")
    try:
        found = asyncio.run(_rounds(chosen, turning, problems, share, rounds, folder, parallel))
    except KeyboardInterrupt:
        raise interrupted(folder, "the same command and --out") from None
    _tell(turning, found, share)
    _write(recipe, target, turning, found[-1], share, len(problems))


async def _rounds(
    recipe: "Recipe",
    dial: "Dial",
    problems: "Sequence[Problem]",
    share: float,
    rounds: int,
    folder: Path,
    parallel: int,
) -> "list[Round]":
    """Each round at the threshold that the one before it found, until it stays; the last measures what was reached."""
    from rich.progress import Progress

    from ..bench.engines import Engines
    from ..calibration import after, measure

    engines, found = Engines(), list["Round"]()
    try:
        with Progress(console=terminal(stderr=True), transient=True) as progress:
            bar = progress.add_task("calibrating", total=(rounds + 1) * len(problems))
            for number in range(rounds + 1):
                progress.update(bar, description=f"{dial.knob} {dial.value:g}")
                found.append(
                    await measure(
                        recipe,
                        dial,
                        problems,
                        backends=engines.lend(recipe),
                        folder=folder / f"round-{number}",
                        parallel=parallel,
                        told=lambda: progress.advance(bar),
                    )
                )
                if (turned := after(dial, found[-1], share)) == dial:
                    break
                dial = turned
    finally:
        await engines.close()
    return found


def _tell(dial: "Dial", found: "Sequence[Round]", share: float) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(f"{dial.node}.{dial.knob}", "steps by the target", "95 %", "its share of tokens", box=SIMPLE_HEAD)
    for column in table.columns:
        column.justify = "right"
    for one in found:
        low, high = one.interval
        tokens = f"{one.target_tokens / one.tokens:.1%}" if one.tokens else ""
        table.add_row(f"{one.value:g}", f"{one.share:.1%}", f"{low:.1%} to {high:.1%}", tokens)
    terminal().print(table)


def _file(recipe: str, write: Path | None) -> Path:
    """Where the recipe goes: never over one that ships."""
    if write:
        return write
    return Path(recipe) if Path(recipe).is_file() else Path(f"{recipe}.yaml")


def _write(recipe: str, target: Path, dial: "Dial", last: "Round", share: float, n: int) -> None:
    from ..recipe import load
    from ..recipe.editing import with_number
    from ..recipe.source import read_text

    source = Path(load(recipe).source.file)
    day = datetime.now(UTC).date().isoformat()
    remark = f"{day}, {n} problems: the target wrote {last.share:.1%} of the steps, {share:.0%} asked"
    path = ("nodes", dial.node, "with", dial.knob)
    target.write_text(with_number(read_text(source), str(target), path, last.value, remark), encoding="utf-8")
    typer.echo(f"wrote {target}: nodes.{dial.node}.with.{dial.knob} = {last.value:g}")
