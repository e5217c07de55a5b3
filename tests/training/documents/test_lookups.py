"""Look-ups: only what can be known is learned, at every distance."""

import random
import re
from collections import Counter

from headgate.tasks.word_problems import NAMES, Line
from headgate.training.documents.lookups import bare_step, chased, drill, looked_up


def test_looked_up_values_carry_loss_once_they_were_told() -> None:
    text = looked_up(random.Random(1))
    told = re.findall(r"([A-Z][a-z]+)(\d+)\.\n\n", str(text))
    first = {name: place for place, (name, _) in reversed(list(enumerate(told)))}
    assert all(value == told[first[name]][1] for name, value in told)
    again = [value for place, (name, value) in enumerate(told) if place > first[name]]
    assert text.learned == "".join(again) != ""


def test_a_chase_names_everyone_after_those_that_they_are_told_from() -> None:
    for seed in range(30):
        text = chased(random.Random(seed))
        order = text.learned.rstrip(".").split()
        told = {words[0]: set(words[1:]) & set(NAMES) for said in str(text).split(".")[:-1] if (words := said.split())}
        for place, name in enumerate(order):
            assert told[name].issubset(order[:place]), (name, order)


def test_drilled_steps_carry_loss_on_what_can_be_known() -> None:
    text, known = drill(random.Random(1)), ""
    for line in str(text).split("\n\n")[:-1]:
        given, colon, rest = line.partition(";")
        if colon:
            known += "".join(re.findall(r"(?<=[a-z])\d+", given)) + rest + "\n\n"
    assert text.learned == known != ""


def test_drilled_steps_take_their_operands_from_any_line_before() -> None:
    rng, distances, operations = random.Random(3), Counter[int](), set[str]()
    for _ in range(100):
        known: list[Line] = []
        for name in NAMES[:10]:
            line = bare_step(rng, name, known)
            places = [k for k, other in enumerate(known) if other.subject in line.parents]
            distances.update(len(known) - place for place in places)
            operations.add(line.operation)
            known.append(line)
    assert min(distances[k] for k in (1, 2, 3, 4)) > 100
    assert {"copy", "mul22", "cmp", "mod3", "add2"} <= operations
