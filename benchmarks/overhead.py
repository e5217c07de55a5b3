"""What the road around the models costs a reasoning step: graph, ledger, loop, on models that cost nothing.

python -m headgate.benchmarks.overhead [--problems 200] [--rounds 7]
"""

import argparse
import asyncio
import statistics
import time

from ..backends.model import Model
from ..backends.scripted import Scripted, Skill
from ..budget.cost import Limits
from ..budget.events import Event, Trace
from ..budget.ledger import Ledger
from ..orchestrator.graph import Graph, Node
from ..orchestrator.scheduler import run_graph
from ..strategies.base import Run
from ..strategies.spec_reason import spec_reason
from ..verifiers.base import Problem
from .results import record

STEPS = 8


class Count:
    """The least sink there is."""

    streaming = False

    def __init__(self) -> None:
        self.events = 0

    def write(self, event: Event) -> None:
        self.events += 1

    async def flush(self) -> None:
        return


def problems(n: int) -> dict[str, tuple[list[str], str]]:
    steps = [f"Step {k} gives {k}." for k in range(STEPS)]
    return {f"Question {i}?": (steps, str(i)) for i in range(n)}


def run_of(solutions: dict[str, tuple[list[str], str]], trace: Trace) -> Run:
    limits = Limits.of({"tokens": 10**9, "dollars": 1000, "seconds": 3600})
    ledger = Ledger(limits, trace=trace)
    draft, target = Scripted(Skill(solutions, skill=0.7)), Scripted(Skill(solutions))
    backends = {"draft": draft, "target": target}
    models = {name: Model(name=name, backend=backend, ledger=ledger, trace=trace) for name, backend in backends.items()}
    return Run(models=models, ledger=ledger, trace=trace)


async def milliseconds_per_step(n: int, trace: Trace) -> float:
    """Wall milliseconds per step that stands, one problem after another."""
    solutions = problems(n)
    run, graph = run_of(solutions, trace), Graph([Node(name="solve", strategy=spec_reason)])
    began, steps = time.perf_counter(), 0
    for index, question in enumerate(solutions):
        answer = await run_graph(graph, Problem(text=question), run.child(f"p{index}"))
        steps += sum(step.kept for step in answer.steps)
    return (time.perf_counter() - began) * 1000 / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rows: list[list[object]] = []
    for name, trace in (("no sink", Trace()), ("one counting sink", Trace(Count()))):
        rounds = [asyncio.run(milliseconds_per_step(options.problems, trace)) for _ in range(options.rounds)]
        rows.append([name, *(f"{value:.3f}" for value in (statistics.median(rounds), min(rounds), max(rounds)))])
    record("overhead", "milliseconds per step that stands", ["events", "median", "min", "max"], rows)


if __name__ == "__main__":
    main()
