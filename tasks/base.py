"""What a task is: a source of problems with one knob for how hard they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from ..budget.errors import HeadgateError, meant
from ..verifiers.base import Problem

PATIENCE: Final = 2000  # draws in a row that gave nothing new, before a task counts as exhausted


class TaskError(HeadgateError, ValueError):
    """A task that there is not, or that cannot give what is asked of it."""


@dataclass(frozen=True, slots=True)
class Knob:
    """What a task's difficulty counts, and from where to where; more is harder."""

    counts: str
    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.counts}, {self.least} to {self.most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A source of problems; `draw` yields them from a seed and a difficulty, where None mixes, with or without end.

    The same seed gives the same problems, and none that a shipped model was trained on. meta: every problem has its
    `difficulty` there.
    """

    name: str
    summary: str
    knob: Knob | None
    draw: Callable[[Random, int | None], Iterator[Problem]]

    def sample(self, n: int, seed: int = 0, *, difficulty: int | None = None) -> list[Problem]:
        """n different problems; a larger sample begins with a smaller one.

        Raises: TaskError for figures out of range, and where there are fewer problems.
        """
        if n < 1:
            raise TaskError(f"n is {n}; draw at least 1 problem")
        self._check(difficulty)
        drawn: dict[str, Problem] = {}
        repeats = 0
        for problem in self.draw(Random(seed), difficulty):
            repeats = repeats + 1 if problem.id in drawn else 0
            drawn.setdefault(problem.id, problem)
            if len(drawn) == n or repeats == PATIENCE:
                break
        if len(drawn) < n:
            at = "" if difficulty is None else f" of difficulty {difficulty}"
            raise TaskError(f"`{self.name}` has {len(drawn)} problems{at}; {n} are asked")
        return list(drawn.values())

    def _check(self, difficulty: int | None) -> None:
        if difficulty is None:
            return
        if self.knob is None:
            raise TaskError(f"`{self.name}` has no difficulty to choose; leave it out")
        if not self.knob.least <= difficulty <= self.knob.most:
            raise TaskError(f"the difficulty of `{self.name}` is {self.knob}; {difficulty} is asked")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says in a world that is acted in by text: the world (user), or whoever acts (assistant)."""

    speaker: Literal["user", "assistant"]
    text: str


Transcript = tuple[Turn, ...]


def unknown(kind: str, name: str, allowed: list[str]) -> TaskError:
    """An error for a name that there is not: the nearest right spelling, and all that would have been right."""
    return TaskError(f"there is no {kind} `{name}`; {meant(name, allowed)}")
