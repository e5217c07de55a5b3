"""The benchmark of overhead runs, and its figure is of the order that is claimed."""

import asyncio

from headgate.benchmarks.overhead import Count, milliseconds_per_step
from headgate.budget.events import Trace


def test_a_step_costs_a_few_milliseconds_at_most_even_on_a_busy_machine() -> None:
    assert 0 < asyncio.run(milliseconds_per_step(10, Trace())) < 5


def test_events_are_told_when_somebody_listens() -> None:
    count = Count()
    asyncio.run(milliseconds_per_step(2, Trace(count)))
    assert count.events > 2 * 8 * 3
