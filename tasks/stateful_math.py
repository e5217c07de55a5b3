"""Several questions about one set of givens, so that work on the givens can serve them all.

Source: Lin et al. 2025, "Sleep-time Compute", arXiv 2504.13171, section 4: problems parted into a context and a query,
several queries for each context. Ours are synthetic: the givens are 5 to 15 quantities in the sentences of
`word_problems`, each stated or computed from earlier ones.
Where we differ: half of the questions are counterfactual. They replace one stated number by one that stands nowhere in
the givens (`Suppose Tom has 23 apples.`), so that what was worked out beforehand is worth less, by a known amount.
All questions of one set of givens fall on the same side of the split: the last bit of a hash of the givens decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from ..verifiers.base import Problem
from . import word_problems
from .base import Knob, Task
from .word_problems import Line, Split, WordProblem, digest

VERSION: Final = "stateful_math-v1"
QUESTIONS: Final = 4  # about each set of givens
FEWEST, MOST = 5, 15  # quantities
TRIES: Final = 30
Kind = Literal["derivable", "counterfactual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """How a quantity was drawn, so that it can be drawn again over other numbers; `from_` is "" for a stated one."""

    name: str
    seed: int
    from_: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Givens:
    """What is known before anything is asked: quantities in the order told, each after those it is computed from."""

    item: str
    quantities: tuple[Quantity, ...]
    lines: Mapping[str, Line]

    @property
    def text(self) -> str:
        return " ".join(line.statement for line in self.lines.values())

    @property
    def id(self) -> str:
        return f"{VERSION}-{digest(self.text):016x}"

    @property
    def split(self) -> Split:
        return "held_out" if digest(self.text) & 1 else "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about givens; `worked` is givens and question as a word problem, with its right steps."""

    givens: Givens
    kind: Kind
    worked: WordProblem

    @property
    def asked(self) -> str:
        """The question without the givens."""
        return self.worked.question.removeprefix(f"{self.givens.text} ")

    @property
    def id(self) -> str:
        return f"{VERSION}-{digest(self.worked.question):016x}"


def stream_of(rng: Random, *, split: Split = "held_out", quantities: int | None = None) -> Iterator[Question]:
    """Questions without end, all about the same givens one after the other. quantities: 5 to 15; None mixes."""
    while True:
        givens = attempt(rng, quantities or rng.randint(FEWEST, MOST))
        if givens is not None and givens.split == split:
            yield from questions(givens)


def attempt(rng: Random, quantities: int) -> Givens | None:
    """Givens with so many quantities; None where the numbers drawn allow no next one."""
    names, item = rng.sample(word_problems.NAMES, quantities), rng.choice(word_problems.ITEMS)
    drawn: list[Quantity] = []
    lines: dict[str, Line] = {}
    for name in names:
        made = _grown(rng, name, item, lines)
        if made is None:
            return None
        quantity, lines[name] = made
        drawn.append(quantity)
    return Givens(item=item, quantities=tuple(drawn), lines=lines)


def questions(givens: Givens) -> list[Question]:
    """The questions about these givens, always the same: a derivable one and a counterfactual one by turns.

    None at all where the givens allow no such four.
    """
    rng = Random(digest(givens.text))
    asked: dict[str, Question] = {}
    for turn in range(QUESTIONS):
        tries = (_asked(rng, givens, counterfactual=turn % 2 == 1) for _ in range(TRIES))
        found = next((one for one in tries if one and one.id not in asked), None)
        if found is None:
            return []
        asked[found.id] = found
    return list(asked.values())


def plain(givens: Givens, subject: str) -> Question:
    """A question whose answer follows from the givens alone."""
    text = f"{givens.text} How many does {subject} have?"
    return Question(givens=givens, kind="derivable", worked=_worked(text, subject, givens.lines))


