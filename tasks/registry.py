"""Which tasks there are: by name, a summary and a sampler of held-out problems."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from ..verifiers.base import Problem
from . import word_problems
from .word_problems import Mix, WordProblem

MOST_STEPS: Final = 12


@dataclass(frozen=True, slots=True)
class Task:
    """A source of problems; `draw` yields them without end from a seed."""

    summary: str
    draw: Callable[[Random, int | None], Iterator[Problem]]


def names() -> tuple[str, ...]:
    """All tasks."""
    return tuple(_TASKS)


def summary(name: str) -> str:
    """What a task asks, in a line. Raises: KeyError."""
    return _TASKS[name].summary


def sample(name: str, n: int, seed: int = 0, *, steps: int | None = None) -> list[Problem]:
    """n different problems, the same for the same seed; never one that a shipped model was trained on.

    steps: how many steps each takes; None mixes. Raises: KeyError, ValueError for figures out of range.
    """
    if n < 1:
        raise ValueError(f"n is {n}; draw at least 1 problem")
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise ValueError(f"steps is {steps}; a problem has 1 to {MOST_STEPS}")
    drawn: dict[str, Problem] = {}
    for problem in _TASKS[name].draw(Random(seed), steps):
        drawn.setdefault(problem.id, problem)
        if len(drawn) == n:
            break
    return list(drawn.values())


def _worded(mix: Mix) -> Callable[[Random, int | None], Iterator[Problem]]:
    def draw(rng: Random, steps: int | None) -> Iterator[Problem]:
        chosen = mix if steps is None else replace(mix, steps={steps: 1.0})
        return (_problem(drawn) for drawn in word_problems.stream_of(rng, split="held_out", mix=chosen))

    return draw


def _problem(drawn: WordProblem) -> Problem:
    return Problem(text=drawn.question, id=drawn.id, reference=str(drawn.answer), meta={"steps": len(drawn.steps)})


_TASKS: Final[Mapping[str, Task]] = {
    "word_problems": Task("Who has how many: small sums in plain sentences.", _worded(word_problems.STANDARD)),
    "word_problems_shuffled": Task("The same with the sentences in any order.", _worded(word_problems.HARD)),
}
