"""Small word problems about who has how many, made from a seed, with every right step and a strict checker of steps.

Source: our own; the form follows Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168
(a chain of 2 to 8 small sums in plain sentences), but synthetic, so that every step has a known right line and no text
is copied.
Where we differ: training and held-out problems never meet. The last bit of a 64-bit hash of the question says which
side a problem is on, so that a problem drawn for training cannot be in any held-out set, whatever the seeds are.
"""

import hashlib
import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, TypeVar

from .formula import Formula, Operand

_NAMES = "Tom Mia Leo Ann Ben Eva Sam Zoe Max Ida Kim Roy Amy Gus Jan Lea Ned Ola Pia Rex Sue Tia Uma Vic"
_ITEMS = "apples coins books cards shells stamps marbles pens keys beans"
NAMES, ITEMS = tuple(_NAMES.split()), tuple(_ITEMS.split())
VERSION: Final = "word_problems-v1"
Split = Literal["training", "held_out"]
T = TypeVar("T")


class Verdict(StrEnum):
    """What the checker says of one step."""

    RIGHT = "right"
    UNNEEDED = "right but not needed"
    SLIP = "slip"  # the formula is right, its result is not
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One quantity: how the question states it, and the right steps that compute it."""

    subject: str
    statement: str
    value: int
    operation: str
    formula: Formula | None = None  # None where the question tells the number itself

    @property
    def text(self) -> str:
        return written(self.subject, self.working, self.value)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every right way to write the step, the usual one first."""
        return tuple(written(self.subject, working, self.value) for working in self.workings)

    @property
    def workings(self) -> tuple[tuple[str, ...], ...]:
        """What may stand between the subject and its value; nothing where the question tells the number."""
        if self.formula is None:
            return ((),)
        return tuple((head, *parts) for parts in self.formula.workings for head in self.formula.heads)

    @property
    def working(self) -> tuple[str, ...]:
        return self.workings[0]

    @property
    def parents(self) -> tuple[str, ...]:
        return self.formula.names if self.formula else ()

    @property
    def operand(self) -> Operand:
        return Operand(self.value, self.subject)


def written(subject: str, working: Sequence[str], value: int) -> str:
    """A step: whose quantity it computes, the working, and at its end the name right before the value."""
    return f"{subject}:{';'.join(working)};{subject}{value}." if working else f"{subject}{value}."


@dataclass(frozen=True, slots=True, kw_only=True)
class WordProblem:
    """A question, its answer, the steps that lead there in order, and what is said beside the point."""

    question: str
    answer: int
    asked: str
    steps: tuple[Line, ...]
    distractors: tuple[Line, ...] = ()
    lines: Mapping[str, Line] = field(hash=False, compare=False)

    @property
    def split(self) -> Split:
        return "held_out" if digest(self.question) & 1 else "training"

    @property
    def id(self) -> str:
        return f"{VERSION}-{digest(self.question):016x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What kinds of problems are drawn: weights, one per choice."""

    steps: Mapping[int, float] = field(default_factory=lambda: {2: 1, 3: 2, 4: 3, 5: 3, 6: 3, 7: 2, 8: 2})
    distractors: Mapping[int, float] = field(default_factory=lambda: {0: 4, 1: 4, 2: 2})
    operations: Mapping[str, float] = field(default_factory=lambda: dict(OPERATIONS))
    shuffled: float = 0.0  # share of problems whose statements stand in random order
    joined: float = 0.0  # share of problems of two chains that only the last step joins


OPERATIONS: Mapping[str, float] = {
    "same": 3,
    "add": 14,
    "subtract": 14,
    "times": 22,
    "times_two_digit": 16,
    "sum": 6,
    "half": 9,
    "compare": 7,
    "remainder": 9,
}
STANDARD = Mix()
HARD = Mix(shuffled=1.0)
JOINED = Mix(steps={5: 1, 6: 1, 7: 1, 8: 1, 9: 1}, joined=1.0)


