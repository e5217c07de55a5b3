"""The generator of word problems: what is asked can be computed, splits never meet, and the checker is strict."""

import random
import re
from collections import Counter

import pytest

from headgate.tasks.formula import Formula, Operand
from headgate.tasks.word_problems import (
    HARD,
    NAMES,
    STANDARD,
    Line,
    Mix,
    Verdict,
    WordProblem,
    digest,
    draw,
    judge_step,
    problems,
)


@pytest.fixture(scope="module")
def many() -> list[WordProblem]:
    return problems(400, seed=5)


def test_the_same_seed_gives_the_same_problems() -> None:
    assert problems(20, seed=1) == problems(20, seed=1)
    assert problems(20, seed=1) != problems(20, seed=2)


def test_the_problem_of_a_seed_never_changes() -> None:
    first = problems(1, seed=0)[0]
    assert (first.id, first.asked, first.answer) == ("word_problems-v1-26deb36b91edc663", "Ida", 1696)


def test_training_and_held_out_problems_never_meet() -> None:
    training = problems(300, seed=3, split="training")
    held_out = problems(300, seed=3, split="held_out")
    assert {p.split for p in training} == {"training"}
    assert {p.split for p in held_out} == {"held_out"}
    assert not {p.question for p in training} & {p.question for p in held_out}
    assert all(digest(p.question) % 2 == 0 for p in training)
    assert all(digest(p.question) % 2 == 1 for p in held_out)


def test_the_last_step_gives_the_answer_to_what_is_asked(many: list[WordProblem]) -> None:
    for problem in many:
        assert problem.steps[-1].subject == problem.asked
        assert problem.steps[-1].value == problem.answer
        assert problem.question.endswith(f"How many does {problem.asked} have?")


def test_every_step_needs_only_what_came_before_and_is_needed_later(many: list[WordProblem]) -> None:
    for problem in many:
        known: set[str] = set()
        for line in problem.steps:
            assert known.issuperset(line.parents)
            known.add(line.subject)
        used = {parent for line in problem.steps for parent in line.parents} | {problem.asked}
        assert used == known


def test_every_operand_is_a_number_or_a_known_name_before_its_value(many: list[WordProblem]) -> None:
    for problem in many:
        for line in (line for line in problem.lines.values() if line.formula):
            named = re.findall(r"([A-Z][a-z]+)(\d+)", line.working[0])
            assert named == [(name, str(problem.lines[name].value)) for name in line.parents]
            assert line.text.startswith(f"{line.subject}:")
            assert line.text.endswith(f";{line.subject}{line.value}.")


def worth(sum_: str) -> int:
    """What one written sum of a working comes to."""
    assert re.fullmatch(r"[\d+*/-]+", sum_)
    return int(eval(sum_))


def test_every_way_to_write_a_step_works_it_out(many: list[WordProblem]) -> None:
    ways = Counter[str]()
    for line in (line for problem in many for line in problem.lines.values() if line.formula):
        assert len(set(line.texts)) == len(line.texts) and line.texts[0] == line.text
        for text in line.texts:
            head, *sums, last = text.removeprefix(f"{line.subject}:").split(";")
            assert last == f"{line.subject}{line.value}." and sorted(re.findall(r"\d+", head)) == operands(line)
            if line.operation != "cmp" and sums:
                assert worth(sums[-1]) == line.value, text
                ways[line.operation] += 1
    assert {"mul22", "mul31", "add3", "half", "mod3", "mod2"} <= set(ways)


def operands(line: Line) -> list[str]:
    assert line.formula
    return sorted(re.findall(r"\d+", str(line.formula)))


def test_products_of_two_digits_and_long_remainders_are_usually_worked_out(many: list[WordProblem]) -> None:
    lines = [line for problem in many for line in problem.lines.values() if len(line.working) > 1]
    assert {line.operation for line in lines} == {"mul22", "mod3"}
    for line in (line for line in lines if line.operation == "mul22"):
        n, m = map(int, re.findall(r"\d+", line.working[0]))
        assert n * m == line.value == worth(line.working[1]) == worth(line.working[2])


