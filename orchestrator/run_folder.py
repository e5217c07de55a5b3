"""A run's folder: the recipe as resolved, the problems, the journal of what happened, and the answers.

    recipe.yaml     every default written out; edit it, and resume with `--accept-changed-recipe`
    problems.jsonl  what is to be solved
    journal.jsonl   every event, each line checked; the only truth about the run. blobs/ holds its long results
    answers.jsonl   a line a problem as soon as it ends; made again from the journal

A process that dies leaves all that was acknowledged; the next one goes on from there.
"""

import difflib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Final, Self

from ..budget.events import Event
from ..strategies.base import digest
from ..tasks import jsonl
from ..verifiers.base import Problem
from . import recipe as recipes
from .errors import RecipeError
from .journal import Header, Journal, Level, Past, held, read
from .recipe import Recipe

RECIPE: Final = "recipe.yaml"
PROBLEMS: Final = "problems.jsonl"
JOURNAL: Final = "journal.jsonl"
ANSWERS: Final = "answers.jsonl"
_HEAD: Final = "# As resolved;"


class RunFolder:
    """Where one run is kept.

    past: what earlier processes left there, None for a new run.
    """

    def __init__(self, path: Path | str, *, durability: Level = "group", redact: bool = False) -> None:
        self.path, self.redact = Path(path), redact
        self.durability: Level = durability
        self.problems: Sequence[Problem] = ()
        self.accept_changed_recipe = False
        self.journal: Journal | None = None
        self.past: Past | None = None
        self._new = f"{time.strftime('%Y%m%d-%H%M%S')}-{token_hex(4)}"

    @property
    def id(self) -> str:
        """The run's own name, the same in every process that goes on with it."""
        return self.journal.header.run if self.journal else self._new

    @property
    def began(self) -> bool:
        """Whether its journal has a whole first line; before that nothing is spent."""
        try:
            with self.journal_file.open("rb") as file:
                return file.readline().endswith(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return False

    @property
    def journal_file(self) -> Path:
        """The journal."""
        return self.path / JOURNAL

    @property
    def answers_file(self) -> Path:
        """A line for each problem that ended."""
        return self.path / ANSWERS

    @classmethod
    def at(cls, path: Path | str) -> Self:
        """A folder for a new run, or the run that is kept there. Raises: RecipeError, JournalError."""
        return cls.resumed(path) if cls(path).began else cls.new(path)

    @classmethod
    def new(
        cls,
        path: Path | str,
        *,
        problems: Sequence[Problem] = (),
        durability: Level = "group",
        redact: bool = False,
    ) -> Self:
        """A folder for a new run, not made yet. Raises: RecipeError where one is kept already."""
        folder = cls(path, durability=durability, redact=redact)
        folder.problems = problems
        if folder.path.exists() and not folder.path.is_dir():
            raise RecipeError("is a file, not a folder", file=path)
        if taken := folder._taken():
            hint = f"choose another, or go on with it: headgate resume {path}"
            raise RecipeError(f"holds a run already, `{taken}`", file=path, hint=hint)
        return folder

    @classmethod
    def existing(cls, path: Path | str) -> Self:
        """The folder of a run, to be read. Raises: RecipeError."""
        folder = cls(path)
        if not folder.began:
            raise RecipeError("holds no run", file=path, hint=_meant(folder.path))
        return folder

    @classmethod
    def resumed(cls, path: Path | str, *, durability: Level = "group") -> Self:
        """The folder of a run to go on with, locked against other writers. Raises: RecipeError, JournalError."""
        folder = cls.existing(path)
        folder.durability = durability
        folder.journal, folder.past = Journal.reopen(folder.journal_file, durability)
        folder.redact = folder.past.header.redacted
        return folder

    def open(self, recipe: Recipe, seed: int) -> Journal:
        """The journal: of the run that goes on, or, once everything has been checked, of a new one.

        Raises: JournalError.
        """
        if self.journal is None:
            # it began where this process closed it, as an agent does that is asked again
            reopened = Journal.reopen(self.journal_file, self.durability)[0] if self.began else None
            self.journal = reopened or self.begin(recipe, seed)
        return self.journal

    def begin(self, recipe: Recipe, seed: int) -> Journal:
        """Make the folder and its journal, once everything has been checked and nothing is spent yet."""
        self.path.mkdir(parents=True, exist_ok=True)
        written = recipes.dump(recipe)
        (self.path / RECIPE).write_text(f"{_HEAD} seed {seed}.\n{written}", encoding="utf-8")
        if lines := [f"{jsonl.line(problem)}\n" for problem in self.problems]:
            (self.path / PROBLEMS).write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
        header = Header(
            run=self._new,
            recipe=digest(written),
            headgate=version(),
            seed=seed,
            prices=_rows(recipe),
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            traceparent=os.environ.get("TRACEPARENT") or None,
            redacted=self.redact,
        )
        if self.journal_file.exists() and not held(self.journal_file):
            self.journal_file.unlink()  # what a kill left of a first line
        return Journal.create(self.journal_file, header, self.durability)

    def _taken(self) -> str:
        """What stands in the way of a new run; not what a process left that was killed before the run began."""
        recipe = self.path / RECIPE
        ours = not recipe.exists() or recipe.read_text(encoding="utf-8", errors="replace").startswith(_HEAD)
        standing = {JOURNAL: self.began, RECIPE: not ours, ANSWERS: self.answers_file.exists()}
        return next((name for name, stands in standing.items() if stands), "")

    def close(self) -> None:
        """End the journal, and let go of it."""
        journal, self.journal = self.journal, None
        if journal:
            journal.close()

    def solve_again(self, problems: Iterable[str]) -> None:
        """Forget how some problems ended, by id, and what failed on the way; what they spent still counts."""
        if self.past:
            self.past = self.past.without(frozenset(problems))

    @property
    def ended(self) -> frozenset[str]:
        """The ids of the problems that earlier processes ended."""
        return frozenset(one.id for one in self.past.ended.values()) if self.past else frozenset()

    def left(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems that no earlier process ended."""
        ended = self.ended
        return [problem for problem in problems if problem.id not in ended]

    def before(self) -> Iterable[Event]:
        """What earlier processes told; nothing of a new run."""
        return read(self.journal_file).events if self.past else ()

    def load_recipe(self) -> Recipe:
        """The run's recipe, as it stands in the folder now. Raises: RecipeError."""
        return recipes.load(self.path / RECIPE)

    def check_recipe(self, recipe: Recipe) -> None:
        """Raises: RecipeError when it is not the recipe of the last process, unless a changed one is accepted."""
        began, now = self.past.recipe if self.past else "", recipes.dump(recipe)
        if began and began != now and not self.accept_changed_recipe:
            self.close()
            hint = "undo that, or add --accept-changed-recipe: what is finished stands, the rest is run by the new one"
            raise RecipeError(f"was changed: {_changes(began, now)}", file=self.path / RECIPE, hint=hint)

    def load_problems(self) -> list[Problem]:
        """What the run is to solve; none where it was asked from Python. Raises: BadLine."""
        file = self.path / PROBLEMS
        return jsonl.load(file) if file.exists() else []


def version() -> str:
    """Of headgate; every process of a run tells its own."""
    return str(import_module(__name__.partition(".")[0]).__version__)


def _rows(recipe: Recipe) -> Mapping[str, Mapping[str, object]]:
    """The price of every model that has one, as the journal pins it."""
    found = {name: recipes.price(recipe, name) for name in recipe.models}
    return {name: price.as_row() for name, price in found.items() if price}


def _changes(before: str, after: str) -> str:
    """The lines that differ, in a few words."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    changed = [line[:2].strip() + line[2:].strip() for line in lines if line[:2] in ("- ", "+ ")]
    return ", ".join(changed[:4]) + (f" and {len(changed) - 4} more lines" if len(changed) > 4 else "")


def _meant(path: Path) -> str:
    """Runs that stand beside it."""
    beside = [folder.parent.name for folder in sorted(path.parent.glob(f"*/{JOURNAL}"))] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    return f"did you mean `{path.parent / close[0]}`?" if close else "`headgate runs` lists those there are"
