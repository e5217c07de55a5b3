"""Which tasks there are: by name, or by a name and what it reads, `gsm8k:FILE`, `reasoning_gym:DATASET`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Final

from ..verifiers.base import Problem
from . import datasets, operators, planning, reasoning_gym, stateful_math, tool_problems, word_problems
from .base import Knob, Task, TaskError, unknown
from .word_problems import Mix

MOST_STEPS: Final = 12


@dataclass(frozen=True, slots=True)
class Opener:
    """A kind of task that needs to be told what it reads, such as a file."""

    reads: str
    summary: str
    counts: str  # what the difficulty counts
    open: Callable[[str], Task]


def names() -> tuple[str, ...]:
    """All tasks that need nothing but their names."""
    return tuple(_TASKS)


def openers() -> Mapping[str, Opener]:
    """Kinds of tasks that need to be told what they read: `NAME:WHAT`."""
    return _OPENERS


def summary(name: str) -> str:
    """What a task asks, in a line. Raises: KeyError."""
    return _TASKS[name].summary


def known(name: str) -> bool:
    """Whether a name is that of a task, or begins as one that reads something does."""
    head, colon, _ = name.partition(":")
    return name in _TASKS or (bool(colon) and head in _OPENERS)


def find(name: str) -> Task:
    """A task by name. Raises: TaskError, saying which name was meant."""
    if name in _TASKS:
        return _TASKS[name]
    head, _, what = name.partition(":")
    opener = _OPENERS.get(head)
    if opener is None:
        raise unknown("task", name, [*_TASKS, *(f"{kind}:{opener.reads}" for kind, opener in _OPENERS.items())])
    if not what:
        raise TaskError(f"`{head}` reads a {opener.reads}; write {head}:{opener.reads}")
    return opener.open(what)


def sample(name: str, n: int, seed: int = 0, *, difficulty: int | None = None) -> list[Problem]:
    """n different problems, the same for the same seed; of ours, never one that a shipped model was trained on.

    difficulty: as the task counts it; None mixes. Raises: TaskError for a name that there is not and figures out of
    range, BadLine for a file that cannot be read.
    """
    return find(name).sample(n, seed, difficulty=difficulty)


def _words(name: str, summary: str, mix: Mix) -> Task:
    def draw(rng: Random, difficulty: int | None) -> Iterator[Problem]:
        chosen = mix if difficulty is None else replace(mix, steps={difficulty: 1.0})
        for drawn in word_problems.stream_of(rng, split="held_out", mix=chosen):
            meta = {"difficulty": len(drawn.steps)}
            yield Problem(text=drawn.question, id=drawn.id, reference=str(drawn.answer), meta=meta)

    return Task(name=name, summary=summary, knob=Knob("steps", 1, MOST_STEPS), draw=draw)


_ALL: Final = (
    _words("word_problems", "Who has how many: small sums in plain sentences.", word_problems.STANDARD),
    _words("word_problems_shuffled", "The same with the sentences in any order.", word_problems.HARD),
    stateful_math.TASK,
    operators.TASK,
    operators.UNSEEN_TASK,
    planning.JUGS_TASK,
    planning.DAYS_TASK,
    tool_problems.TASK,
)
_TASKS: Final[Mapping[str, Task]] = {task.name: task for task in _ALL}
_OPENERS: Final[Mapping[str, Opener]] = {
    **{
        name: Opener("FILE", form.summary, str(form.knob), partial(datasets.task, name))
        for name, form in datasets.FORMATS.items()
    },
    reasoning_gym.PACKAGE: Opener("DATASET", reasoning_gym.SUMMARY, "level of its curriculum", reasoning_gym.task),
}
