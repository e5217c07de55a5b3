"""Problems from a file: one JSON object a line with `question`, and optionally more that a problem has.

`answer` is the reference, `id` a name; `choices` are the options of a multiple-choice question, judged as such unless
a `verifier` is named; `givens` is what the question begins with, where other problems begin with it too. Other fields
are kept. Byte-order mark, Windows line ends and blank lines are fine. Without an id a problem is called
after its line, `p12`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..budget.errors import HeadgateError
from ..verifiers import registry as verifiers
from ..verifiers.base import Problem

FIELDS = ("question", "answer", "id", "choices", "givens", "verifier")


class BadLine(HeadgateError):
    """A file of problems, or a line of it, that cannot be read."""

    def __init__(self, what: str, *, file: str | Path, line: int | None = None, hint: str = "") -> None:
        self.file, self.line = file, line
        place = str(file) if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {what}; {hint}" if hint else f"{place}: {what}")


def load(path: Path, on_error: Callable[[BadLine], None] | None = None) -> list[Problem]:
    """The problems of a file. on_error: told of every bad line, which is then left out.

    Raises: BadLine for a file that cannot be read or holds no problems, and for a bad line unless `on_error` takes it.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise BadLine(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=path) from None
    return parse(data, str(path), on_error)


def parse(data: bytes, file: str, on_error: Callable[[BadLine], None] | None = None) -> list[Problem]:
    """As `load`, from bytes; `file` is what errors call them."""
    problems: list[Problem] = []
    for read in _lines(data, file):
        if isinstance(read, Problem):
            problems.append(read)
        elif on_error is None:
            raise read
        else:
            on_error(read)
    if not problems:
        raise BadLine("holds no problems", file=file, hint='write one {"question": "..."} a line')
    return problems


def line(problem: Problem) -> str:
    """A problem as the line that it is read from."""
    written: dict[str, object] = {"id": problem.id, "question": problem.text, "answer": problem.reference}
    written |= {"choices": problem.choices or None, "givens": problem.givens or None}
    written |= {"verifier": problem.verifier if problem.verifier != _judged_by(problem.choices) else None}
    written |= problem.meta
    return json.dumps({name: value for name, value in written.items() if value is not None}, ensure_ascii=False)


def _lines(data: bytes, file: str) -> Iterator[Problem | BadLine]:
    seen: dict[str, int] = {}
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            problem = _problem(raw, file, number)
            if first := seen.setdefault(problem.id, number) if problem.id in seen else 0:
                raise BadLine(f"the id `{problem.id}` is that of line {first}", file=file, line=number)
            seen[problem.id] = number
            yield problem
        except BadLine as error:
            yield error


def _problem(raw: bytes, file: str, number: int) -> Problem:
    fields = _object(raw, file, number)
    question = fields.get("question")
    if not isinstance(question, str):
        missing = "question" not in fields
        what = "there is no `question`" if missing else f"`question` is {_kind(question)}, not a text"
        raise BadLine(what, file=file, line=number, hint=_meant(fields) if missing else "")
    if not question.strip():
        raise BadLine("the question is empty", file=file, line=number)
    choices = _choices(fields, file, number)
    problem = Problem(
        text=question,
        id=_text(fields, "id", file, number) or f"p{number}",
        reference=_text(fields, "answer", file, number) or None,
        choices=choices,
        givens=_givens(fields, question, file, number),
        verifier=_text(fields, "verifier", file, number) or _judged_by(choices),
        meta={name: value for name, value in fields.items() if name not in FIELDS},
    )
    if what := verifiers.lacks(problem):
        raise BadLine(what, file=file, line=number)
    return problem


def _judged_by(choices: Sequence[str]) -> str:
    return "choices" if choices else "numeric"


def _choices(fields: Mapping[str, object], file: str, number: int) -> tuple[str, ...]:
    value = fields.get("choices")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadLine(f"`choices` is {_kind(value)}, not a list of texts", file=file, line=number)
    return tuple(_text({"choices": one}, "choices", file, number) for one in cast(list[object], value))


def _givens(fields: Mapping[str, object], question: str, file: str, number: int) -> str:
    value = fields.get("givens") or ""
    if not isinstance(value, str):
        raise BadLine(f"`givens` is {_kind(value)}, not a text", file=file, line=number)
    if not question.startswith(value):
        hint = "the question is asked whole, and `givens` is what it shares with others"
        raise BadLine("the question does not begin with its `givens`", file=file, line=number, hint=hint)
    return value


def _object(raw: bytes, file: str, number: int) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
        value: object = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # refuses half of a surrogate pair
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        hint = "save the file as UTF-8"
        raise BadLine(f"is not UTF-8: {error.reason}", file=file, line=number, hint=hint) from None
    except json.JSONDecodeError as error:
        raise BadLine(f"is no JSON: {error.msg}, at column {error.colno}", file=file, line=number) from None
    except (ValueError, RecursionError) as error:
        raise BadLine(f"is no JSON that can be read: {error}", file=file, line=number) from None
    if not isinstance(value, dict):
        hint = 'write {"question": "..."}'
        raise BadLine(f"holds {_kind(value)}, not an object", file=file, line=number, hint=hint)
    return cast(dict[str, Any], value)


def _text(fields: Mapping[str, object], name: str, file: str, number: int) -> str:
    """A field that is a text or a number, as text; "" without one."""
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadLine(f"`{name}` is {_kind(value)}, not a text or a number", file=file, line=number)
    return str(value).strip()


def _meant(fields: Mapping[str, object]) -> str:
    like = next((name for name in fields if name.lower().strip() in ("question", "problem", "prompt", "text")), "")
    return f"rename `{like}` to `question`" if like else f"it has {', '.join(fields)}" if fields else ""


def _kind(value: object) -> str:
    names = {"dict": "an object", "list": "a list", "str": "a text", "bool": "true or false", "NoneType": "null"}
    return names.get(type(value).__name__, "a number")