def digest(question: str) -> int:
    """A 64-bit hash that is the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(question.encode(), digest_size=8).digest(), "big")


def problems(count: int, seed: int, *, split: Split = "held_out", mix: Mix = STANDARD) -> list[WordProblem]:
    """The same list for the same arguments, always."""
    stream = stream_of(random.Random(seed), split=split, mix=mix)
    return [next(stream) for _ in range(count)]


def stream_of(rng: random.Random, *, split: Split = "held_out", mix: Mix = STANDARD) -> Iterator[WordProblem]:
    """Problems without end."""
    while True:
        yield draw(rng, split=split, mix=mix)


def draw(rng: random.Random, *, split: Split = "held_out", mix: Mix = STANDARD) -> WordProblem:
    """One problem of the given side; draws again until one falls there."""
    while True:
        problem = attempt(rng, mix)
        if problem is not None and problem.split == split:
            return problem


def attempt(rng: random.Random, mix: Mix) -> WordProblem | None:
    """A chain of steps, then distractors; None where the numbers drawn allow no next step."""
    length, spare = pick(rng, mix.steps), pick(rng, mix.distractors)
    names, item = rng.sample(NAMES, length + spare), rng.choice(ITEMS)
    apart = mix.joined and length > 4 and rng.random() < mix.joined
    chain = (joined if apart else grow)(rng, names[:length], item, mix)
    if chain is None:
        return None
    known = {line.subject: line for line in chain}
    for name in names[length:]:
        line = distractor(rng, name, item, known, mix)
        if line is None:
            return None
        known[name] = line
    return assemble(rng, chain, known, mix)


def assemble(rng: random.Random, chain: Sequence[Line], known: Mapping[str, Line], mix: Mix) -> WordProblem:
    told = list(known.values())
    if rng.random() < mix.shuffled:
        rng.shuffle(told)
    asked = chain[-1]
    question = " ".join(line.statement for line in told) + f" How many does {asked.subject} have?"
    needed = {line.subject for line in chain}
    beside = tuple(line for line in known.values() if line.subject not in needed)
    return WordProblem(
        question=question,
        answer=asked.value,
        asked=asked.subject,
        steps=tuple(chain),
        distractors=beside,
        lines=known,
    )


def grow(rng: random.Random, names: Sequence[str], item: str, mix: Mix) -> list[Line] | None:
    """Steps that all lead to the last: each from the one before it, now and then with a fresh number beside."""
    chain = [base(rng, names[0], item)]
    while len(chain) < len(names):
        rest = names[len(chain) :]
        more = next((made for _ in range(20) if (made := extend(rng, chain, rest, item, mix))), None)
        if more is None:
            return None
        chain += more
    return chain


def joined(rng: random.Random, names: Sequence[str], item: str, mix: Mix) -> list[Line] | None:
    """Two chains that need nothing of each other, and the step that joins them."""
    middle = rng.randint(2, len(names) - 3)
    first, second = (grow(rng, part, item, mix) for part in (names[:middle], names[middle:-1]))
    if first is None or second is None:
        return None
    last = rng.choice((sum_of, compare))(rng, names[-1], first[-1], [second[-1]])
    return None if last is None else [*first, *second, last]


def extend(rng: random.Random, chain: list[Line], rest: Sequence[str], item: str, mix: Mix) -> list[Line] | None:
    """One derived step, or a fresh number and the step that joins it to the chain."""
    latest = chain[-1]
    if len(rest) >= 2 and rng.random() < 0.5:
        fresh = base(rng, rest[1], item)
        line = derive(rng, rest[0], latest, [fresh], mix)
        if line is not None and len(line.parents) == 2:
            return [fresh, line]
    else:
        line = derive(rng, rest[0], latest, chain[:-1], mix)
    return None if line is None else [line]


def distractor(rng: random.Random, name: str, item: str, known: Mapping[str, Line], mix: Mix) -> Line | None:
    """A statement that nothing asked depends on."""
    if rng.random() >= 0.6:
        return base(rng, name, item)
    told = list(known.values())
    line = derive(rng, name, rng.choice(told), told, mix)
    return None if line and len(set(line.parents)) < len(line.parents) else line


def base(rng: random.Random, name: str, item: str) -> Line:
    two_digits = rng.randint(10, 99), rng.randint(10, 99), rng.randint(10, 99)
    value = rng.choice((rng.randint(2, 9), *two_digits, rng.randint(100, 300)))
    return Line(subject=name, statement=f"{name} has {value} {item}.", value=value, operation="copy")


def derive(rng: random.Random, name: str, from_: Line, others: Sequence[Line], mix: Mix) -> Line | None:
    """A new quantity computed from one line, or from it and one other; None where the drawn operation does not fit."""
    if from_.value > 999:
        operation = rng.choice(("remainder_100", "subtract", "add", "remainder_100"))
    else:
        operation = pick(rng, mix.operations)
    return RULES[operation](rng, name, from_, others)


Rule = Callable[[random.Random, str, Line, Sequence[Line]], Line | None]


def same(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    return step(name, "copy", f"has as many as {a.subject}", Formula("", a.operand))


def add(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    n = addend(rng, a.value)
    return step(name, sized(n, a.value), f"has {n} more than {a.subject}", Formula("+", a.operand, Operand(n)))


def subtract(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    n = addend(rng, a.value)
    n = n if n < a.value else rng.randint(1, max(1, a.value - 1))
    if a.value - n < 1:
        return None
    return step(name, sized(n, a.value), f"has {n} fewer than {a.subject}", Formula("-", a.operand, Operand(n)))


def times(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    n = rng.randint(2, 9)
    return product(name, f"mul{len(str(a.value))}1", n, a)


def times_two_digit(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    if not 11 <= a.value <= 99 or a.value % 10 == 0:
        return None
    n = rng.randint(11, 99)
    n += rng.randint(1, 9) if n % 10 == 0 else 0
    return product(name, "mul22", n, a)


def product(name: str, operation: str, n: int, a: Line) -> Line:
    return step(name, operation, f"has {n} times as many as {a.subject}", Formula("*", Operand(n), a.operand))


def half(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    if a.value % 2:
        return None
    return step(name, "half", f"has half as many as {a.subject}", Formula("/", a.operand, Operand(2)))


def remainder(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    n = rng.randint(3, 9)
    if a.value % n == 0 or a.value < 10:
        return None
    return left_over(name, "mod2" if a.value < 100 else "mod3", a, n)


def remainder_100(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    return left_over(name, "mod100", a, 100) if a.value % 100 else None


def left_over(name: str, operation: str, a: Line, n: int) -> Line:
    said = f"has what is left when {a.subject} groups by {n}"
    return step(name, operation, said, Formula("mod", a.operand, Operand(n)))


def sum_of(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    if not others:
        return None
    b = rng.choice(others)
    if a.value + b.value > 1998:
        return None
    operation = "add3" if max(a.value, b.value) > 99 else "add2" if min(a.value, b.value) > 9 else "add1"
    said = f"has as many as {a.subject} and {b.subject} together"
    return step(name, operation, said, Formula("+", a.operand, b.operand))


def compare(rng: random.Random, name: str, a: Line, others: Sequence[Line]) -> Line | None:
    if not others:
        return None
    b = rng.choice(others)
    word, said = rng.choice((("max", "larger"), ("min", "smaller")))
    said = f"has as many as the {said} of {a.subject} and {b.subject}"
    return step(name, "cmp", said, Formula(word, a.operand, b.operand))


RULES: Mapping[str, Rule] = {
    "same": same,
    "add": add,
    "subtract": subtract,
    "times": times,
    "times_two_digit": times_two_digit,
    "sum": sum_of,
    "half": half,
    "compare": compare,
    "remainder": remainder,
    "remainder_100": remainder_100,
}


def step(name: str, operation: str, said: str, formula: Formula) -> Line:
    return Line(subject=name, statement=f"{name} {said}.", value=formula.value, operation=operation, formula=formula)


def addend(rng: random.Random, value: int) -> int:
    large = rng.randint(100, 499) if value > 99 else rng.randint(1, 99)
    return rng.choice((rng.randint(1, 9), rng.randint(10, 99), rng.randint(10, 99), large))


def sized(n: int, value: int) -> str:
    return "add1" if n < 10 else "add2" if value < 100 else "add3"


def pick(rng: random.Random, weights: Mapping[T, float]) -> T:
    return rng.choices(list(weights), list(weights.values()))[0]


STEP = re.compile(r"([A-Za-z]+)(?::.+;\1)?\d+\.")


def judge_step(problem: WordProblem, text: str, done: Collection[str] = ()) -> Verdict:
    """Hold one step to the right ways to write its subject's, letter by letter; one `done` is not needed again."""
    said = text.strip()
    found = STEP.fullmatch(said)
    line = problem.lines.get(found.group(1)) if found else None
    if line is None:
        return Verdict.WRONG
    if said in line.texts:
        needed = line in problem.steps and line.subject not in done
        return Verdict.RIGHT if needed else Verdict.UNNEEDED
    heads = line.formula.heads if line.formula else ()
    return Verdict.SLIP if said.startswith(tuple(f"{line.subject}:{head};" for head in heads)) else Verdict.WRONG
