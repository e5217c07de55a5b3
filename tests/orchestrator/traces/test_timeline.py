from headgate.budget.cost import Cost
from headgate.orchestrator.traces import RunTree, lanes

from .conftest import Teller, told


def test_a_lane_says_who_was_busy_and_who_waited_for_what(tree: RunTree) -> None:
    (lane,) = [lane for lane in lanes(tree) if lane.scope.path == "p2/solve"]
    assert [(bar.kind, bar.by) for bar in lane.bars] == [
        ("retry", "draft"),
        ("call", "draft"),
        ("call", "target"),
        ("tool", "calculator"),
        ("budget", "tokens"),
        ("call", "target"),
    ]
    assert all(one.ended <= two.began for one, two in zip(lane.bars, lane.bars[1:], strict=False))


def test_a_node_waited_for_the_last_of_its_needs(tree: RunTree) -> None:
    (lane,) = [lane for lane in lanes(tree, tree.at("p1")) if lane.scope.path == "p1/solve"]
    need = lane.bars[0]
    plan = tree.at("p1/plan")
    assert plan and (need.kind, need.by, need.ended) == ("need", "plan", lane.scope.began)
    assert (need.what, lane.depth) == (plan, 1)


def test_calls_side_by_side_stand_in_lanes_of_their_own() -> None:
    teller = Teller()
    out = [teller.tell("reserve", "p1/vote", role="draft", purpose="think") for _ in range(3)]
    for one in out:
        teller.tell("settle", "p1/vote", one, cost=Cost(output=1), role="draft", purpose="think")
    teller.call("p1/vote", "draft", "answer")
    found = [lane for lane in lanes(told(teller.kept.events)) if lane.scope.path == "p1/vote"]
    assert [(lane.lane, len(lane.bars)) for lane in found] == [(0, 2), (1, 1), (2, 1)]


def test_a_call_that_is_out_lasts_until_now(tree: RunTree) -> None:
    (lane,) = lanes(tree, tree.at("p3/solve"))
    assert lane.bars[-1].ended == tree.now
