"""A recipe's nodes as a DAG, checked when built: a graph that can be built can be run."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, cast

import networkx as nx

from ..budget.cost import Limits
from ..strategies.base import STATUSES, Strategy
from .errors import GraphError

OUTCOMES: Final = (*STATUSES, "skipped")
PLACES: Final = re.compile(r"\{([\w-]+)\}")  # in a node's question


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

    when: for a need, the outcomes after which the node runs; without an entry, any but skipped and failed. question:
    what is asked, with `{question}`, `{item}` or `{NODE}` (an earlier answer) filled in; "" asks the problem itself.
    """

    name: str
    strategy: Strategy
    strategy_name: str = ""
    needs: tuple[str, ...] = ()
    when: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    map: Map | None = None
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits | None = None
    question: str = ""

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Its needs, and the node whose list it maps, each once."""
        return tuple(dict.fromkeys((*self.needs, *([self.map.node] if self.map else []))))

    def runs_after(self, outcomes: Mapping[str, str]) -> str:
        """Why it does not run after its needs ended so; "" when it does."""
        for need in self.waits_for:
            allowed = self.when.get(need, frozenset(OUTCOMES) - {"skipped", "failed"})
            if outcomes[need] not in allowed:
                return f"{need} {outcomes[need]}"
        return ""


class Graph:
    """Nodes in order, and which of them answers: the first of `output` that ran and answered.

    Raises: GraphError on a circle, a need or condition that names no node, a question that quotes a node which may not
    have ended, a node that no output depends on, and on two possible outputs of which none was named.
    """

    def __init__(self, nodes: Iterable[Node], output: Sequence[str] = ()) -> None:
        self.nodes = _by_name(nodes)
        for node in self.nodes.values():
            self._check_names(node)
        self._digraph = self._connect()
        self._check_circles()
        for node in self.nodes.values():
            self._check_question(node)
        self.output = tuple(output) or self._only_sink()
        self._check_output()

    def successors(self, name: str) -> list[str]:
        """The nodes that wait for one."""
        return list(self._digraph.successors(name))

    def in_order(self) -> list[Node]:
        """Every node after all it waits for; otherwise as written."""
        place = {name: index for index, name in enumerate(self.nodes)}
        order = nx.lexicographical_topological_sort(self._digraph, key=place.__getitem__)
        return [self.nodes[name] for name in order]

    def _connect(self) -> "nx.DiGraph[str]":
        digraph: nx.DiGraph[str] = nx.DiGraph()
        digraph.add_nodes_from(self.nodes)
        digraph.add_edges_from((need, node.name) for node in self.nodes.values() for need in node.waits_for)
        return digraph

    def _check_names(self, node: Node) -> None:
        for need in (*node.waits_for, *node.when):
            if need not in self.nodes:
                raise GraphError(
                    f"`{node.name}` waits for `{need}`, which is no node",
                    node=node.name,
                    hint=self._meant(need),
                )
        for need, outcomes in node.when.items():
            if need not in node.waits_for:
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

    def _check_circles(self) -> None:
        if not nx.is_directed_acyclic_graph(self._digraph):
            circle = [str(edge[0]) for edge in cast("list[tuple[str, str]]", nx.find_cycle(self._digraph))]  # pyright: ignore[reportUnknownMemberType]
            path = " -> ".join([*circle, circle[0]])
            raise GraphError(
                f"nodes wait for each other in a circle: {path}",
                node=circle[0],
                hint="drop one of these needs",
            )

    def _check_question(self, node: Node) -> None:
        """It quotes only answers that are there by then, so that order of arrival decides nothing."""
        before = self._before(node.name)
        quoted = [name for name in PLACES.findall(node.question) if name in self.nodes and name not in before]
        if quoted and not (node.map and quoted[0] == node.map.item):
            raise GraphError(
                f"`{node.name}` quotes `{quoted[0]}` and does not wait for it",
                node=node.name,
                hint=f"add it to `needs: [{quoted[0]}]`",
            )

    def _before(self, name: str) -> set[str]:
        """All nodes that one waits for, directly or not."""
        return set(cast("Iterable[str]", nx.ancestors(self._digraph, name)))  # pyright: ignore[reportUnknownMemberType]

    def _only_sink(self) -> tuple[str, ...]:
        sinks = [name for name in self.nodes if not self.successors(name)]
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
        useful = set(self.output).union(*(self._before(name) for name in self.output))
        if lost := next((name for name in self.nodes if name not in useful), None):
            raise GraphError(
                f"nothing uses what `{lost}` answers",
                node=lost,
                hint="name it in `output`, or in another node's `needs`",
            )

    def _meant(self, name: str) -> str:
        close = get_close_matches(name, self.nodes, n=1)
        return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(self.nodes)}"


def _by_name(nodes: Iterable[Node]) -> dict[str, Node]:
    named: dict[str, Node] = {}
    for node in nodes:
        if node.name in named:
            raise GraphError(f"two nodes are called `{node.name}`", node=node.name)
        named[node.name] = node
    if not named:
        raise GraphError("a recipe needs at least one node", hint="write `nodes: {solve: {use: direct}}`")
    return named
