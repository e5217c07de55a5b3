"""The benchmark of journals runs, and its figures are of the order that is claimed."""

import asyncio
from pathlib import Path

from headgate.benchmarks.journal import durable, made, unwaited
from headgate.orchestrator.journal import past


def test_waiting_writers_share_their_syncs(tmp_path: Path) -> None:
    found = asyncio.run(durable(tmp_path, 64, 640))
    assert found.us > 0 and found.a_second > 0
    assert found.a_sync > 8
    assert found.size > 600 * found.a_sync


def test_an_event_costs_the_processor_microseconds_even_on_a_busy_machine(tmp_path: Path) -> None:
    own_us, all_us = unwaited(tmp_path, "off", 200)
    assert 0 < own_us < all_us < 200


def test_a_journal_is_at_most_three_times_its_results(tmp_path: Path) -> None:
    path = made(tmp_path, 100, "x" * 1024)
    assert path.stat().st_size < 3 * 100 * 1024
    assert len(past(path).kept.answers) == 100
