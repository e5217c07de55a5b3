"""An operator that is defined by demonstrations alone: find out what it does, and do it once more.

Source: our own, after the in-context functions of Garg et al. 2022, "What Can Transformers Learn In-Context?", arXiv
2208.01066; ours are operators on whole numbers, and a demonstration shows the working, so that one tells the rule.
Where we differ: which symbol stands for which operator is drawn anew for every problem, so that without a
demonstration nothing but a guess is left; and five of the operators are in no training problem at all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from ..verifiers.base import Problem
from .base import Knob, Task
from .word_problems import Split, digest

VERSION: Final = "operators-v1"
SYMBOLS: Final = tuple("~@#&$%^!")
MOST_SHOWN: Final = 4
Rule = Callable[[int, int], int]

# how the working is written, and what comes out
SEEN: Final[Mapping[str, Rule]] = {
    "a+b": lambda a, b: a + b,
    "a+b+b": lambda a, b: a + 2 * b,
    "a+a+b": lambda a, b: 2 * a + b,
    "a+a+b+b": lambda a, b: 2 * a + 2 * b,
    "a+b+b+b": lambda a, b: a + 3 * b,
    "a+b+1": lambda a, b: a + b + 1,
    "a+b+10": lambda a, b: a + b + 10,
    "a+b-1": lambda a, b: a + b - 1,
    "a-b": lambda a, b: a - b,
    "a-b+1": lambda a, b: a - b + 1,
    "a+a-b": lambda a, b: 2 * a - b,
    "b+b": lambda a, b: 2 * b,
    "max(a,b)": max,
}
UNSEEN: Final[Mapping[str, Rule]] = {
    "a+a+a+b": lambda a, b: 3 * a + b,
    "a+a+10": lambda a, b: 2 * a + 10,
    "a-b+10": lambda a, b: a - b + 10,
    "b+b+1": lambda a, b: 2 * b + 1,
    "min(a,b)": min,
}
RULES: Final[Mapping[str, Rule]] = {**SEEN, **UNSEEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An operator applied to two numbers."""

    symbol: str
    operator: str  # its working, over a and b
    a: int
    b: int

    @property
    def value(self) -> int:
        return RULES[self.operator](self.a, self.b)

    @property
    def asked(self) -> str:
        return f"Q: {self.a} {self.symbol} {self.b}"

    @property
    def step(self) -> str:
        """The one right line of working: `20~5=20+5+5=30.`"""
        told = {"a": str(self.a), "b": str(self.b)}
        head, call, inside = self.operator.rpartition("(")  # the letters of max and min are no numbers
        working = head + call + "".join(told.get(letter, letter) for letter in inside)
        return f"{self.a}{self.symbol}{self.b}={working}={self.value}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Induction:
    """Demonstrations of an operator, and one more application that is asked."""

    shown: tuple[Application, ...]
    asked: Application

    @property
    def question(self) -> str:
        return "".join(f"{one.asked}\nA: {one.step}\n" for one in self.shown) + self.asked.asked

    @property
    def split(self) -> Split:
        return "training" if self.asked.operator in SEEN and not digest(self.question) & 1 else "held_out"

    @property
    def id(self) -> str:
        return f"{VERSION}-{digest(f'{self.question} {self.asked.operator}'):016x}"


def stream_of(
    rng: Random, *, split: Split = "held_out", operators: Sequence[str] = tuple(SEEN), shown: int | None = None
) -> Iterator[Induction]:
    """Problems without end. shown: demonstrations, 0 to 4; None mixes. `UNSEEN` operators are all held out."""
    while True:
        count = rng.randint(0, MOST_SHOWN) if shown is None else shown
        drawn = draw(rng, rng.choice(operators), count)
        if drawn.split == split:
            yield drawn


def draw(rng: Random, operator: str, shown: int) -> Induction:
    """One problem; no two of its applications are of the same numbers."""
    symbol = rng.choice(SYMBOLS)
    pairs: dict[tuple[int, int], Application] = {}
    while len(pairs) < shown + 1:
        a, b = _operand(rng), _operand(rng)
        if a == b:
            continue
        if operator.startswith(("a-", "a+a-")):
            a, b = max(a, b), min(a, b)
        pairs[a, b] = Application(symbol=symbol, operator=operator, a=a, b=b)
    *before, asked = pairs.values()
    return Induction(shown=tuple(before), asked=asked)


def problem(drawn: Induction) -> Problem:
    """As it is asked; its difficulty is how many of four demonstrations are left out."""
    meta = {"difficulty": MOST_SHOWN - len(drawn.shown), "operator": drawn.asked.operator}
    return Problem(text=drawn.question, id=drawn.id, reference=str(drawn.asked.value), meta=meta)


def _operand(rng: Random) -> int:
    """Never 1 or 10, which operators add: a working would then fit two of them."""
    return rng.choice((rng.randint(2, 9), rng.randint(11, 99)))


def _of(operators: Mapping[str, Rule]) -> Callable[[Random, int | None], Iterator[Problem]]:
    def drawn(rng: Random, difficulty: int | None) -> Iterator[Problem]:
        shown = None if difficulty is None else MOST_SHOWN - difficulty
        return map(problem, stream_of(rng, operators=tuple(operators), shown=shown))

    return drawn


_KNOB: Final = Knob("demonstrations left out of four", 0, MOST_SHOWN)
TASK: Final = Task(
    name="operators",
    summary="What an unknown operator gives, told by up to four demonstrations.",
    knob=_KNOB,
    draw=_of(SEEN),
)
UNSEEN_TASK: Final = Task(
    name="operators_unseen",
    summary="The same with operators that no training problem has.",
    knob=_KNOB,
    draw=_of(UNSEEN),
)
