"""What a trace says between its steps: where the run is, what a tool gave, what the budget refused, how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ...budget.events import Event, Kind
from .ink import count, duration, folded, harmless
from .line import Line, wrapped

Signs = Mapping[str, str]
Spent = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Remark:
    """A line that is no step; `side` stands at its right end, where there is room."""

    text: str
    style: str = "dim"
    side: str = ""

    def lines(self, width: int) -> list[Line]:
        """As lines of at most `width`."""
        lines = [Line(line, self.style) for line in wrapped(self.text, width)]
        if lines[-1].cell_len + len(self.side) + 2 <= width:
            lines[-1].right(Line(self.side, "dim"), width)
        return lines

    @property
    def plain(self) -> str:
        """Without colours."""
        return f"{self.text.strip()}  {self.side}" if self.side else self.text.strip()


def remarks(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    """What to say of an event, if anything; `spent` so far stands beside the end."""
    say = _SAY.get(event.kind)
    return say(event, signs, spent) if say else []


def place(path: str, signs: Signs, more: str = "") -> Remark:
    """Where a run is, without the problem's own part of the path."""
    rule = signs["rule"] * 2
    return Remark(f"{rule} {folded(path.partition('/')[2] or path)}{more}")


def _problem(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    return [Remark(harmless(event.payload.get("question", "")).strip(), "bold"), Remark("")]


def _node(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    return [place(event.path, signs, f" {signs['rule'] * 2} {folded(event.payload.get('strategy', ''))}")]


def _skip(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    return [place(event.path, signs, f" skipped: {folded(event.payload.get('reason', ''))}")]


def _end(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    told, correct = event.payload, event.payload.get("correct")
    verdict = {True: f"  {signs['kept']} right", False: f"  {signs['rejected']} wrong"}.get(correct is True, "")
    status, text = str(told.get("status", "answered")), folded(told.get("answer", ""))
    ended = f"  {status}" if status != "answered" else ""
    answer = f"  = {text or '(no answer)'}{'' if correct is None else verdict}{ended}"
    return [Remark(""), Remark(answer, "bold", spent())]


def _retry(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    told = event.payload
    wait = duration(_figure(told.get("wait_s")))
    return _warn(signs, f"{folded(told.get('role', ''))} tries again in {wait}: {folded(told.get('error', ''))}")


def _refused(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    told, unit = event.payload, str(event.payload.get("unit", ""))
    who = f"{folded(told.get('role', ''))} ({folded(told.get('purpose', ''))})"
    asked, left = count(_figure(told.get("asked"))), count(_figure(told.get("left")))
    short = "the time is over" if unit == "seconds" else f"{asked} {folded(unit)} asked, {left} left"
    return _warn(signs, f"the budget refused {who}: {short}")


def _overrun(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    told = event.payload
    over = count(-_figure(told.get("left")))
    return _warn(signs, f"a provider broke its bound: {over} {folded(told.get('unit', ''))} more than the limit")


def _note(event: Event, signs: Signs, spent: Spent) -> list[Remark]:
    return _warn(signs, folded(event.payload.get("text", "")))


def _warn(signs: Signs, text: str) -> list[Remark]:
    return [Remark(f"  {signs['warn']} {text}", "italic")]


def _figure(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


_SAY: Final[Mapping[Kind, Callable[[Event, Signs, Spent], list[Remark]]]] = {
    "problem_start": _problem,
    "problem_end": _end,
    "node_start": _node,
    "node_skip": _skip,
    "retry": _retry,
    "refuse": _refused,
    "overrun": _overrun,
    "note": _note,
}
