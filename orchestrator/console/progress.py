"""Many problems at once: one bar, counts by status, right and wrong so far, what is spent, when it will end."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from ...budget.cost import Limits
from ...budget.events import Event
from .ink import duration, folded
from .line import Line
from .spending import Spending, bar

EVERY_S: Final = 5.0  # between lines in a file
_TOLD: Final = 20  # problems that went wrong are named one by one up to here
_COLOURS: Final = {"answered": "#1FA37A", "abstained": "#A89A00", "exhausted": "#DD7A12", "failed": "#D9659A"}


class Progress:
    """The view of a batch of `total` problems."""

    def __init__(
        self,
        total: int,
        limits: Limits | None,
        signs: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.statuses, self.verdicts = total, Counter[str](), Counter[bool]()
        self.spending = Spending(limits or Limits(), signs, clock)
        self._signs, self._clock = signs, clock
        self._running: set[str] = set()
        self._remarks: list[str] = []
        self._told_at, self._told_done, self._named, self._before = clock(), 0, 0, 0

    @property
    def done(self) -> int:
        """Problems that ended, however."""
        return self.statuses.total()

    def take(self, event: Event) -> None:
        """Fold one event in."""
        self.spending.take(event)
        if event.kind == "problem_start":
            self._running.add(event.path)
        elif event.kind == "problem_end":
            self._ended(event)
        elif event.kind == "run_start":  # what came before it is told from the journal of earlier processes
            self._running.clear()
            self.spending.began, self._before, self._told_done = None, self.done, self.done
        elif event.kind == "note":
            self._remark(event.path, str(event.payload.get("text", "")))

    def finished(self, width: int) -> list[Line]:
        """Remarks since the last call."""
        remarks, self._remarks = self._remarks, []
        return [Line(remark, "italic").cut(width) for remark in remarks]

    def plain(self) -> list[str]:
        """Remarks, and how far it is every few seconds and at the end."""
        lines, self._remarks = self._remarks, []
        now, ended = self._clock(), self.done >= self.total
        if self.done > self._told_done and (ended or now - self._told_at >= EVERY_S):
            self._told_at, self._told_done = now, self.done
            lines.append(
                " ".join(self._headline().split()) + ": " + self._counts().plain + "; " + self.spending.spent()
            )
        return lines

    def live(self, width: int, height: int) -> list[Line]:
        """The bar, the counts, the bill."""
        head = self._headline()
        share = self.done / self.total
        shown = bar(share, max(4, width - len(head) - 2), self._signs, "#3A8FD9")
        running = Line(f"{len(self._running)} running" if self._running else "", "dim")
        spent = Line(f"  {self.spending.spent()}").right(running, width)
        lines = [Line(), Line("  ").extend(shown).append(head), Line("  ").extend(self._counts()), spent]
        if (left := self.spending.left(width)) is not None:
            lines.append(left)
        return [line.cut(width) for line in lines[-max(1, height - 1) :]]

    def _headline(self) -> str:
        eta = f"  {duration(self._seconds_to_go())} to go" if self._before < self.done < self.total else ""
        return f"  {self.done}/{self.total}  {self.done / self.total:.0%}{eta}"

    def _seconds_to_go(self) -> float:
        return self.spending.seconds / (self.done - self._before) * (self.total - self.done)

    def _counts(self) -> Line:
        right, wrong = self.verdicts[True], self.verdicts[False]
        words: list[tuple[str, str]] = []
        if right + wrong:
            share = f" ({right / (right + wrong):.0%})"
            words.append((f"{self._signs['kept']} {right} right{share}", "bold"))
            words.append((f"{self._signs['rejected']} {wrong} wrong", "bold"))
        words += [(f"{n} {status}", _COLOURS.get(status, "")) for status, n in self.statuses.most_common()]
        joined = Line()
        for text, style in words:
            joined.append("   " if joined.parts else "")
            joined.append(text, style)
        return joined

    def _ended(self, event: Event) -> None:
        self._running.discard(event.path)
        status, correct = str(event.payload.get("status", "answered")), event.payload.get("correct")
        self.statuses[status] += 1
        if isinstance(correct, bool):
            self.verdicts[correct] += 1
        if status in ("failed", "exhausted"):
            self._remark(event.path, ": ".join(filter(None, (status, str(event.payload.get("reason", ""))))))

    def _remark(self, path: str, text: str) -> None:
        self._named += 1
        if self._named <= _TOLD:
            self._remarks.append(f"  {self._signs['warn']} {folded(path)}: {folded(text)}")
        elif self._named == _TOLD + 1:
            self._remarks.append(f"  {self._signs['warn']} further ones are not named here")
