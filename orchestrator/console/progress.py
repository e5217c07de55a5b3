"""Many problems at once: a line for each that ended, those at work below, and one bar for all with what is left."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from ...budget.cost import Limits
from ...budget.events import Event
from .activity import Activity
from .ink import Palette, duration, folded
from .line import Line
from .problem import COLOURS, Problem
from .spending import Spending, bar

EVERY_S: Final = 5.0  # between lines in a file
_TOLD: Final = 20  # problems that went wrong are named one by one in a file up to here
_SHOWN: Final = 8  # problems at work that have a line of their own, where the screen is tall enough
_AT_ONCE: Final = 200  # lines that may scroll by between two drawings; nobody reads more


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
        self.spending, self.activity = Spending(limits or Limits(), signs, clock), Activity()
        self._signs, self._palette, self._clock = signs, Palette(), clock
        self._running: dict[str, Problem] = {}
        self._places: list[str] = []  # a problem keeps its line until it ends, then another takes it
        self._ended: list[Problem] = []
        self._remarks: list[str] = []
        self._told_at, self._told_done, self._told, self._before = clock(), 0, 0, 0
        self._latest = 0.0, clock()

    @property
    def done(self) -> int:
        """Problems that ended, however."""
        return self.statuses.total()

    def take(self, event: Event) -> None:
        """Fold one event in."""
        self.spending.take(event)
        self.activity.take(event)
        self._latest = event.t, self._clock()
        name = event.path.partition("/")[0]
        if event.kind == "problem_start":
            self._begins(name, event.t)
        if problem := self._running.get(name):
            problem.take(event)
        if event.kind == "problem_end":
            self._ends(name, event)
        elif event.kind == "run_start":
            self._anew()
        elif event.kind == "note":
            self._remarks += self._named(f"{folded(event.path)}: {folded(event.payload.get('text', ''))}")

    def finished(self, width: int) -> list[Line]:
        """Problems that ended and remarks since the last call."""
        remarks, self._remarks = self._remarks, []
        ended, self._ended = self._ended, []
        lines = [one.ended(width, self._signs) for one in ended[-_AT_ONCE:]]
        if len(ended) > _AT_ONCE:
            lines.insert(0, Line(f"    {len(ended) - _AT_ONCE:,} more ended", "dim"))
        return lines + [Line(remark, "italic").cut(width) for remark in remarks]

    def plain(self) -> list[str]:
        """Remarks, and how far it is every few seconds and at the end."""
        lines = [*self._wrong(), *self._remarks]
        self._remarks, self._ended = [], []
        now, ended = self._clock(), self.done >= self.total
        if self.done > self._told_done and (ended or now - self._told_at >= EVERY_S):
            self._told_at, self._told_done = now, self.done
            lines.append(
                " ".join(self._headline().split()) + ": " + self._counts().plain + "; " + self.spending.spent()
            )
        return lines

    def live(self, width: int, height: int) -> list[Line]:
        """Problems at work, the bar, the counts, who writes, the bill."""
        head = self._headline()
        share = self.done / self.total
        shown = bar(share, max(4, width - len(head) - 2), self._signs, "#3A8FD9")
        steps, spent = Line(self.activity.steps(), "dim"), Line(f"  {self.spending.spent()}")
        lines = [Line(), Line("  ").extend(shown).append(head), Line("  ").extend(self._counts()), self._doing()]
        lines.append(spent.right(steps, width))
        if (left := self.spending.left(width)) is not None:
            lines.append(left)
        lines = self._at_work(width, min(_SHOWN, height // 2 - len(lines))) + lines
        return [line.cut(width) for line in lines[-max(1, height - 1) :]]

    # -- lines ------------------------------------------------------------------------------------------------

    def _at_work(self, width: int, room: int) -> list[Line]:
        """A line for each problem in its place; a place that nobody has now stays empty, so that none jumps."""
        now = self._latest[0] + self._clock() - self._latest[1]
        lines = [
            self._running[name].running(width, self._palette, self._signs, now) if name in self._running else Line()
            for name in self._places[: max(0, room)]
        ]
        while lines and not lines[-1].parts:
            lines.pop()
        return [Line(), *lines] if lines else []

    def _doing(self) -> Line:
        if not self._running:
            return Line("  ")
        running = Line(f"  {len(self._running)} running", "" if self.activity.calls else "dim")
        doing = self.activity.doing(self._palette, self._signs)
        return running.append(": ", "dim").extend(doing) if doing.parts else running

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
        words += [(f"{n} {status}", COLOURS.get(status, "")) for status, n in self.statuses.most_common()]
        joined = Line()
        for text, style in words:
            joined.append("   " if joined.parts else "")
            joined.append(text, style)
        return joined

    # -- events -----------------------------------------------------------------------------------------------

    def _begins(self, name: str, t: float) -> None:
        self._running[name] = Problem(name, began=t)
        for i, other in enumerate(self._places):
            if other not in self._running:
                self._places[i] = name
                return
        self._places.append(name)

    def _ends(self, name: str, event: Event) -> None:
        problem = self._running.pop(name, None)
        if problem is None:
            problem = Problem(name, began=event.t)
            problem.take(event)
        self._ended.append(problem)
        self.statuses[problem.status] += 1
        if problem.correct is not None:
            self.verdicts[problem.correct] += 1

    def _anew(self) -> None:
        """A process begins: what was told so far is from the journal of earlier ones, and scrolls by unsaid."""
        self._running.clear()
        self.activity.idle()
        if self._ended:
            self._ended.clear()
            self._remarks.append(f"  {self._signs['dot']} {self.done:,} problems ended before")
        self.spending.began, self._before, self._told_done = None, self.done, self.done

    def _wrong(self) -> Iterator[str]:
        """Problems that failed or ran out, in a file; on a terminal each problem has its line."""
        for one in self._ended:
            if one.status in ("failed", "exhausted"):
                yield from self._named(f"{folded(one.name)}: {folded(one.said)}")

    def _named(self, said: str) -> Iterator[str]:
        self._told += 1
        if self._told <= _TOLD:
            yield f"  {self._signs['warn']} {said}"
        elif self._told == _TOLD + 1:
            yield f"  {self._signs['warn']} further ones are not named here"
