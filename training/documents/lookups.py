"""What a solution is made of, alone: finding a value by its name, finding who comes next, and one step at a time.

A model that meets look-ups only now and then never learns them: it copies the latest value, which is mostly right. So
the first documents hold nothing else (Olsson et al. 2022, "In-context Learning and Induction Heads", arXiv 2209.11895).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random

from ...tasks.word_problems import HARD, ITEMS, NAMES, Line, Mix, base, derive, draw
from ..formats import DELIMITER
from .document import Text

DRILLED: Mapping[str, float] = {
    "add": 16,
    "subtract": 16,
    "times": 13,
    "times_two_digit": 10,
    "sum": 30,
    "half": 3,
    "compare": 20,
    "remainder": 18,
}
VALUE = re.compile(r"(?<=[a-z])(\d+)")


def looked_up(rng: Random) -> Text:
    """Quantities told once and then again and again, loss on every value that was told before."""
    text, names = Text(), rng.sample(NAMES, rng.randint(3, 10))
    known: dict[str, int] = {}
    for name in [*names, *rng.choices(names, k=rng.randint(10, 30))]:
        told = name in known
        value = known.setdefault(name, rng.randrange(10 ** rng.choice((1, 2, 2, 3, 3, 4))))
        text.say(name).learn(str(value), float(told)).say(f".{DELIMITER}")
    return text


def chased(rng: Random) -> Text:
    """Statements in any order, and then only who can be computed after whom."""
    problem = draw(rng, split="training", mix=HARD)
    return Text().say(problem.question + DELIMITER).learn(" ".join(line.subject for line in problem.steps) + ".")


def drill(rng: Random) -> Text:
    """Steps without a question, each from any before it: loss on values that are looked up, and on results."""
    text, known = Text(), list[Line]()
    for name in rng.sample(NAMES, rng.randint(6, 12)):
        line = bare_step(rng, name, known)
        for part, learned in parts(line, rng.choice(line.texts) if rng.random() < 0.3 else line.text):
            text.learn(part, float(learned))
        known.append(line)
    return text


def bare_step(rng: Random, name: str, known: Sequence[Line]) -> Line:
    """A number, or what follows from one or two of the quantities that are known."""
    while len(known) > 1 and rng.random() < 0.8:
        a, *others = rng.sample(known, len(known))
        line = derive(rng, name, a, others, Mix(operations=DRILLED))
        if line is not None and len(set(line.parents)) == len(line.parents):
            return line
    return base(rng, name, rng.choice(ITEMS))


def parts(line: Line, text: str) -> Iterator[tuple[str, bool]]:
    """A drilled step in pieces, and whether each can be known from what stands before it."""
    if line.formula is None:
        yield text + DELIMITER, False
        return
    given, _, rest = text.partition(";")
    for part in VALUE.split(f"{given};"):
        yield part, part.isdecimal()
    yield rest + DELIMITER, True
