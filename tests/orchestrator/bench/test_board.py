"""What is shown while a bench runs: the table at every width, lines in a file, the time left."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from headgate.budget.cost import Limits
from headgate.orchestrator import recipe as recipes
from headgate.orchestrator.bench.asked import Asked
from headgate.orchestrator.bench.bench import Bench
from headgate.orchestrator.bench.board import Board
from headgate.orchestrator.bench.cell import How
from headgate.orchestrator.bench.folder import BenchFolder
from headgate.orchestrator.bench.metrics import row
from headgate.orchestrator.bench.records import Record
from headgate.orchestrator.bench.table import money, table
from headgate.verifiers.base import Problem

from .conftest import a_record

PROBLEMS = tuple(Problem(text=f"{i}?", id=f"p{i}", reference="5") for i in range(10))


@pytest.fixture
def bench(folder: Path) -> Bench:
    found = {name: recipes.load(f"{name}.yaml") for name in ("alone", "spec")}
    asked = Asked(recipes=found, tasks=("t",), problems=PROBLEMS, total=Limits(), baseline="alone")
    return Bench(asked, BenchFolder(folder / "x"), How())


class Clock:
    """Seconds as a test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def solve(bench: Bench, board: Board, cell: int, numbers: Sequence[int], **more: object) -> None:
    for number in numbers:
        one = bench.cells[cell]
        record = a_record(f"p{number}", recipe=one.name, **more)  # type: ignore[arg-type]
        one.fresh += 1
        one.prefix.add(record.problem, record)
        board.take(one, record)


def drawn(board: Board, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(board.drawn())
    return captured.get()


def test_a_file_gets_a_line_every_few_seconds_and_one_for_each_run_that_ends(bench: Bench) -> None:
    file, clock = io.StringIO(), Clock()
    board = Board(bench, file, clock=clock)
    clock.now = 1.0
    solve(bench, board, 0, range(5))
    assert file.getvalue() == ""
    clock.now = 6.0
    solve(bench, board, 0, range(5, 10))
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("alone seed 0: 6/10, 100.0 % right [61.0 to 100.0], ")
    assert lines[1].startswith("alone seed 0: 10/10, ")


def test_the_time_left_goes_by_what_each_recipe_takes(bench: Bench) -> None:
    clock = Clock()
    board = Board(bench, io.StringIO(), clock=clock)
    assert board.seconds_left() == 0.0
    solve(bench, board, 0, range(10), seconds=1.0)
    clock.now = 10.0
    assert board.seconds_left() == pytest.approx(10.0)  # of the other recipe nothing is known yet
    solve(bench, board, 1, range(5), seconds=4.0)
    clock.now = 30.0  # ten problems of 1 s and five of 4 s took 30 s; five more of 4 s are left
    assert board.seconds_left() == pytest.approx(20.0)


def test_problems_that_failed_are_named_up_to_a_few(bench: Bench) -> None:
    file = io.StringIO()
    board = Board(bench, file)
    solve(bench, board, 0, range(8), status="failed", reason="no\nserver", right=False)
    said = file.getvalue()
    assert said.count("failed: no / server") == 5
    assert said.count("not named here") == 1


@pytest.mark.parametrize("width", [160, 120, 100, 80, 60])
def test_the_table_fits_its_terminal_and_cuts_no_figure(
    bench: Bench, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    board = Board(bench, io.StringIO())
    solve(bench, board, 0, range(10), right=True, dollars=0.00181)
    solve(bench, board, 1, range(3), right=False, draft=17, dollars=0.0000524)
    text = drawn(board, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for part in ("alone", "spec", "100.0", "1,810µ", "52.4µ", "13/20", "65%"):
        assert part in text


def test_a_recipe_that_has_not_begun_has_a_row_without_figures(bench: Bench) -> None:
    lines = drawn(Board(bench, io.StringIO()), 100).splitlines()
    assert [line.split() for line in lines if "alone" in line] == [["alone", "0"]]


def test_a_missing_price_leaves_tokens_in_every_row() -> None:
    rows = [row("priced", [a_record("a", recipe="priced")]), row("free", [a_record("a", recipe="free", dollars=None)])]
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as captured:
        console.print(table(rows))
    assert "$" not in captured.get()
    assert captured.get().count("110") == 4


def test_an_interval_is_drawn_where_it_lies(bench: Bench) -> None:
    records: list[Record] = [a_record(f"p{i}", right=i < 50) for i in range(100)]
    console = Console(file=io.StringIO(), width=130)
    with console.capture() as captured:
        console.print(table([row("r", records)], width=130, unicode=False))
    assert " ......--o------".replace("------", "") in captured.get()


def test_money_is_short_and_its_unit_plain() -> None:
    assert [money(x) for x in (0.0000524, 0.00181, 0.5, 12.3, 1234.5, 0.0, None)] == [
        "52.4µ",
        "1,810µ",
        "0.500",
        "12.3",
        "1,234",
        "0.00",
        "-",
    ]
    assert money(float("inf")) == "∞"
