"""Word problems solved step by step: as they come, checked on the way, cut short, or given up for a missing fact."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from ...tasks.word_problems import Line, WordProblem
from ..formats import CLOSE, DELIMITER, END, UNKNOWN, WAIT, asking, boxed
from .document import Text


@dataclass(frozen=True, slots=True)
class Style:
    """How steps are written: in the usual way, or another right one in a share `other` of them."""

    rng: Random
    other: float = 0.0

    @classmethod
    def drawn(cls, rng: Random) -> "Style":
        """Half of the writers always use the usual form; the others more or less often."""
        return cls(rng, rng.choice((0.0, 0.0, 0.3, 0.8)))

    def __call__(self, line: Line) -> str:
        usual, *others = line.texts
        return self.rng.choice(others) if others and self.rng.random() < self.other else usual


def solved(problem: WordProblem, style: Style) -> Text:
    """A problem, its steps and its answer: one part each."""
    text = Text().say(asking(problem.question))
    for line in problem.steps:
        text.learn(style(line) + DELIMITER)
    return text.learn(CLOSE + boxed(problem.answer) + END)


def cut_short(rng: Random, problem: WordProblem, style: Style) -> Text:
    """Thinking ended after a few steps, or never begun; the answer is asked for all the same."""
    if rng.random() < 0.2:
        return Text().say(asking(problem.question, think=False)).learn(boxed(problem.answer) + END)
    text = Text().say(asking(problem.question))
    for line in problem.steps[: rng.randrange(len(problem.steps))]:
        text.learn(style(line) + DELIMITER)
    return text.say(CLOSE).learn(boxed(problem.answer) + END)


def checked(rng: Random, problem: WordProblem, style: Style, wrong: Sequence[Sequence[str]]) -> Text:
    """Some steps come out wrong, `wrong[k]` lists how, and are mended at once; some right ones are said again.

    Nothing wrong is to be learned, only to notice it.
    """
    text, erring = Text().say(asking(problem.question)), rng.uniform(0.1, 0.5)
    for line, slips in zip(problem.steps, wrong, strict=True):
        if slips and rng.random() < erring:
            text.say(rng.choice(slips)).learn(WAIT + style(line) + DELIMITER)
        else:
            text.learn(style(line) + DELIMITER)
            if rng.random() < 0.03:
                text.say(WAIT).learn(style(line) + DELIMITER)
    return text.learn(CLOSE + boxed(problem.answer) + END)


def without(rng: Random, problem: WordProblem) -> tuple[WordProblem, Line]:
    """The problem with the statement of one needed quantity left out, and that quantity."""
    missing = rng.choice([line for line in problem.steps if line.subject != problem.asked])
    question = problem.question.replace(f"{missing.statement} ", "", 1)
    steps = problem.steps[: problem.steps.index(missing)]
    return replace(problem, question=question, steps=steps), missing


def given_up(problem: WordProblem, missing: Line, style: Style) -> Text:
    """Steps up to the first that needs what nobody said; then the model abstains."""
    text = Text().say(asking(problem.question))
    known = {line.subject for line in problem.steps}
    for line in problem.lines.values():
        if line.subject in known:
            text.learn(style(line) + DELIMITER)
    return text.learn(f"{missing.subject} {UNKNOWN}.{DELIMITER}{CLOSE}{boxed(UNKNOWN)}{END}")
