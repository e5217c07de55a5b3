import time
from pathlib import Path

import pytest

from headgate.budget.cost import Cost, Limits
from headgate.budget.events import Event
from headgate.orchestrator.traces import Call, Remark, RunTree, Scope, Source, Step, Tool, Wait, load, rows

from .conftest import Teller, kept_run, story, told


def at(tree: RunTree, path: str) -> Scope:
    scope = tree.at(path)
    assert scope is not None
    return scope


def test_scopes_stand_as_their_paths_say(tree: RunTree) -> None:
    assert [scope.path for scope in tree.problems] == ["p1", "p2", "p3"]
    assert [scope.name for scope in at(tree, "p1").children] == ["plan", "solve", "check"]
    assert [one.path for one in at(tree, "p1/solve").line] == ["p1/solve", "p1", ""]
    assert (at(tree, "p1").status, at(tree, "p1").correct, at(tree, "p1").text) == ("answered", True, "1514")
    assert (at(tree, "p1/check").status, at(tree, "p1/check").reason) == ("skipped", "solve answered")
    assert (at(tree, "p3").status, at(tree, "p3").ended, tree.root.status) == ("running", None, "running")


def test_a_bill_counts_everything_below_by_model_and_purpose(tree: RunTree) -> None:
    solve, whole = at(tree, "p1/solve"), tree.root
    assert solve.bill["draft", "think"].output == 8  # two that stand; the third was rebooked
    assert solve.bill["draft", "wasted"].output == 4
    assert solve.bill["target", "judge"].calls == solve.judged == 3
    assert solve.by_model()["target"].output == 3 + 4
    assert whole.total.output == sum(scope.total.output for scope in tree.problems)
    assert whole.total.tokens == whole.total.input + whole.total.output


def test_a_step_has_its_calls_and_what_it_stands_in_for(tree: RunTree) -> None:
    first, thrown, again, last = at(tree, "p1/solve").steps
    assert [call.purpose for call in first.calls] == ["think", "judge"]
    assert first.judged == first.calls[1:] and first.judge_cost.output == 1
    assert (first.began, first.ended) == (first.calls[0].began, first.calls[1].ended + 1)
    assert (thrown.kept, thrown.instead, again.rejected) == (False, again, [thrown])
    assert again.calls[0].role == "target" and again.judged == []
    assert last.rejected == [] and [step.number for step in (first, thrown, again, last)] == [0, 1, 2, 3]
    assert (at(tree, "p1").kept, at(tree, "p1").rejected, tree.root.rejected) == (3, 1, 1)


def test_tokens_are_told_with_their_figures_and_the_rest_without(tree: RunTree) -> None:
    first, thrown, *_ = at(tree, "p1/solve").steps
    assert [token.text for token in first.tokens()] == ["Lea", ":", "189", ".\n\n"]
    assert [token.logprob for token in first.tokens()] == [-0.05, -0.01, -1.9, 0.0]
    assert list(thrown.tokens()) == [(thrown.text, None, None)]
    assert thrown.digits[4] == 0.5


def test_what_belongs_to_no_step_stands_by_itself_in_order(tree: RunTree) -> None:
    kinds = [type(item) for item in at(tree, "p2/solve").inside()]
    assert kinds == [Remark, Step, Tool, Wait, Call, Remark, Remark]
    (tool,) = at(tree, "p2/solve").tools
    assert (tool.arguments, tool.result, tool.cost.tool_calls) == ({"sum": "6*7"}, "42", {"calculator": 1})
    assert at(tree, "p2").retries == at(tree, "p2").refusals == tree.root.waited == 1


def test_a_wait_ends_where_its_call_leaves(tree: RunTree) -> None:
    (wait,) = at(tree, "p2/solve").waits
    assert wait.ended is not None and wait.ended - wait.began == 4
    assert (wait.unit, wait.asked, wait.refused) == ("tokens", 104, False)


