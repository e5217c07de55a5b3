"""The options of the command line, each once: its name, its type, and the line that `--help` says of it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from typer.models import OptionInfo

_CHANGE: Final = "Changes to the recipe"
_BATCH: Final = "A file of problems"
_KEPT: Final = "What is kept"
_ASKED: Final = "What is asked"


class Level(StrEnum):
    """When a journal's records are on disk; `strict` makes every node wait for it."""

    off = "off"
    group = "group"
    strict = "strict"


class Where(StrEnum):
    """Where worker processes live."""

    local = "local"
    ray = "ray"


class Ended(StrEnum):
    """How problems end."""

    abstained = "abstained"
    exhausted = "exhausted"
    failed = "failed"


def _option(long: str, short: str | None, metavar: str | None, help_: str, panel: str | None = None) -> OptionInfo:
    names = (long, short) if short else (long,)
    return cast(OptionInfo, typer.Option(*names, metavar=metavar, help=help_, rich_help_panel=panel))


RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe.")]
Models = Annotated[
    list[str] | None, _option("--model", "-m", "NAME=BACKEND:WHERE", "Put another model in its place.", _CHANGE)
]
Budget = Annotated[
    str, _option("--budget", "-b", "UNIT=N,...", "Each problem: tokens=20k,dollars=0.05,seconds=60.", _CHANGE)
]
Total = Annotated[str, _option("--budget-total", None, "UNIT=N,...", "All problems together.", _CHANGE)]
Set = Annotated[
    list[str] | None, _option("--set", "-s", "KEY=VALUE", "Any value: nodes.solve.with.threshold=5.", _CHANGE)
]
Question = Annotated[str | None, typer.Argument(metavar="[QUESTION]", help="What to solve; `-` reads it from stdin.")]
Input = Annotated[Path | None, _option("--input", "-i", "FILE", "Problems as JSONL: question, answer, id.", _BATCH)]
Out = Annotated[Path | None, _option("--out", "-o", "DIR", "The run's folder; a batch's is else runs/ID.", _KEPT)]
Durability = Annotated[
    Level, typer.Option(help="When what is written is safe: off, group or strict.", rich_help_panel=_KEPT)
]
Redact = Annotated[
    bool, _option("--redact", None, None, "Keep no text of prompts and answers in journal and --events.", _KEPT)
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A run's folder.")]
Parallel = Annotated[int, typer.Option("--parallel", "-p", min=1, help="Problems at a time.", rich_help_panel=_BATCH)]
Workers = Annotated[
    int | None, typer.Option("--workers", "-w", min=0, help="Processes that solve them.", rich_help_panel=_BATCH)
]
Executor = Annotated[
    Where | None, typer.Option(help="Where workers live; else as the recipe says.", rich_help_panel=_BATCH)
]
KeepGoing = Annotated[bool, _option("--keep-going", "-k", None, "Report bad lines, and leave them out.", _BATCH)]
Json = Annotated[bool, _option("--json", None, None, "The whole answer as JSON; in a batch, a line a problem.")]
Events = Annotated[Path | None, _option("--events", None, "FILE", "Append every event as JSONL.")]
Otel = Annotated[str, _option("--otel", None, "URL", "Send spans to this OpenTelemetry collector as they end.")]
Quiet = Annotated[bool, _option("--quiet", "-q", None, "Only the answer.")]
Watching = Annotated[bool, _option("--watch", None, None, "Walk through the run while it is at work.")]
Compare = Annotated[
    str, _option("--compare", None, "MODEL", "Solve all again by this model alone, under the same limits.")
]

# -- of `headgate bench` --------------------------------------------------------------------------------------
Recipes = Annotated[
    list[str], typer.Argument(metavar="RECIPE...", help="Recipe files, or names of shipped recipes: a row each.")
]
Tasks = Annotated[
    list[str] | None, _option("--tasks", "-t", "NAME|FILE", "A task, or problems as JSONL; may be repeated.", _ASKED)
]
Count = Annotated[int | None, _option("--n", "-n", "N", "Problems of each; else 300 of a task, all of a file.", _ASKED)]
Difficulty = Annotated[int | None, _option("--difficulty", "-d", "N", "Of a task's problems; else mixed.", _ASKED)]
Seed = Annotated[int, _option("--seed", None, "N", "Draws the problems, and seeds the first run.", _ASKED)]
Seeds = Annotated[int, _option("--seeds", None, "N", "Runs of each recipe, each with a seed of its own.", _ASKED)]
UntilWidth = Annotated[
    float | None, _option("--until-width", None, "W", "End a run when its 95 % interval is narrower: 0.06.", _ASKED)
]
Baseline = Annotated[
    str, _option("--baseline", None, "RECIPE", "Compare with this one; else the target alone, or the first.", _ASKED)
]
BenchModels = Annotated[
    list[str] | None, _option("--model", "-m", "NAME=BACKEND:WHERE", "In every recipe that has it.", _CHANGE)
]
BenchTotal = Annotated[str, _option("--budget-total", None, "UNIT=N,...", "All runs together.", _CHANGE)]
BenchOut = Annotated[Path | None, _option("--out", "-o", "DIR", "The bench's folder; else runs/TIME-bench.", _KEPT)]
BenchJson = Annotated[bool, _option("--json", None, None, "Print the records, a line each, at the end.")]
BenchQuiet = Annotated[bool, _option("--quiet", "-q", None, "Show nothing; write the folder.")]
