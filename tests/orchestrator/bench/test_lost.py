"""What an interruption cost is told apart from what a problem costs."""

from headgate.budget.cost import Cost
from headgate.budget.events import Event, Kind
from headgate.orchestrator.bench.lost import Lost


class Told:
    """Events as a journal has them."""

    def __init__(self) -> None:
        self.lost, self._id = Lost(), 0

    def event(self, kind: Kind, path: str, output: int | None = None, **payload: object) -> None:
        self._id += 1
        cost = None if output is None else Cost(output=output)
        self.lost.write(Event(self._id, None, path, kind, 0.0, cost, payload))

    def call(self, path: str, output: int) -> None:
        self.event("settle", path, output, role="target", purpose="think")

    @property
    def tokens(self) -> int:
        return sum(cost.output for cost in self.lost.at("p1").values())


def test_nothing_is_lost_where_nothing_was_interrupted() -> None:
    told = Told()
    told.event("problem_start", "p1")
    told.call("p1/solve", 7)
    told.event("node_end", "p1/solve", asked="x", status="answered")
    told.event("problem_end", "p1")
    assert (told.tokens, told.lost.at("p2")) == (0, {})


def test_calls_that_are_made_again_are_lost_and_those_that_stand_are_not() -> None:
    told = Told()
    told.event("problem_start", "p1")
    told.call("p1/vote/sample-0", 5)
    told.event("answer", "p1/vote/sample-0", asked="x", status="abstained")
    told.call("p1/vote/sample-1", 11)
    told.event("run_start", "")
    told.event("settle", "p1/vote/sample-1", 13, role="target", purpose="think", stop="lost")
    told.event("problem_start", "p1")
    told.call("p1/vote/sample-1", 11)
    assert told.tokens == 11 + 13
    told.event("problem_start", "p1")  # and once more
    assert told.tokens == 11 + 13 + 11


def test_a_step_that_was_thrown_away_is_lost_as_wasted() -> None:
    told = Told()
    told.event("problem_start", "p1")
    told.call("p1/solve", 8)
    told.event("rebook", "p1/solve", 8, role="target", was="think", now="wasted")
    told.event("problem_start", "p1")
    bill = told.lost.at("p1")
    assert (bill["target", "think"], bill["target", "wasted"]) == (Cost(), Cost(output=8))


def test_of_a_problem_that_is_solved_again_only_answers_stand() -> None:
    told = Told()
    told.event("problem_start", "p1")
    told.call("p1/solve", 8)
    told.event("node_end", "p1/solve", asked="x", status="exhausted")
    told.event("problem_end", "p1")
    told.event("problem_start", "p1")
    assert told.tokens == 8
