"""The problems of a bench: drawn from tasks, read from files, or both, in one order that every recipe sees."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from ...budget.errors import meant
from ...strategies.base import digest
from ...tasks import jsonl
from ...tasks import registry as tasks
from ...verifiers.base import Problem
from ..errors import RecipeError
from .records import TASK

N: Final = 300  # problems of a task, unless told otherwise


def drawn(names: Sequence[str], n: int | None, seed: int, difficulty: int | None = None) -> list[Problem]:
    """The problems of tasks and files; of several, one of each in turn, so that every beginning holds as many of each.

    n: of each; None draws `N` from a task, and takes all that a file holds. difficulty: as each task counts it.
    Raises: RecipeError, TaskError, BadLine.
    """
    if not names:
        hint = f"write --tasks NAME, {_known()}, or --tasks FILE.jsonl"
        raise RecipeError("there are no problems", file="--tasks", hint=hint)
    if n is not None and n < 1:
        raise RecipeError(f"asks for {n} problems", file="--n", hint="ask for 1 or more")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise RecipeError(f"`{twice}` is named twice", file="--tasks")
    turns = zip_longest(*(_one(name, n, seed, difficulty) for name in names))
    return list(_apart(problem for turn in turns for problem in turn if problem is not None))


def lines(problems: Sequence[Problem]) -> str:
    """Problems as the text of `problems.jsonl`."""
    return "".join(f"{jsonl.line(problem)}\n" for problem in problems)


def seal(problems: Sequence[Problem]) -> str:
    """A digest of problems in their order."""
    return digest(lines(problems))


def _one(name: str, n: int | None, seed: int, difficulty: int | None) -> list[Problem]:
    if tasks.known(name):
        called, found = name, tasks.sample(name, n or N, seed, difficulty=difficulty)
    else:
        called, found = Path(name).stem, _read(Path(name), n)
    return [replace(problem, meta={TASK: called, **problem.meta}) for problem in found]


def _read(path: Path, n: int | None) -> list[Problem]:
    if not path.exists() and path.suffix not in (".jsonl", ".json"):
        raise RecipeError(f"there is no task or file `{path}`", file="--tasks", hint=_known(str(path)))
    return jsonl.load(path)[:n]


def _known(name: str = "") -> str:
    return meant(name, tasks.names(), "tasks are")


def _apart(problems: Iterator[Problem]) -> Iterator[Problem]:
    """The same, with ids that two sources share told apart by their source."""
    seen: set[str] = set()
    for problem in problems:
        task = str(problem.meta.get(TASK, ""))
        ids = chain([problem.id, f"{task}-{problem.id}"], (f"{task}-{problem.id}-{i}" for i in range(2, 1_000_000)))
        name = next(one for one in ids if one not in seen)
        seen.add(name)
        yield problem if name == problem.id else replace(problem, id=name)
