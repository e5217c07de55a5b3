"""A bench's folder: what was asked, the problems, a run folder for every recipe and seed, and what came of it.

bench.yaml      what was asked
problems.jsonl  the problems, in the order that every recipe sees
cells/NAME-S    the run of recipe NAME with seed S: `headgate trace`, `runs` and `resume` read it as any other
records.jsonl   a line for each recipe, seed and problem of the table; made again from the journals
report.md       the table, the differences, and the pictures plots/*.png and *.svg
"""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...tasks import jsonl
from ..errors import RecipeError
from ..journal.lock import lock
from ..run_folder import RunFolder
from .asked import HEAD, Asked, differences, load
from .problems import lines

BENCH: Final = "bench.yaml"
PROBLEMS: Final = "problems.jsonl"
_DRAFT: Final = "bench.tmp"


@dataclass(frozen=True, slots=True)
class BenchFolder:
    """Where one bench is kept."""

    path: Path

    @property
    def bench(self) -> Path:
        """What was asked."""
        return self.path / BENCH

    @property
    def records(self) -> Path:
        """A line for each recipe, seed and problem."""
        return self.path / "records.jsonl"

    @property
    def report(self) -> Path:
        """The table, for people."""
        return self.path / "report.md"

    @property
    def plots(self) -> Path:
        """The pictures."""
        return self.path / "plots"

    def cell(self, recipe: str, seed: int) -> Path:
        """The run folder of a recipe and a seed."""
        return self.path / "cells" / f"{recipe}-{seed}"

    def asked(self) -> Asked:
        """What the bench was asked. Raises: RecipeError, BadLine."""
        return load(self.bench, jsonl.load(self.path / PROBLEMS))

    def check(self, asked: Asked) -> None:
        """Raises: RecipeError where something else stands here, or a bench that was asked otherwise."""
        if self.path.exists() and not self.path.is_dir():
            raise RecipeError("is a file, not a folder", file=self.path)
        if stranger := self._stranger():
            hint = "choose a folder that is empty, or none"
            raise RecipeError(f"holds something else, `{stranger}`", file=self.path, hint=hint)
        if self.began and (changed := differences(self.asked(), asked)):
            hint = f"go on with what was asked: headgate resume {self.path}; or choose another --out"
            raise RecipeError(f"was asked otherwise: {'; '.join(changed)}", file=self.bench, hint=hint)

    def _stranger(self) -> str:
        """What stands here and is not a bench's."""
        if self.bench.exists():
            ours = self.bench.read_text(encoding="utf-8", errors="replace").startswith(HEAD)
            return "" if ours else BENCH
        others = sorted(item.name for item in self.path.glob("*")) if self.path.is_dir() else []
        return next((name for name in others if name != _DRAFT), "")

    @property
    def began(self) -> bool:
        """Whether anything was spent; before that, another bench may be asked here."""
        return any(RunFolder(cell).began for cell in self.path.glob("cells/*"))

    def write(self, asked: Asked) -> None:
        """Make the folder with what is asked, unless it stands there."""
        if self.bench.exists() and self.began:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / _DRAFT
        draft.write_text(asked.yaml(), encoding="utf-8")
        draft.replace(self.bench)  # first of all, so that what a kill leaves here is known to be a bench's
        (self.path / PROBLEMS).write_text(lines(asked.problems), encoding="utf-8", errors="backslashreplace")

    @contextmanager
    def locked(self) -> Generator[None]:
        """Only one process works on a bench. Raises: JournalError naming the other."""
        fd = os.open(self.bench, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lock(fd, self.bench)
            yield
        finally:
            with suppress(OSError):
                os.close(fd)


def is_bench(path: Path) -> bool:
    """Whether a bench is kept there."""
    return (path / BENCH).is_file()
