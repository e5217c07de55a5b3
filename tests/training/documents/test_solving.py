"""Solved problems: every step is a right one, nothing wrong is learned, and a missing fact ends the steps."""

import random

import pytest

from headgate.tasks.word_problems import Mix, Verdict, judge_step, problems
from headgate.training.documents.solving import Style, checked, cut_short, given_up, solved, without
from headgate.training.formats import UNKNOWN, WAIT, boxed

MANY = problems(60, seed=8, split="training")
USUAL = Style(random.Random(0))


def test_loss_stands_on_all_steps_and_the_answer_and_not_on_the_question() -> None:
    problem = MANY[0]
    steps = "".join(line.text + "\n\n" for line in problem.steps)
    assert solved(problem, USUAL).learned == f"{steps}</think>\n\n{boxed(problem.answer)}<|im_end|>"


def test_every_style_writes_right_steps_and_some_not_in_the_usual_way() -> None:
    style, unusual = Style(random.Random(1), other=0.8), 0
    for problem in MANY:
        for line in problem.steps:
            text = style(line)
            assert judge_step(problem, text) is Verdict.RIGHT
            unusual += text != line.text
    assert unusual > 100


@pytest.mark.parametrize("seed", range(8))
def test_a_thinking_cut_short_asks_for_the_answer_at_once(seed: int) -> None:
    problem = MANY[seed]
    text = cut_short(random.Random(seed), problem, USUAL)
    assert text.learned.endswith(f"{boxed(problem.answer)}<|im_end|>")
    assert "</think>" not in text.learned
    assert problem.steps[-1].text not in str(text)


def test_wrong_steps_are_read_and_their_mending_is_learned() -> None:
    rng, mended = random.Random(2), 0
    for problem in MANY:
        wrong = [[f"{line.subject}9999.\n\n"] for line in problem.steps]
        text = checked(rng, problem, USUAL, wrong)
        assert "9999" not in text.learned
        for place, (part, weight) in enumerate(text.parts):
            if part.endswith("9999.\n\n"):
                following, learned = text.parts[place + 1]
                assert not weight and learned and following.startswith(WAIT + part.split("9")[0][:3])
                mended += 1
        assert [line.text in text.learned for line in problem.steps] == [True] * len(problem.steps)
    assert mended > 50


def test_a_problem_with_a_missing_fact_is_given_up_at_that_fact() -> None:
    rng = random.Random(3)
    for problem in problems(60, seed=9, split="training", mix=Mix(shuffled=0.5)):
        left, missing = without(rng, problem)
        text = given_up(left, missing, USUAL)
        assert missing.statement in problem.question and missing.statement not in str(text)
        assert text.learned.endswith(f"{missing.subject} {UNKNOWN}.\n\n</think>\n\n{boxed(UNKNOWN)}<|im_end|>")
        assert not any(f"{missing.subject}{missing.value}" in part for part, weight in text.parts if weight)
