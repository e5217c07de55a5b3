"""Runs that are killed lose nothing, and the harness that says so would notice if they did."""

import json
from pathlib import Path

import pytest

from headgate.benchmarks.kills import Tally, again, bill, measure
from headgate.budget.cost import Cost
from headgate.budget.events import Event


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    for shape, tally in measure(tmp_path, kills=20).items():
        assert (tally.lost, tally.again, tally.different, tally.misbilled) == (0, 0, 0, 0), (shape, tally.faults)
        assert tally.kills >= 6


def event(id: int, kind: str, path: str, output: int = 0, parent: int | None = None, **told: object) -> Event:
    cost = Cost(input=1, output=output) if output else None
    return Event(id=id, parent=parent, path=path, kind=kind, t=0.0, cost=cost, payload=told)  # type: ignore[arg-type]


def test_an_answer_that_is_worked_out_again_is_noticed() -> None:
    first = [event(1, "reserve", "p/a"), event(2, "answer", "p/a")]
    assert again(first) == 0
    assert again([*first, event(3, "reserve", "p/b")]) == 0
    assert again([*first, event(3, "reserve", "p/a/sample-1")]) == 1


@pytest.mark.parametrize(
    ("called", "settled", "ended", "fair"),
    [
        ([5], [(5, "length")], 5, True),
        ([5, 5], [(5, "length"), (9, "lost")], 14, True),  # the second was answered, and nobody heard it
        ([5], [(5, "length"), (9, "lost")], 14, True),  # the second never left
        ([5, 5], [(5, "length")], 5, False),  # a call that nobody paid for
        ([5], [(6, "length")], 6, False),  # billed at what it did not cost
        ([5], [(5, "length"), (5, "length")], 10, False),  # billed twice
        ([5], [(5, "length"), (9, "lost")], 5, False),  # the ledger forgot what was lost
    ],
)
def test_a_bill_that_is_not_what_was_called_is_noticed(
    tmp_path: Path, called: list[int], settled: list[tuple[int, str]], ended: int, fair: bool
) -> None:
    notes = "".join(json.dumps({"input": 1, "output": output}) + "\n" for output in called)
    (tmp_path / "run.calls").write_text(notes, encoding="utf-8")
    pairs = [
        (event(2 * n, "reserve", "p", 9), event(2 * n + 1, "settle", "p", output, 2 * n, stop=stop))
        for n, (output, stop) in enumerate(settled)
    ]
    events = [*(one for pair in pairs for one in pair), event(99, "run_end", "", ended + len(settled) - 1)]
    tally = Tally()
    bill(tmp_path / "run", events, tally)
    assert (tally.misbilled == 0) is fair, tally.faults
