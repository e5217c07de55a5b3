"""Runs a graph on one problem: every node as soon as what it waits for has ended, structured so that nothing leaks.

A node's last ready successor runs in the same task. Nodes that no condition lets run are skipped, and so, by default,
are those after them. The seed of every call derives from its place in the graph, so order of arrival decides nothing.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..backends.model import Model
from ..strategies.base import STATUSES, Answer, Run, billed
from ..verifiers.base import Problem
from .graph import PLACES, Graph, Node


@dataclass(slots=True)
class _State:
    """One problem's pass through a graph."""

    problem: Problem
    run: Run
    graph: Graph
    waiting: dict[str, int]
    slots: asyncio.Semaphore
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    outcomes: dict[str, str] = field(default_factory=dict[str, str])


async def run_graph(graph: Graph, problem: Problem, run: Run, *, live_nodes: int = 64) -> Answer:
    """Run every node that its conditions allow, and give the output's answer with the whole bill.

    live_nodes: how many nodes, items of maps included, are at work at once.
    """
    waiting = {name: len(node.waits_for) for name, node in graph.nodes.items()}
    state = _State(problem, run, graph, waiting, asyncio.Semaphore(live_nodes))
    first = [node for node in graph.nodes.values() if not node.waits_for]
    await run.gather(_follow(state, node) for node in first)
    return billed(_output(state), run.ledger)


async def _follow(state: _State, node: Node) -> None:
    """A node, then every successor that it was the last to be waited for by."""
    ready = [node]
    while len(ready) == 1:
        await _run_node(state, ready[0])
        ready = _released(state, ready[0])
    await state.run.gather(_follow(state, successor) for successor in ready)


def _released(state: _State, node: Node) -> list[Node]:
    ready: list[Node] = []
    for name in state.graph.successors(node.name):
        state.waiting[name] -= 1
        if state.waiting[name] == 0:
            ready.append(state.graph.nodes[name])
    return ready


async def _run_node(state: _State, node: Node) -> None:
    if why := node.runs_after(state.outcomes):
        state.outcomes[node.name] = "skipped"
        state.run.tell("node_skip", node.name, reason=why)
        return
    state.run.tell("node_start", node.name, strategy=node.strategy_name, roles=dict(node.roles))
    answer = await (_map(state, node) if node.map else _solve(state, node, state.run, node.name, state.problem))
    state.answers[node.name], state.outcomes[node.name] = answer, answer.status
    state.run.tell("node_end", node.name, cost=answer.cost, status=answer.status)


async def _solve(state: _State, node: Node, run: Run, place: str, problem: Problem, item: str = "") -> Answer:
    run = replace(run, models=_cast(run, node))
    asked, limits = _ask(state, node, problem, item), None if node.map else node.limits
    async with state.slots:
        return await run.solve(node.strategy, asked, place, limits)


async def _map(state: _State, node: Node) -> Answer:
    """One answer an item, all within the node's limits; their lines together are the node's."""
    assert node.map is not None
    run = state.run.child(node.name, node.limits)
    items = _items(state.answers.get(node.map.node), node.map.attribute)
    answers = await run.gather(
        _solve(state, node, run, str(index), replace(state.problem, text=item), item)
        for index, item in enumerate(items)
    )
    if not answers:
        return Answer(text="", status="abstained", reason=f"`{node.map.over}` is empty")
    worst = STATUSES[max(STATUSES.index(a.status) for a in answers)]
    text = "\n".join(a.text for a in answers)
    return billed(Answer(text=text, status=worst, candidates=tuple(answers)), run.ledger)


def _cast(run: Run, node: Node) -> Mapping[str, Model]:
    """The models by the roles that this node gives them, beside their own names."""
    return {**run.models, **{role: run.models[name] for role, name in node.roles.items()}}


def _ask(state: _State, node: Node, problem: Problem, item: str) -> Problem:
    if not node.question:
        return problem
    words = dict.fromkeys(state.outcomes, "") | {name: answer.text for name, answer in state.answers.items()}
    words |= {"question": state.problem.text}
    if node.map:
        words[node.map.item] = item
    # in one pass, so that braces in an answer stay what they are
    return replace(problem, text=PLACES.sub(lambda place: words.get(place[1], place[0]), node.question))


def _items(answer: Answer | None, attribute: str) -> tuple[str, ...]:
    if answer is None:  # skipped
        return ()
    return answer.items if attribute == "items" else tuple(c.text for c in answer.candidates)


def _output(state: _State) -> Answer:
    """The first output that ran and answered; else the best that ran, best first by outcome."""
    ran = [state.answers[name] for name in state.graph.output if name in state.answers]
    order = ("answered", "exhausted", "abstained", "failed")
    if not ran:
        ended = [(name, state.answers[name]) for name in state.graph.nodes if name in state.answers]
        lost = [f"`{name}` failed: {answer.reason}" for name, answer in ended if answer.status == "failed"]
        return Answer(text="", status="failed" if lost else "abstained", reason=lost[0] if lost else "no output ran")
    return min(ran, key=lambda answer: (order.index(answer.status), not answer.text))
