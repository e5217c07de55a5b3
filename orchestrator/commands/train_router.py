"""The `train-router` command: traces by the oracle, a router trained on them, and what it is worth."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import RecipeError
from .options import BenchModels, Parallel, Set, Tasks
from .terminal import interrupted, terminal

if TYPE_CHECKING:
    from ...backends.registry import ModelSpec
    from ...verifiers.base import Problem
    from ..recipe import Recipe

ROLES: Final = ("draft", "target", "reward")
_PACE: Final = ("temperature", "top_p", "step_tokens", "think_tokens")


def train_router(
    pair: Annotated[str, typer.Argument(metavar="RECIPE|PAIR", help="A recipe, or a folder with draft/ and target/.")],
    reward: Annotated[
        str, typer.Option(metavar="BACKEND:WHERE", help="The process reward model; else the pair's own `reward`.")
    ] = "",
    trunk: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A Qwen3 checkpoint to train from; else the reward model.")
    ] = None,
    tasks: Tasks = None,
    n: Annotated[int, typer.Option("--n", "-n", min=10, help="Problems; no answers are looked at.")] = 1500,
    samples: Annotated[
        int, typer.Option(min=1, help="Steps of the target whose mean reward a label takes; where it draws them.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Draws problems and batches: others than a bench's.")] = 301,
    epochs: Annotated[float, typer.Option(min=0.01, help="How often the training reads its traces.")] = 3.0,
    processes: Annotated[int, typer.Option(min=1, help="Of the training, one thread each.")] = 2,
    eager: Annotated[bool, typer.Option("--eager", help="Do not compile: slower, but starts at once.")] = False,
    model: BenchModels = None,
    settings: Set = None,
    parallel: Parallel = 64,
    publish: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the router goes; else OUT/router.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Traces and checkpoints.")] = None,
) -> None:
    """Train the router of a pair of models: which steps the target would write better, by a process reward."""
    from ...training.router import Settings, learn
    from ..bench.problems import drawn
    from . import inputs

    recipe = oracle(pair, reward, model or (), settings or (), samples)
    chosen = Settings(
        out=out or inputs.new_folder("train-router"),
        trunk=trunk or _folder(recipe),
        seed=seed,
        processes=processes,
        epochs=epochs,
        compiled=not eager,
        publish=publish,
    )
    asked = drawn(tasks, n, seed)[:n] if tasks else _training_side(n, seed)
    try:
        asyncio.run(_trace(recipe, asked, chosen.traces, parallel, seed))
        figures = learn(chosen)
    except KeyboardInterrupt:
        raise interrupted(chosen.out, "the same command and --out") from None
    except ValueError as error:
        raise RecipeError(str(error), file=chosen.traces) from error
    _tell(figures)
    typer.echo(f"wrote {chosen.exported}")


def oracle(
    pair: str, reward: str, models: Sequence[str] = (), settings: Sequence[str] = (), samples: int = 1
) -> "Recipe":
    """The recipe by which both models write every step, the target so many samples of it.

    Raises: RecipeError naming the model that is missing.
    """
    from ..recipe import dump_model, load, override

    pace: Mapping[str, object] = {}
    named: dict[str, object]
    if (folder := Path(pair)).is_dir():
        named = {role: f"local:{folder / role}" for role in ROLES if (folder / role).is_dir()}
    else:
        given = override(load(pair), models=models, settings=settings)
        named, pace = {role: dump_model(spec) for role, spec in _cast(given).items()}, _pace(given)
        models = settings = ()
    named |= {"reward": reward} if reward else {}
    if missing := next((role for role in ROLES if role not in named), ""):
        hint = "give --reward BACKEND:WHERE" if missing == "reward" else f"it takes {' and '.join(ROLES[:2])}"
        raise RecipeError(f"there is no model `{missing}`", file=pair, hint=hint)
    node = {"use": "arbitrage", "with": {**pace, "mode": "oracle", "samples": samples, "answer_tokens": 1}}
    return override(load({"version": 1, "models": named, "nodes": {"oracle": node}}), models=models, settings=settings)


def _cast(recipe: "Recipe") -> "dict[str, ModelSpec]":
    """The models of a recipe by the roles that matter here."""
    roles = {role: name for node in recipe.nodes.values() for role, name in node.roles.items()}
    return {role: recipe.models[name] for role in ROLES if (name := roles.get(role, role)) in recipe.models}


def _pace(recipe: "Recipe") -> dict[str, object]:
    """How the recipe's models write their steps."""
    from ..recipe.knobs import knobs_of

    knobs = [knobs_of(node.strategy) for node in recipe.nodes.values()]
    found = [those for those in knobs if "step_tokens" in those]
    return {name: found[0][name] for name in _PACE if found and found[0].get(name) is not None}


def _folder(recipe: "Recipe") -> Path:
    """The reward model's checkpoint, to train from. Raises: RecipeError where it lies on a server."""
    from ...backends.checkpoint import Checkpoint

    spec = recipe.models["reward"]
    if spec.backend not in ("local", "vllm"):
        raise RecipeError(f"{spec} is no checkpoint to train from", hint="give --trunk DIR")
    return Checkpoint.open(spec.model).folder


def _training_side(n: int, seed: int) -> "list[Problem]":
    """Word problems of the side that the shipped models were trained on, so that no bench meets them."""
    from ...training.rollout import practice
    from ...verifiers.base import Problem

    return [Problem(text=drawn.question, id=drawn.id) for drawn in practice(n, seed)]


async def _trace(recipe: "Recipe", asked: "Sequence[Problem]", file: Path, parallel: int, seed: int) -> None:
    """Every problem by the oracle, each a line of the file as it ends; those that are there are not asked again."""
    from rich.progress import Progress

    from ...training.traces import append, load, traced
    from ..agent import Agent

    file.parent.mkdir(parents=True, exist_ok=True)
    done = {trace.id for trace in load(file)}
    left = [problem for problem in asked if problem.id not in done]
    if not left:
        return
    with Progress(console=terminal(stderr=True), transient=True) as progress:
        bar = progress.add_task("both write every step", total=len(asked), completed=len(asked) - len(left))
        async with Agent(recipe, seed=seed) as agent, aclosing(agent.solve_all(left, parallel=parallel)) as ending:
            async for solved in ending:
                if solved.answer.status == "failed":
                    raise RecipeError(f"{solved.problem.id}: {solved.answer.reason}", file=file)
                append(file, traced(solved.problem, solved.answer, "target"))
                progress.advance(bar)


def _tell(figures: Mapping[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("steps to the target", "tau", "reward gained", "by the oracle", "by chance", box=SIMPLE_HEAD)
    for column in table.columns:
        column.justify = "right"
    for row in figures["utility"]:
        gains = (f"{row[name]:+.4f}" for name in ("router", "oracle", "random"))
        table.add_row(f"{row['share']:.0%}", f"{row['tau']:.3f}", *gains)
    terminal().print(table)
    rho, told = figures["spearman"], figures["better steps told"]
    typer.echo(
        f"{figures['steps']} held-out steps, the target's better in {figures['better']:.1%}: "
        f"rank correlation {rho['rho']:.3f} [{rho['low']:.3f}, {rho['high']:.3f}], "
        f"AUROC {told['auroc']:.3f} ± {told['half']:.3f}"
    )
