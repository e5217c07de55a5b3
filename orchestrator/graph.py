"""A recipe's nodes as a DAG, checked when built: a graph that can be built can be run.

Building it and checking it takes time linear in nodes and needs.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, Literal, cast

import networkx as nx

from ..budget.cost import Limits
from ..strategies.attempts import Retry, retried, timed
from ..strategies.base import NO_ROLES, STATUSES, Strategy
from .errors import GraphError

OUTCOMES: Final = (*STATUSES, "skipped", "cancelled")
PLACES: Final = re.compile(r"\{([\w-]+)\}")  # in a node's question
LOST: Final = frozenset({"skipped", "failed", "cancelled"})
_GONE_ON_FROM: Final = frozenset(OUTCOMES) - LOST
_NEARBY, _AT_ONCE = 64, 1024  # how far a quoted node is looked for first; then how many are looked for in one pass
_ANY: Final[Mapping[str, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """One call of a node for every item of a list that another node answered.

    over: `NODE.items` (the lines of its answer) or `NODE.candidates`; item: the name under which a node's `question`
    may use the item.
    """

    over: str
    item: str = "item"

    @property
    def node(self) -> str:
        """The node whose list it is."""
        return self.over.partition(".")[0]

    @property
    def attribute(self) -> str:
        """Which of its lists."""
        return self.over.partition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A strategy at work: what it waits for, when it runs, who plays its roles, what it may spend.

    when: for a need, the outcomes after which the node runs; without an entry, any but skipped, cancelled and failed.
    join: how many needs must have ended so before it runs, all of them if None; those that nobody else wants are then
    cancelled. question: what is asked, with `{question}`, `{item}` or `{NODE}` (an earlier answer) filled in; "" asks
    the problem itself. retry: of the node as a whole. timeout_s: over all attempts. on_unknown: whether it runs again
    after an earlier process left a call of unknown outcome in it.
    """

    name: str
    strategy: Strategy
    strategy_name: str = ""
    needs: tuple[str, ...] = ()
    when: Mapping[str, frozenset[str]] = field(default_factory=lambda: _ANY)
    map: Map | None = None
    roles: Mapping[str, str] = field(default_factory=lambda: NO_ROLES)
    limits: Limits | None = None
    question: str = ""
    join: int | None = None
    retry: Retry | None = None
    timeout_s: float | None = None
    on_unknown: Literal["retry", "fail"] = "retry"

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Its needs, and the node whose list it maps, each once."""
        if len(self.needs) < 2 and not self.map:
            return self.needs
        return tuple(dict.fromkeys((*self.needs, *([self.map.node] if self.map else []))))

    def goes_on_from(self, need: str, outcome: str) -> bool:
        """Whether it may run after a need ended so."""
        return outcome in self.when.get(need, _GONE_ON_FROM)

    def runs_after(self, outcomes: Mapping[str, str]) -> str:
        """Why it does not run after its needs ended so; "" when it does."""
        lost = (need for need in self.waits_for if not self.goes_on_from(need, outcomes[need]))
        return next((f"{need} {outcomes[need]}" for need in lost), "")


class Vertex:
    """A node in its graph: what it waits for and what waits for it, and its strategy with the node's patience.

    simple: it runs unless a need was lost, so that nobody need look its conditions up.
    """

    __slots__ = ("after", "index", "needs", "node", "simple", "strategy")

    def __init__(self, node: Node, index: int) -> None:
        self.node, self.index = node, index
        self.needs: list[Vertex] = []
        self.after: list[Vertex] = []
        self.simple = not node.when and node.join is None
        self.strategy = retried(node.strategy, node.retry) if node.retry and node.retry.attempts > 1 else node.strategy
        if node.timeout_s is not None and not node.map:  # a map's time is that of all its items together
            self.strategy = timed(self.strategy, node.timeout_s)


class Graph:
    """Nodes in order, and which of them answers: the first of `output` that ran and answered.

    Raises: GraphError on a circle, a need or condition that names no node, a question that quotes a node which may not
    have ended, a join of more needs than there are, a node that no output depends on, and on two possible outputs of
    which none was named.
    """

    def __init__(self, nodes: Iterable[Node], output: Sequence[str] = ()) -> None:
        self.nodes = _by_name(nodes)
        for node in self.nodes.values():
            self._check_names(node)
        self.vertices = {node.name: Vertex(node, index) for index, node in enumerate(self.nodes.values())}
        self._connect()
        self._check_questions(list(self._sorted()))
        self.output = tuple(output) or self._only_sink()
        self._check_output()
        self.joins = any(node.join is not None for node in self.nodes.values())

    def successors(self, name: str) -> list[str]:
        """The nodes that wait for one."""
        return [after.node.name for after in self.vertices[name].after]

    def in_order(self) -> list[Node]:
        """Every node after all it waits for; otherwise as written."""
        place = {name: index for index, name in enumerate(self.nodes)}
        order = nx.lexicographical_topological_sort(self._digraph(), key=place.__getitem__)
        return [self.nodes[name] for name in order]

    def _connect(self) -> None:
        for vertex in self.vertices.values():
            for need in vertex.node.waits_for:
                vertex.needs.append(self.vertices[need])
                self.vertices[need].after.append(vertex)

    def _digraph(self) -> "nx.DiGraph[str]":
        digraph: nx.DiGraph[str] = nx.DiGraph()
        digraph.add_nodes_from(self.nodes)
        digraph.add_edges_from((need, node.name) for node in self.nodes.values() for need in node.waits_for)
        return digraph

    def _sorted(self) -> Iterator[Vertex]:
        """Every node after all it waits for. Raises: GraphError on a circle."""
        waiting = [len(vertex.needs) for vertex in self.vertices.values()]
        ready = [vertex for vertex in self.vertices.values() if not vertex.needs]
        seen = 0
        while ready:
            vertex = ready.pop()
            seen += 1
            yield vertex
            for after in vertex.after:
                waiting[after.index] -= 1
                if not waiting[after.index]:
                    ready.append(after)
        if seen < len(waiting):
            raise self._circle()

    def _circle(self) -> GraphError:
        circle = [str(edge[0]) for edge in cast("list[tuple[str, str]]", nx.find_cycle(self._digraph()))]  # pyright: ignore[reportUnknownMemberType]
        path = " -> ".join([*circle, circle[0]])
        return GraphError(
            f"nodes wait for each other in a circle: {path}",
            node=circle[0],
            hint="drop one of these needs",
        )

    # -- checks -----------------------------------------------------------------------------------------------

    def _check_names(self, node: Node) -> None:
        needs = node.waits_for
        for need in (*needs, *node.when):
            if need not in self.nodes:
                raise GraphError(
                    f"`{node.name}` waits for `{need}`, which is no node",
                    node=node.name,
                    hint=self._meant(need),
                )
        for need, outcomes in node.when.items():
            if need not in needs:
                raise GraphError(
                    f"`{node.name}` has a condition on `{need}`",
                    node=node.name,
                    hint=f"add it to `needs: [{need}]`",
                )
            if unknown := next((o for o in sorted(outcomes) if o not in OUTCOMES), None):
                raise GraphError(
                    f"`{unknown}` is no outcome of a node",
                    node=node.name,
                    hint=f"those are {', '.join(OUTCOMES)}",
                )
        if node.map and node.map.attribute not in ("items", "candidates"):
            hint = f"write `{node.map.node}.items` or `{node.map.node}.candidates`"
            raise GraphError(f"`{node.map.over}` is no list", node=node.name, hint=hint)
        if node.join is not None:
            _check_join(node, node.join, len(needs))

    def _check_questions(self, ordered: Sequence[Vertex]) -> None:
        """They quote only nodes that were waited for, so that order of arrival decides nothing."""
        far: dict[str, list[Vertex]] = {}
        for vertex in self.vertices.values():
            for name in self._quoted(vertex.node):
                if not _close_above(vertex, name):
                    far.setdefault(name, []).append(vertex)
        names = list(far)
        for start in range(0, len(names), _AT_ONCE):
            self._check_far(ordered, {name: far[name] for name in names[start : start + _AT_ONCE]})

    def _check_far(self, ordered: Sequence[Vertex], quoting: Mapping[str, Sequence[Vertex]]) -> None:
        """One pass over the graph, in which each node knows which of the quoted ones it waits for."""
        bits = {name: 1 << bit for bit, name in enumerate(quoting)}
        above = [0] * len(ordered)
        for vertex in ordered:
            for need in vertex.needs:
                above[vertex.index] |= above[need.index] | bits.get(need.node.name, 0)
        for name, vertices in quoting.items():
            if early := next((vertex for vertex in vertices if not above[vertex.index] & bits[name]), None):
                raise GraphError(
                    f"`{early.node.name}` quotes `{name}` and does not wait for it",
                    node=early.node.name,
                    hint=f"add it to `needs: [{name}]`",
                )

    def _quoted(self, node: Node) -> list[str]:
        """The nodes that its question quotes, without those it waits for itself."""
        if not node.question:
            return []
        known = {*node.waits_for, *([node.map.item] if node.map else [])}
        return [name for name in PLACES.findall(node.question) if name in self.nodes and name not in known]

    def _only_sink(self) -> tuple[str, ...]:
        sinks = [name for name, vertex in self.vertices.items() if not vertex.after]
        if len(sinks) > 1:
            raise GraphError(
                f"{' and '.join(sinks)} could each be the output",
                node=sinks[1],
                hint=f"write `output: [{', '.join(sinks)}]`, first choice first",
            )
        return tuple(sinks)

    def _check_output(self) -> None:
        for name in self.output:
            if name not in self.nodes:
                raise GraphError(f"the output `{name}` is no node", hint=self._meant(name))
        if len(set(self.output)) < len(self.output):
            raise GraphError("the output names a node twice", node=self.output[0])
        useful = set(self.output)
        above = [self.vertices[name] for name in self.output]
        while above:
            for need in above.pop().needs:
                if need.node.name not in useful:
                    useful.add(need.node.name)
                    above.append(need)
        if lost := next((name for name in self.nodes if name not in useful), None):
            raise GraphError(
                f"nothing uses what `{lost}` answers",
                node=lost,
                hint="name it in `output`, or in another node's `needs`",
            )

    def _meant(self, name: str) -> str:
        close = get_close_matches(name, self.nodes, n=1)
        return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(self.nodes)}"


def _close_above(vertex: Vertex, name: str) -> bool:
    """Whether a node that it waits for has this name, as far as a short look upward tells."""
    seen = list(vertex.needs)
    for above in seen:  # grows while it is read
        if above.node.name == name:
            return True
        if len(seen) < _NEARBY:
            seen += above.needs
    return False


def _check_join(node: Node, join: int, needs: int) -> None:
    if node.map:
        what, hint = f"`{node.name}` cannot join {join} of its needs and map a list", "drop `join`, or map after it"
        raise GraphError(what, node=node.name, hint=hint)
    if not 1 <= join <= needs:
        right = f"write 1 to {needs}" if needs else "give it `needs`"
        raise GraphError(f"`{node.name}` joins {join} of {needs} needs", node=node.name, hint=right)


def _by_name(nodes: Iterable[Node]) -> dict[str, Node]:
    named: dict[str, Node] = {}
    for node in nodes:
        if node.name in named:
            raise GraphError(f"two nodes are called `{node.name}`", node=node.name)
        named[node.name] = node
    if not named:
        raise GraphError("a recipe needs at least one node", hint="write `nodes: {solve: {use: direct}}`")
    return named
