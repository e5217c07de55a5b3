import io
from collections.abc import Callable

from headgate.budget.cost import Cost, Limits
from headgate.budget.events import Event, Kind
from headgate.orchestrator.console.console import Console
from headgate.orchestrator.console.ink import MARKS
from headgate.orchestrator.console.progress import Progress


class Log:
    """Makes events, numbered from 1, a tenth of a second apart."""

    def __init__(self, write: Callable[[Event], None]) -> None:
        self._write, self._last = write, 0

    def tell(
        self, kind: Kind, path: str, parent: int | None = None, cost: Cost | None = None, **payload: object
    ) -> int:
        self._last += 1
        t = self._last / 10
        self._write(Event(id=self._last, parent=parent, path=path, kind=kind, t=t, cost=cost, payload=payload))
        return self._last


def batch(log: Log) -> None:
    for i, (status, correct) in enumerate([("answered", True), ("answered", False), ("exhausted", False)]):
        log.tell("problem_start", f"p{i}", question="?")
        reserved = log.tell("reserve", f"p{i}", role="draft", purpose="think")
        log.tell("settle", f"p{i}", reserved, Cost(input=30, output=12, nanodollars=7_800))
        log.tell("problem_end", f"p{i}", status=status, answer="", correct=correct, reason="120 tokens left")


def test_a_batch_counts_statuses_verdicts_and_cost() -> None:
    now = 10.0
    view = Progress(6, Limits(), MARKS, lambda: now)
    batch(Log(view.take))
    now = 40.0
    shown = "\n".join(line.plain.strip() for line in view.live(80, 24))
    assert "3/6  50%  30 s to go" in shown
    assert "✓ 1 right (33%)   ✗ 2 wrong   2 answered   1 exhausted" in shown
    assert "126 tok · $0.000023 · 30 s" in shown


def test_a_batch_in_a_pipe_names_what_went_wrong_and_ends_with_the_counts() -> None:
    file = io.StringIO()
    with Console(file, total=3) as console:
        batch(Log(console.write))
    lines = file.getvalue().splitlines()
    assert lines[0] == "  ▲ p2: exhausted: 120 tokens left"
    assert lines[-1].startswith("3/3 100%: ✓ 1 right (33%)   ✗ 2 wrong   2 answered   1 exhausted; 126 tok")
