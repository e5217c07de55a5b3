import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.backends.errors import Refused
from headgate.budget.cost import Cost, Limits
from headgate.budget.events import Event, Trace
from headgate.budget.ledger import Bound, Ledger
from headgate.budget.slots import Slots
from headgate.orchestrator.graph import Graph, Map, Node
from headgate.orchestrator.scheduler import run_graph
from headgate.strategies.attempts import Retry
from headgate.strategies.base import Answer, Kept, Run, Status, digest
from headgate.strategies.growth import Growth
from headgate.verifiers.base import Problem

PROBLEM = Problem(text="What is 2 + 2?", id="p1")


class Recorder:
    streaming = False

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    async def flush(self) -> None: ...

    def paths(self, kind: str) -> list[str]:
        return [event.path for event in self.events if event.kind == kind]


async def echo(problem: Problem, run: Run) -> Answer:
    return Answer(text=problem.text)


async def draw(problem: Problem, run: Run) -> Answer:
    """A few turns of the loop, and a number that only the seed and the place decide."""
    for _ in range(random.randrange(4)):
        await asyncio.sleep(0)
    return Answer(text=str(run.rng().random()))


async def pay(problem: Problem, run: Run) -> Answer:
    hold = await run.ledger.reserve(Bound.fixed(Cost(output=10)), role="draft", purpose="think")
    hold.settle(Cost(output=10))
    return Answer(text=problem.text)


async def refuse(problem: Problem, run: Run) -> Answer:
    raise Refused("not this one")


def says(text: str, status: Status = "answered") -> Callable[[Problem, Run], Any]:
    async def said(problem: Problem, run: Run) -> Answer:
        return Answer(text=text, status=status, candidates=tuple(Answer(text=line) for line in text.splitlines()))

    return said


def node(name: str, *needs: str, does: Any = echo, **more: Any) -> Node:
    return Node(name=name, strategy=does, needs=needs, **more)


def new_run(limits: Limits | None = None, *, seed: int = 0) -> tuple[Run, Recorder]:
    seen = Recorder()
    trace = Trace(seen)
    return Run(models={}, ledger=Ledger(limits, trace=trace), trace=trace, seed=seed), seen


async def solve(*nodes: Node, output: tuple[str, ...] = (), **more: Any) -> tuple[Answer, Recorder]:
    run, seen = new_run()
    return await run_graph(Graph(nodes, output), PROBLEM, run, **more), seen


# -- order ----------------------------------------------------------------------------------------------------


async def test_a_node_starts_when_all_it_waits_for_has_ended() -> None:
    diamond = [node("top"), node("left", "top"), node("right", "top"), node("end", "left", "right")]
    answer, seen = await solve(*diamond)
    order = [(event.kind, event.path) for event in seen.events if event.kind in ("node_start", "node_end")]
    for before, after in [("top", "left"), ("top", "right"), ("left", "end"), ("right", "end")]:
        assert order.index(("node_end", before)) < order.index(("node_start", after))
    assert seen.paths("node_start").count("end") == 1
    assert answer.text == PROBLEM.text


async def test_branches_run_side_by_side() -> None:
    together = asyncio.Barrier(3)

    async def meet(problem: Problem, run: Run) -> Answer:
        await asyncio.wait_for(together.wait(), 5)
        return Answer(text="met")

    branches = [node(name, "top", does=meet) for name in "abc"]
    answer, _ = await solve(node("top"), *branches, node("end", "a", "b", "c", does=says("done")))
    assert answer.text == "done"


async def test_no_more_nodes_are_at_work_than_allowed() -> None:
    now = most = 0

    async def count(problem: Problem, run: Run) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return Answer(text="x")

    names = [f"n{i}" for i in range(20)]
    await solve(*(node(name, does=count) for name in names), output=tuple(names), slots=Slots(3))
    assert most == 3


async def test_order_of_arrival_decides_nothing() -> None:
    names = [f"n{i}" for i in range(12)]
    needs = {name: names[max(0, i - 3) : i : 2] for i, name in enumerate(names)}
    drawn = set[tuple[str, ...]]()
    for attempt in range(8):
        order = random.Random(attempt).sample(names, len(names))
        run, seen = new_run(seed=5)
        nodes = [node(name, *needs[name], does=draw) for name in order]
        await run_graph(Graph(nodes, names), PROBLEM, run)
        texts = {event.path: str(event.payload["text"]) for event in seen.events if event.kind == "node_end"}
        drawn.add(tuple(texts[name] for name in names))
    assert len(drawn) == 1
    assert len(set(*drawn)) == len(names)