def supposing(rng: Random, givens: Givens, subject: str) -> Question | None:
    """A question with one stated number replaced; None where the sentences would no longer be true of it."""
    stated = [name for name in _needed(subject, givens.lines) if not givens.lines[name].parents]
    name = rng.choice(stated)
    replaced = word_problems.base(rng, name, givens.item)
    if str(replaced.value) in givens.text:  # also as a part of a longer number, which reads alike
        return None
    lines = _drawn_again(givens, replaced)
    if lines is None or lines[subject].value == givens.lines[subject].value:
        return None
    text = f"{givens.text} Suppose {replaced.statement} How many does {subject} have?"
    return Question(givens=givens, kind="counterfactual", worked=_worked(text, subject, lines))


def problem(question: Question) -> Problem:
    """As it is asked: the givens, then the question."""
    return Problem(
        text=question.worked.question,
        id=question.id,
        reference=str(question.worked.answer),
        givens=question.givens.text,
        meta={
            "context": question.givens.id,
            "kind": question.kind,
            "difficulty": len(question.givens.quantities),
            "steps": len(question.worked.steps),
        },
    )


def _asked(rng: Random, givens: Givens, *, counterfactual: bool) -> Question | None:
    """A question about the one of two computed quantities that takes more steps."""
    derived = [line.subject for line in givens.lines.values() if line.parents]
    if not derived:
        return None
    subject = max(rng.choices(derived, k=2), key=lambda name: len(_needed(name, givens.lines)))
    return supposing(rng, givens, subject) if counterfactual else plain(givens, subject)


def _grown(rng: Random, name: str, item: str, lines: Mapping[str, Line]) -> tuple[Quantity, Line] | None:
    """One more quantity: stated, or computed from the latest or any earlier one."""
    if not lines or rng.random() < 0.25:
        seed = rng.getrandbits(32)
        return Quantity(name=name, seed=seed), word_problems.base(Random(seed), name, item)
    for _ in range(TRIES):
        told = list(lines)
        from_ = told[-1] if rng.random() < 0.5 else rng.choice(told)
        others = tuple(other for other in told if other != from_)
        quantity = Quantity(name=name, seed=rng.getrandbits(32), from_=from_, others=others)
        if line := _derived(quantity, lines):
            return quantity, line
    return None


def _derived(quantity: Quantity, lines: Mapping[str, Line]) -> Line | None:
    others = [lines[name] for name in quantity.others]
    rng = Random(quantity.seed)
    return word_problems.derive(rng, quantity.name, lines[quantity.from_], others, word_problems.STANDARD)


def _drawn_again(givens: Givens, replaced: Line) -> dict[str, Line] | None:
    """All lines over one other stated number; None where a sentence would change."""
    lines: dict[str, Line] = {}
    for quantity in givens.quantities:
        before = givens.lines[quantity.name]
        line = _derived(quantity, lines) if quantity.from_ else before
        if line is None or line.statement != before.statement:
            return None
        lines[quantity.name] = replaced if quantity.name == replaced.subject else line
    return lines


def _needed(subject: str, lines: Mapping[str, Line]) -> list[str]:
    """What a quantity is computed from, and itself, in the order told."""
    needed = {subject}
    for name in reversed(list(lines)):
        if name in needed:
            needed.update(lines[name].parents)
    return [name for name in lines if name in needed]


def _worked(text: str, subject: str, lines: Mapping[str, Line]) -> WordProblem:
    needed = _needed(subject, lines)
    return WordProblem(
        question=text,
        answer=lines[subject].value,
        asked=subject,
        steps=tuple(lines[name] for name in needed),
        distractors=tuple(line for name, line in lines.items() if name not in needed),
        lines=lines,
    )


def _draw(rng: Random, difficulty: int | None) -> Iterator[Problem]:
    return map(problem, stream_of(rng, quantities=difficulty))


TASK: Final = Task(
    name="stateful_math",
    summary="Four questions about each set of givens; half of them suppose another number.",
    knob=Knob("quantities in the givens", FEWEST, MOST),
    draw=_draw,
)
