"""Who is still wanted in a graph in which some nodes go on with k of their n needs."""

import asyncio

from .graph import Graph, Vertex


class Joins:
    """For each node, how many of its needs ended so that it may run, and by how many nodes it is itself still wanted.

    at_work: the tasks of nodes that run, which may be cancelled. called_off: those that were.
    """

    def __init__(self, graph: Graph) -> None:
        outputs = set(graph.output)
        self._good = [0] * len(graph.vertices)
        self._wanted = [len(v.after) + (name in outputs) for name, v in graph.vertices.items()]
        self.at_work: dict[str, asyncio.Task[object]] = {}
        self.called_off: set[str] = set()

    def is_open(self, vertex: Vertex, need: Vertex, outcome: str, waiting: int) -> bool:
        """Whether it is still open, after a need ended so, if a joining node runs. waiting: for how many it waits."""
        join, index = vertex.node.join or 0, vertex.index
        self._good[index] += vertex.node.goes_on_from(need.node.name, outcome)
        return self._good[index] < join <= self._good[index] + waiting

    def why_not(self, vertex: Vertex, outcomes: dict[str, str]) -> str:
        """Why a joining node does not run; "" when it does."""
        join, good = vertex.node.join or 0, self._good[vertex.index]
        if good >= join:
            return ""
        ended = [(name, outcomes[name]) for need in vertex.needs if (name := need.node.name) in outcomes]
        lost = [f"{name} {outcome}" for name, outcome in ended if not vertex.node.goes_on_from(name, outcome)]
        return f"{join} of {len(vertex.needs)} are needed, {', '.join(lost)}"

    def unwanted(self, decided: Vertex) -> list[Vertex]:
        """The needs that nobody wants any more, now that this one is decided."""
        lost: list[Vertex] = []
        for need in decided.needs:
            self._wanted[need.index] -= 1
            if not self._wanted[need.index]:
                lost.append(need)
        return lost
