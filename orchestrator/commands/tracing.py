"""What happened in a run, told from its journal alone: while it goes on, or after."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...budget.errors import meant
from ...budget.events import Event
from ..console.console import Console
from ..errors import RecipeError
from ..journal import follow, read
from ..run_folder import RunFolder

if TYPE_CHECKING:
    from ..otel import OtelSink

Item = TypeVar("Item")


def show(path: Path, *, problem: str = "", going: bool = False, json: bool = False) -> None:
    """Print a run, or one problem of it. going: go on as long as the run does.

    Raises: RecipeError, JournalError.
    """
    folder = RunFolder.existing(path)
    events = follow(folder.journal_file) if going else iter(read(folder.journal_file).events)
    if problem:
        events = _only(events, problem, going)
    if json:
        _lines(events)
    else:
        _told(folder, events if going else by_problem(events), one=bool(problem), going=going)


def one(given: Sequence[Item]) -> Item:
    """The only one. Raises: RecipeError where there are more."""
    if len(given) > 1:
        hint = "leave one out, or do it on a terminal"
        raise RecipeError(f"`{given[0]}` and `{given[1]}` can only be compared in the viewer", hint=hint)
    return given[0]


def page(path: Path, to: Path, *, problem: str = "") -> None:
    """A run, or one problem of it, as one file for a browser. Raises: RecipeError, JournalError, OSError."""
    from ..html import write

    write(path, to, problem=problem)


def send(path: Path, endpoint: str, *, content: bool = False) -> int:
    """Send a run's spans to an OpenTelemetry collector; how many. Raises: RecipeError, JournalError, ExportError."""
    from ..otel import export, spans

    found = read(RunFolder.existing(path).journal_file)
    header = found.header
    made = spans(
        found.events,
        run_id=header.run,
        epoch_ns=_began_ns(header.created),
        traceparent=header.traceparent or "",
        content=content,
    )
    export(made, endpoint)
    return len(made)


def live(endpoint: str, folder: RunFolder | None) -> "OtelSink":
    """A sink that sends a run's spans as they end, under the ids that its journal would give. Raises: ExportError."""
    from ..otel import OtelSink

    header = folder.past.header if folder and folder.past else None
    inbound = header.traceparent if header else os.environ.get("TRACEPARENT")
    return OtelSink(
        endpoint,
        run_id=folder.id if folder else "",
        epoch_ns=_began_ns(header.created) if header else None,
        traceparent=inbound or "",
        earlier=folder.before() if folder and header else (),
    )


def by_problem(events: Iterable[Event]) -> Iterator[Event]:
    """The same events with each problem's together, in the order in which they began: easier to read than to live."""
    apart: dict[str, list[Event]] = {}
    for event in events:
        apart.setdefault(event.path.partition("/")[0], []).append(event)
    for some in apart.values():
        yield from some


def _told(folder: RunFolder, events: Iterable[Event], *, one: bool, going: bool) -> None:
    problems = folder.load_problems()
    total = len(problems) if going and not one else 1
    limits = folder.load_recipe().budget.each
    with Console(sys.stdout, total=total, limits=limits, again=not going) as console:
        for event in events:
            console.write(event)


def _lines(events: Iterable[Event]) -> None:
    from .records import event_line

    for event in events:
        print(event_line(event), flush=True)  # noqa: T201


def _only(events: Iterable[Event], problem: str, going: bool) -> Iterator[Event]:
    """Those of one problem. Raises: RecipeError when there are none in a run that ended."""
    seen: dict[str, None] = {}
    found = False
    for event in events:
        name = event.path.partition("/")[0]
        seen[name] = None
        if name == problem:
            found = True
            yield event
    if not found and not going:
        raise RecipeError(f"there is no problem `{problem}` in this run", hint=meant(problem, list(filter(None, seen))))


def _began_ns(created: str) -> int:
    return int(datetime.fromisoformat(created).timestamp() * 1e9)
