"""Notes, plans, a calculator and demonstrations: what is said is right, what others say is only read."""

import random
import re
from collections import Counter

from headgate.tasks.operators import UNSEEN
from headgate.tasks.word_problems import problems
from headgate.training.documents import asides
from headgate.training.documents.solving import Style

USUAL = Style(random.Random(0))
SEEDS = range(60)


def test_notes_hold_every_quantity_of_the_givens() -> None:
    for seed in SEEDS:
        text = asides.note_taking(random.Random(seed), USUAL)
        thought, notes = text.learned.split("</think>\n\n")
        worked = re.findall(r"([A-Z][a-z]+\d+)\.\n\n", thought)
        assert notes.removesuffix("<|im_end|>").split() == [f"{one}." for one in worked]


def test_answers_from_notes_are_in_the_notes_or_thought_out_anew() -> None:
    kinds = Counter[bool]()
    for seed in SEEDS:
        text = asides.asked_with_notes(random.Random(seed), USUAL)
        notes = dict(re.findall(r"([A-Z][a-z]+)(\d+)\.", str(text).split("Notes: ")[1]))
        for _, parts in text.branches:
            asked, said = parts[0][0], "".join(part for part, weight in parts if weight)
            subject = re.search(r"How many does (\w+) have", asked)
            assert subject
            thought, _, answer = said.rpartition("</think>\n\n")
            value = re.fullmatch(r"\\boxed\{(\d+)\}<\|im_end\|>", answer)
            assert value
            assert ("Suppose" in asked) == bool(thought) or not thought.strip() or value[1] == notes[subject[1]]
            assert value[1] == notes[subject[1]] or thought.endswith(f"{subject[1]}{value[1]}.\n\n")
            kinds["Suppose" in asked] += 1
    assert min(kinds[True], kinds[False]) > 30


def test_a_plan_names_every_part_with_a_level() -> None:
    for problem in problems(60, seed=5, split="training"):
        lines = asides.planned(problem).learned.removesuffix("<|im_end|>").splitlines()
        found = [re.fullmatch(r"How many does (\w+) have\? Level ([1-5])\.", line) for line in lines]
        assert [match and match[1] for match in found] == [line.subject for line in problem.steps]


def test_what_the_calculator_says_is_read_only() -> None:
    called = 0
    for seed in SEEDS:
        text = asides.with_calculator(random.Random(seed))
        calls = re.findall(r"calc\(([\d+*/ mod-]+)\)\n", text.learned)
        budget = re.search(r"budget: (\d) calls left", str(text))
        assert budget and len(calls) <= int(budget[1])
        assert "calls left" not in text.learned
        called += len(calls)
    assert called > 30


def test_made_up_operators_are_none_of_those_held_out_and_their_demonstrations_are_true() -> None:
    rng, held_out = random.Random(7), {frozenset(asides.meaning(op).items()) for op in UNSEEN if "(" not in op}
    for _ in range(300):
        drawn = asides.made_up(rng, 3)
        assert frozenset(asides.meaning(drawn.asked.operator).items()) not in held_out
        for one in (*drawn.shown, drawn.asked):
            working = one.step.split("=")[1]
            assert eval(working) == one.value == int(one.step.split("=")[2].rstrip("."))


def test_an_induced_operator_is_worked_out_as_shown() -> None:
    for seed in SEEDS:
        text = asides.induced(random.Random(seed))
        assert re.fullmatch(r"\d+.\d+=.+=(-?\d+)\.\n\n</think>\n\n\\boxed\{\1\}<\|im_end\|>", text.learned), (
            text.learned
        )
