"""Any data set of the package reasoning-gym: more than a hundred generators that bring their own scoring.

Source: Stojanovski et al. 2025, "Reasoning Gym: Reasoning Environments for Reinforcement Learning with Verifiable
Rewards", arXiv 2505.24760; the package is Apache-2.0. The difficulty is the level of the data set's curriculum, where
it has one; without, the data set's own defaults are drawn from.
Where we differ: what an answer is scored by travels with the problem, as JSON, so that a run can be judged and gone on
with elsewhere. Data sets whose own answers do not get a full score from that (two of arc's) are refused.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from random import Random
from typing import Any, Final, cast

from ..verifiers.base import Problem
from ..verifiers.reasoning_gym import FULL, load, made
from ..verifiers.registry import EXTRA
from .base import Knob, Task, TaskError, unknown
from .word_problems import digest

PACKAGE: Final = "reasoning_gym"
CHUNK: Final = 100  # problems that a data set is asked for at a time
SUMMARY: Final = "A data set of the package reasoning-gym, by its name."


def task(name: str) -> Task:
    """A data set as a task. Raises: TaskError where the package is missing, or has none of that name."""
    package = _package()
    names = sorted(package.factory.DATASETS.keys() - {"composite"})
    if name not in names:
        raise unknown("data set of reasoning-gym", name, names)
    knob = Knob("level of its curriculum", 0, levels - 1) if (levels := _levels(name)) else None

    def drawn(rng: Random, difficulty: int | None) -> Iterator[Problem]:
        while True:
            yield from _chunk(name, rng.getrandbits(31), difficulty)

    return Task(name=f"{PACKAGE}:{name}", summary=SUMMARY, knob=knob, draw=drawn)


@cache
def _package() -> Any:
    if find_spec(PACKAGE) is None:
        raise TaskError(f"the task `{PACKAGE}` needs the package reasoning-gym; {EXTRA}")
    return load()


def _levels(name: str) -> int:
    if not _package().factory.has_curriculum(name):
        return 0
    attributes = _package().factory.create_curriculum(name).attributes.values()
    return max((len(attribute.levels) for attribute in attributes), default=0)


def _chunk(name: str, seed: int, difficulty: int | None) -> Iterator[Problem]:
    try:
        dataset = made(name, difficulty, seed=seed, size=CHUNK)
        for i in range(CHUNK):
            yield _problem(name, dataset, dataset[i], difficulty)
    except (AssertionError, ValueError) as error:  # how the package refuses figures, its own curricula's among them
        if isinstance(error, TaskError):
            raise
        raise TaskError(f"`{name}` cannot be drawn: reasoning-gym says `{error}`; try another difficulty") from error


def _problem(name: str, dataset: Any, entry: dict[str, Any], difficulty: int | None) -> Problem:
    text, reference = str(entry["question"]), cast(str | None, entry["answer"])
    metadata: object = json.loads(json.dumps(entry["metadata"]))
    if reference is not None and float(dataset.score_answer(reference, {**entry, "metadata": metadata})) < FULL:
        raise TaskError(f"`{name}` cannot be judged: from a file, its scoring does not know its own answers")
    level: dict[str, object] = {} if difficulty is None else {"difficulty": difficulty}
    return Problem(
        text=text,
        id=f"{PACKAGE}-{version('reasoning-gym')}-{name}-{digest(text):016x}",
        reference=reference,
        verifier=PACKAGE,
        meta={**level, "dataset": name, "metadata": metadata},
    )
