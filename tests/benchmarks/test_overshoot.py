"""The benchmark of overshoot runs, and what it claims holds on a few hundred seeds."""

import asyncio

import pytest

from headgate.benchmarks import overshoot
from headgate.benchmarks.processes import over_processes


def test_of_fifty_calls_exactly_ten_leave_in_one_loop_and_in_eight_threads() -> None:
    for case in (overshoot.in_one_loop, overshoot.in_threads):
        counts, ledger = case()
        assert (counts, ledger.spent.tokens, ledger.held) == ((10, 40), 1000, {"tokens": 0})


@pytest.mark.slow
def test_of_fifty_calls_exactly_ten_leave_in_four_processes() -> None:
    counts, ledger = asyncio.run(over_processes())
    assert (counts, ledger.spent.tokens, ledger.held) == ((10, 40), 1000, {"tokens": 0})


def test_no_seed_overshoots_leaks_a_hold_or_forgets_a_waiter() -> None:
    tally = asyncio.run(overshoot.fuzz(range(300)))
    assert (tally.overshoot, tally.leaked, tally.stuck) == (0, 0, 0)
    assert tally.calls == 9000
    assert tally.shrunk > 100


def test_a_budget_is_used_up_though_bounds_are_fifty_times_the_use() -> None:
    used, cut = asyncio.run(overshoot.utilisation(budget=50_000))
    assert used >= 0.95
    assert cut <= 0.01


def test_a_backend_that_lies_is_told_on_and_the_next_call_is_refused() -> None:
    assert asyncio.run(overshoot.lie()) == (300, 2, True)


def test_a_reservation_costs_less_than_a_hundred_and_fifty_bare_awaits() -> None:
    best = asyncio.run(overshoot.microseconds())
    assert 0 < best["a bare await"] < best["a scope"] < best["reserve and settle"]
    assert best["reserve and settle"] < 150 * best["a bare await"]


def test_waiters_cost_about_as_much_each_however_many_there_are() -> None:
    few, many = (min(asyncio.run(overshoot.drain(n, equal=False)) for _ in range(3)) for n in (300, 3000))
    assert many < 5 * few
