"""Planning puzzles: shortest plans are right and shortest, by a search of the tests' own; texts tell all there is."""

from itertools import combinations, product
from random import Random

import pytest

from headgate.tasks.planning import (
    DAYS_TASK,
    JUGS_TASK,
    Days,
    draw_days,
    draw_jugs,
    fewest_days,
    jugs_problem,
    shortest,
    side,
)
from headgate.tasks.word_problems import digest
from headgate.verifiers import plan

MOVES = ["fill A", "fill B", "empty A", "empty B", "pour A B", "pour B A"]


@pytest.mark.parametrize("moves", range(1, 11))
def test_a_reference_is_right_and_as_long_as_the_difficulty(moves: int) -> None:
    for one in JUGS_TASK.sample(20, difficulty=moves):
        assert one.reference
        assert len(one.reference.split(", ")) == moves == one.meta["difficulty"]
        assert plan.right(one.reference, one)


@pytest.mark.parametrize("moves", [1, 2, 3, 4])
def test_no_shorter_plan_measures_the_amount(moves: int) -> None:
    rng = Random(moves)
    for _ in range(5):
        one = jugs_problem(draw_jugs(rng, moves))
        shorter = (", ".join(tried) for length in range(moves) for tried in product(MOVES, repeat=length))
        assert not any(plan.right(tried, one) for tried in shorter)


def test_the_classic_puzzle_takes_six_moves() -> None:
    assert len(shortest((5, 3), (0, 0))[4]) == 6


def test_a_step_tells_what_the_jugs_have_after_the_move() -> None:
    drawn = draw_jugs(Random(1), 3)
    last = drawn.steps[-1]
    assert [step.partition(":")[0] for step in drawn.steps] == drawn.answer.split(", ")
    assert f"={drawn.goal}" in last
    assert plan.right(drawn.answer, jugs_problem(drawn))


@pytest.mark.parametrize("days", range(2, 7))
def test_people_can_come_within_the_days_but_in_no_fewer(days: int) -> None:
    for one in DAYS_TASK.sample(10, difficulty=days):
        assert one.reference
        assert plan.right(one.reference, one)
        assert len(one.reference.split(";")) == days == one.meta["difficulty"]


def _waves(people: list[str], after: dict[str, list[str]], a_day: int) -> int:
    """Fewest days, by trying every subset of whoever may come."""
    if not people:
        return 0
    ready = [name for name in people if not set(after.get(name, [])) & set(people)]
    days = [day for size in range(1, a_day + 1) for day in combinations(ready, size)]
    return 1 + min(_waves([name for name in people if name not in day], after, a_day) for day in days)


def test_fewest_days_are_those_of_an_exhaustive_search() -> None:
    rng = Random(7)
    for _ in range(40):
        people = [f"P{i}" for i in range(5)]
        after = {people[i]: rng.sample(people[:i], min(i, rng.randint(0, 2))) for i in range(5)}
        a_day = rng.randint(1, 3)
        assert len(fewest_days(people, after, a_day)) == _waves(people, after, a_day)


def test_the_text_tells_everybody_and_every_order() -> None:
    drawn: Days = draw_days(Random(1), 3)
    for name, firsts in drawn.after.items():
        assert f"{name} comes on a later day than {' and '.join(firsts)}." in drawn.question
    assert all(name in drawn.question for name in drawn.people)
    assert f"At most {drawn.a_day} come on one day." in drawn.question


def test_training_and_held_out_puzzles_never_meet() -> None:
    rng = Random(1)
    training = {draw_jugs(rng, 4, split="training").question for _ in range(200)}
    held_out = {draw_jugs(rng, 4).question for _ in range(200)}
    assert not training & held_out
    assert {digest(text) & 1 for text in held_out} == {1}
    assert {side(draw_days(rng, 3, split="training").question) for _ in range(20)} == {"training"}
