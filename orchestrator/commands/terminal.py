"""Where a command's tables go, and how it says that it was interrupted."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

INTERRUPTED: Final = 130
_WIDTH: Final = 120  # of tables that go into a pipe


def terminal(*, stderr: bool = False) -> "Console":
    """Standard output or error as rich draws on it."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    return Console(file=file, width=None if file.isatty() else _WIDTH)


def on_a_terminal() -> bool:
    """Whether somebody sits there who can press keys."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "")


def complain(what: str) -> None:
    """One line of standard error."""
    typer.echo(f"error: {what}", err=True)


def interrupted(path: Path, how: str = "headgate resume") -> typer.Exit:
    """What ends an interrupted command whose folder can be gone on with, once it has said so."""
    complain(f"interrupted; go on with: {how} {shlex.quote(str(path))}")
    return typer.Exit(INTERRUPTED)
