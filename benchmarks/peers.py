"""The same graphs of nodes that do nothing, and the same calls under a limit, in other runtimes that are installed.

pip install "headgate[peers]"
"""

import asyncio
import operator
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import Annotated, Any, TypedDict, cast

Once = Callable[[], Awaitable[object]]  # runs a graph that was built before, once
NAMES = {"pydantic-graph": "pydantic_graph", "langgraph": "langgraph.graph"}


class Chained(TypedDict):
    """LangGraph's state of a chain."""

    n: int


class Fanned(TypedDict):
    """LangGraph's state of a fan-out: what each branch adds."""

    out: Annotated[list[int], operator.add]


def installed() -> dict[str, str]:
    """The peers that are installed, with their versions."""
    found: dict[str, str] = {}
    for name in NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


async def fifty_in_pydantic_ai() -> tuple[int, int]:
    """Fifty calls of a hundred tokens at once, which share one count of usage and a limit of a thousand.

    How many calls the model answered, and how many of them were raised as over the limit after that.
    """
    agents, usages, functions, messages = (
        cast(Any, import_module(f"pydantic_ai{part}")) for part in ("", ".usage", ".models.function", ".messages")
    )
    answered = 0

    async def model(asked: object, info: object) -> object:
        nonlocal answered
        answered += 1
        await asyncio.sleep(0.01)
        usage = usages.RequestUsage(input_tokens=60, output_tokens=40)
        return messages.ModelResponse(parts=[messages.TextPart("ok")], usage=usage)

    agent, shared = agents.Agent(functions.FunctionModel(model)), usages.RunUsage()
    limits = usages.UsageLimits(total_tokens_limit=1000, request_limit=None)
    runs = (agent.run("?", usage=shared, usage_limits=limits) for _ in range(50))
    ended = await asyncio.gather(*runs, return_exceptions=True)
    return answered, sum(isinstance(end, Exception) for end in ended)


def peer(name: str, shape: str, n: int) -> Once:
    """A graph of a peer, built, to be run again and again."""
    library = cast(Any, import_module(NAMES[name]))
    builders = {
        ("pydantic-graph", "chain"): _pydantic_chain,
        ("pydantic-graph", "fan-out"): _pydantic_fan,
        ("langgraph", "chain"): _langgraph_chain,
        ("langgraph", "fan-out"): _langgraph_fan,
    }
    return builders[name, shape](library, n)


def _pydantic_chain(library: Any, n: int) -> Once:
    builder = library.GraphBuilder(state_type=dict, input_type=int, output_type=int)

    async def follow(context: Any) -> int:
        return int(context.inputs) + 1

    steps = [builder.step(follow, node_id=f"n{i}") for i in range(n)]
    builder.add(builder.edge_from(builder.start_node).to(steps[0]))
    for before, after in pairwise(steps):
        builder.add(builder.edge_from(before).to(after))
    builder.add(builder.edge_from(steps[-1]).to(builder.end_node))
    graph = builder.build()
    return lambda: graph.run(state={}, inputs=0)


def _pydantic_fan(library: Any, n: int) -> Once:
    builder = library.GraphBuilder(state_type=dict, input_type=int, output_type=int)

    async def spread(context: Any) -> list[int]:
        return list(range(n))

    async def work(context: Any) -> int:
        return 1

    first, each = builder.step(spread), builder.step(work)
    join = builder.join(library.reduce_sum, initial=0)
    builder.add(
        builder.edge_from(builder.start_node).to(first),
        builder.edge_from(first).map().to(each),
        builder.edge_from(each).to(join),
        builder.edge_from(join).to(builder.end_node),
    )
    graph = builder.build()
    return lambda: graph.run(state={}, inputs=0)


def _langgraph_chain(library: Any, n: int) -> Once:
    builder = library.StateGraph(Chained)

    async def follow(state: Chained) -> dict[str, int]:
        return {"n": state["n"] + 1}

    before = library.START
    for i in range(n):
        builder.add_node(f"n{i}", follow)
        builder.add_edge(before, f"n{i}")
        before = f"n{i}"
    builder.add_edge(before, library.END)
    graph = builder.compile()
    return lambda: graph.ainvoke({"n": 0}, {"recursion_limit": n + 50})


def _langgraph_fan(library: Any, n: int) -> Once:
    send = cast(Any, import_module("langgraph.types")).Send
    builder = library.StateGraph(Fanned)

    async def nothing(state: Fanned) -> dict[str, object]:
        return {}

    async def work(state: Any) -> dict[str, list[int]]:
        return {"out": [1]}

    def spread(state: Any) -> list[Any]:
        return [send("work", {"i": i}) for i in range(n)]

    for name, does in (("first", nothing), ("work", work), ("last", nothing)):
        builder.add_node(name, does)
    builder.add_edge(library.START, "first")
    builder.add_conditional_edges("first", spread, ["work"])
    builder.add_edge("work", "last")
    builder.add_edge("last", library.END)
    graph = builder.compile()
    return lambda: graph.ainvoke({"out": []}, {"recursion_limit": n + 50})
