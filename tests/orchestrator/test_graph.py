from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.orchestrator.errors import GraphError
from headgate.orchestrator.graph import Graph, Map, Node
from headgate.strategies.base import Answer, Run
from headgate.verifiers.base import Problem


async def echo(problem: Problem, run: Run) -> Answer:
    return Answer(text=problem.text)


def node(name: str, *needs: str, **more: Any) -> Node:
    return Node(name=name, strategy=echo, needs=needs, **more)


def when(need: str, *outcomes: str) -> dict[str, frozenset[str]]:
    return {need: frozenset(outcomes)}


@pytest.mark.parametrize(
    ("nodes", "output", "sentence"),
    [
        ([], [], r"at least one node; write `nodes: \{solve: \{use: direct\}\}`"),
        ([node("a"), node("a")], [], "two nodes are called `a`"),
        ([node("a"), node("b", "aa")], [], r"`b` waits for `aa`, which is no node; did you mean `a`\?"),
        ([node("a"), node("b", "xyz")], [], "`b` waits for `xyz`, which is no node; there are a, b"),
        ([node("a", "a")], [], "in a circle: a -> a; drop one"),
        ([node("a", "c"), node("b", "a"), node("c", "b")], [], "in a circle: a -> b -> c -> a"),
        ([node("a"), node("b")], [], r"a and b could each be the output; write `output: \[a, b\]`"),
        ([node("a")], ["b"], "the output `b` is no node; there are a"),
        ([node("solve")], ["sole"], r"did you mean `solve`\?"),
        ([node("a")], ["a", "a"], "the output names a node twice"),
        ([node("a"), node("b")], ["a"], "nothing uses what `b` answers; name it in `output`"),
        ([node("a"), node("b", when=when("a", "failed"))], ["b"], r"condition on `a`; add it to `needs: \[a\]`"),
        ([node("a"), node("b", "a", when=when("a", "done"))], [], "`done` is no outcome of a node; those are answered"),
        ([node("a"), node("b", "a", when=when("z", "failed"))], [], "`b` waits for `z`, which is no node"),
        ([node("a"), node("b", map=Map(over="a.lines"))], [], "`a.lines` is no list; write `a.items` or `a.cand"),
        ([node("a"), node("b", map=Map(over="a"))], [], "`a` is no list"),
        ([node("a"), node("b", map=Map(over="z.items"))], [], "`b` waits for `z`"),
        (
            [node("a"), node("b", question="{a}?")],
            ["a", "b"],
            r"`b` quotes `a` and does not .* `needs: \[a\]",
        ),
        ([node("a", question="{a}?")], [], "`a` quotes `a`"),
        ([node("a"), node("b"), node("c", "a", question="{a} {b}")], ["c", "b"], "`c` quotes `b`"),
        ([node("a"), node("b", "a", join=2)], [], "`b` joins 2 of 1 needs; write 1 to 1"),
        ([node("a"), node("b", "a", join=0)], [], "`b` joins 0 of 1 needs"),
        ([node("a", join=1)], [], "`a` joins 1 of 0 needs; give it `needs`"),
        ([node("a"), node("b", map=Map(over="a.items"), join=1)], [], "`b` cannot join 1 of its needs and map a list"),
    ],
)
def test_nodes_that_make_no_graph_are_refused_with_what_would_be_right(
    nodes: list[Node], output: Sequence[str], sentence: str
) -> None:
    with pytest.raises(GraphError, match=sentence):
        Graph(nodes, output)


def test_an_error_names_the_node_to_look_at() -> None:
    with pytest.raises(GraphError) as caught:
        Graph([node("a"), node("b", "c")])
    assert caught.value.node == "b"


def test_the_only_sink_is_the_output() -> None:
    assert Graph([node("a"), node("b", "a"), node("c", "a", "b")]).output == ("c",)


def test_a_need_that_is_written_twice_is_one_need() -> None:
    graph = Graph([node("a"), Node(name="b", strategy=echo, needs=("a", "a"), map=Map(over="a.items"))])
    assert graph.nodes["b"].waits_for == ("a",)
    assert graph.successors("a") == ["b"]


def test_a_mapped_node_is_waited_for() -> None:
    graph = Graph([node("plan"), node("work", map=Map(over="plan.items"))])
    assert graph.nodes["work"].waits_for == ("plan",)
    assert [n.name for n in graph.in_order()] == ["plan", "work"]


def test_a_question_may_quote_any_node_that_has_ended_by_then() -> None:
    graph = Graph([node("a"), node("b", "a"), node("c", "b", question="{a}, {b}, {question} and {unknown}?")])
    assert graph.output == ("c",)


def test_an_item_may_carry_the_name_of_a_node() -> None:
    mapped = node("work", map=Map(over="plan.items", item="aside"), question="{aside}")
    assert Graph([node("plan"), node("aside"), mapped], ["work", "aside"]).output == ("work", "aside")


@pytest.mark.parametrize(
    ("outcome", "conditions", "runs"),
    [
        ("answered", {}, True),
        ("abstained", {}, True),
        ("exhausted", {}, True),
        ("failed", {}, False),
        ("skipped", {}, False),
        ("cancelled", {}, False),
        ("cancelled", when("a", "cancelled"), True),
        ("failed", when("a", "failed"), True),
        ("skipped", when("a", "skipped"), True),
        ("answered", when("a", "abstained", "exhausted"), False),
        ("exhausted", when("a", "abstained", "exhausted"), True),
        ("answered", when("a"), False),
    ],
)
def test_a_node_runs_after_the_outcomes_that_it_names(
    outcome: str, conditions: dict[str, frozenset[str]], runs: bool
) -> None:
    why = node("b", "a", when=conditions).runs_after({"a": outcome})
    assert why == ("" if runs else f"a {outcome}")


@given(st.permutations(range(8)), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_any_order_of_writing_gives_an_order_of_running(order: list[int], pairs: list[tuple[int, int]]) -> None:
    needs = {i: [f"n{min(p)}" for p in pairs if max(p) == i and min(p) != i] for i in range(8)}
    graph = Graph([node(f"n{i}", *needs[i]) for i in order], [f"n{i}" for i in range(8)])
    place = {n.name: index for index, n in enumerate(graph.in_order())}
    assert len(place) == 8
    assert all(place[need] < place[name] for name, n in graph.nodes.items() for need in n.waits_for)


def test_a_question_may_quote_a_node_far_above() -> None:
    chain = [node("n0"), *(node(f"n{i}", f"n{i - 1}") for i in range(1, 3000))]
    Graph([*chain, node("end", "n2999", question="{n0} {n1500}")])
    beside = [node("beside"), node("end", "n2999", question="{n0} {beside}")]
    with pytest.raises(GraphError, match="`end` quotes `beside`"):
        Graph([*chain, *beside], ["end", "beside"])


def test_every_node_may_quote_nodes_that_it_waits_for_through_others() -> None:
    size = 3000
    Graph(
        [
            node(f"n{i}", *([f"n{i - 1}"] if i else []), question=f"{{n0}} {{n{i // 2}}}" if i else "")
            for i in range(size)
        ]
    )
