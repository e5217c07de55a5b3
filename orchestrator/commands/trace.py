"""`headgate trace`: a run to walk through where there is a terminal, and as plain text where there is none."""

from pathlib import Path
from typing import Annotated

import typer

from .terminal import complain, on_a_terminal

Folders = Annotated[list[Path], typer.Argument(metavar="DIR [DIR]", help="A run's folder; two are compared.")]


def trace(
    paths: Folders,
    problem: Annotated[
        list[str] | None, typer.Option("--problem", "-p", help="Only this one, by its id; two are compared.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as long as the run does.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Print it, also on a terminal.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The events themselves, one a line.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write it as one page for a browser instead.")
    ] = None,
    otel: Annotated[
        str, typer.Option("--otel", metavar="URL", help="Send spans to this OpenTelemetry collector instead.")
    ] = "",
    content: Annotated[bool, typer.Option("--content", help="With --otel: prompts and answers too.")] = False,
) -> None:
    """Walk through what happened in a run, from its journal alone; in a pipe, print it."""
    from . import tracing

    if otel:
        typer.echo(f"sent {tracing.send(tracing.one(paths), otel, content=content)} spans to {otel}", err=True)
    elif html:
        tracing.page(tracing.one(paths), html, problem=tracing.one(problem or [""]))
        typer.echo(f"wrote {html}", err=True)
    elif json or plain or not on_a_terminal():
        tracing.show(tracing.one(paths), problem=tracing.one(problem or [""]), going=follow, json=json)
    else:
        look(paths, problem or [], follow=follow)


def look(paths: list[Path], problems: list[str], *, follow: bool) -> None:
    """Open the viewer; without its extra the run is printed. Raises: RecipeError, JournalError."""
    from . import exploring, tracing

    try:
        exploring.explore(paths, problems, follow=follow)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        complain("to walk through it, install the viewer: pip install 'headgate[tui]'")
        tracing.show(tracing.one(paths), problem=tracing.one(problems or [""]), going=follow)