@pytest.mark.parametrize("shape", ["chain", "fan", "ladder"])
async def test_two_thousand_nodes_run_to_their_end(shape: str) -> None:
    size = 2000
    if shape == "chain":
        nodes = [node(f"n{i}", *([f"n{i - 1}"] if i else [])) for i in range(size)]
    elif shape == "fan":
        middle = [node(f"n{i}", "top") for i in range(size)]
        nodes = [node("top"), *middle, node("end", *(n.name for n in middle))]
    else:  # every rung is a diamond
        nodes = [node("n0")]
        for i in range(size // 3):
            nodes += [node(f"l{i}", f"n{i}"), node(f"r{i}", f"n{i}"), node(f"n{i + 1}", f"l{i}", f"r{i}")]
    answer, seen = await solve(*nodes)
    assert answer.status == "answered"
    assert len(seen.paths("node_end")) == len(nodes)


# -- conditions -----------------------------------------------------------------------------------------------

FALL_BACK = {"solve": frozenset({"abstained", "exhausted"})}


@pytest.mark.parametrize(
    ("status", "text", "skipped"),
    [
        ("answered", "first", ["vote"]),
        ("abstained", "second", []),
        ("exhausted", "second", []),
        ("failed", "", ["vote"]),
    ],
)
async def test_a_second_node_runs_only_after_the_outcomes_it_names(
    status: Status, text: str, skipped: list[str]
) -> None:
    first = node("solve", does=says("first" if status == "answered" else "", status))
    second = node("vote", "solve", does=says("second"), when=FALL_BACK)
    answer, seen = await solve(first, second, output=("vote", "solve"))
    assert (answer.text, seen.paths("node_skip")) == (text, skipped)


async def test_what_comes_after_a_skipped_node_is_skipped() -> None:
    answer, seen = await solve(
        node("a"), node("b", "a", when={"a": frozenset({"failed"})}), node("c", "b"), node("d", "c")
    )
    assert seen.paths("node_skip") == ["b", "c", "d"]
    assert (answer.status, answer.reason) == ("abstained", "no output ran")


async def test_a_node_may_run_because_another_was_skipped() -> None:
    other = node("b", "a", when={"a": frozenset({"failed"})})
    answer, _ = await solve(node("a"), other, node("c", "b", when={"b": frozenset({"skipped"})}, does=says("c ran")))
    assert answer.text == "c ran"


async def test_a_failure_that_kept_the_output_from_running_is_the_answer() -> None:
    answer, seen = await solve(node("plan", does=refuse), node("work", "plan"))
    assert (answer.status, answer.reason) == ("failed", "`plan` failed: not this one")
    assert seen.paths("node_skip") == ["work"]


async def test_of_several_outputs_the_first_that_answered_wins_else_the_best() -> None:
    a, b, c = node("a", does=says("", "failed")), node("b", does=says("", "abstained")), node("c", does=says("C"))
    assert (await solve(a, b, c, output=("a", "b", "c")))[0].text == "C"
    assert (await solve(a, b, output=("a", "b")))[0].status == "abstained"
    d, e = node("d", does=says("", "exhausted")), node("e", does=says("so far", "exhausted"))
    assert (await solve(d, e, output=("d", "e")))[0].text == "so far"


async def test_a_need_that_is_written_twice_still_lets_its_node_run() -> None:
    answer, _ = await solve(node("a"), node("b", "a", "a", does=says("ran")))
    assert answer.text == "ran"


async def test_a_bug_in_a_strategy_stops_the_run_and_its_siblings() -> None:
    stopped = list[str]()

    async def crash(problem: Problem, run: Run) -> Answer:
        await asyncio.sleep(0)
        raise ZeroDivisionError("a bug")

    async def wait(problem: Problem, run: Run) -> Answer:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(run.path)
            raise
        return Answer(text="")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        await solve(node("a", does=crash), node("b", does=wait), node("c", does=wait), output=("a", "b", "c"))
    assert sorted(stopped) == ["b", "c"]


# -- questions ------------------------------------------------------------------------------------------------


async def test_a_question_quotes_the_problem_and_earlier_answers() -> None:
    answer, _ = await solve(node("a", does=says("four")), node("b", "a", question="{question} Is it {a}? {other} {}"))
    assert answer.text == "What is 2 + 2? Is it four? {other} {}"


async def test_braces_in_an_answer_stay_what_they_are() -> None:
    answer, _ = await solve(
        node("a", does=says("{question} {b}")), node("b", "a", does=says("B")), node("c", "a", "b", question="{a}|{b}")
    )
    assert answer.text == "{question} {b}|B"


async def test_a_skipped_node_is_quoted_as_nothing() -> None:
    skipped = node("b", "a", when={"a": frozenset({"failed"})})
    last = node("c", "b", when={"b": frozenset({"skipped"})}, question="[{b}]")
    assert (await solve(node("a"), skipped, last))[0].text == "[]"


# -- maps -----------------------------------------------------------------------------------------------------


async def test_a_map_asks_once_an_item_and_keeps_their_order() -> None:
    plan = node("plan", does=says("1. apples\n- pears\n\n* plums"))
    answer, seen = await solve(plan, node("work", map=Map(over="plan.items"), does=echo))
    assert answer.text == "apples\npears\nplums"
    assert [c.text for c in answer.candidates] == ["apples", "pears", "plums"]
    assert [path for path in seen.paths("answer") if path != "plan"] == ["work/0", "work/1", "work/2"]


async def test_an_item_is_quoted_by_its_name() -> None:
    work = node("work", map=Map(over="plan.candidates", item="part"), question="{part} of {question}")
    answer, _ = await solve(node("plan", does=says("a\nb")), work)
    assert answer.text == "a of What is 2 + 2?\nb of What is 2 + 2?"


async def test_equal_items_draw_apart() -> None:
    answer, _ = await solve(node("plan", does=says("x\nx")), node("work", map=Map(over="plan.items"), does=draw))
    assert len(set(answer.text.splitlines())) == 2


async def test_a_map_over_nothing_abstains() -> None:
    answer, _ = await solve(node("plan", does=says("")), node("work", map=Map(over="plan.items")))
    assert (answer.status, answer.reason) == ("abstained", "`plan.items` is empty")


async def test_a_map_over_a_skipped_node_abstains() -> None:
    plan = node("plan", "a", when={"a": frozenset({"failed"})})
    work = node("work", map=Map(over="plan.items"), when={"plan": frozenset({"skipped"})})
    assert (await solve(node("a"), plan, work))[0].status == "abstained"


async def test_a_map_ends_as_its_worst_item() -> None:
    async def mixed(problem: Problem, run: Run) -> Answer:
        return Answer(text="", status=problem.text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    plan = node("plan", does=says("abstained\nfailed\nexhausted\nanswered"))
    answer, _ = await solve(plan, node("work", map=Map(over="plan.items"), does=mixed))
    assert answer.status == "failed"


async def test_all_items_of_a_map_share_the_limits_of_their_node() -> None:
    plan = node("plan", does=says("a\nb\nc\nd"))
    answer, seen = await solve(plan, node("work", map=Map(over="plan.items"), does=pay, limits=Limits(tokens=25)))
    assert [c.status for c in answer.candidates] == ["answered", "answered", "exhausted", "exhausted"]
    assert answer.cost == Cost(output=20)
    (ended,) = [event for event in seen.events if event.kind == "node_end" and event.path == "work"]
    assert ended.cost == Cost(output=20)


# -- the bill -------------------------------------------------------------------------------------------------


async def test_the_answer_carries_the_whole_bill() -> None:
    answer, _ = await solve(node("a", does=pay), node("b", "a", does=pay))
    assert (answer.cost.output, answer.cost_by_role["draft"].output) == (20, 20)
    assert sum(answer.bill.values(), Cost()) == answer.cost


async def test_a_node_spends_within_its_own_limits() -> None:
    answer, _ = await solve(node("a", does=pay, limits=Limits(tokens=5)))
    assert (answer.status, answer.cost) == ("exhausted", Cost())
    assert "raise `budget.tokens`" in answer.reason


async def test_a_cancelled_run_leaves_nothing_held() -> None:
    async def hold(problem: Problem, run: Run) -> Answer:
        held = await run.ledger.reserve(Bound.fixed(Cost(output=10)))
        try:
            await asyncio.sleep(60)
        finally:
            held.settle(None)
        return Answer(text="")

    run, _ = new_run(Limits(tokens=35))
    names = [f"n{i}" for i in range(8)]
    task = asyncio.create_task(run_graph(Graph([node(n, does=hold) for n in names], names), PROBLEM, run))
    for _ in range(10):
        await asyncio.sleep(0)
    assert run.ledger.held["tokens"] == 30
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (run.ledger.held["tokens"], run.ledger.spent.tokens) == (0, 30)


# -- k of n ---------------------------------------------------------------------------------------------------


def after(turns: int, text: str, status: Status = "answered") -> Callable[[Problem, Run], Any]:
    """Ends after so many turns of the loop, with half of what it holds spent if it is cancelled before."""

    async def work(problem: Problem, run: Run) -> Answer:
        hold = await run.ledger.reserve(Bound.fixed(Cost(output=10)), role="draft", purpose="think")
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            hold.settle(Cost(output=5))
            raise
        hold.settle(Cost(output=10))
        return Answer(text=text, status=status)

    return work


async def test_a_join_goes_on_with_the_first_that_end_and_cancels_the_rest() -> None:
    slow, fast, faster = (
        node("slow", does=after(900, "S")),
        node("fast", does=after(3, "F")),
        node("x", does=after(1, "X")),
    )
    end = node("end", "slow", "fast", "x", join=2, question="{slow}|{fast}|{x}")
    answer, seen = await solve(slow, fast, faster, end)
    assert answer.text == "|F|X"
    statuses = {event.path: (event.payload["status"], event.cost) for event in seen.events if event.kind == "node_end"}
    assert statuses["slow"] == ("cancelled", Cost(output=5))
    assert answer.cost == Cost(output=25)


async def test_a_need_that_another_node_wants_is_not_cancelled() -> None:
    slow, fast = node("slow", does=after(30, "S")), node("fast", does=after(1, "F"))
    ends = [node("first", "slow", "fast", join=1, question="{fast}"), node("other", "slow", question="{slow}")]
    last = node("last", "first", "other", question="{first}{other}")
    answer, seen = await solve(slow, fast, *ends, last)
    assert answer.text == "FS"
    assert [e.payload["status"] for e in seen.events if e.kind == "node_end"] == ["answered"] * 5


async def test_what_only_a_cancelled_branch_wanted_does_not_begin() -> None:
    long = [node("a", does=after(1, "A")), node("b", "a", does=after(900, "B")), node("c", "b")]
    answer, seen = await solve(*long, node("d", does=after(5, "D")), node("end", "c", "d", join=1, question="{d}"))
    assert answer.text == "D"
    assert seen.paths("node_skip") == ["c"]
    assert [e.path for e in seen.events if e.kind == "node_end" and e.payload["status"] == "cancelled"] == ["b"]


async def test_a_join_of_which_too_few_can_still_succeed_is_skipped_and_says_who_was_lost() -> None:
    needs = [node("a", does=after(2, "", "failed")), node("b", does=after(3, "", "failed"))]
    needs.append(node("c", does=after(900, "C")))
    answer, seen = await solve(*needs, node("end", "a", "b", "c", join=2))
    assert answer.status == "failed"
    (skip,) = [event for event in seen.events if event.kind == "node_skip"]
    assert (skip.path, skip.payload["reason"]) == ("end", "2 of 3 are needed, a failed, b failed")
    assert [e.path for e in seen.events if e.kind == "node_end" and e.payload["status"] == "cancelled"] == ["c"]


async def test_a_join_counts_outcomes_as_its_conditions_say() -> None:
    allowed = {name: frozenset({"abstained"}) for name in "ab"}
    needs = [node("a", does=says("A")), node("b", does=says("B", "abstained"))]
    answer, _ = await solve(*needs, node("end", "a", "b", join=1, when=allowed, does=says("done")))
    assert answer.text == "done"


async def test_cancelling_a_run_with_a_join_cancels_it() -> None:
    needs = [node("a", does=after(900, "A")), node("b", does=after(900, "B"))]
    run, _ = new_run(Limits(tokens=100))
    graph = Graph([*needs, node("end", "a", "b", join=1)])
    task = asyncio.create_task(run_graph(graph, PROBLEM, run))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (run.ledger.held["tokens"], run.ledger.spent) == (0, Cost(output=10))


@pytest.mark.parametrize("seed", range(30))
async def test_any_graph_with_joins_comes_to_its_end_with_nothing_held(seed: int) -> None:
    rng, nodes = random.Random(seed), list[Node]()
    for i in range(25):
        needs = rng.sample([n.name for n in nodes], min(len(nodes), rng.randrange(4)))
        join = rng.randint(1, len(needs)) if needs and rng.random() < 0.6 else None
        does = after(rng.randrange(6), f"{i}", rng.choice(["answered", "answered", "answered", "failed"]))
        nodes.append(node(f"n{i}", *needs, does=does, join=join))
    wanted = [n.name for n in nodes if not any(n.name in other.needs for other in nodes)]
    run, seen = new_run(Limits(tokens=1000))
    slots = Slots(rng.randint(1, 5))
    await asyncio.wait_for(run_graph(Graph(nodes, wanted), PROBLEM, run, slots=slots), 20)
    started, ended = seen.paths("node_start"), seen.paths("node_end")
    assert sorted(started) == sorted(ended)
    assert sorted(started + seen.paths("node_skip")) == sorted(n.name for n in nodes)
    assert (run.ledger.held["tokens"], slots.free) == (0, slots.most)


# -- patience -------------------------------------------------------------------------------------------------


async def test_a_node_is_tried_again_and_told_once() -> None:
    ends = iter(["failed", "answered"])

    async def second(problem: Problem, run: Run) -> Answer:
        return Answer(text=str(run.attempt), status=next(ends))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    answer, seen = await solve(node("a", does=second, retry=Retry(attempts=2, wait_s=0)))
    assert (answer.text, answer.status) == ("2", "answered")
    assert [event.kind for event in seen.events] == ["node_start", "retry", "node_end"]


async def test_a_node_past_its_time_has_failed_and_the_rest_goes_on() -> None:
    slow = node("slow", does=after(10**9, "S"), timeout_s=0.02)
    answer, seen = await solve(slow, node("b", "slow", when={"slow": frozenset({"failed"})}, does=says("B")))
    assert answer.text == "B"
    (ended,) = [e for e in seen.events if e.kind == "node_end" and e.path == "slow"]
    assert (ended.payload["status"], ended.cost) == ("failed", Cost(output=5))


async def test_a_maps_time_is_that_of_all_its_items() -> None:
    work = node("work", map=Map(over="plan.items"), does=after(10**9, "S"), timeout_s=0.02)
    answer, _ = await solve(node("plan", does=says("a\nb")), work)
    assert (answer.status, answer.reason, answer.cost.output) == ("failed", "timed out after 0.02 s", 10)


# -- slots ----------------------------------------------------------------------------------------------------


async def test_one_slot_is_enough_for_maps_in_chains_and_for_nodes_that_grow() -> None:
    async def grow(problem: Problem, run: Run) -> Answer:
        async with Growth(run) as growth:
            parts = [growth.add(f"part-{i}", echo, Problem(text=str(i))) for i in range(3)]
        return Answer(text=" ".join(part.answer.text for part in parts))

    plan = node("plan", does=says("a\nb\nc"))
    nodes = [plan, node("work", map=Map(over="plan.items"), does=grow), node("end", "work", question="{work}")]
    slots = Slots(1)
    answer, _ = await asyncio.wait_for(solve(*nodes, slots=slots), 20)
    assert answer.text == "0 1 2\n0 1 2\n0 1 2"
    assert slots.free == 1


async def test_a_run_of_one_node_is_not_kept_back_by_one_of_a_thousand() -> None:
    slots, order = Slots(4), list[str]()

    async def note(problem: Problem, run: Run) -> Answer:
        order.append(run.path)
        await asyncio.sleep(0)
        return Answer(text="x")

    names = [f"n{i}" for i in range(1000)]
    many = Graph([node(name, does=note) for name in names], names)
    runs = [run_graph(many, PROBLEM, new_run()[0], slots=slots)]
    runs += [run_graph(Graph([node("one", does=note)]), PROBLEM, new_run()[0], slots=slots)]
    await asyncio.gather(*runs)
    assert order.index("one") < 12
    assert slots.free == 4


async def test_cancelling_one_run_gives_its_slots_to_the_others() -> None:
    slots = Slots(2)

    async def wait(problem: Problem, run: Run) -> Answer:
        await asyncio.sleep(60)
        return Answer(text="")

    names = [f"n{i}" for i in range(5)]
    stuck = asyncio.create_task(
        run_graph(Graph([node(n, does=wait) for n in names], names), PROBLEM, new_run()[0], slots=slots)
    )
    await asyncio.sleep(0)
    other = asyncio.create_task(run_graph(Graph([node("a")]), PROBLEM, new_run()[0], slots=slots))
    stuck.cancel()
    assert (await asyncio.wait_for(other, 5)).text == PROBLEM.text
    with pytest.raises(asyncio.CancelledError):
        await stuck
    assert slots.free == 2


# -- going on after a crash -----------------------------------------------------------------------------------


def kept(*paths: str, unknown: tuple[str, ...] = (), asked: str = PROBLEM.text) -> Kept:
    answers = {path: (digest(asked), Answer(text=f"kept {path}")) for path in paths}
    return Kept(answers=answers, unknown=frozenset(unknown))


async def resumed(*nodes: Node, past: Kept, output: tuple[str, ...] = ()) -> tuple[Answer, Recorder]:
    run, seen = new_run()
    return await run_graph(Graph(nodes, output), PROBLEM, replace(run, kept=past)), seen


async def test_a_node_whose_answer_was_kept_is_neither_run_nor_told_again() -> None:
    nodes = [node("a", does=refuse), node("b", "a", does=refuse), node("c", "b", question="{a} {b}")]
    answer, seen = await resumed(*nodes, past=kept("a", "b"))
    assert answer.text == "kept a kept b"
    assert {event.path for event in seen.events} == {"c"}


async def test_an_answer_to_another_question_is_not_given_again() -> None:
    answer, _ = await resumed(node("a", does=says("new")), past=kept("a", asked="What is 3 + 3?"))
    assert answer.text == "new"


async def test_kept_needs_of_a_join_leave_nothing_to_begin_with() -> None:
    needs = [node("a", does=pay), node("b"), node("c")]
    answer, seen = await resumed(*needs, node("end", "a", "b", "c", join=2, question="{b}, {c}"), past=kept("b", "c"))
    assert (answer.text, answer.cost) == ("kept b, kept c", Cost())
    assert seen.paths("node_skip") == ["a"]


async def test_items_of_a_map_are_kept_one_by_one() -> None:
    plan, work = node("plan", does=says("x\nx\nx")), node("work", map=Map(over="plan.items"))
    answer, seen = await resumed(plan, work, past=kept("work/0", "work/2", asked="x"))
    assert answer.text == "kept work/0\nx\nkept work/2"
    assert [event.path for event in seen.events if event.path.startswith("work/")] == ["work/1"]
    _, seen = await resumed(plan, work, past=kept("work/0", "work/1", "work/2", asked="x"))
    assert [event.path for event in seen.events if event.path.startswith("work")] == []


async def test_a_node_that_must_not_run_twice_fails_where_a_calls_outcome_is_unknown() -> None:
    past = kept(unknown=("a", "b"))
    nodes = [node("a", on_unknown="fail", does=pay), node("b", does=says("again"))]
    answer, seen = await resumed(*nodes, past=past, output=("a", "b"))
    assert (answer.text, answer.cost) == ("again", Cost())
    alone, _ = await resumed(nodes[0], past=past)
    assert alone.status == "failed"
    assert "outcome is unknown; to run it again, write `on_unknown: retry` at `a`" in alone.reason
    # not acknowledged, so that it can be run once that is written
    assert [event.path for event in seen.events if "asked" in event.payload] == ["b"]


@pytest.mark.parametrize("strict", [True, False])
async def test_only_strict_durability_waits_before_successors_start(strict: bool) -> None:
    class Slow(Recorder):
        async def flush(self) -> None:
            await asyncio.sleep(0)
            self.events.append(Event(id=0, parent=None, path="", kind="note", t=0))

    seen = Slow()
    trace = Trace(seen, strict=strict)
    run = Run(models={}, ledger=Ledger(trace=trace), trace=trace)
    await run_graph(Graph([node("a"), node("b", "a")]), PROBLEM, run)
    kinds = [event.kind for event in seen.events]
    assert kinds == (["node_start", "node_end"] + ["note"] * strict) * 2
