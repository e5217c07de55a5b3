"""What the shipped recipes say that they score, they score."""

import re
from pathlib import Path

import pytest

from headgate import Agent
from headgate.orchestrator import recipe as recipes
from headgate.orchestrator.intervals import wilson
from headgate.tasks import registry

N, SEED = 100, 20_261_122
FIGURE = re.compile(r"# Scores: [^.]*(\.\d+) \[(\.\d+), (\.\d+)\]")


def expected(path: Path) -> tuple[float, float] | None:
    """The interval in a recipe's first comment."""
    found = FIGURE.search(path.read_text(encoding="utf-8"))
    return (float(found[2]), float(found[3])) if found else None


MEASURED = {name: figures for name, path in recipes.shipped().items() if (figures := expected(path))}


def test_every_recipe_says_what_it_scores() -> None:
    assert set(MEASURED) == set(recipes.shipped())


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
async def test_a_recipe_scores_what_its_first_comment_says(name: str) -> None:
    problems = registry.sample("word_problems", N, SEED)
    async with Agent(name) as agent:
        right = [bool(one.correct) async for one in agent.solve_all(problems, parallel=32)]
    low, high = wilson(sum(right), N, z=3.29)
    said = MEASURED[name]
    assert low <= said[1] and said[0] <= high, f"{sum(right)} of {N} right, {said} said"
