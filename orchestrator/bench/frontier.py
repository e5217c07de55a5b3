"""The frontier cost-of-pass: what a right answer costs when every problem goes to the recipe that is cheapest for it.

Source: Erol et al. 2025, "Cost-of-Pass", arXiv 2504.13359, section 2. Where we differ: the least of several noisy
ratios is biased low (six equal models that are right one time in five, seen eight times each, seem to cost 2.85 tries a
pass where five are needed), so that with two seeds or more it stands beside a second figure: the recipe is chosen on
half of the seeds and its cost taken from the other half, both ways. That one errs high. Problems that no recipe solved
have no finite cost: they are left out and counted.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .metrics import problems
from .records import Record

Price = Callable[[Record], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """low: the mean of the least cost-of-pass, over problems that some recipe solved. high: chosen and measured apart.

    solved: the share of problems with a finite cost. tries: seeds behind each ratio. chosen: how often each is the
    cheapest.
    """

    low: float
    high: float | None
    solved: float
    tries: int
    chosen: Mapping[str, int]


def frontier(records: Mapping[str, Sequence[Record]], price: Price) -> Frontier | None:
    """Over the problems that every recipe tried; price: what a record cost. None where there are none."""
    by_recipe = {name: problems(one for one in some if one.correct is not None) for name, some in records.items()}
    first = next(iter(by_recipe.values()), dict[str, list[Record]]())
    common = [name for name in first if all(name in tried for tried in by_recipe.values())]
    if not common:
        return None
    least: list[float] = []
    chosen = dict.fromkeys(by_recipe, 0)
    for problem in common:
        name, value = _cheapest({recipe: tried[problem] for recipe, tried in by_recipe.items()}, price)
        if math.isfinite(value):
            least.append(value)
            chosen[name] += 1
    tries = min(len(tried[problem]) for tried in by_recipe.values() for problem in common)
    return Frontier(
        low=sum(least) / len(least) if least else math.inf,
        high=_crossed(by_recipe, common, price) if tries > 1 else None,
        solved=len(least) / len(common),
        tries=tries,
        chosen=chosen,
    )


def _cheapest(tried: Mapping[str, Sequence[Record]], price: Price) -> tuple[str, float]:
    """The recipe with the least cost-of-pass, the first of those that tie, and what that is."""
    return min(((name, _of_pass(tries, price)) for name, tries in tried.items()), key=lambda pair: pair[1])


def _of_pass(tries: Sequence[Record], price: Price) -> float:
    right = sum(bool(one.correct) for one in tries)
    return sum(map(price, tries)) / right if right else math.inf


def _crossed(by_recipe: Mapping[str, Mapping[str, Sequence[Record]]], common: Sequence[str], price: Price) -> float:
    """All that the choices of one half cost in the other, over all that they got right there."""
    paid = right = 0.0
    for problem in common:
        for half in (0, 1):
            apart = {name: tried[problem][half::2] for name, tried in by_recipe.items()}
            name, _ = _cheapest(apart, price)
            other = by_recipe[name][problem][1 - half :: 2]
            paid += sum(map(price, other)) / len(other)
            right += sum(bool(one.correct) for one in other) / len(other)
    return paid / right if right else math.inf
