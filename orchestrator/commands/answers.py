"""The answers of a batch: a line for each problem as soon as it ends, in a file that survives a crash."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, Self, TextIO, cast

from ..agent import Solved
from .records import line, solved_line

CODES: Final = {"answered": 0, "abstained": 1, "exhausted": 3, "failed": 4}
WRONG_INPUT: Final = 2


class Answers:
    """A file of answers being written. `statuses` counts how problems ended, those of earlier processes included.

    ended: the ids of problems whose earlier lines stand.
    """

    def __init__(self, path: Path, ended: Collection[str]) -> None:
        self.path, self.statuses = path, Counter[str]()
        self._kept = {name: text for name, text in _whole_lines(path) if name in ended}
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        """Put the lines that stand into a fresh file, which takes the old one's place whole."""
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text("".join(f"{text}\n" for text in self._kept.values()), encoding="utf-8")
        fresh.replace(self.path)
        self._file = self.path.open("a", encoding="utf-8", errors="backslashreplace")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def has(self, problem: str) -> bool:
        """Whether a problem's line stands."""
        return problem in self._kept

    def add(self, solved: Solved) -> str:
        """Write one problem's line, unless it stands already, and return it."""
        assert self._file is not None
        self.statuses[solved.answer.status] += 1
        if self.has(solved.problem.id):
            return self._kept[solved.problem.id]
        written = line(solved_line(solved))
        self._file.write(written + "\n")
        self._file.flush()
        return written


def exit_code(statuses: Iterable[str], bad_lines: int = 0) -> int:
    """The worst of how problems ended: 0 answered, 1 abstained, 2 wrong input, 3 exhausted, 4 failed."""
    codes = [CODES[status] for status in statuses]
    return max([*codes, WRONG_INPUT] if bad_lines else codes, default=0)


def _whole_lines(path: Path) -> Iterable[tuple[str, str]]:
    """The lines that can be read, by id; one that a crash tore is made again from the journal."""
    for text in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else ():
        try:
            yield cast(dict[str, str], json.loads(text))["id"], text
        except (ValueError, KeyError, TypeError):
            continue
