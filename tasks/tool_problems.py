"""Word problems with sums that are out of a small model's reach, and a calculator that may be called a few times.

Source: our own; calls that stand inline in the reasoning follow Schick et al. 2023, "Toolformer", arXiv 2302.04761,
the budget line follows Liu et al. 2025, "Budget-Aware Tool-Use Enables Effective Agent Scaling", arXiv 2511.17006.
The question ends with `Tool: calc. budget: 2 calls left`. A call stands in the step, after its formula:
`Sam:264*Gus143;calc(264*143)`; the tool's turn is `37752`, a line with the budget, and an empty line; then the step is
stated without working, `Sam37752.`, as a number that the question tells is. With no call left a sum is done by head.
The chain alternates sums in reach with sums out of it, products of three digits each and remainders by two digits,
each in the sentences of `word_problems`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from ..verifiers.base import Problem
from . import word_problems
from .base import Knob, Task
from .formula import Formula, Operand
from .word_problems import Line, Split, digest

VERSION: Final = "tool_problems-v1"
OUT_OF_REACH: Final = ("mul33", "mod_long")
MOST_HARD, MOST_CALLS = 4, 3
_CALL: Final = re.compile(r"calc\((\d+)(\*|\+|-|/| mod )(\d+)\)\n$")
Author = Literal["model", "tool"]
EASY: Final = word_problems.Mix(operations={"add": 3, "subtract": 3, "times": 2, "half": 1, "sum": 2})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProblem:
    """A chain of quantities, some out of reach, and how often the calculator may be called."""

    lines: tuple[Line, ...]
    calls: int

    @property
    def text(self) -> str:
        """The question without the tool."""
        told = " ".join(line.statement for line in self.lines)
        return f"{told} How many does {self.lines[-1].subject} have?"

    @property
    def question(self) -> str:
        return f"{self.text}\nTool: calc. {budget(self.calls)}"

    @property
    def answer(self) -> int:
        return self.lines[-1].value

    @property
    def hard(self) -> int:
        return sum(line.operation in OUT_OF_REACH for line in self.lines)

    @property
    def split(self) -> Split:
        """By the text without the tool, so that other budgets for it stay on the same side."""
        return "held_out" if digest(self.text) & 1 else "training"

    @property
    def id(self) -> str:
        return f"{VERSION}-{digest(self.text):016x}-{self.calls}"

    def turns(self) -> list[tuple[Author, str]]:
        """The right reasoning, piece by piece: what the model writes, and what the tool puts in between."""
        left, said = self.calls, list[tuple[Author, str]]()
        for line in self.lines:
            if line.formula and line.operation in OUT_OF_REACH and left:
                left -= 1
                said.append(("model", f"{line.subject}:{line.formula};calc({called(line.formula)})\n"))
                said.append(("tool", reply(line.value, left)))
                said.append(("model", f"{word_problems.written(line.subject, (), line.value)}\n\n"))
            else:
                said.append(("model", f"{line.text}\n\n"))
        return said


def budget(calls: int) -> str:
    """The line that says how many calls are left."""
    return f"budget: {calls} calls left"


def called(formula: Formula) -> str:
    """What the calculator is asked: the formula's numbers, without names."""
    return str(Formula(formula.sign, Operand(formula.left.value), Operand(formula.right.value)))


def calculated(text: str) -> int | None:
    """What the call at the end of a text comes to; None where there is none, or it divides by zero."""
    call = _CALL.search(text)
    if call is None or (call[2] in ("/", " mod ") and not int(call[3])):
        return None
    return Formula(call[2].strip(), Operand(int(call[1])), Operand(int(call[3]))).value


def reply(value: int, left: int) -> str:
    """The calculator's turn, with how many calls are left."""
    return f"{value}\n{budget(left)}\n\n"


def with_calls(drawn: ToolProblem, calls: int) -> ToolProblem:
    """The same problem under another budget."""
    return replace(drawn, calls=calls)


def draw(rng: Random, hard: int, calls: int, *, split: Split = "held_out") -> ToolProblem:
    """One problem with so many sums out of reach, 1 to 4, and as many in reach between them."""
    while True:
        lines = attempt(rng, hard)
        if lines is None:
            continue
        drawn = ToolProblem(lines=lines, calls=calls)
        if drawn.split == split:
            return drawn


def attempt(rng: Random, hard: int) -> tuple[Line, ...] | None:
    """A number, then by turns a sum out of reach and one in reach; None where the numbers drawn do not fit."""
    names, item = rng.sample(word_problems.NAMES, 2 * hard + 1), rng.choice(word_problems.ITEMS)
    chain = [word_problems.base(rng, names[0], item)]
    for name in names[1:]:
        line = next((made for _ in range(20) if (made := _next(rng, name, chain))), None)
        if line is None:
            return None
        chain.append(line)
    return tuple(chain)


def product(rng: Random, name: str, a: Line) -> Line | None:
    """Three digits times three digits."""
    if not 100 <= a.value <= 999:
        return None
    return word_problems.product(name, "mul33", rng.randint(101, 999), a)


def long_remainder(rng: Random, name: str, a: Line) -> Line | None:
    """What is left of four digits or more by two."""
    n = rng.randint(11, 99)
    return word_problems.left_over(name, "mod_long", a, n) if a.value > 999 and a.value % n else None


def problem(drawn: ToolProblem) -> Problem:
    """As it is asked, with the budget in the question."""
    meta = {"difficulty": drawn.hard, "calls": drawn.calls, "steps": len(drawn.lines)}
    return Problem(text=drawn.question, id=drawn.id, reference=str(drawn.answer), meta=meta)


def _next(rng: Random, name: str, chain: Sequence[Line]) -> Line | None:
    latest = chain[-1]
    if len(chain) % 2:
        return long_remainder(rng, name, latest) if latest.value > 999 else product(rng, name, latest)
    if latest.value > 999:  # a sum in reach that leaves a number to take a remainder of
        of = rng.choice((word_problems.add, word_problems.subtract))
        return of(rng, name, latest, ())
    line = word_problems.derive(rng, name, latest, chain[:1], EASY)
    return line if line and line.value > 99 else None


def _stream(rng: Random, difficulty: int | None) -> Iterator[Problem]:
    while True:
        yield problem(draw(rng, difficulty or rng.randint(1, MOST_HARD), rng.randint(0, MOST_CALLS)))


TASK: Final = Task(
    name="tool_problems",
    summary="Word problems with sums out of a small model's reach, and 0 to 3 calls of a calculator.",
    knob=Knob("sums out of reach", 1, MOST_HARD),
    draw=_stream,
)