@pytest.mark.parametrize(
    ("formula", "text", "value"),
    [
        (Formula("", Operand(63, "Tom")), "Tom63", 63),
        (Formula("+", Operand(63, "Tom"), Operand(21)), "Tom63+21", 84),
        (Formula("*", Operand(3), Operand(63, "Tom")), "3*Tom63", 189),
        (Formula("/", Operand(63, "Tom"), Operand(2)), "Tom63/2", 31),
        (Formula("mod", Operand(63, "Tom"), Operand(5)), "Tom63 mod 5", 3),
        (Formula("min", Operand(63, "Tom"), Operand(21, "Amy")), "min(Tom63,Amy21)", 21),
    ],
)
def test_a_formula_writes_each_name_right_before_its_value(formula: Formula, text: str, value: int) -> None:
    assert (str(formula), formula.value) == (text, value)


def test_statements_stand_in_natural_order_unless_shuffled() -> None:
    for problem in problems(50, seed=9, mix=STANDARD):
        told = re.findall(r"(?:^|\. )(\w{3}) has", problem.question)
        assert told == [line.subject for line in (*problem.steps, *problem.distractors)]
    shuffled = problems(50, seed=9, mix=HARD)
    orders = [re.findall(r"(?:^|\. )(\w{3}) has", p.question) for p in shuffled]
    assert (
        sum(told != [x.subject for x in (*p.steps, *p.distractors)] for told, p in zip(orders, shuffled, strict=True))
        > 40
    )


def test_the_number_of_steps_and_distractors_can_be_chosen() -> None:
    chosen = problems(30, seed=1, mix=Mix(steps={6: 1}, distractors={2: 1}))
    assert {len(p.steps) for p in chosen} == {6}
    assert {len(p.distractors) for p in chosen} == {2}


def test_the_standard_mix_has_two_to_eight_steps(many: list[WordProblem]) -> None:
    lengths = Counter(len(p.steps) for p in many)
    assert set(lengths) == set(range(2, 9))
    assert 4.5 < sum(k * n for k, n in lengths.items()) / len(many) < 5.8


def test_names_are_not_used_twice_in_a_problem(many: list[WordProblem]) -> None:
    for problem in many:
        subjects = [line.subject for line in (*problem.steps, *problem.distractors)]
        assert len(subjects) == len(set(subjects))
        assert set(subjects) <= set(NAMES)


def example() -> WordProblem:
    rng = random.Random(2)
    while True:
        problem = draw(rng, mix=Mix(steps={4: 1}, distractors={1: 1}))
        if any(line.operation == "mul21" for line in problem.steps) and problem.distractors[0].parents:
            return problem


def test_the_right_line_is_right_and_a_distractor_is_not_needed() -> None:
    problem = example()
    assert all(judge_step(problem, line.text + "\n\n") is Verdict.RIGHT for line in problem.steps)
    assert judge_step(problem, problem.distractors[0].text) is Verdict.UNNEEDED


def test_a_step_done_before_is_not_needed_again() -> None:
    problem = example()
    first = problem.steps[0]
    assert judge_step(problem, first.text, done={first.subject}) is Verdict.UNNEEDED


def test_a_wrong_result_of_the_right_formula_is_a_slip() -> None:
    problem = example()
    line = next(line for line in problem.steps if line.operation == "mul21")
    off_by_one = line.text.replace(f";{line.subject}{line.value}.", f";{line.subject}{line.value + 1}.")
    assert judge_step(problem, off_by_one) is Verdict.SLIP


@pytest.mark.parametrize("text", ["", "Nonsense.", "Bob3.", "Kim:;Kim3.", "</think>", "Tom has 3.", "="])
def test_anything_else_is_wrong(text: str) -> None:
    assert judge_step(example(), text) is Verdict.WRONG


def test_right_values_with_other_working_are_wrong() -> None:
    problem = example()
    line = next(line for line in problem.steps if line.operation == "mul21")
    assert judge_step(problem, f"{line.subject}{line.value}.") is Verdict.WRONG
