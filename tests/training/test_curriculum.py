"""Documents: loss stands where it should, candidates deserve their ratings, training problems stay on their side."""

import random
import re
from collections import Counter

import pytest

from headgate.tasks.word_problems import NAMES, Line, Verdict, judge_step, problems
from headgate.training.corruptions import slip, spoil
from headgate.training.curriculum import RATINGS, Curriculum, Document, Plan, bare_step, target_plan
from headgate.training.formats import RATE, asking, boxed
from headgate.training.tokenizer import Encoder

MANY = problems(120, seed=8, split="training")


def solved(curriculum: Curriculum, seed: int = 0, plan: Plan | None = None) -> Document:
    return curriculum.rated(random.Random(seed), MANY[seed], plan or target_plan(0.5), {})


def learned(encoder: Encoder, document: Document) -> str:
    """The text of the trunk that carries loss."""
    pairs = zip(document.targets[: document.trunk], document.weights[: document.trunk], strict=True)
    return encoder.decode([target for target, weight in pairs if weight > 0])


def test_loss_stands_on_all_steps_and_the_answer_and_not_on_the_question(
    curriculum: Curriculum, encoder: Encoder
) -> None:
    text = learned(encoder, solved(curriculum))
    steps = "".join(line.text + "\n\n" for line in MANY[0].steps)
    assert text == f"{steps}</think>\n\n{boxed(MANY[0].answer)}<|im_end|>"


def test_targets_are_the_next_ids_of_the_trunk(curriculum: Curriculum) -> None:
    document = solved(curriculum)
    learn = [i for i in range(document.trunk - 1) if document.weights[i] > 0]
    assert all(document.targets[i] == document.ids[i + 1] for i in learn)


def test_a_branch_goes_on_from_its_cut_and_ends_with_the_rating_request(
    curriculum: Curriculum, encoder: Encoder
) -> None:
    for seed in range(20):
        document = solved(curriculum, seed)
        for start, end, cut in document.branches:
            assert document.positions[start:end] == list(range(cut, cut + end - start))
            assert encoder.decode(document.ids[start:end]).endswith(RATE)
            assert encoder.decode([document.targets[end - 1]]) in ("0", "3", "6", "9")
            assert not any(document.weights[start : end - 1])


def test_the_trunk_before_a_cut_ends_with_a_whole_step(curriculum: Curriculum, encoder: Encoder) -> None:
    document = solved(curriculum, 3)
    prompt = encoder.encode(asking(MANY[3].question))
    for _, _, cut in document.branches:
        assert cut == len(prompt) or encoder.decode(document.ids[:cut]).endswith(".\n\n")


def test_candidates_have_the_ratings_that_the_checker_gives(curriculum: Curriculum, encoder: Encoder) -> None:
    rng, seen = random.Random(1), set[int]()
    for problem in MANY:
        for k in range(len(problem.steps)):
            ids, rating = curriculum.candidate(rng, problem, k, {})
            done = {line.subject for line in problem.steps[:k]}
            assert rating == RATINGS[judge_step(problem, encoder.decode(ids), done)], encoder.decode(ids)
            seen.add(rating)
    assert seen == {0, 3, 6, 9}


def test_the_drafts_own_steps_are_used_where_they_are_known(curriculum: Curriculum, encoder: Encoder) -> None:
    own = {k: [(encoder.encode("Nonsense.\n\n"), 0)] for k in range(len(MANY[0].steps))}
    document = curriculum.rated(random.Random(1), MANY[0], target_plan(0.5), own)
    assert "Nonsense." in encoder.decode(document.ids)


@pytest.mark.parametrize("seed", range(5))
def test_a_document_cut_short_asks_for_the_answer_at_once(curriculum: Curriculum, encoder: Encoder, seed: int) -> None:
    document = curriculum.cut_short(random.Random(seed), Plan())
    assert learned(encoder, document).endswith("}<|im_end|>")
    assert "</think>\n\n" not in learned(encoder, document)


def test_looked_up_values_carry_loss_once_they_were_told(curriculum: Curriculum, encoder: Encoder) -> None:
    document = curriculum.looked_up(random.Random(1))
    told = re.findall(r"([A-Z][a-z]+)(\d+)\.\n\n", encoder.decode(document.ids))
    first = {name: place for place, (name, _) in reversed(list(enumerate(told)))}
    assert all(value == told[first[name]][1] for name, value in told)
    again = [value for place, (name, value) in enumerate(told) if place > first[name]]
    assert learned(encoder, document) == "".join(again) != ""


def test_drilled_steps_carry_loss_on_what_can_be_known(curriculum: Curriculum, encoder: Encoder) -> None:
    document = curriculum.drill(random.Random(1), Plan())
    known = ""
    for line in encoder.decode(document.ids).split("\n\n")[:-1]:
        given, colon, rest = line.partition(";")
        if colon:
            known += "".join(re.findall(r"(?<=[a-z])\d+", given)) + rest + "\n\n"
    assert learned(encoder, document) == known != ""


def test_drilled_steps_take_their_operands_from_any_line_before() -> None:
    rng, distances, operations = random.Random(3), Counter[int](), set[str]()
    for _ in range(100):
        known: list[Line] = []
        for name in NAMES[:10]:
            line = bare_step(rng, name, known, Plan())
            places = [k for k, other in enumerate(known) if other.subject in line.parents]
            distances.update(len(known) - place for place in places)
            operations.add(line.operation)
            known.append(line)
    assert min(distances[k] for k in (1, 2, 3, 4)) > 100
    assert {"copy", "mul22", "cmp", "mod3", "add2"} <= operations


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


def test_training_documents_ask_training_questions_only(curriculum: Curriculum) -> None:
    rng = random.Random(6)
    assert all(curriculum.problem(rng, target_plan(0.5)).split == "training" for _ in range(100))
