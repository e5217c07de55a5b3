"""One problem as it is solved: steps that are decided scroll away, what is being written stays below with the bill."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console as Rich
from rich.text import Text

from ..budget.cost import Limits
from ..budget.events import Event
from .ink import Palette, count, dollars, duration, folded, harmless
from .row import Row, Rows
from .spending import Spending

_VERBS: Final = {"think": "writes", "answer": "answers", "judge": "judges", "score": "scores", "probe": "looks ahead"}
_TAIL: Final = 2000  # pieces of a text being written that are shown at most
_STEP: Final = re.compile(r"/?step-(\d+)$")


@dataclass(slots=True)
class _Stream:
    role: str
    label: str
    parts: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class _Remark:
    """A line that is no step: where the run is, what the budget said."""

    text: str
    style: str = "dim"


class Transcript:
    """The view of a run with one problem."""

    def __init__(self, limits: Limits | None, signs: Mapping[str, str]) -> None:
        self.spending = Spending(limits or Limits(), signs)
        self._signs, self._palette = signs, Palette()
        self._rows = Rows(Rich(file=io.StringIO(), width=200), self._palette, signs)
        self._done: list[Row | _Remark] = []
        self._streams: dict[str, _Stream] = {}
        self._rejected: set[str] = set()
        self._name_width, self._where = 6, ""
        self._take: Mapping[str, Callable[[Event], None]] = {
            "problem_start": self._problem,
            "problem_end": self._end,
            "node_start": self._node,
            "node_skip": self._skip,
            "token": self._token,
            "settle": self._settled,
            "step": self._step,
            "answer": self._answer,
            "tool_end": self._tool,
            "retry": self._retry,
            "refuse": self._refused,
            "note": self._note,
        }

    def take(self, event: Event) -> None:
        """Fold one event in."""
        self.spending.take(event)
        if take := self._take.get(event.kind):
            take(event)

    def finished(self, width: int) -> list[Text]:
        """Steps and remarks decided since the last call."""
        done, self._done = self._done, []
        return [line for item in done for line in self._lines(item, width)]

    def plain(self) -> list[str]:
        """The same, a line each."""
        done, self._done = self._done, []
        return [item.text if isinstance(item, _Remark) else self._rows.plain(item) for item in done]

    def live(self, width: int, height: int) -> list[Text]:
        """What is being written, what is going on, what is left."""
        status = [Text(), self._status(width)]
        if (left := self.spending.left(width)) is not None:
            status.append(left)
        room = max(1, height - len(status) - 2)
        return self._writing(width, room) + status

    # -- lines ------------------------------------------------------------------------------------------------

    def _lines(self, item: Row | _Remark, width: int) -> list[Text]:
        if isinstance(item, Row):
            return self._rows.lines(item, width, self._name_width)
        return list(Text(item.text, item.style).wrap(self._rows.rich, width)) or [Text()]

    def _writing(self, width: int, room: int) -> list[Text]:
        """The ends of the texts that are being written, the rows shared among them."""
        shown = list(self._streams.values())[:room]
        each = room // max(1, len(shown))
        lines: list[Text] = []
        for stream in shown:
            text = "".join(stream.parts[-_TAIL:]) + self._signs["cursor"]
            row = Row(label=stream.label, author=stream.role, text=text, tokens=len(stream.parts))
            lines += self._rows.lines(row, width, self._name_width)[-each:]
        return lines

    def _status(self, width: int) -> Text:
        doing = Text("  ")
        calls = list(self.spending.open.values())
        if calls:
            role, purpose = calls[-1]
            doing.append(folded(role), self._palette[role])
            doing.append(f" {_VERBS.get(purpose, purpose)}")
        if len(calls) > 1:
            doing.append(f", {len(calls)} calls open", "dim")
        spent = self.spending.spent()
        gap = width - doing.cell_len - len(spent)
        return doing + Text(" " * max(2, gap) + spent) if gap >= 2 else Text(f"  {spent}"[:width])

    # -- events -----------------------------------------------------------------------------------------------

    def _remark(self, text: str, style: str = "dim") -> None:
        self._done.append(_Remark(text, style))

    def _problem(self, event: Event) -> None:
        self._remark(harmless(event.payload.get("question", "")).strip(), "bold")
        self._remark("")

    def _node(self, event: Event) -> None:
        self._where = event.path
        rule, strategy = self._signs["rule"] * 2, event.payload.get("strategy", "")
        self._remark(f"{rule} {folded(_below(event.path))} {rule} {folded(strategy)}")

    def _skip(self, event: Event) -> None:
        self._remark(
            f"{self._signs['rule'] * 2} {folded(_below(event.path))} skipped: {folded(event.payload.get('reason', ''))}"
        )

    def _token(self, event: Event) -> None:
        stream = self._streams.get(event.path)
        if stream is None:
            role, step = str(event.payload.get("role", "")), _STEP.search(event.path.rpartition("/")[0])
            stream = self._streams[event.path] = _Stream(role, _number(step.group(1)) if step else "")
            self._name_width = max(self._name_width, min(12, len(role)))
        stream.parts.append(str(event.payload.get("text", "")))

    def _settled(self, event: Event) -> None:
        """Answers are not steps; theirs is the only text that is told here alone."""
        if event.payload.get("purpose") != "answer" or not event.payload.get("text"):
            return
        role, path = str(event.payload.get("role", "")), event.path.partition("/")[2]
        self._forget(f"{path}/answer/")
        text, cost = str(event.payload["text"]), event.cost
        self._row(
            Row(
                author=role,
                text=text,
                tokens=cost.output if cost else None,
                nanodollars=cost.nanodollars if cost else None,
            )
        )

    def _step(self, event: Event) -> None:
        told, author = event.payload, str(event.payload.get("author", ""))
        self._forget(f"{event.path}/")
        self._head(_STEP.sub("", event.path))
        score, kept, again = told.get("score"), bool(told.get("kept", True)), event.path in self._rejected
        row = Row(
            label=_number(told.get("index", "")),
            author=author,
            text=str(told.get("text", "")),
            kept=kept,
            again=again and kept,
            score=float(score) if isinstance(score, int | float) else None,
            reason="" if kept else str(told.get("reason", "")),
            tokens=_int(told.get("tokens")),
            nanodollars=event.cost.nanodollars if event.cost else None,
        )
        self._row(row)
        (self._rejected.discard if kept else self._rejected.add)(event.path)

    def _row(self, row: Row) -> None:
        self._name_width = max(self._name_width, min(12, len(row.author)))
        self._done.append(row)

    def _head(self, where: str) -> None:
        """Say where the run is when it is elsewhere than at the step before."""
        if where != self._where and "/" in where:
            self._remark(f"{self._signs['rule'] * 2} {folded(_below(where))}")
        self._where = where

    def _answer(self, event: Event) -> None:
        self._forget(f"{event.path}/")

    def _end(self, event: Event) -> None:
        told, right = event.payload, event.payload.get("correct")
        verdict = (
            "" if right is None else f" {self._signs['kept']} right" if right else f" {self._signs['rejected']} wrong"
        )
        status = str(told.get("status", "answered"))
        self._remark("")
        self._remark(
            f"  = {folded(told.get('answer', ''))}{verdict}" + (f" ({status})" if status != "answered" else ""), "bold"
        )

    def _tool(self, event: Event) -> None:
        told = event.payload
        self._row(Row(author=str(told.get("tool", "tool")), text=str(told.get("error") or told.get("result", ""))))

    def _retry(self, event: Event) -> None:
        told, role = event.payload, str(event.payload.get("role", ""))
        for path in [
            path for path, stream in self._streams.items() if path.startswith(event.path) and stream.role == role
        ]:
            del self._streams[path]
        self._warn(
            f"{folded(role)} tries again in {duration(float(str(told.get('wait_s', 0))))}: {folded(told.get('error', ''))}"
        )

    def _refused(self, event: Event) -> None:
        told = event.payload
        asked, left = (count(float(str(told.get(name, 0)))) for name in ("asked", "left"))
        self._warn(
            f"the budget refused {folded(told.get('role', 'a call'))} {folded(told.get('unit', ''))}: {asked} asked, {left} left"
        )

    def _note(self, event: Event) -> None:
        self._warn(folded(event.payload.get("text", "")))

    def _warn(self, text: str) -> None:
        self._remark(f"  {self._signs['warn']} {text}", "italic")

    def _forget(self, prefix: str) -> None:
        for path in [path for path in self._streams if path.startswith(prefix)]:
            del self._streams[path]


def _below(path: str) -> str:
    """A path without the problem's own part."""
    return path.partition("/")[2] or path


def _number(index: object) -> str:
    return str(int(str(index)) + 1) if str(index).isdigit() else ""


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
