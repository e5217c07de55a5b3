"""The command line: `headgate run check show list schema tasks`. What is slow is imported when it is used."""

import os
import shlex
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup
from typer.models import OptionInfo

from ..budget.errors import HeadgateError

_EXIT: Final = """
Exit codes (the worst counts): [b]0[/b] all answered, [b]1[/b] some abstained, [b]2[/b] wrong input,
[b]3[/b] some exhausted their budget, [b]4[/b] some failed, [b]130[/b] interrupted.
"""
_EXAMPLES: Final = f"""
[b]Examples[/b]

  headgate run spec_reason "Tom has 17 apples. Mia has 5 more than Tom. How many does Mia have?"

  headgate tasks sample word_problems --n 24 --seed 7 > problems.jsonl

  headgate run recipes/spec_reason.yaml --input problems.jsonl --out runs/first

  headgate show cascade
{_EXIT}"""
_RUN_EXAMPLES: Final = f"""
[b]Examples[/b]

  headgate run spec_reason "Tom has 17 apples. ..." --set nodes.solve.with.threshold=5

  echo "Tom has 17 apples. ..." | headgate run spec_reason - --json --quiet

  headgate run spec_reason --input problems.jsonl --out runs/x --budget tokens=20k,seconds=60 --compare target

  headgate run spec_reason --input problems.jsonl --out runs/x --continue

A batch keeps recipe.yaml, events.jsonl and answers.jsonl in its folder: each problem a line, as soon as it ends.
{_EXIT}"""
INTERRUPTED: Final = 130
FAILED: Final = 4
_CHANGE: Final = "Changes to the recipe"
_BATCH: Final = "A file of problems"


def _option(long: str, short: str | None, metavar: str | None, help_: str, panel: str | None = None) -> OptionInfo:
    names = (long, short) if short else (long,)
    return cast(OptionInfo, typer.Option(*names, metavar=metavar, help=help_, rich_help_panel=panel))