def test_a_wait_that_is_refused_says_so() -> None:
    teller = Teller()
    teller.tell("wait", "p1/solve", asked=5, unit="tokens")
    teller.tell("refuse", "p1/solve", role="draft", purpose="think", unit="tokens", asked=5, left=0)
    (wait,) = at(told(teller.kept.events), "p1/solve").waits
    assert wait.refused and wait.ended == 1


def test_calls_that_are_out_say_what_is_held(tree: RunTree) -> None:
    assert [call.path for call in tree.out(tree.root)] == ["p3/solve"]
    assert sum(call.held.tokens for call in tree.out(at(tree, "p3"))) == 104
    assert tree.out(at(tree, "p1")) == []


def test_limits_and_needs_come_from_the_recipe(tree: RunTree) -> None:
    assert tree.plan.limits_of("p1") == Limits.of({"tokens": 20000, "seconds": 120})
    assert tree.plan.limits_of("p1/solve") == Limits.of({"tokens": 4000})
    assert tree.plan.limits_of("p1/plan") is None and tree.plan.limits_of("") == Limits.of({"dollars": 0.5})
    assert tree.plan.needs_of("p2/check") == ("p2/solve",)


def test_a_problem_that_begins_again_is_one_problem() -> None:
    teller = Teller()
    teller.tell("run_start", "", recipe="nodes: [", seed=0)
    teller.begin("p1", "q")
    teller.step("p1/solve", 0, "draft", "a")
    teller.tell("run_start", "", recipe="", seed=0)
    teller.begin("p1", "q")
    teller.step("p1/solve", 0, "draft", "a")
    teller.end("p1", "a", False)
    tree = told(teller.kept.events)
    (problem,) = tree.problems
    assert (problem.times, problem.kept, problem.status, problem.correct) == (2, 2, "answered", False)
    assert [remark.kind for remark in problem.remarks] == ["problem_start"] and tree.processes == 2


def test_a_call_that_a_crash_left_open_is_settled_by_the_next_process() -> None:
    teller = Teller()
    out = teller.tell("reserve", "p1", cost=Cost(output=9), role="draft", purpose="think", tokens=9)
    teller.tell("settle", "p1", out, cost=Cost(output=9), role="draft", purpose="think", stop="lost", unmeasured=True)
    tree = told(teller.kept.events)
    (call,) = at(tree, "p1").calls
    assert call.unmeasured and call.stop == "lost" and tree.out(tree.root) == []


def test_an_outcome_whose_reserve_was_never_seen_is_billed_all_the_same() -> None:
    late = Event(id=9, parent=3, path="p1", kind="settle", t=1.0, cost=Cost(output=2), payload={"role": "draft"})
    assert told([late]).root.total.output == 2


def test_a_row_says_how_a_problem_ended(tree: RunTree) -> None:
    one, two, three = rows(tree)
    assert (one.verdict, one.status, two.status, three.verdict) == ("right", "answered", "exhausted", "")
    assert one.spent.output == at(tree, "p1").total.output and one.seconds > two.seconds > three.seconds


def test_a_journal_is_read_as_it_grows(tmp_path: Path) -> None:
    source = Source(kept_run(tmp_path / "x") / "journal.jsonl")
    assert source.read(10) == 10 and source.behind and 0 < source.share < 1
    assert source.read() == len(story(Teller())) - 10 and not source.behind and source.share == 1
    assert source.read() == 0
    assert source.tree.root.bill == load(tmp_path / "x" / "journal.jsonl").root.bill
    assert source.header.run == "r1"


@pytest.mark.slow
def test_an_event_costs_the_same_however_many_came_before() -> None:
    teller = Teller()
    teller.step("p1/solve", 0, "draft", "a", score=1.0)
    events, tree, times = teller.kept.events, RunTree(), []
    for _ in range(12):
        began = time.process_time()
        for _ in range(1_000):
            for event in events:
                tree.take(event)
        times.append(time.process_time() - began)
    assert min(times[8:]) < 3 * min(times[:4])  # the least of each: a collection of garbage falls on one of them
