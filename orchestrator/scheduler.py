"""Runs a graph on one problem: every node as soon as what it waits for has ended, structured so that nothing leaks.

One task group holds the whole graph. A task that ends a node goes on with the next one that is ready, so that a chain
is one task, and no more tasks exist than nodes are at work. Nodes that no condition lets run are skipped, and so, by
default, are those after them. The seed of every call derives from its place in the graph, so order of arrival decides
nothing, except which needs a `join: k` goes on with: the first k to end.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import replace
from re import Match

from ..budget.slots import Seat, Slots
from ..strategies.attempts import timed
from ..strategies.base import STATUSES, Answer, Run, billed, first
from ..verifiers.base import Problem
from .graph import LOST, PLACES, Graph, Node, Vertex
from .joins import Joins


async def run_graph(graph: Graph, problem: Problem, run: Run, *, slots: Slots | None = None) -> Answer:
    """Run every node that its conditions allow, and give the output's answer with the whole bill.

    slots: how many nodes, items of maps and grown nodes included, are at work at once in all runs that share them; 64
    if None. An answer that an earlier process acknowledged (`run.kept`) stands, and its node is not told again.
    """
    walk = _Walk(graph, problem, run, slots or Slots())
    try:
        async with asyncio.TaskGroup() as group:
            await walk.through(group)
    except BaseExceptionGroup as failures:
        raise first(failures) from None
    finally:
        walk.line.close()
    return billed(walk.output(), run.ledger)


class _Walk:
    """One problem's way through a graph."""

    def __init__(self, graph: Graph, problem: Problem, run: Run, slots: Slots) -> None:
        self.graph, self.problem, self.run = graph, problem, run
        self.line = slots.line(self._begin)
        self.answers: dict[str, Answer] = {}
        self.outcomes: dict[str, str] = {}
        size = len(graph.vertices)
        self._waiting = [len(vertex.needs) for vertex in graph.vertices.values()]
        self._lost, self._decided, self._left = bytearray(size), bytearray(size), size
        self._ready: deque[Vertex] = deque()
        self._joins = Joins(graph) if graph.joins else None
        self._context = copy_context()

    async def through(self, group: asyncio.TaskGroup) -> None:
        """Start, and return when every node has ended."""
        self._group, self._ended = group, asyncio.get_running_loop().create_future()
        for vertex in self.graph.vertices.values():
            if not vertex.needs and not self._decided[vertex.index] and self._decide(vertex):
                self._pass_on(vertex)
        try:
            self.line.announce(len(self._ready))
            await self._ended
        finally:  # also of those that were announced and are no longer wanted: nothing begins in a group that ends
            self.line.withdraw()

    def _begin(self) -> None:
        """A task with a slot; it sees the context of `run_graph`, whoever passed the slot on."""
        self._group.create_task(self._work(), context=self._context.copy())

    async def _work(self) -> None:
        """One node after another, as long as one is ready and it is this run's turn."""
        run, going = replace(self.run, seat=Seat(self.line)), True
        try:
            while going:
                fresh = 0
                if (vertex := self._next()) is not None:
                    node = vertex.node
                    child = run.child(node.name, node.limits, roles=node.roles)
                    await (
                        self._attend(vertex, child) if self._joins is None else self._wanted(vertex, child, self._joins)
                    )
                    fresh = self._pass_on(vertex)
                going = self.line.go_on(fresh)
        except BaseException as error:
            self.line.withdraw()
            self.line.give()
            if isinstance(error, asyncio.CancelledError):  # of the strategy's own: the group would wait on
                self._ended.cancel()
            raise

    def _next(self) -> Vertex | None:
        while self._ready:
            vertex = self._ready.popleft()
            if vertex.node.name not in self.outcomes:  # as one is that nobody wants any more
                return vertex
        return None

    # -- who runs ---------------------------------------------------------------------------------------------

    def _pass_on(self, vertex: Vertex) -> int:
        """Tell those that wait for one that ended; how many are ready now. What ends at once passes on in turn."""
        ended, fresh = [vertex], 0
        while ended:
            vertex = ended.pop()
            lost = self.outcomes[vertex.node.name] in LOST
            for after in vertex.after:
                index = after.index
                self._waiting[index] -= 1
                if lost:
                    self._lost[index] = 1
                if self._decided[index] or (self._waiting[index] if after.simple else self._must_wait(after, vertex)):
                    continue
                if self._decide(after):
                    ended.append(after)
                else:
                    fresh += 1
        return fresh

    def _must_wait(self, vertex: Vertex, need: Vertex) -> bool:
        waiting = self._waiting[vertex.index]
        if self._joins is None or vertex.node.join is None:
            return waiting > 0
        return self._joins.is_open(vertex, need, self.outcomes[need.node.name], waiting)

    def _decide(self, vertex: Vertex) -> bool:
        """Whether it ends at once, skipped or with the answer that was kept; else it is ready."""
        self._decided[vertex.index] = 1
        at_once = ((self._lost[vertex.index] or not vertex.simple) and self._skips(vertex)) or self._recalls(vertex)
        if not at_once:
            self._ready.append(vertex)
        if self._joins is not None:
            self._drop(self._joins.unwanted(vertex), self._joins)
        return at_once

    def _skips(self, vertex: Vertex) -> bool:
        node = vertex.node
        if self._joins is not None and node.join is not None:
            why = self._joins.why_not(vertex, self.outcomes)
        else:
            why = node.runs_after(self.outcomes)
        if why:
            self._skip(node, why)
        return bool(why)

    def _skip(self, node: Node, why: str) -> None:
        self._end(node, "skipped")
        self.run.tell("node_skip", node.name, reason=why)

    def _recalls(self, vertex: Vertex) -> bool:
        if not self.run.kept.answers or vertex.node.map:
            return False
        node, path = vertex.node, f"{self.run.path}/{vertex.node.name}" if self.run.path else vertex.node.name
        if self.run.kept.answer(path, asked := self._ask(node)) is None:
            return False
        answer = self.run.child(node.name, node.limits).recall(asked)
        assert answer is not None
        self.answers[node.name] = answer
        self._end(node, answer.status)
        return True

    def _end(self, node: Node, outcome: str) -> None:
        self.outcomes[node.name] = outcome
        self._left -= 1
        if not self._left and not self._ended.done():
            self._ended.set_result(None)

    def _drop(self, unwanted: list[Vertex], joins: Joins) -> None:
        """Cancel those at work, skip those that had not begun, and so on with what only these wanted."""
        while unwanted:
            vertex = unwanted.pop()
            name = vertex.node.name
            if name in joins.at_work:
                joins.called_off.add(name)
                joins.at_work[name].cancel()
            elif name not in self.outcomes:
                undecided, self._decided[vertex.index] = not self._decided[vertex.index], 1
                self._skip(vertex.node, "no longer wanted")
                unwanted += joins.unwanted(vertex) if undecided else []

    # -- running one ------------------------------------------------------------------------------------------

    async def _wanted(self, vertex: Vertex, run: Run, joins: Joins) -> None:
        """A node that is cancelled once nobody wants its answer any more; what it spent stays spent."""
        name, task = vertex.node.name, asyncio.current_task()
        assert task is not None
        joins.at_work[name] = task
        try:
            await self._attend(vertex, run)
            if name in joins.called_off:  # it had its answer ready
                task.uncancel()
        except asyncio.CancelledError:
            if name not in joins.called_off or task.uncancel():
                raise
            run.tell("node_end", cost=run.ledger.spent, status="cancelled")
            self._end(vertex.node, "cancelled")
        finally:
            del joins.at_work[name]

    async def _attend(self, vertex: Vertex, run: Run) -> None:
        """A node at its place: its answer, its outcome, its events."""
        node, live = vertex.node, self.run.trace.live
        items = self._questions(node) if node.map else []
        told = live and not (items and all(_kept(run, index, item) for index, item in enumerate(items)))
        if told:
            run.trace.tell("node_start", run.path, None, None, _introduced(node))
        asked = None if node.map else self._ask(node)
        if asked is None:
            answer = await self._each(vertex, run, items)
        elif doubtful := _in_doubt(node, run):
            answer, asked = doubtful, None  # never acknowledged: it could not be run again when somebody says so
        else:
            answer = await run.work(vertex.strategy, asked)
        self.answers[node.name] = answer
        if asked:
            run.acknowledge("node_end", asked, answer)
        elif told:
            run.tell("node_end", cost=answer.cost, status=answer.status, reason=answer.reason)
        if told and run.trace.strict:
            await run.trace.flush()
        self._end(node, answer.status)

    async def _each(self, vertex: Vertex, run: Run, items: list[Problem]) -> Answer:
        """One answer an item, all within the node's limits; their lines together are the node's."""
        node = vertex.node
        assert node.map is not None and run.seat is not None

        async def together(_: Problem, run: Run) -> Answer:
            todo, answers = iter(enumerate(items)), dict[int, Answer]()
            await run.gather(self._some(vertex, run, todo, answers) for _ in range(min(len(items), self.line.most)))
            return _joined(node.map.over if node.map else "", [answers[index] for index in range(len(items))])

        async with run.seat.away():
            work = timed(together, node.timeout_s) if node.timeout_s is not None else together
            return billed(await work(self.problem, run), run.ledger)

    async def _some(
        self, vertex: Vertex, run: Run, todo: Iterator[tuple[int, Problem]], answers: dict[int, Answer]
    ) -> None:
        """Items of a map, one after another; as many of these work side by side as slots may come free."""
        run = replace(run, seat=Seat(self.line))
        for index, item in todo:
            child = run.child(str(index))
            if kept := child.recall(item):
                answers[index] = kept
                continue
            await self.line.take()
            try:
                answers[index] = _in_doubt(vertex.node, child) or await child.answer(vertex.strategy, item)
            finally:
                self.line.give()

    # -- what is asked and answered ---------------------------------------------------------------------------

    def _questions(self, node: Node) -> list[Problem]:
        """A map's items, each as it is asked; none where the node whose list it is did not run."""
        assert node.map is not None
        answer = self.answers.get(node.map.node)
        if answer is None:
            return []
        items = answer.items if node.map.attribute == "items" else [c.text for c in answer.candidates]
        return [self._ask(node, item) for item in items]

    def _ask(self, node: Node, item: str | None = None) -> Problem:
        if not node.question:
            return self.problem if item is None else replace(self.problem, text=item)

        def quoted(place: Match[str]) -> str:
            name = place[1]
            if node.map and name == node.map.item:
                return item or ""
            if name == "question":
                return self.problem.text
            if name in self.answers:
                return self.answers[name].text
            return "" if name in self.graph.nodes else place[0]

        # in one pass, so that braces in an answer stay what they are
        return replace(self.problem, text=PLACES.sub(quoted, node.question))

    def output(self) -> Answer:
        """The first output that ran and answered; else the best that ran, best first by outcome."""
        ran = [self.answers[name] for name in self.graph.output if name in self.answers]
        order = ("answered", "exhausted", "abstained", "failed")
        if not ran:
            ended = [(name, self.answers[name]) for name in self.graph.nodes if name in self.answers]
            lost = [f"`{name}` failed: {answer.reason}" for name, answer in ended if answer.status == "failed"]
            return Answer(
                text="", status="failed" if lost else "abstained", reason=lost[0] if lost else "no output ran"
            )
        return min(ran, key=lambda answer: (order.index(answer.status), not answer.text))


def _introduced(node: Node) -> dict[str, object]:
    """What a node's first event says."""
    return {"strategy": node.strategy_name, "roles": dict(node.roles)}


def _kept(run: Run, index: int, item: Problem) -> bool:
    return run.kept.answer(f"{run.path}/{index}", item) is not None


def _in_doubt(node: Node, run: Run) -> Answer | None:
    """The answer of a node that must not run again, as long as nobody knows what a call in it did."""
    if node.on_unknown == "retry" or run.path not in run.kept.unknown:
        return None
    what = "an earlier attempt made a call whose outcome is unknown"
    return Answer(
        text="", status="failed", reason=f"{what}; to run it again, write `on_unknown: retry` at `{node.name}`"
    )


def _joined(over: str, answers: list[Answer]) -> Answer:
    if not answers:
        return Answer(text="", status="abstained", reason=f"`{over}` is empty")
    worst = STATUSES[max(STATUSES.index(a.status) for a in answers)]
    return Answer(text="\n".join(a.text for a in answers), status=worst, candidates=tuple(answers))