class _Group(TyperGroup):
    """Commands whose expected errors are one line on standard error and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except HeadgateError as error:
            _complain(str(error))
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _hush()
            raise typer.Exit(0) from None
        except OSError as error:
            _hush()
            _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(FAILED) from None


app = typer.Typer(
    cls=_Group,
    help="Reasoning strategies over a small and a large language model, under one exact budget.",
    epilog=_EXAMPLES,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
tasks_app = typer.Typer(help="Problems that headgate can make: names, and samples as JSONL.", rich_markup_mode="rich")
app.add_typer(tasks_app, name="tasks", invoke_without_command=True)

_RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe.")]
_Models = Annotated[
    list[str] | None, _option("--model", "-m", "NAME=BACKEND:WHERE", "Put another model in its place.", _CHANGE)
]
_Budget = Annotated[
    str, _option("--budget", "-b", "UNIT=N,...", "Each problem: tokens=20k,dollars=0.05,seconds=60.", _CHANGE)
]
_Total = Annotated[str, _option("--budget-total", None, "UNIT=N,...", "All problems together.", _CHANGE)]
_Set = Annotated[
    list[str] | None, _option("--set", "-s", "KEY=VALUE", "Any value: nodes.solve.with.threshold=5.", _CHANGE)
]
_Question = Annotated[str | None, typer.Argument(metavar="[QUESTION]", help="What to solve; `-` reads it from stdin.")]
_Input = Annotated[Path | None, _option("--input", "-i", "FILE", "Problems as JSONL: question, answer, id.", _BATCH)]
_Out = Annotated[Path | None, _option("--out", "-o", "DIR", "The batch's folder; else runs/ID.", _BATCH)]
_Continue = Annotated[bool, _option("--continue", None, None, "Go on with the run in --out.", _BATCH)]
_Parallel = Annotated[int, typer.Option("--parallel", "-p", min=1, help="Problems at a time.", rich_help_panel=_BATCH)]
_KeepGoing = Annotated[bool, _option("--keep-going", "-k", None, "Report bad lines, and leave them out.", _BATCH)]
_Json = Annotated[bool, _option("--json", None, None, "The whole answer as JSON; in a batch, a line a problem.")]
_Events = Annotated[Path | None, _option("--events", None, "FILE", "Append every event as JSONL.")]
_Quiet = Annotated[bool, _option("--quiet", "-q", None, "Only the answer.")]
_Compare = Annotated[
    str, _option("--compare", None, "MODEL", "Solve all again by this model alone, under the same limits.")
]


@app.command(epilog=_RUN_EXAMPLES)
def run(
    recipe: _RecipeName,
    question: _Question = None,
    input_: _Input = None,
    out: _Out = None,
    go_on: _Continue = False,
    parallel: _Parallel = 16,
    keep_going: _KeepGoing = False,
    model: _Models = None,
    budget: _Budget = "",
    budget_total: _Total = "",
    settings: _Set = None,
    seed: Annotated[int, typer.Option(help="Decides every random draw.")] = 0,
    json: _Json = False,
    events: _Events = None,
    quiet: _Quiet = False,
    compare: _Compare = "",
) -> None:
    """Answer one question, or solve a file of problems."""
    from .commands import inputs, running
    from .commands.folder import exit_code
    from .recipe import load, override

    chosen = override(load(recipe), models=model or (), budget=budget, total=budget_total, settings=settings or ())
    how = running.Settings(
        seed=seed, json=json, quiet=quiet, parallel=parallel, events=events, compare=inputs.known_model(chosen, compare)
    )
    inputs.check_one_source(question, input_, out, go_on)
    if input_ is None:
        raise typer.Exit(running.one(chosen, inputs.question(question or ""), how))
    problems, bad = inputs.problems(input_, keep_going, _complain)
    folder = inputs.folder(out, chosen, seed, go_on)
    left = folder.left(problems)
    if not left:
        typer.echo(f"nothing is left to do in {folder.path}", err=True)
        raise typer.Exit(exit_code(folder.statuses, bad))
    try:
        code = running.batch(chosen, left, folder, how, bad_lines=bad)
    except KeyboardInterrupt:
        _complain(f"interrupted; what is finished is in {folder.path}; go on with: {_again(folder.path)}")
        raise typer.Exit(INTERRUPTED) from None
    if not quiet:
        typer.echo(f"kept in {folder.path}", err=True)
    raise typer.Exit(code)


@app.command()
def check(
    recipe: _RecipeName,
    model: _Models = None,
    budget: _Budget = "",
    budget_total: _Total = "",
    settings: _Set = None,
    load_models: Annotated[bool, typer.Option("--load", help="Load the models too, and see what they can do.")] = False,
) -> None:
    """Say whether a recipe is right, without spending anything."""
    from .commands import listing
    from .recipe import check_capabilities, graph, load, open_backends, override

    chosen = override(load(recipe), models=model or (), budget=budget, total=budget_total, settings=settings or ())
    if load_models:
        check_capabilities(graph(chosen), open_backends(chosen))
    typer.echo(listing.found(chosen))


@app.command()
def show(
    recipe: _RecipeName,
    model: _Models = None,
    budget: _Budget = "",
    budget_total: _Total = "",
    settings: _Set = None,
    yaml: Annotated[bool, typer.Option("--yaml", help="The recipe as resolved, every default written out.")] = False,
) -> None:
    """Draw a recipe: models, limits, and its graph of strategies."""
    from .commands import listing
    from .recipe import dump, load, override

    chosen = override(load(recipe), models=model or (), budget=budget, total=budget_total, settings=settings or ())
    if yaml:
        typer.echo(dump(chosen), nl=False)
    else:
        _print(listing.tree(chosen))


@app.command("list")
def list_(
    strategy: Annotated[str | None, typer.Argument(metavar="[STRATEGY]", help="One strategy, with its knobs.")] = None,
) -> None:
    """List strategies, recipes, tasks, backends and shipped models."""
    from ..strategies import registry
    from .commands import listing
    from .errors import RecipeError
    from .recipe.source import meant

    if strategy and strategy not in registry.names():
        raise RecipeError(f"there is no strategy `{strategy}`", hint=meant(strategy, registry.names()))
    _print(listing.strategy(strategy) if strategy else listing.everything())


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
        from ..tasks import registry
        from .commands import listing

        _print(listing.table((name, registry.summary(name)) for name in registry.names()))


@tasks_app.command("sample")
def sample(
    name: Annotated[str, typer.Argument(help="A task; `headgate tasks` lists them.")],
    n: Annotated[int, typer.Option("--n", "-n", help="How many problems.")] = 24,
    seed: Annotated[int, typer.Option(help="Another seed, other problems.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of each problem; else mixed.")] = None,
) -> None:
    """Print held-out problems as JSONL, for `headgate run --input`."""
    from .commands import inputs

    for line in inputs.sample_lines(name, n, seed, steps):
        typer.echo(line)


def main() -> None:
    """The `headgate` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="headgate")


def _print(renderable: object) -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120).print(renderable)


def _complain(what: str) -> None:
    typer.echo(f"error: {what}", err=True)


def _hush() -> None:
    """Standard output takes no more: what is still to be written goes nowhere, without a word."""
    with suppress(OSError):  # a test's standard output is no file
        number = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def _again(folder: Path) -> str:
    """This command, to go on with."""
    words = [word for word in sys.argv[1:] if word != "--continue"]
    named = [] if any(word.startswith(("--out", "-o")) for word in words) else ["--out", str(folder)]
    return shlex.join(["headgate", *words, *named, "--continue"])


if __name__ == "__main__":
    main()
