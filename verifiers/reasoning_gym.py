"""An answer as a data set of the package reasoning-gym scores it; right is a full score.

Source: Stojanovski et al. 2025, "Reasoning Gym", arXiv 2505.24760. It runs apart from headgate (`apart.py`).
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

FULL: Final = 1 - 1e-9


def load() -> Any:
    """Import the package, which takes seconds."""
    return import_module("reasoning_gym")


def made(name: str, level: int | None, **config: int) -> Any:
    """A data set at a level of its curriculum, or, for None, by its own defaults.

    Raises: what the package does, for a name or a figure that it does not take.
    """
    package = load()
    if level is None:
        return package.create_dataset(name, **config)
    curriculum = package.factory.create_curriculum(name)
    curriculum.set_global_level(level)
    return package.factory.DATASETS[name][0](config=curriculum.generate_configuration(config))


def right(answer: str, told: Mapping[str, Any]) -> bool:
    """Whether an answer has the full score for `told["entry"]`: question, answer, metadata.

    `told["dataset"]` scores it, as it is made at `told["level"]`: some hold answers to the limits of their level.
    """
    return float(_scoring(told["dataset"], told["level"])(answer, told["entry"])) >= FULL


@cache
def _scoring(name: str, level: int | None) -> Any:
    return made(name, level).score_answer
