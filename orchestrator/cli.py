"""The command line. What is slow is imported by the command that uses it."""

import os
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from ..budget.errors import HeadgateError, meant
from .commands import bench, calibrate, examples, predict
from .commands.options import (
    Budget,
    Compare,
    Durability,
    Ended,
    Events,
    Executor,
    Folder,
    Input,
    Json,
    KeepGoing,
    Level,
    Models,
    Otel,
    Out,
    Parallel,
    Question,
    Quiet,
    RecipeName,
    Redact,
    Set,
    Total,
    Watching,
    Workers,
)
from .commands.terminal import INTERRUPTED, complain, interrupted, terminal
from .commands.trace import trace
from .commands.train_router import train_router

if TYPE_CHECKING:
    from .commands.running import Settings
    from .recipe import Recipe
    from .run_folder import RunFolder

FAILED: Final = 4


class _Group(TyperGroup):
    """Commands whose expected errors are one line on standard error and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except HeadgateError as error:
            complain(str(error))
            raise typer.Exit(FAILED if isinstance(error.__cause__, OSError) else 2) from None
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _hush()
            raise typer.Exit(0) from None
        except OSError as error:
            _hush()
            complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(FAILED) from None


app = typer.Typer(
    cls=_Group,
    help="Reasoning strategies over a small and a large language model, under one exact budget.",
    epilog=examples.ALL,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
tasks_app = typer.Typer(help="Problems that headgate can make: names, and samples as JSONL.", rich_markup_mode="rich")
app.add_typer(tasks_app, name="tasks", invoke_without_command=True)
app.command(epilog=examples.BENCH)(bench.bench)
app.command(epilog=examples.CALIBRATE)(calibrate.calibrate)
app.command(epilog=examples.PREDICT)(predict.predict)
app.command(epilog=examples.TRAIN_ROUTER)(train_router)


@app.command(epilog=examples.RUN)
def run(
    recipe: RecipeName,
    question: Question = None,
    input_: Input = None,
    out: Out = None,
    parallel: Parallel = 16,
    workers: Workers = None,
    executor: Executor = None,
    keep_going: KeepGoing = False,
    model: Models = None,
    budget: Budget = "",
    budget_total: Total = "",
    settings: Set = None,
    seed: Annotated[int, typer.Option(help="Decides every random draw.")] = 0,
    durability: Durability = Level.group,
    redact: Redact = False,
    json: Json = False,
    events: Events = None,
    otel: Otel = "",
    quiet: Quiet = False,
    watch: Watching = False,
    compare: Compare = "",
) -> None:
    """Answer one question, or solve a file of problems."""
    from .commands import inputs, running
    from .run_folder import RunFolder

    chosen = _chosen(recipe, model, budget, budget_total, settings)
    how = running.Settings(json=json, quiet=quiet, events=events, otel=otel, redact=redact, parallel=parallel)
    how = replace(how, workers=workers, executor=executor.value if executor else None)
    how = replace(how, seed=seed, compare=inputs.known_model(chosen, compare))
    how = replace(how, watch=inputs.watched(watch, how.json))
    inputs.check_one_source(question, input_)
    if input_ is None:
        problems, bad = [inputs.asked(question or "")], 0
        out = out or (inputs.new_folder(chosen.name) if how.watch else None)
    else:
        problems, bad = inputs.problems(input_, keep_going, complain)
        out = out or inputs.new_folder(chosen.name)
    folder = RunFolder.new(out, problems=problems, durability=durability.value, redact=redact) if out else None
    with _resumable(folder, quiet):
        if folder is None or input_ is None:
            raise typer.Exit(running.one(chosen, problems[0], how, folder))
        raise typer.Exit(running.batch(chosen, problems, folder, how, bad_lines=bad))


@app.command(epilog=examples.RESUME)
def resume(
    path: Folder,
    again: Annotated[
        list[Ended] | None, typer.Option("--again", help="Solve those again that ended so; what they spent counts.")
    ] = None,
    accept_changed_recipe: Annotated[
        bool, typer.Option("--accept-changed-recipe", help="Go on by DIR/recipe.yaml as it is now.")
    ] = False,
    parallel: Parallel = 16,
    workers: Workers = None,
    executor: Executor = None,
    durability: Durability = Level.group,
    json: Json = False,
    events: Events = None,
    otel: Otel = "",
    quiet: Quiet = False,
) -> None:
    """Go on with a run or a bench that was stopped: nothing that was finished is lost or paid for again."""
    from .commands import running

    if (path / "bench.yaml").is_file() and not (again or accept_changed_recipe):
        bench.go_on(path, workers, executor, durability, quiet=quiet, json=json)
    how = running.Settings(
        json=json,
        quiet=quiet,
        parallel=parallel,
        events=events,
        otel=otel,
        workers=workers,
        executor=executor.value if executor else None,
    )
    folder = running.resumed(path, again=[str(status) for status in again or ()], durability=durability.value)
    folder.accept_changed_recipe = accept_changed_recipe
    with closing(folder):
        _go_on(folder, how)


def _go_on(folder: "RunFolder", how: "Settings") -> None:
    from .commands import running

    recipe, quiet = folder.load_recipe(), how.quiet
    if folder.past and folder.past.torn and not quiet:
        typer.echo(f"cut {folder.past.torn} bytes off the journal: the record that a crash tore", err=True)
    problems = running.asked_before(folder)
    if running.finished(folder, problems):
        typer.echo(f"nothing is left to do in {folder.path}", err=True)
        raise typer.Exit(running.ended(folder))
    with _resumable(folder, quiet):
        raise typer.Exit(running.batch(recipe, problems, folder, how))


@app.command()
def runs(
    path: Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder that holds runs.")] = Path("runs"),
    json: Json = False,
) -> None:
    """List runs: how far each is, what it cost, what is left of its budget, and which can go on."""
    from .commands import runs as listed

    found = list(listed.rows(path))
    if json:
        for row in found:
            typer.echo(listed.line(row))
    elif found:
        terminal().print(listed.table(found))
    else:
        typer.echo(f"there are no runs in {path}; `headgate run RECIPE --input FILE` makes one", err=True)


app.command(epilog=examples.TRACE)(trace)


@app.command()
def check(
    recipe: RecipeName,
    model: Models = None,
    budget: Budget = "",
    budget_total: Total = "",
    settings: Set = None,
    load_models: Annotated[bool, typer.Option("--load", help="Load the models too, and see what they can do.")] = False,
) -> None:
    """Say whether a recipe is right, without spending anything."""
    from .commands import listing
    from .recipe import check_capabilities, graph, open_backends

    chosen = _chosen(recipe, model, budget, budget_total, settings)
    if load_models:
        check_capabilities(graph(chosen), open_backends(chosen))
    typer.echo(listing.found(chosen))


@app.command()
def show(
    recipe: RecipeName,
    model: Models = None,
    budget: Budget = "",
    budget_total: Total = "",
    settings: Set = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="The recipe as resolved, every default written out.")] = False,
) -> None:
    """Draw a recipe: models, limits, and its graph of strategies."""
    from .commands import listing
    from .recipe import dump

    chosen = _chosen(recipe, model, budget, budget_total, settings)
    if yaml:
        typer.echo(dump(chosen), nl=False)
    else:
        terminal().print(listing.tree(chosen))


@app.command("list")
def list_(
    strategy: Annotated[str | None, typer.Argument(metavar="[STRATEGY]", help="One strategy, with its knobs.")] = None,
) -> None:
    """List strategies, recipes, tasks, backends and shipped models."""
    from ..strategies import registry
    from .commands import listing
    from .errors import RecipeError

    if strategy and strategy not in registry.names():
        raise RecipeError(f"there is no strategy `{strategy}`", hint=meant(strategy, registry.names()))
    terminal().print(listing.strategy(strategy) if strategy else listing.everything())


@app.command(epilog=examples.DOCTOR)
def doctor(
    backend: Annotated[str, typer.Argument(metavar="[BACKEND]", help="Only this one.")] = "",
    json: Annotated[bool, typer.Option("--json", help="The findings as JSON, one backend a line.")] = False,
) -> None:
    """Say which engines this machine can run, try each for a few seconds, and say how to add what is missing."""
    from rich.console import Console

    from ..backends import registry
    from .commands import doctor as room
    from .errors import RecipeError

    if backend and backend not in registry.names():
        raise RecipeError(f"there is no backend `{backend}`", hint=meant(backend, registry.names()))
    names = room.names(backend)
    if json:
        for line in room.lines(names):
            typer.echo(line)
        return
    raise typer.Exit(room.show(names, Console(width=None if sys.stdout.isatty() else 120)))


@app.command()
def schema() -> None:
    """Print the recipe language as JSON Schema, for editors."""
    import json

    from .recipe.schema import schema as language

    typer.echo(json.dumps(language(), indent=2))


@tasks_app.callback()
def tasks(ctx: typer.Context) -> None:
    """List the tasks, or sample one."""
    if ctx.invoked_subcommand is None:
        from .commands import listing

        terminal().print(listing.tasks())


@tasks_app.command("sample")
def sample(
    name: Annotated[str, typer.Argument(help="A task; `headgate tasks` lists them, and what their difficulty counts.")],
    n: Annotated[int, typer.Option("--n", "-n", help="How many problems.")] = 24,
    seed: Annotated[int, typer.Option(help="Another seed, other problems.")] = 0,
    difficulty: Annotated[int | None, typer.Option("--difficulty", "-d", help="Of each problem; else mixed.")] = None,
) -> None:
    """Print held-out problems as JSONL, for `headgate run --input`."""
    from .commands import inputs

    for line in inputs.sample_lines(name, n, seed, difficulty):
        typer.echo(line)


def main() -> None:
    """The `headgate` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="headgate")


def _chosen(recipe: str, models: list[str] | None, budget: str, total: str, settings: list[str] | None) -> "Recipe":
    """The recipe with what the options say."""
    from .recipe import load, override

    return override(load(recipe), models=models or (), budget=budget, total=total, settings=settings or ())


def _hush() -> None:
    """Standard output takes no more: what is still to be written goes nowhere, without a word."""
    with suppress(OSError):  # a test's standard output is no file
        number = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


@contextmanager
def _resumable(folder: "RunFolder | None", quiet: bool) -> Generator[None]:
    """Say in the end where the run is kept, and after an interrupt how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if folder and folder.journal_file.exists():
            raise interrupted(folder.path) from None
        raise
    except typer.Exit:
        if folder and not quiet:
            typer.echo(f"kept in {folder.path}", err=True)
        raise


if __name__ == "__main__":
    main()
