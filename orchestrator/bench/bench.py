"""Runs a bench: every recipe with every seed, one run after another over the same problems, under one budget.

Seeds come in turn, each for every recipe, so that a bench that ends early has as much of one as of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...budget.cost import Cost
from .algebra import Timed, timed
from .asked import Asked
from .cell import Cell, How
from .engines import Engines
from .folder import BenchFolder
from .frontier import Frontier, frontier
from .metrics import Difference, Row, Sampled, difference, priced, row, sampled
from .records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a bench. ended: whether all that was asked is there; spent: by all runs, what is in no row included.

    differences: of each recipe with the baseline. algebra: of those in which two models share a chain of thought.
    """

    asked: Asked
    rows: Sequence[Row]
    records: dict[str, list[Record]]
    differences: Sequence[Difference]
    algebra: Sequence[Timed]
    sampled: Sequence[Sampled]
    frontier: Frontier | None
    ended: bool
    spent: Cost

    @property
    def priced(self) -> bool:
        """Whether every row has dollars."""
        return priced(self.rows)


@dataclass(slots=True)
class Bench:
    """What is asked, where it is kept, and how far it has come."""

    asked: Asked
    folder: BenchFolder
    how: How
    cells: list[Cell] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = [
            Cell(
                name=name,
                recipe=recipe,
                seed=seed,
                path=self.folder.cell(name, seed),
                problems=self.asked.problems,
                until_width=self.asked.until_width,
                parallel=self.asked.parallel,
            )
            for seed in range(self.asked.seed, self.asked.seed + self.asked.seeds)
            for name, recipe in self.asked.recipes.items()
        ]

    async def run(self, told: Callable[[Cell, Record], None]) -> None:
        """Go on until every run is done, or the bench's budget is spent. told: of each record as it comes.

        Raises: RecipeError before anything is spent where a model cannot be opened, or not do what is asked.
        """
        for cell in self.cells:
            cell.look()
        engines = Engines()
        try:
            self._open(engines)
            self.folder.write(self.asked)
            with self.folder.locked():
                for index, cell in enumerate(self.cells):
                    await engines.keep([later.recipe for later in self.cells[index:]])
                    await engines.forget()
                    await cell.run(engines, self.how, self.asked.total, self._others(cell), _teller(cell, told))
                    if cell.prefix.refused:
                        return
        finally:
            await engines.close()

    @property
    def records(self) -> list[Record]:
        """All that is in the table: by recipe, seed and problem, in the order in which they were asked."""
        order = {name: index for index, name in enumerate(self.asked.recipes)}
        cells = sorted(self.cells, key=lambda cell: (order[cell.name], cell.seed))
        return [record for cell in cells for record in cell.prefix.records]

    def rows(self) -> list[Row]:
        """A row of the table for each recipe."""
        return [row(name, some) for name, some in self.by_recipe().items()]

    def by_recipe(self) -> dict[str, list[Record]]:
        """The records of each recipe."""
        found: dict[str, list[Record]] = {name: [] for name in self.asked.recipes}
        for record in self.records:
            found[record.recipe].append(record)
        return found

    @property
    def spent(self) -> Cost:
        """By all runs together."""
        return sum((cell.spent for cell in self.cells), Cost())

    def outcome(self) -> Outcome:
        """The figures."""
        found, rows = self.by_recipe(), self.rows()
        measured = {name: some for name, some in found.items() if some}
        base = measured.get(self.asked.baseline, [])
        compared = [difference(some, base) for name, some in measured.items() if name != self.asked.baseline]
        return Outcome(
            asked=self.asked,
            rows=rows,
            records=found,
            differences=[one for one in compared if one],
            algebra=[one for one in (timed(self.asked.recipes[name], some) for name, some in measured.items()) if one],
            sampled=[one for one in (sampled(name, some) for name, some in measured.items()) if one],
            frontier=frontier(measured, _dollars if priced(rows) else _tokens) if len(measured) > 1 else None,
            ended=all(cell.prefix.done for cell in self.cells),
            spent=self.spent,
        )

    def _open(self, engines: Engines) -> None:
        """Open what the first run needs, before there is a folder, and see what every recipe asks of it."""
        first = next((cell for cell in self.cells if not cell.ended), None)
        if first is None or not first.in_process(self.how):
            return
        for name in first.recipe.models:
            engines.engine(first.recipe, name)
        for cell in self.cells:
            engines.check(cell.recipe)

    def _others(self, cell: Cell) -> tuple[Cost, float]:
        others = [other for other in self.cells if other is not cell]
        return sum((other.spent for other in others), Cost()), sum(other.seconds for other in others)


def _teller(cell: Cell, told: Callable[[Cell, Record], None]) -> Callable[[Record], None]:
    return lambda record: told(cell, record)


def _dollars(record: Record) -> float:
    return (record.nanodollars or 0) / 1e9


def _tokens(record: Record) -> float:
    return float(sum(tokens.input + tokens.generated for tokens in record.tokens.values()))
