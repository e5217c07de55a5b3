"""Questions about shared givens: every answer worked out again from the sentences, splits, ids, kinds."""

import re
from random import Random

import pytest

from headgate.tasks import stateful_math
from headgate.tasks.stateful_math import TASK, Question, problem, questions, stream_of
from headgate.tasks.word_problems import Verdict, digest, judge_step
from headgate.verifiers.base import Problem

SENTENCES = {
    r"has (\d+) \w+": lambda n: int(n),
    r"has as many as (\w+)": lambda a: a,
    r"has (\d+) more than (\w+)": lambda n, a: a + int(n),
    r"has (\d+) fewer than (\w+)": lambda n, a: a - int(n),
    r"has (\d+) times as many as (\w+)": lambda n, a: int(n) * a,
    r"has half as many as (\w+)": lambda a: a // 2,
    r"has what is left when (\w+) groups by (\d+)": lambda a, n: a % int(n),
    r"has as many as (\w+) and (\w+) together": lambda a, b: a + b,
    r"has as many as the larger of (\w+) and (\w+)": max,
    r"has as many as the smaller of (\w+) and (\w+)": min,
}


def worked_out(text: str) -> int:
    """The answer, by reading the sentences one by one; `Suppose` comes before the sentence that it replaces."""
    *told, asked = re.split(r"(?<=[.?]) ", text)
    supposed = {s.split()[1]: s.removeprefix("Suppose ") for s in told if s.startswith("Suppose ")}
    known: dict[str, int] = {}
    for sentence in told:
        name = sentence.split()[0]
        if name == "Suppose":
            continue
        said = supposed.get(name, sentence).removesuffix(".").partition(" ")[2]
        rule, found = next((rule, m) for form, rule in SENTENCES.items() if (m := re.fullmatch(form, said)))
        known[name] = rule(*(known.get(part, part) for part in found.groups()))
    return known[re.fullmatch(r"How many does (\w+) have\?", asked)[1]]  # type: ignore[index]


@pytest.fixture(scope="module")
def many() -> list[Problem]:
    return TASK.sample(400, seed=5)


def drawn(n: int, **how: int) -> list[Question]:
    stream = stream_of(Random(11), **how)  # type: ignore[arg-type]
    return [next(stream) for _ in range(n)]


def test_every_answer_follows_from_the_sentences(many: list[Problem]) -> None:
    assert [str(worked_out(one.text)) for one in many] == [one.reference for one in many]


def test_a_problem_begins_with_its_givens_and_goes_on_with_what_is_asked(many: list[Problem]) -> None:
    for one in many:
        assert one.text == f"{one.givens} {one.asked}"
        assert one.meta["context"] == f"stateful_math-v1-{digest(one.givens):016x}"
        assert re.fullmatch(r"(Suppose \w+ has \d+ \w+\. )?How many does \w+ have\?", one.asked)


def test_questions_about_the_same_givens_stand_together_half_of_them_counterfactual(many: list[Problem]) -> None:
    contexts = [one.meta["context"] for one in many]
    assert [one.meta["kind"] for one in many] == ["derivable", "counterfactual"] * 200
    assert len(set(contexts)) == sum(a != b for a, b in zip(contexts, [None, *contexts], strict=False)) == 100


def test_a_counterfactual_question_has_a_number_of_its_own_that_changes_the_answer(many: list[Problem]) -> None:
    for one in many:
        if one.meta["kind"] == "counterfactual":
            number = re.search(r"\d+", one.asked)
            assert number
            assert number[0] not in one.givens
            without = f"{one.givens} {one.asked.split('. ')[1]}"
            assert str(worked_out(without)) != one.reference


def test_the_right_steps_lead_to_the_answer_and_are_all_needed() -> None:
    for question in drawn(100):
        worked = question.worked
        assert worked.steps[-1].subject == worked.asked
        assert worked.steps[-1].value == worked.answer == worked_out(worked.question)
        assert all(judge_step(worked, step.text) is Verdict.RIGHT for step in worked.steps)
        used = {parent for step in worked.steps for parent in step.parents} | {worked.asked}
        assert used == {step.subject for step in worked.steps}


def test_all_questions_about_some_givens_are_on_one_side_and_sides_never_meet() -> None:
    training, held_out = (
        {question.givens.text for question in (next(stream) for _ in range(200))}
        for stream in (stream_of(Random(3), split="training"), stream_of(Random(3)))
    )
    assert not training & held_out
    assert {digest(text) & 1 for text in training} == {0}
    assert {digest(text) & 1 for text in held_out} == {1}


def test_the_questions_about_some_givens_are_always_the_same() -> None:
    for question in drawn(8):
        assert question.id in {again.id for again in questions(question.givens)}
        assert len(questions(question.givens)) == 4
        assert questions(question.givens) == questions(question.givens)


@pytest.mark.parametrize("quantities", [5, 10, 15])
def test_the_difficulty_is_the_number_of_sentences(quantities: int) -> None:
    for one in TASK.sample(20, difficulty=quantities):
        assert one.givens.count(".") == quantities == one.meta["difficulty"]


def test_ids_tell_version_and_text() -> None:
    one = problem(drawn(1)[0])
    assert one.id == f"stateful_math-v1-{digest(one.text):016x}"
    assert stateful_math.VERSION == "stateful_math-v1"
