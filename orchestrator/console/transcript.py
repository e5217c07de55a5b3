"""One problem as it is solved: steps that are decided scroll away, what is being written stays below with the bill."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ...budget.cost import Cost, Limits
from ...budget.events import Event
from .activity import Activity
from .ink import Palette, count, folded, harmless
from .line import Line
from .remarks import Remark, place, remarks
from .row import Row, Rows
from .spending import Spending

_TAIL: Final = 2000  # pieces of a text being written that are shown at most
_NAME: Final = 12  # columns that an author's name may take
_STEP: Final = re.compile(r"/step-(\d+)")
_WITHIN: Final = re.compile(r"/step-\d+|/answer/")


@dataclass(slots=True)
class _Stream:
    """A text that is being written."""

    role: str
    label: str
    place: str
    parts: list[str] = field(default_factory=list[str])

    def tail(self, cells: int) -> str:
        """The end of its latest line that is not empty."""
        text = harmless("".join(self.parts[-_TAIL:])).rstrip().rpartition("\n")[2]
        return text if len(text) <= cells else f"...{text[3 - cells :]}"


class Transcript:
    """The view of a run with one problem; `again` when it is told from a journal, long after it happened."""

    def __init__(self, limits: Limits | None, signs: Mapping[str, str], *, again: bool = False) -> None:
        self.spending = Spending(limits or Limits(), signs, None if again else time.monotonic)
        self.activity = Activity()
        self._signs, self._palette = signs, Palette()
        self._rows = Rows(self._palette, signs)
        self._done: list[Row | Remark] = []
        self._streams: dict[str, _Stream] = {}
        self._rejected: set[str] = set()
        self._name_width, self._where, self._problem = 6, "", ""
        self._take: Mapping[str, Callable[[Event], None]] = {
            "reserve": self._reserved,
            "token": self._token,
            "settle": self._settled,
            "retry": self._retried,
            "step": self._step,
            "node_start": self._moved,
            "answer": self._answered,
            "node_end": self._answered,
            "tool_end": self._tool,
        }

    def take(self, event: Event) -> None:
        """Fold one event in; limits are those of one problem, so the next counts anew, but not one that goes on."""
        if event.kind == "problem_start" and not self.activity.calls and event.path != self._problem:
            self._problem = event.path
            self.spending.restart()
            self.activity.restart()
        elif event.kind == "problem_end":
            self._problem = ""
        self.spending.take(event)
        self.activity.take(event)
        if take := self._take.get(event.kind):
            take(event)
        if event.kind != "token":
            self._done += remarks(event, self._signs, self.spending.spent)

    def finished(self, width: int) -> list[Line]:
        """Steps and remarks decided since the last call."""
        done, self._done = self._done, []
        return [line for item in done for line in self._lines(item, width)]

    def plain(self) -> list[str]:
        """The same, a line each."""
        done, self._done = self._done, []
        return [item.plain if isinstance(item, Remark) else self._rows.plain(item) for item in done]

    def live(self, width: int, height: int) -> list[Line]:
        """What is being written, what is going on, what is left."""
        status = [Line(), self._status(width)]
        if (left := self.spending.left(width)) is not None:
            status.append(left)
        return (self._writing(width, height - len(status) - 1) + status)[-max(1, height - 1) :]

    # -- lines ------------------------------------------------------------------------------------------------

    def _lines(self, item: Row | Remark, width: int) -> list[Line]:
        if isinstance(item, Row):
            return self._rows.lines(item, width, self._name_width)
        return item.lines(width)

    def _writing(self, width: int, room: int) -> list[Line]:
        """What is being written: the end of one text in full, of several a line each."""
        streams = list(self._streams.values())
        if len(streams) != 1:
            hidden = len(streams) - max(1, room)
            more = [Line(f"      and {hidden + 1} more", "dim")] if hidden > 0 else []
            return [self._glimpse(one, width) for one in streams[: max(1, room) - len(more)]] + more
        stream, room = streams[0], max(1, room)
        text = "".join(stream.parts[-_TAIL:])[-width * room :].rstrip() + self._signs["cursor"]
        row = Row(label=stream.label, author=stream.role, text=text, tokens=len(stream.parts))
        return self._rows.lines(row, width, self._name_width)[-room:]

    def _glimpse(self, stream: _Stream, width: int) -> Line:
        """A text among several, as a row of one line with its place at the end."""
        side = Line(f"{folded(stream.place)}  {count(len(stream.parts)):>5} tok", "dim")
        head = self._rows.head(Row(label=stream.label, author=stream.role), self._name_width)
        room = width - head.cell_len - side.cell_len - 3
        if room < _NAME:
            side, room = Line(), max(4, width - head.cell_len - 1)
        head.append(stream.tail(room) + self._signs["cursor"], self._palette[stream.role])
        return head.cut(width - side.cell_len).right(side, width).cut(width)

    def _status(self, width: int) -> Line:
        """Who is at work at the left, steps and the bill at the right; what does not fit is left out, the bill last."""
        doing = Line("  ").extend(self.activity.doing(self._palette, self._signs))
        steps, spent = self.activity.steps(), self.spending.spent()
        sides = [f"{steps} {self._signs['dot']} {spent}" if steps else spent, spent]
        for side in map(Line, sides):
            if doing.cell_len + side.cell_len + 2 <= width:
                return doing.right(side, width)
        return Line("  ").append(spent).cut(width)

    # -- events -----------------------------------------------------------------------------------------------

    def _reserved(self, event: Event) -> None:
        # before anything is printed under the name, so that columns line up from the first row
        self._name_width = max(self._name_width, min(_NAME, len(str(event.payload.get("role", "")))))

    def _token(self, event: Event) -> None:
        stream = self._streams.get(event.path)
        if stream is None:
            step = _STEP.findall(event.path)
            role = str(event.payload.get("role", ""))
            stream = _Stream(role, _number(step[-1]) if step else "", _place(event.path))
            self._streams[event.path] = stream
        stream.parts.append(str(event.payload.get("text", "")))

    def _settled(self, event: Event) -> None:
        """Answers are no steps; here alone is their text told whole."""
        told, cost, role = event.payload, event.cost or Cost(), str(event.payload.get("role", ""))
        if told.get("purpose") == "answer":
            self._forget(event.path, "/answer/", role)
            if text := str(told.get("text", "")):
                self._at(event.path)
                self._done.append(Row(author=role, text=text, tokens=cost.output, nanodollars=cost.nanodollars))

    def _retried(self, event: Event) -> None:
        self._forget(event.path, "/", str(event.payload.get("role", "")))

    def _step(self, event: Event) -> None:
        kept, score = bool(event.payload.get("kept", True)), event.payload.get("score")
        again = kept and event.path in self._rejected
        self._forget(event.path)
        self._at(_STEP.sub("", event.path))
        self._done.append(_row(event, kept, again, float(score) if isinstance(score, int | float) else None))
        (self._rejected.discard if kept else self._rejected.add)(event.path)

    def _moved(self, event: Event) -> None:
        self._where = _STEP.sub("", event.path)  # the node's own remark says it

    def _at(self, where: str) -> None:
        """Say where the run is when that is elsewhere than before."""
        if where != self._where and "/" in where:
            self._done.append(place(where, self._signs))
        self._where = where

    def _answered(self, event: Event) -> None:
        self._forget(event.path)

    def _tool(self, event: Event) -> None:
        told = event.payload
        said = str(told.get("error") or told.get("result", ""))
        self._done.append(Row(author=str(told.get("tool", "tool")), text=said))

    def _forget(self, path: str, below: str = "/", role: str = "") -> None:
        """Stop showing what was being written at a place, by anybody or by one model."""
        for key in [key for key in self._streams if key.startswith(path + below) and key.endswith(role)]:
            del self._streams[key]


def _place(path: str) -> str:
    """What strategy writes there, by the last part of its path."""
    return _WITHIN.split(path)[0].rpartition("/")[2]


def _row(event: Event, kept: bool, again: bool, score: float | None) -> Row:
    told, tokens = event.payload, event.payload.get("tokens")
    return Row(
        label=_number(str(told.get("index", ""))),
        author=str(told.get("author", "")),
        text=str(told.get("text", "")).strip() or _silence(told),
        kept=kept,
        again=again,
        score=score,
        signal=str(told.get("signal", "")),
        reason="" if kept else _why(told),
        tokens=tokens if isinstance(tokens, int) else None,
        nanodollars=event.cost.nanodollars if event.cost else None,
    )


def _silence(told: Mapping[str, object]) -> str:
    return "(ends its thinking)" if told.get("stop") == "think_end" else "(empty)"


def _why(told: Mapping[str, object]) -> str:
    below = f"below {told['threshold']}" if "threshold" in told else ""
    return ", ".join(part for part in (str(told.get("reason", "")), below) if part)


def _number(index: str) -> str:
    return str(int(index) + 1) if index.isdecimal() else ""
