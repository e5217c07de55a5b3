"""The runs of a folder, a row each: how far, what it cost, what is left, and whether it can go on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ...budget.cost import Cost
from ...budget.errors import HeadgateError
from ..console.ink import count, dollars, duration
from ..journal import held, past
from ..run_folder import JOURNAL, RunFolder
from . import records


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run as it stands on disk. status: done, running, stopped (it can go on), or damaged (`reason` says how)."""

    name: str
    status: str
    recipe: str = ""
    ended: int = 0
    problems: int = 0
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    left: str = ""
    age: str = ""
    reason: str = ""

    def as_dict(self) -> Mapping[str, object]:
        """For JSON."""
        told = {name: getattr(self, name) for name in ("name", "status", "recipe", "ended", "problems", "seconds")}
        return told | {"cost": self.cost.as_dict(), "left": self.left, "reason": self.reason}


def rows(folder: Path) -> Iterator[Row]:
    """Every run below a folder, the latest first."""
    journals = sorted(folder.glob(f"*/{JOURNAL}"), key=lambda file: file.stat().st_mtime, reverse=True)
    return (row(file.parent) for file in journals)


def row(path: Path) -> Row:
    """One run, from its journal."""
    folder = RunFolder(path)
    try:
        found = past(folder.journal_file)
        recipe, problems = folder.load_recipe(), folder.load_problems()
    except (HeadgateError, OSError) as error:
        return Row(name=str(path), status="damaged", reason=str(error))
    whole = found.history.at("")
    cost = sum(whole.bill.values(), Cost()) if whole else Cost()
    total = max(len(problems), len(found.ended))
    done = found.complete and len(found.ended) >= len(problems)
    status = "running" if held(folder.journal_file) else "done" if done else "stopped"
    return Row(
        name=str(path),
        status=status,
        recipe=", ".join(dict.fromkeys(node.strategy_name for node in recipe.nodes.values())),
        ended=len(found.ended),
        problems=total,
        cost=cost,
        seconds=found.t,
        left=_left(recipe.budget.total.caps(), cost),
        age=_age(found.header.created),
    )


def line(one: Row) -> str:
    """A run as one line of JSON."""
    return records.line(one.as_dict())


def table(found: list[Row]) -> RenderableType:
    """All rows, and how to go on with those that stopped."""
    drawn = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, side in (("run", "left"), ("status", "left"), ("recipe", "left"), ("problems", "right")):
        drawn.add_column(name, justify="right" if side == "right" else "left", no_wrap=name == "run", overflow="fold")
    for name in ("tokens", "dollars", "time", "left", "begun"):
        drawn.add_column(name, justify="right")
    for one in found:
        drawn.add_row(*_cells(one))
    return drawn


_COLOURS = {"done": "#1FA37A", "running": "#3A8FD9", "stopped": "#DD7A12", "damaged": "#D9659A"}


def _cells(one: Row) -> list[Text]:
    if one.status == "damaged":
        return [Text(one.name), Text(one.status, _COLOURS[one.status]), Text(one.reason, "dim")]
    figures = [f"{one.ended}/{one.problems}", count(one.cost.tokens), dollars(one.cost.nanodollars)]
    told = [*figures, duration(one.seconds), one.left, one.age]
    return [Text(one.name), Text(one.status, _COLOURS[one.status]), Text(one.recipe), *map(Text, told)]


def _left(caps: Mapping[str, int], cost: Cost) -> str:
    """What the limits for all problems together leave."""
    used = cost.units()
    rest = {unit: max(0, cap - used.get(unit, 0)) for unit, cap in caps.items()}
    said = (dollars(n) if unit == "nanodollars" else f"{count(n)} {unit}" for unit, n in rest.items())
    return ", ".join(said) or "no limit"


def _age(created: str) -> str:
    """How long ago, in a word."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
