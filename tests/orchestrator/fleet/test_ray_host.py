"""Workers as actors of Ray: the same answers under the same ledger, and a node that is lost under its work."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from headgate import Agent, Event

from .conftest import Recipe, Seen, again, all_of, answers, problems, settled

MARK = f"HEADGATE_TEST={os.getpid()}"  # in the environment of what Ray starts here
pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


@pytest.fixture(autouse=True)
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ray without tokens of authentication, which it would write into the home directory."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv(*MARK.split("="))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield (ray := import_module("ray"))
    ray.shutdown()


async def test_actors_give_the_same_answers_and_one_that_is_killed_starts_again(chain: Recipe) -> None:
    asked, pids = problems(6), list[int]()
    whole = await all_of(Agent(chain, seed=2), asked)

    def kill(event: Event) -> None:
        if event.kind == "node_end" and event.path == "p3/n4" and not pids:
            pids.extend(actors())
            os.kill(pids[0], signal.SIGKILL)

    seen = Seen(then=kill)
    agent = Agent({**chain, "executor": "ray"}, seed=2, sinks=[seen])
    solved = await all_of(agent, asked)
    assert len(pids) == 1
    assert any("worker 1 died" in str(event.payload["text"]) for event in seen.of("note"))
    assert answers(solved) == answers(whole)
    assert again(seen.events) == set()
    assert agent.ledger.spent.tokens == settled(seen.events).tokens
    assert agent.ledger.held == {"tokens": 0}


async def test_of_fifty_calls_of_a_hundred_under_a_thousand_exactly_ten_leave(one_call: Recipe) -> None:
    seen = Seen()
    agent = Agent(one_call, sinks=[seen], workers=2, executor="ray")
    solved = await all_of(agent, problems(50), parallel=50)
    assert (len(seen.of("reserve")), len(solved)) == (10, 50)
    assert sum(one.answer.status == "exhausted" for one in solved.values()) == 40
    assert (agent.ledger.spent.output, agent.ledger.held) == (1000, {"output": 0})


async def test_a_node_that_is_lost_under_its_work_loses_nothing_and_doubles_nothing(
    chain: Recipe, ray: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, lost = problems(16), False
    whole = await all_of(Agent(chain, seed=2), asked)
    cluster = import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    seen = Seen()

    def lose(event: Event) -> None:
        nonlocal lost
        if event.kind == "node_end" and event.path.endswith("/n2") and not lost:
            lost = True
            cluster.remove_node(nodes[0], False)
            while len(actors()) > 1:  # nobody hands out work meanwhile, so that some is left for those who remain
                time.sleep(0.05)

    try:
        async with Agent(chain, seed=2, sinks=[seen], workers=2, executor="ray") as agent:
            while len(actors()) < 2:
                await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            seen.then = lose
            solved = {one.problem.id: one async for one in agent.solve_all(asked, parallel=4)}
        seen.then = None
        assert lost
        assert answers(solved) == answers(whole)
        assert again(seen.events) == set()
        assert agent.ledger.spent.tokens == settled(seen.events).tokens
        assert agent.ledger.held == {"tokens": 0}
        assert sorted(e.parent or 0 for e in seen.of("settle")) == sorted(e.id for e in seen.of("reserve"))
    finally:
        ray.shutdown()
        cluster.shutdown()


def actors() -> list[int]:
    """The processes of this test that Ray has named after our actor."""
    found: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ours = MARK.encode() in (process / "environ").read_bytes()
            if ours and (process / "cmdline").read_bytes().startswith(b"ray::Actor"):
                found.append(int(process.name))
    return found
