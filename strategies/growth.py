"""Nodes that a strategy adds under itself while it runs: what a planner, or a DAG of tool calls, is written with.

    async with Growth(run) as growth:
        plan = growth.add("plan", direct, problem)
        found = [growth.add(f"find-{i}", direct, Problem(text=item)) for i, item in enumerate((await plan).items)]
        last = growth.add("end", direct, lambda *answers: quoting(problem, answers), needs=found)
    return last.answer

Each node starts as soon as all it needs has ended, within the bound on nodes at work that holds for the whole agent;
the strategy gives up its own slot while it waits for them. A node stands at the strategy's path and its own name, and
has a scope, seeds, events and, after a resume, a kept answer like any node of the graph. Leaving the block waits for
all; an error cancels the rest and is raised as itself. A need that failed keeps those after it from running.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from ..budget.cost import Limits
from ..budget.slots import Seat
from ..verifiers.base import Problem
from .base import NO_ROLES, Answer, Run, Strategy, first


class Grown:
    """A node that was added; awaiting it gives its answer."""

    __slots__ = ("_growth", "name", "task")

    def __init__(self, name: str, growth: "Growth", task: "asyncio.Task[Answer]") -> None:
        self.name, self._growth, self.task = name, growth, task

    def __await__(self) -> Generator[object, None, Answer]:
        return self._growth.wait_for(self).__await__()

    @property
    def answer(self) -> Answer:
        """Its answer, once it has ended. Raises: asyncio.InvalidStateError before."""
        return self.task.result()


class Growth:
    """The nodes that one strategy adds under itself; its block ends when all of them have.

    Raises: what the first of them raises; a spent budget or a failed backend is an answer.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._group = run, asyncio.TaskGroup()
        self.nodes: dict[str, Grown] = {}

    def add(
        self,
        name: str,
        strategy: Strategy,
        problem: Problem | Callable[..., Problem],
        *,
        needs: Iterable[Grown] = (),
        limits: Limits | None = None,
        roles: Mapping[str, str] = NO_ROLES,
        **knobs: object,
    ) -> Grown:
        """One node more. problem: or what makes one of the needs' answers, in their order. Raises: ValueError."""
        if name in self.nodes:
            raise ValueError(f"`{self._run.path}` has grown a `{name}` already; give every node a name of its own")
        bound = partial(strategy, **knobs) if knobs else strategy
        work = self._work(name, bound, problem, tuple(needs), limits, roles)
        self.nodes[name] = grown = Grown(name, self, self._group.create_task(work))
        return grown

    async def wait_for(self, node: Grown) -> Answer:
        """A node's answer; the strategy that waits holds no slot meanwhile."""
        if not node.task.done():
            async with self._away():
                await asyncio.wait([node.task])
        return node.task.result()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with self._away():
                await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as failures:
            raise first(failures) from None

    @asynccontextmanager
    async def _away(self) -> AsyncGenerator[None]:
        if self._run.seat is None:
            yield
            return
        async with self._run.seat.away():
            yield

    async def _work(
        self,
        name: str,
        strategy: Strategy,
        problem: Problem | Callable[..., Problem],
        needs: tuple[Grown, ...],
        limits: Limits | None,
        roles: Mapping[str, str],
    ) -> Answer:
        """A node's whole life: its needs, its slot, its answer."""
        if needs:
            await asyncio.wait([need.task for need in needs])
        answers = [need.answer for need in needs]
        if lost := next((need for need in needs if need.answer.status == "failed"), None):
            self._run.tell("node_skip", name, reason=f"{lost.name} failed")
            return Answer(text="", status="failed", reason=f"`{lost.name}` failed: {lost.answer.reason}")
        asked = problem if isinstance(problem, Problem) else problem(*answers)
        child = self._run.child(name, limits, roles=roles)
        if kept := child.recall(asked):
            return kept
        if self._run.seat is None:
            return await _attend(child, strategy, asked, roles)
        line = self._run.seat.line
        await line.take()
        try:
            return await _attend(replace(child, seat=Seat(line)), strategy, asked, roles)
        finally:
            line.give()


async def _attend(child: Run, strategy: Strategy, asked: Problem, roles: Mapping[str, str]) -> Answer:
    """The strategy at its place, told as a node of the run."""
    called = getattr(getattr(strategy, "func", strategy), "__name__", "")
    child.tell("node_start", strategy=called, roles=dict(roles))
    answer = await child.answer(strategy, asked)
    child.tell("node_end", cost=answer.cost, status=answer.status)
    if child.trace.strict:
        await child.trace.flush()
    return answer
