"""The benchmark of the runtime measures what it says, and what it claims holds in its order of magnitude."""

from functools import partial
from pathlib import Path

import pytest

from headgate.benchmarks import runtime
from headgate.benchmarks.peers import NAMES, installed, peer
from headgate.orchestrator.scheduler import run_graph


@pytest.mark.parametrize("shape", runtime.SHAPES)
async def test_every_node_runs_in_every_variant(shape: str, tmp_path: Path) -> None:
    for strategy, nodes in ((runtime.nothing, 20), (partial(runtime.spend, durable=True), 20)):
        made, sink = runtime.graph(shape, nodes, strategy), runtime.Keep()
        answer = await run_graph(made, runtime.PROBLEM, runtime.new_run(sink, capped=True))
        assert len([event for event in sink.events if event.kind == "node_end"]) == len(made.nodes)
        assert answer.cost.output == (0 if strategy is runtime.nothing else 20 * len(made.nodes))
    await runtime.journal(made, tmp_path)
    (kept,) = tmp_path.glob("*.jsonl")
    assert kept.read_text().count('"kind":"settle"') == len(made.nodes)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", runtime.SHAPES)
async def test_peers_that_are_installed_run_the_same_shapes(name: str, shape: str) -> None:
    if name not in installed():
        pytest.skip(f"{name} is not installed")
    result = await peer(name, shape, 20)()
    assert 20 in (result, *(result.values() if isinstance(result, dict) else ())) or result == {"out": [1] * 20}


def test_a_node_costs_a_few_bare_tasks() -> None:
    once = {
        runtime.FLOOR: lambda: runtime.bare(1000),
        runtime.OFF: partial(runtime.off, runtime.graph("chain", 1000, runtime.nothing)),
    }
    times = runtime.measure(once, 1000, 9)
    assert runtime.factor(times, runtime.FLOOR) == 1
    assert runtime.factor(times, runtime.OFF) < 6  # 2 on a quiet machine


def test_a_node_takes_little_memory() -> None:
    rest, live = runtime.memory(2000)
    assert 0 < rest < 2
    assert 0 < live < 5


@pytest.mark.slow
def test_a_hundred_times_as_many_nodes_cost_about_a_hundred_times_as_much() -> None:
    assert all(ratio < 2 for ratio in runtime.linearity(1000, 100_000, 3).values())  # 1.1 on a quiet machine


def test_rows_say_the_figures() -> None:
    times = {
        runtime.FLOOR: runtime.Timed([1.0, 2.0, 9.0], [1.0, 1.0, 1.0]),
        "x": runtime.Timed([4.0, 5.0, 6.0], [2.0, 4.0, 3.0]),
    }
    assert runtime.rows("chain", 1000, times)[1] == ["chain 1,000", "x", "5.0", "4.0", "6.0", "3.0", "3.0"]
