r"""GSM8K, MATH-500 and AIME from files on disk, in the forms in which they are handed around: JSONL, or one JSON list.

Sources: Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168 (`question`, and
`answer` that ends with `#### 42`); Hendrycks et al. 2021, "Measuring Mathematical Problem Solving With the MATH Data
Set", arXiv 2103.03874, and the 500 of its problems in Lightman et al. 2023, arXiv 2305.20050 (`problem`, `solution`
with the answer in its last `\boxed{}`, or `answer`); AIME (`problem`, and `answer`, a whole number from 0 to 999).
Nothing is downloaded. A problem's difficulty is what its file says: steps of a GSM8K solution, the level of a MATH
problem, the number of an AIME problem within its contest; 0 where the file does not say.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, cast

from ..verifiers.base import Problem
from ..verifiers.exact import boxed
from .base import Knob, Task
from .jsonl import BadLine
from .word_problems import digest

Fields = Mapping[str, Any]
_STEP: Final = re.compile(r"<<[^<>]*>>")
_AIME_PLACE: Final = re.compile(r"(?:-I{1,2}-|/Problem_)(\d{1,2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a data set's entries are written, and how their answers are judged.

    reference: the right answer, or "" where the entry has none that can be read.
    """

    name: str
    summary: str
    form: str  # one entry, for an error
    text: str  # the field that asks
    reference: Callable[[Fields], str]
    difficulty: Callable[[Fields], int]
    knob: Knob
    verifier: str = "numeric"


def task(name: str, file: str) -> Task:
    """A data set's file as a task. Raises: KeyError for a name that is none of `FORMATS`."""
    form, path = FORMATS[name], Path(file).expanduser()

    def drawn(rng: Random, difficulty: int | None) -> Iterator[Problem]:
        found = [p for p in load(name, path) if difficulty is None or p.meta["difficulty"] == difficulty]
        rng.shuffle(found)
        return iter(found)

    return Task(name=f"{name}:{file}", summary=form.summary, knob=form.knob, draw=drawn)


def load(name: str, path: Path) -> list[Problem]:
    """All problems of a file, in its order; ones that stand there twice, once.

    Raises: KeyError for a name that is none of `FORMATS`, BadLine for a file that is not of that format.
    """
    form = FORMATS[name]
    problems = {problem.id: problem for problem in (_problem(form, path, *entry) for entry in _entries(form, path))}
    if not problems:
        raise BadLine("holds no problems", file=path, hint=f"{name} has entries such as {form.form}")
    return list(problems.values())


def _problem(form: Format, path: Path, line: int, entry: object) -> Problem:
    hint = f"an entry of {form.name} is {form.form}"
    if not isinstance(entry, dict):
        raise BadLine("holds no object", file=path, line=line, hint=hint)
    fields = {name.casefold(): value for name, value in cast(dict[str, Any], entry).items()}
    text = fields.get(form.text)
    if not isinstance(text, str) or not text.strip():
        raise BadLine(f"there is no text `{form.text}`", file=path, line=line, hint=hint)
    reference = form.reference(fields)
    if not reference:
        raise BadLine("there is no answer that can be read", file=path, line=line, hint=hint)
    return Problem(
        text=text.strip(),
        id=f"{form.name}-{digest(text.strip()):016x}",
        reference=reference,
        verifier=form.verifier,
        meta={"difficulty": form.difficulty(fields)},
    )


def _entries(form: Format, path: Path) -> Iterator[tuple[int, object]]:
    """Entries with their lines; those of a JSON list are counted instead. Raises: BadLine."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        hint = f"{form.name} is read from JSONL, or a JSON list; other formats have to be converted"
        raise BadLine(f"is not UTF-8: {error.reason}", file=path, hint=hint) from None
    except (OSError, ValueError) as error:
        raise BadLine(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=path) from None
    if text.lstrip().startswith("["):
        whole = _json(form, path, 1, text)
        yield from enumerate(cast(list[object], whole) if isinstance(whole, list) else [whole], start=1)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _json(form, path, number, line)


def _json(form: Format, path: Path, line: int, text: str) -> object:
    try:
        return cast(object, json.loads(text))
    except (ValueError, RecursionError) as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        at = line + error.lineno - 1 if isinstance(error, json.JSONDecodeError) else line
        hint = f"an entry of {form.name} is {form.form}"
        raise BadLine(f"is no JSON: {said}", file=path, line=at, hint=hint) from None


def _gsm8k(fields: Fields) -> str:
    """What stands behind the last `####`; "" without one."""
    answer = fields.get("answer")
    return answer.rpartition("####")[2].strip() if isinstance(answer, str) and "####" in answer else ""


def _math(fields: Fields) -> str:
    answer = fields.get("answer")
    if isinstance(answer, str | int | float) and not isinstance(answer, bool) and str(answer).strip():
        return str(answer).strip()
    solution = fields.get("solution")
    return (boxed(solution) or "") if isinstance(solution, str) else ""


def _aime(fields: Fields) -> str:
    """A whole number from 0 to 999, without leading zeros; "" for anything else."""
    answer = str(fields.get("answer", "")).strip()
    return str(int(answer)) if re.fullmatch(r"[0-9]{1,3}", answer) else ""


def _steps(fields: Fields) -> int:
    return len(_STEP.findall(fields["answer"]))


def _level(fields: Fields) -> int:
    said = str(fields.get("level", "")).removeprefix("Level ")
    return int(said) if said.isascii() and said.isdecimal() else 0


def _number(fields: Fields) -> int:
    """Within its contest: what `2024-II-4`, or the address of a problem's page, ends with."""
    places = (_AIME_PLACE.search(str(fields.get(name))) for name in ("id", "url"))
    return next((int(found[1]) for found in places if found), 0)


FORMATS: Final[Mapping[str, Format]] = {
    "gsm8k": Format(
        name="gsm8k",
        summary="GSM8K from a file: sums in words, of 2 to 8 steps.",
        form='{"question": "...", "answer": "... #### 42"}',
        text="question",
        reference=_gsm8k,
        difficulty=_steps,
        knob=Knob("steps of the solution", 0, 12),
    ),
    "math": Format(
        name="math",
        summary="MATH or MATH-500 from a file: competition problems of five levels.",
        form='{"problem": "...", "solution": "... \\\\boxed{42}", "level": 3}',
        text="problem",
        reference=_math,
        difficulty=_level,
        knob=Knob("level", 0, 5),
        verifier="math",
    ),
    "aime": Format(
        name="aime",
        summary="AIME from a file: a whole number from 0 to 999 is asked.",
        form='{"id": "2024-II-4", "problem": "...", "answer": 33}',
        text="problem",
        reference=_aime,
        difficulty=_number,
        knob=Knob("number within the contest", 0, 15),
    ),
}
