"""How long the recipes of two models that share a chain take, beside what the strategies' own algebra says.

    python -m headgate.benchmarks.step_times [--one 32] [--many 256] [--repeats 3] [--only spec_reason]

Every shipped recipe of the step-level family and the target alone, with one problem in flight and with 64, on the same
held-out problems; the repeats go round all recipes, so that what else the machine does falls on all of them alike.
"""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter
from typing import Final

from rich.progress import Progress

from ..orchestrator.agent import Agent, Solved
from ..orchestrator.bench.algebra import Timed, timed
from ..orchestrator.bench.records import Record
from ..orchestrator.bench.records import record as kept
from ..orchestrator.recipe import Recipe, load, override, shipped
from ..orchestrator.recipe.knobs import knobs_of
from ..tasks import registry
from ..verifiers.base import Problem
from .results import record

ALONE: Final = "direct"
MANY: Final = 64
DEARER: Final = 0.1  # D / T of a pair such as 1.5 and 32 thousand millions of parameters


@dataclass(slots=True)
class Measured:
    """A recipe with so many problems in flight: wall seconds a problem, a repeat each, and the records of all."""

    recipe: Recipe
    seconds: list[float] = field(default_factory=list[float])
    records: list[Record] = field(default_factory=list[Record])

    async def repeat(self, problems: Sequence[Problem], parallel: int) -> None:
        """Once through the problems; engines open before the clock runs."""
        solved: list[Solved] = []
        async with Agent(self.recipe) as agent:
            await anext(agent.solve_all(problems[:1]))
            began = perf_counter()
            async for one in agent.solve_all(problems, parallel=parallel):
                solved.append(one)
            self.seconds.append((perf_counter() - began) / len(problems))
        name = self.recipe.name
        self.records += [await kept(one, recipe=name, seed=0, priced={}, lost={}) for one in solved]


def measure(recipes: Sequence[Recipe], problems: Sequence[Problem], parallel: int, repeats: int) -> list[Measured]:
    """Every recipe, `repeats` times in turn."""
    found = [Measured(recipe) for recipe in recipes]
    with Progress(transient=True) as progress:
        bar = progress.add_task(f"{parallel} in flight", total=repeats * len(found))
        for _ in range(repeats):
            for one in found:
                asyncio.run(one.repeat(problems, parallel))
                progress.advance(bar)
    return found


def row(one: Measured, alone: Measured, parallel: int) -> list[object]:
    """One recipe: what it took, of what the target takes alone, and the algebra's account of that."""
    base = [mine / theirs for mine, theirs in zip(one.seconds, alone.seconds, strict=True)]
    took = f"{1e3 * median(one.seconds):.0f} ({1e3 * min(one.seconds):.0f}-{1e3 * max(one.seconds):.0f})"
    told = [one.recipe.name, parallel, took, f"{median(base):.2f} ({min(base):.2f}-{max(base):.2f})"]
    found = timed(one.recipe, one.records)
    return [*told, *(account(found) if found else [""] * 7)]


def account(found: Timed) -> list[object]:
    """The pair in milliseconds a step, what a step should take and took, and what it would at another D / T."""
    pair = found.pair
    other = replace(pair, draft_ms=DEARER * pair.target_ms)
    return [
        f"{pair.accept:.2f}",
        f"{pair.draft_ms / pair.target_ms:.2f}",
        f"{pair.judge_ms / pair.target:.2f}",
        f"{found.expected_ms / pair.target:.2f}",
        f"{found.took_ms / pair.target:.2f}",
        f"{pair.target / found.expected_ms:.2f}x",
        f"{other.target / found.step_ms(other):.2f}x",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headgate.benchmarks.step_times", description=__doc__)
    parser.add_argument("--one", type=int, default=32, help="problems of the runs with one in flight (32)")
    parser.add_argument("--many", type=int, default=256, help=f"problems of the runs with {MANY} in flight (256)")
    parser.add_argument("--repeats", type=int, default=3, help="of every run (3)")
    parser.add_argument("--only", action="append", default=[], help="a recipe; may be repeated")
    asked = parser.parse_args()
    recipes = [load(ALONE), *(recipe for recipe in family() if not asked.only or recipe.name in asked.only)]
    rows: list[list[object]] = []
    for parallel, n in ((1, asked.one), (MANY, asked.many)):
        measured = measure(recipes, registry.sample("word_problems", n, seed=53), parallel, asked.repeats)
        rows += [row(one, measured[0], parallel) for one in measured]
    record("step_times", "wall time of the step-level family, embedded pair", HEADER, rows, NOTE)


def family() -> list[Recipe]:
    """The shipped recipes of one node in which two models share a chain, and with `overlap` those that know it."""
    shared = [one for one in map(load, shipped()) if len(one.nodes) == 1 and {"draft", "target"} <= set(one.models)]
    return [form for one in shared for form in (one, *ahead(one))]


def ahead(recipe: Recipe) -> list[Recipe]:
    """The recipe that drafts while it decides, if its strategy can."""
    (name, node), *_ = recipe.nodes.items()
    if "overlap" not in knobs_of(node.strategy):
        return []
    return [replace(override(recipe, settings=[f"nodes.{name}.with.overlap=true"]), name=f"{recipe.name}, overlap")]


HEADER: Final = [
    "recipe",
    "in flight",
    "ms a problem (spread)",
    "of the target alone",
    "by the draft",
    "D / T",
    "V / T",
    "a step should take, of T",
    "and took, of T",
    "speed-up by the algebra",
    f"at D / T {DEARER:g}",
]
NOTE: Final = (
    "Wall milliseconds with the answers, the median of the repeats and their least and greatest; beside it the median "
    "of the repeats' ratios to the target alone. D, V and T: a step by the draft, a decision, a step by the target, in "
    "busy time. The algebra knows neither the answer, nor what one model reads of the other's text, nor that both "
    "models share two cores; lookahead_reasoning's counts on a machine that can write several steps at once. The last "
    "column: the same share and the same V / T with a draft that takes a tenth of the target's time."
)


if __name__ == "__main__":
    main()
