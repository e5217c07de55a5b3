"""A batch's folder: the recipe as resolved, every event, and a line for each problem as soon as it ends."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO, cast

from ...verifiers.base import Problem
from ..agent import Solved
from ..errors import RecipeError
from ..recipe import Recipe, dump
from .records import line, solved_line

RECIPE: Final = "recipe.yaml"
EVENTS: Final = "events.jsonl"
ANSWERS: Final = "answers.jsonl"
CODES: Final = {"answered": 0, "abstained": 1, "exhausted": 3, "failed": 4}
WRONG_INPUT: Final = 2


class Folder:
    """Where a batch is kept. `done` holds the lines of the problems that an earlier run had finished.

    Raises: RecipeError when the folder holds a run already, or with `resume`, when it holds another one.
    """

    def __init__(self, path: Path, recipe: Recipe, seed: int, *, resume: bool = False) -> None:
        self.path, self.statuses = path, Counter[str]()
        self._head = f"# As resolved, with seed {seed}.\n{dump(recipe)}"
        self.done: dict[str, str] = {}
        self._answers: TextIO | None = None
        if path.exists() and not path.is_dir():
            raise RecipeError("is a file, not a folder", file=path)
        if resume:
            self._resume()
        elif taken := next((name for name in (RECIPE, EVENTS, ANSWERS) if (path / name).exists()), None):
            hint = "choose another, or go on with it by `--continue`"
            raise RecipeError(f"holds a run already, `{taken}`", file=path, hint=hint)

    @property
    def events(self) -> Path:
        """Where its events go."""
        return self.path / EVENTS

    def left(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems that are not done. Raises: RecipeError when an id stands for another question there."""
        left: list[Problem] = []
        for problem in problems:
            asked = self.done.get(problem.id)
            if asked is None:
                left.append(problem)
            elif asked != problem.text:
                hint = "continue with the same problems, or choose another folder"
                raise RecipeError(f"`{problem.id}` asked something else in this run", file=self.path, hint=hint)
        return left

    def start(self) -> None:
        """Write the recipe, and be ready for answers."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / RECIPE).write_text(self._head, encoding="utf-8")
        self._answers = (self.path / ANSWERS).open("a", encoding="utf-8", errors="backslashreplace")

    def add(self, solved: Solved) -> str:
        """Write one problem's line, and return it."""
        assert self._answers is not None
        written = line(solved_line(solved))
        self._answers.write(written + "\n")
        self._answers.flush()
        self.statuses[solved.answer.status] += 1
        return written

    def close(self) -> None:
        """End the file of answers."""
        if self._answers:
            self._answers.close()

    def _resume(self) -> None:
        recipe, answers = self.path / RECIPE, self.path / ANSWERS
        if not recipe.is_file():
            raise RecipeError("holds no run to continue", file=self.path, hint="leave `--continue` out")
        if recipe.read_text(encoding="utf-8") != self._head:
            hint = "continue with the same recipe, options and seed, or choose another folder"
            raise RecipeError("is not the recipe of this command", file=recipe, hint=hint)
        if answers.is_file():
            self._read(answers)

    def _read(self, answers: Path) -> None:
        """The finished lines; one that was torn by a crash is cut off, and its problem solved again."""
        data = answers.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for number, raw in enumerate(whole.splitlines(), start=1):
            try:
                row = cast(dict[str, str], json.loads(raw))
                self.done[row["id"]] = row["question"]
                self.statuses[row["status"]] += 1
            except (ValueError, KeyError, TypeError):
                raise RecipeError("is no line of answers", file=answers, line=number) from None
        if len(whole) < len(data):
            os.truncate(answers, len(whole))


def new_folder(recipe: Recipe) -> Path:
    """`runs/ID` that does not exist: the time and the recipe's name."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (f"{stamp}-{recipe.name}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for name in names if not (path := Path("runs") / name).exists())


def exit_code(statuses: Iterable[str], bad_lines: int = 0) -> int:
    """The worst of how problems ended: 0 answered, 1 abstained, 2 wrong input, 3 exhausted, 4 failed."""
    codes = [CODES[status] for status in statuses]
    return max([*codes, WRONG_INPUT] if bad_lines else codes, default=0)
