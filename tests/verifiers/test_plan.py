"""Plans carried out: whichever works is right, and what breaks a rule is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.verifiers import plan
from headgate.verifiers.base import Problem

JUGS = {"kind": "jugs", "holds": [5, 3], "has": [0, 0], "goal": 4}
DAYS = {
    "kind": "days",
    "people": ["Tom", "Mia", "Leo", "Ann"],
    "after": {"Leo": ["Tom", "Mia"], "Ann": ["Mia"]},
    "a_day": 2,
    "days": 2,
}


def about(puzzle: object) -> Problem:
    return Problem(text="?", verifier="plan", meta={"puzzle": puzzle})


@pytest.mark.parametrize(
    "written",
    [
        "fill A, pour A B, empty B, pour A B, fill A, pour A B",
        "Fill A; pour A into B; empty B; pour A into B; fill A; pour A into B.",
        "fill jug A\npour jug A to jug B\nempty jug B\npour A B\nfill A\npour A B",
        "fill B, pour B A, fill B, pour B A, empty A, pour B A, fill B, pour B A",  # another way, and longer
    ],
)
def test_any_plan_that_ends_with_the_amount_is_right(written: str) -> None:
    assert plan.right(written, about(JUGS))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "4",
        "fill A",
        "fill A, pour A B, empty B, pour A B, fill A",  # one move short
        "fill A, pour A B, empty B, pour A B, fill A, pour A B, empty A",  # had it, and poured it away
        "fill A, pour A C, empty B",
        "fill C",
        "pour A A",
        "fill A, and so on",
        "fill A, " * 1200 + "pour A B, empty B, pour A B, fill A, pour A B",
    ],
)
def test_a_plan_that_misses_the_amount_or_makes_no_sense_is_wrong(written: str) -> None:
    assert not plan.right(written, about(JUGS))


def test_nothing_has_to_be_done_for_an_amount_that_is_there() -> None:
    assert plan.right("", about({**JUGS, "has": [4, 0]}))


@pytest.mark.parametrize(
    "written",
    ["Tom Mia; Leo Ann", "mia, tom\nann, leo", "Day 1: Tom and Mia. ; Day 2: Leo and Ann", "1. Tom Mia\n2. Leo Ann"],
)
def test_days_are_right_whatever_the_order_within_a_day(written: str) -> None:
    assert plan.right(written, about(DAYS))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Tom Leo; Mia Ann",  # Leo before Mia
        "Tom; Mia; Leo Ann",  # a day too many
        "Tom Mia Ann; Leo",  # a day too full
        "Tom Mia; Leo",  # Ann never comes
        "Tom Mia; Leo Ann Tom",
        "Tom Mia; Leo Eva",
        "Tom Mia Leo Ann",
    ],
)
def test_days_that_break_a_rule_are_wrong(written: str) -> None:
    assert not plan.right(written, about(DAYS))


@given(st.lists(st.sampled_from(["fill A", "fill B", "empty A", "empty B", "pour A B", "pour B A"]), max_size=12))
def test_jugs_never_hold_more_than_they_can_and_pouring_loses_nothing(written: list[str]) -> None:
    moves = plan.moves(", ".join(written).casefold(), 2)
    assert moves is not None
    state = (0, 0)
    for move in moves:
        after = plan.pour(state, (5, 3), move)
        assert 0 <= after[0] <= 5
        assert 0 <= after[1] <= 3
        if move[0] == "pour":
            assert sum(after) == sum(state)
        state = after
    assert plan.right(", ".join(written), about({**JUGS, "goal": state[0]}))


@given(st.text(max_size=60))
def test_any_text_is_judged(written: str) -> None:
    assert plan.right(written, about(JUGS)) is False
    assert plan.right(written, about(DAYS)) in (True, False)


@pytest.mark.parametrize(
    ("puzzle", "said"),
    [
        (None, "there is no object `puzzle`"),
        ([1], "there is no object `puzzle`"),
        ({"holds": [1]}, "`puzzle.kind` is None; there are jugs, days"),
        ({**JUGS, "kind": ["jugs"]}, "`puzzle.kind` is ['jugs']"),
        ({**JUGS, "holds": [5, "3"]}, "`puzzle.holds` of kind jugs is [5, '3']"),
        ({**JUGS, "has": [0]}, "not of the same length"),
        ({**JUGS, "goal": True}, "`puzzle.goal` of kind jugs is True"),
        ({**DAYS, "after": {"Leo": "Tom"}}, "`puzzle.after` of kind days"),
        ({**DAYS, "after": {"Leo": ["Eva"]}}, "`puzzle.after` names Eva, who is none of the people"),
        ({**DAYS, "people": None}, "`puzzle.people` of kind days is None"),
    ],
)
def test_a_puzzle_that_cannot_be_judged_says_why(puzzle: object, said: str) -> None:
    assert said in plan.lacks(about(puzzle))


def test_a_whole_puzzle_lacks_nothing() -> None:
    assert plan.lacks(about(JUGS)) == plan.lacks(about(DAYS)) == ""
