"""What a run's earlier processes left, read from its journal: what was spent, what was answered, what is in doubt."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from pydantic_core import from_json

from ...budget.cost import Cost
from ...budget.events import Event
from ...budget.history import History
from ...strategies.base import Answer, Kept, Status
from ..errors import JournalError
from .answers import unpack, with_bill
from .blobs import Blobs
from .lines import Header
from .reader import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A problem that ended. start, end: the payloads of its two events; seconds: what it took.

    answer: in a redacted journal how it ended and what it cost, without a word.
    """

    start: Mapping[str, object]
    end: Mapping[str, object]
    answer: Answer
    seconds: float

    @property
    def question(self) -> str:
        """What was asked; "" in a redacted journal."""
        return str(self.start.get("question", ""))

    @property
    def id(self) -> str:
        """The problem's own name; "" where it had none."""
        return str(self.start.get("id", ""))

    @property
    def asked(self) -> str:
        """The digest of the question."""
        return str(self.end.get("asked", ""))

    @property
    def correct(self) -> bool | None:
        """Whether the answer was right; None where nobody knows."""
        correct = self.end.get("correct")
        return correct if isinstance(correct, bool) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a run's earlier processes left.

    recipe: as the last of them told it. kept: answers of nodes and strategies, the latest of each path. ended: by the
    problem's path. last, t: id and time of the last event. torn: bytes of a last line that was never finished.
    processes: how many have worked on the run. complete: whether the last of them came to its end.
    """

    header: Header
    recipe: str
    history: History
    kept: Kept
    ended: Mapping[str, Ended]
    last: int
    t: float
    torn: int
    processes: int
    complete: bool

    def without(self, problems: Container[str]) -> "Past":
        """The same without how some problems, by id, ended, and without what gave no answer on the way to it."""
        again = {path for path, ended in self.ended.items() if ended.id in problems}
        ended = {path: one for path, one in self.ended.items() if path not in again}
        answers = {
            path: kept
            for path, kept in self.kept.answers.items()
            if kept[1].status == "answered" or path.partition("/")[0] not in again
        }
        return replace(self, ended=ended, kept=replace(self.kept, answers=answers))


def past(path: Path) -> Past:
    """Read what a run's earlier processes left. Raises: JournalError as `read`, and for a result that is not there."""
    return gather(Scan(path))


def gather(scan: Scan) -> Past:
    """The same from a scan that has read nothing yet; afterwards it stands where the journal's good part ends."""
    seen = _Seen(Blobs(scan.path))
    history = History.of(seen.watch(scan.events()))
    return Past(
        header=scan.header,
        recipe=seen.recipe,
        history=history,
        kept=Kept(answers=seen.kept(history), unknown=history.unknown),
        ended=seen.ended(),
        last=seen.last,
        t=seen.t,
        torn=scan.torn,
        processes=seen.processes,
        complete=seen.complete,
    )


def answer_of(event: Event, blobs: Blobs) -> Answer | None:
    """The answer that an event of a journal carries, if any. Raises: JournalError when its blob is lost or damaged."""
    result = event.payload.get("result")
    if not isinstance(result, dict):
        return None
    packed = cast(dict[str, object], result)
    if "blob" in packed:
        packed = cast(dict[str, object], from_json(blobs.get(str(packed["blob"]))))
    told = event.payload  # what the event says itself is not written again in its result
    beside = {"text": told.get("text", told.get("answer")), "status": told.get("status"), "reason": told.get("reason")}
    try:
        return unpack({**beside, **packed})
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(f"event {event.id} at `{event.path}` carries no answer", file=blobs.folder.parent) from error


@dataclass(slots=True)
class _Seen:
    """What a journal's events say, gathered in one pass; the same problem or node may come again."""

    blobs: Blobs
    recipe: str = ""
    last: int = 0
    t: float = 0.0
    processes: int = 0
    complete: bool = False
    answers: dict[str, Event] = field(default_factory=dict[str, Event])
    starts: dict[str, Event] = field(default_factory=dict[str, Event])
    ends: dict[str, Event] = field(default_factory=dict[str, Event])

    def watch(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            self.last, self.t = event.id, event.t
            if event.kind in ("answer", "node_end") and "asked" in event.payload:
                self.answers[event.path] = event
            elif event.kind == "problem_start":
                self.starts[event.path] = event
                self.ends.pop(event.path, None)
            elif event.kind == "problem_end":
                self.ends[event.path] = event
            elif event.kind == "run_start":
                self.processes, self.complete = self.processes + 1, False
                self.recipe = str(event.payload.get("recipe", ""))
            elif event.kind == "run_end":
                self.complete = True
            yield event

    def kept(self, history: History) -> dict[str, tuple[str, Answer]]:
        kept: dict[str, tuple[str, Answer]] = {}
        for path, event in self.answers.items():
            if answer := answer_of(event, self.blobs):
                asked, spent = str(event.payload["asked"]), history.at(path)
                kept[path] = asked, with_bill(answer, spent.bill) if spent else answer
        return kept

    def ended(self) -> dict[str, Ended]:
        return {path: self._ended(path, event) for path, event in self.ends.items()}

    def _ended(self, path: str, end: Event) -> Ended:
        start, told = self.starts.get(path), end.payload
        took = told.get("seconds")
        return Ended(
            start=start.payload if start else {},
            end={name: value for name, value in told.items() if name != "result"},
            answer=answer_of(end, self.blobs) or _in_short(end),
            seconds=took if isinstance(took, float) else end.t - (start.t if start else end.t),
        )


def _in_short(end: Event) -> Answer:
    """What a problem's end says of its answer where the answer itself was not written."""
    told = end.payload
    status = cast(Status, told.get("status", "failed"))
    text, reason = str(told.get("answer", "")), str(told.get("reason", ""))
    return Answer(text=text, status=status, reason=reason, cost=end.cost or Cost())
