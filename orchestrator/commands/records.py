"""Answers and events as JSON: one object for one question, one line for each problem of a batch, one for each event."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO, TypeGuard

from ...budget.cost import Cost
from ...budget.events import Event
from ...strategies.base import Answer
from ...verifiers.base import Step
from ..agent import Solved
from ..journal.redaction import redacted


def line(values: Mapping[str, object]) -> str:
    """One line of strict JSON; numbers that JSON does not have are null."""
    return json.dumps(_strict(values), ensure_ascii=False, allow_nan=False, default=str)


def solved_line(solved: Solved) -> dict[str, object]:
    """A problem of a batch and how it ended."""
    answer = solved.answer
    return {
        "id": solved.problem.id,
        "question": solved.problem.text,
        "answer": answer.text,
        "status": answer.status,
        "correct": solved.correct,
        "cost": answer.cost.as_dict(),
        "cost_by_role": _costs(answer.cost_by_role),
        "seconds": round(solved.seconds, 6),
        "reason": answer.reason,
    }


def whole(answer: Answer) -> dict[str, object]:
    """Everything that is known about an answer."""
    return {
        "answer": answer.text,
        "status": answer.status,
        "reason": answer.reason,
        "written": answer.completion.text if answer.completion else "",
        "steps": [_step(step) for step in answer.steps],
        "candidates": [whole(candidate) for candidate in answer.candidates],
        "cost": answer.cost.as_dict(),
        "cost_by_role": _costs(answer.cost_by_role),
        "bill": [{"role": role, "purpose": purpose, "cost": c.as_dict()} for (role, purpose), c in answer.bill.items()],
    }


def event_line(event: Event, *, redact: bool = False) -> str:
    """An event, without the whole answer that a journal keeps, and without any text of prompts and answers."""
    payload = redacted(event.payload) if redact else event.payload
    told = {name: value for name, value in payload.items() if name != "result"}
    return line(event.as_dict() | {"payload": told})


class EventLog:
    """A sink that writes one line an event into a file, which is made with the first; tokens are left out.

    redact: leave out the text of prompts and answers too.
    """

    streaming = False

    def __init__(self, path: Path, *, redact: bool = False) -> None:
        self.path, self._redact = path, redact
        self._file: TextIO | None = None

    def write(self, event: Event) -> None:
        """Append one event."""
        if event.kind != "token":
            self._open().write(event_line(event, redact=self._redact) + "\n")

    async def flush(self) -> None:
        """Hand what was written to the operating system."""
        if self._file:
            self._file.flush()

    def close(self) -> None:
        """End the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _open(self) -> TextIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        return self._file


def _step(step: Step) -> dict[str, object]:
    score = step.score
    told = {"value": score.value, "signal": score.signal, "reason": score.reason} if score else None
    said = {"text": step.text, "author": step.author, "kept": step.kept, "stop": step.completion.stop}
    return {**said, "score": told, "tokens": step.completion.usage.output}


def _costs(costs: Mapping[str, Cost]) -> dict[str, object]:
    return {role: cost.as_dict() for role, cost in costs.items()}


def _strict(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if _is_mapping(value):
        return {str(key): _strict(item) for key, item in value.items()}
    return [_strict(item) for item in value] if _is_sequence(value) else value


def _is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, list | tuple | set | frozenset)
