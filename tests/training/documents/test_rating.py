"""Judged steps: each rating is the exact checker's, each comparison has one right side, wrong endings are rated so."""

import random

from headgate.tasks.word_problems import Verdict, judge_step, problems
from headgate.training.corruptions import derailed, slip, spoil
from headgate.training.documents.rating import RATINGS, Candidates, Own, outcome, rated
from headgate.training.documents.solving import Style
from headgate.training.formats import CLOSE, RATE, RATE_ANSWER, asking, boxed

MANY = problems(100, seed=8, split="training")


def candidates(seed: int, own: Own | None = None) -> Candidates:
    rng = random.Random(seed)
    return Candidates(rng, MANY[seed], Style(rng, 0.3), own or {})


def test_every_candidate_has_the_rating_that_the_checker_gives() -> None:
    seen = set[int]()
    for seed, problem in enumerate(MANY):
        drawn = candidates(seed)
        for k in range(len(problem.steps)):
            text, rating = drawn.draw(k)
            done = {line.subject for line in problem.steps[:k]}
            assert rating == RATINGS[judge_step(problem, text, done)], text
            seen.add(rating)
    assert seen == {0, 3, 6, 9}


def test_a_branch_ends_with_a_request_and_learns_one_word() -> None:
    asked = set[str]()
    for seed, problem in enumerate(MANY):
        text = rated(candidates(seed), 3.0)
        for at, ((read, nothing), (said, weight)) in text.branches:
            assert (nothing, weight) == (0.0, 3.0)
            assert str(text).startswith("".join(part for part, _ in text.parts[:at]))
            assert read.endswith(RATE) if said.isdecimal() else said in "AB"
            asked.add(said)
        assert "".join(part for part, _ in text.parts[:1]) == asking(problem.question)
    assert asked == {*"0369AB"}


def test_a_comparison_prefers_the_right_step() -> None:
    for seed, problem in enumerate(MANY):
        for at, ((read, _), (said, _)) in rated(candidates(seed), 1.0).branches:
            if said in ("A", "B"):
                sides = {line[0]: line[3:] for line in read.splitlines() if line[:3] in ("A: ", "B: ")}
                done = {line.subject for line in problem.steps[: at - 1]}
                verdicts = {side: judge_step(problem, step, done) for side, step in sides.items()}
                assert verdicts.pop(said) is Verdict.RIGHT
                assert set(verdicts.values()) <= {Verdict.SLIP, Verdict.WRONG}


def test_the_drafts_own_steps_are_used_where_they_are_known() -> None:
    own = {k: [("Nonsense.\n\n", 0)] for k in range(len(MANY[0].steps))}
    read = [parts[0][0] for _, parts in rated(candidates(0, own), 1.0).branches]
    assert any(part.startswith("Nonsense.\n\n") for part in read)
    assert candidates(0, own).wrong(0) == ["Nonsense.\n\n"]


def test_an_answer_is_rated_right_exactly_when_it_is() -> None:
    seen = set[str]()
    for seed, problem in enumerate(MANY):
        text = outcome(candidates(seed), 2.0)
        said = text.learned
        ends = f"{CLOSE}{boxed(problem.answer)}{RATE_ANSWER}" in str(text)
        assert said == ("9" if ends else "0")
        seen.add(said)
    assert seen == {"0", "9"}


def test_a_derailed_solution_goes_on_rightly_from_one_wrong_result() -> None:
    rng = random.Random(6)
    for problem in MANY:
        steps = derailed(rng, problem)
        lines = {line.subject: line.value for line in steps}
        off = [new for new, old in zip(steps, problem.steps, strict=True) if new.value != old.value]
        worked = [line for line in steps if line.formula and line.formula.value == line.value]
        assert off and len(worked) >= sum(bool(line.formula) for line in steps) - 1
        assert all(f"{name}{lines[name]}" in line.text for line in steps for name in line.parents)


def test_a_spoiled_step_is_never_right() -> None:
    rng = random.Random(4)
    for problem in MANY:
        for k in range(len(problem.steps)):
            text = spoil(rng, problem, k)
            assert judge_step(problem, text) in (Verdict.SLIP, Verdict.WRONG), text


def test_a_slip_is_another_number_that_is_not_negative() -> None:
    rng = random.Random(5)
    for number in (0, 1, 9, 10, 99, 100, 1234):
        made = [slip(rng, number) for _ in range(200)]
        assert number not in made and min(made) >= 0
