"""Reasoning with something beside the question: notes taken before it, a plan, a calculator, demonstrations."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random

from ...tasks import operators, stateful_math, tool_problems
from ...tasks.operators import Application, Induction
from ...tasks.stateful_math import Givens, Question
from ...tasks.word_problems import Line, WordProblem
from ..formats import CLOSE, DELIMITER, END, NOTES, PLAN, TAKE_NOTES, asking, boxed, thinking
from .document import Text
from .solving import Style, solved

LEVELS: Mapping[str, int] = {
    **dict.fromkeys(("copy",), 1),
    **dict.fromkeys(("half", "mod100", "mul11", "add1"), 2),
    **dict.fromkeys(("add2", "cmp", "mul21"), 3),
    **dict.fromkeys(("add3", "mul31", "mod2"), 4),
    **dict.fromkeys(("mod3", "mul22"), 5),
}


def noted(given: Givens) -> str:
    """Notes: every quantity's name right before its value."""
    return " ".join(f"{line.subject}{line.value}." for line in given.lines.values())


def with_notes(given: Givens, asked: str = "") -> str:
    """What is asked, behind the givens and notes on them."""
    return f"{given.text}{NOTES}{noted(given)}\n{asked}"


def note_taking(rng: Random, style: Style) -> Text:
    """Givens without a question: everything is worked out, and written down in short."""
    given = givens(rng)
    text = Text().say(asking(given.text + TAKE_NOTES))
    for line in given.lines.values():
        text.learn(style(line) + DELIMITER)
    return text.learn(CLOSE + noted(given) + END)


def asked_without_notes(rng: Random, style: Style) -> Text:
    """One question about givens, thought through from the beginning."""
    return solved(rng.choice(stateful_math.questions(givens(rng))).worked, style)


def asked_with_notes(rng: Random, style: Style) -> Text:
    """Givens and notes on them, then several questions, each a branch: answered at once, or thought about."""
    given = givens(rng)
    text = Text().say(asking(with_notes(given)).removesuffix(thinking()))
    for question in stateful_math.questions(given):
        text.branch((question.asked, 0.0), *_answered(rng, question, style))
    return text


def _answered(rng: Random, question: Question, style: Style) -> Iterator[tuple[str, float]]:
    """What the notes tell needs no thinking; what another number changes is worked out from there on."""
    lines = [line for line in question.worked.steps if _changed(line, question.givens)]
    think = bool(lines) or rng.random() < 0.1
    yield thinking(think=think), 0.0
    if think:
        yield "".join(style(line) + DELIMITER for line in lines) + CLOSE, 1.0
    yield boxed(question.worked.answer) + END, 1.0


def _changed(line: Line, given: Givens) -> bool:
    return line.value != given.lines[line.subject].value


def givens(rng: Random) -> Givens:
    """A context to read, on the training side."""
    return next(stateful_math.stream_of(rng, split="training", quantities=rng.randint(5, 10))).givens


def planned(problem: WordProblem) -> Text:
    """The parts of a question in an order in which they can be answered, with how hard each is, 1 to 5."""
    text = Text().say(asking(problem.question + PLAN, think=False))
    for line in problem.steps:
        text.learn(f"How many does {line.subject} have? Level {LEVELS[line.operation]}.\n")
    return text.learn(END)


def with_calculator(rng: Random) -> Text:
    """Sums out of reach, called while the budget lasts; what the calculator says is read only."""
    drawn = tool_problems.draw(rng, rng.choice((1, 1, 2, 2, 3)), rng.choice((0, 1, 2, 2, 3, 3)), split="training")
    text = Text().say(asking(drawn.question))
    for author, said in drawn.turns():
        text.learn(said, float(author == "model"))
    return text.learn(CLOSE + boxed(drawn.answer) + END)


def induced(rng: Random) -> Text:
    """An operator told by demonstrations; half of the operators are the task's, half are made up for this document."""
    shown, known = rng.choice((0, 1, 1, 2, 3, 4)), rng.random() < 0.5
    drawn = next(operators.stream_of(rng, split="training", shown=shown)) if known else made_up(rng, shown)
    asked = drawn.asked
    return Text().say(asking(drawn.question)).learn(asked.step + DELIMITER + CLOSE + boxed(asked.value) + END)


class MadeUp(Application):
    """A sum of the two numbers, each some times, and a constant."""

    __slots__ = ()

    @property
    def value(self) -> int:
        times = meaning(self.operator)
        return times["a"] * self.a + times["b"] * self.b + times["1"]


def meaning(operator: str) -> Counter[str]:
    """What a sum computes, however it is written: how often a, b and 1 are in it."""
    counted = Counter[str]()
    for sign, term in re.findall(r"([+-]?)(\w+)", operator):
        name, times = (term, 1) if term.isalpha() else ("1", int(term))
        counted[name] += -times if sign == "-" else times
    return counted


HELD_OUT = [meaning(operator) for operator in operators.UNSEEN if "(" not in operator]


def made_up(rng: Random, shown: int) -> Induction:
    """Demonstrations of a sum that is none of those held out."""
    while True:
        operator = "+".join("a" * rng.randint(0, 3) + "b" * rng.randint(0, 3)) or "b"
        operator += rng.choice(("", "", "+1", "+2", "+5", "+10", "+20", "-1", "-2"))
        if meaning(operator) in HELD_OUT:
            continue
        symbol, numbers = rng.choice(operators.SYMBOLS), rng.sample(range(2, 100), 2 * shown + 2)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        *before, asked = (MadeUp(symbol=symbol, operator=operator, a=a, b=b) for a, b in pairs)
        return Induction(shown=tuple(before), asked=asked)
