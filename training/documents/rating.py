"""Solved problems whose steps and answers are judged: with a digit, against another step, or as a whole.

Judging is packed: behind a solved problem stand candidates for its steps, each with the request to judge it. A
candidate sees the solution up to its own step only, so every rating is read exactly as when the model judges, while
the solution is paid for once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from ...tasks.word_problems import Verdict, WordProblem, judge_step
from ..corruptions import derailed, spoil
from ..formats import CLOSE, DELIMITER, RATE, RATE_ANSWER, asking, better, boxed
from .document import Text
from .solving import Style, solved

RIGHT, UNNEEDED = 9, 6
RATINGS: Mapping[Verdict, int] = {
    Verdict.RIGHT: RIGHT,
    Verdict.UNNEEDED: UNNEEDED,
    Verdict.SLIP: 3,
    Verdict.WRONG: 0,
}
EASY = frozenset({"copy", "half", "mod100", "mul11"})
HARD = frozenset({"mod2", "mod3", "mul22", "add3", "cmp", "add2"})

Candidate = tuple[str, int]  # what could stand as a step, and the rating that it deserves
Own = dict[int, list[Candidate]]  # by step: what the draft wrote there


@dataclass(frozen=True, slots=True)
class Candidates:
    """What could stand as each step of a problem: the draft's own writing where it is known, else made by rule."""

    rng: Random
    problem: WordProblem
    style: Style
    own: Own

    def draw(self, k: int) -> Candidate:
        """One for step k, or for the end of thinking after the last."""
        if k in self.own and self.rng.random() < 0.85:
            wrong = [one for one in self.own[k] if one[1] < UNNEEDED]
            return self.rng.choice(wrong if wrong and self.rng.random() < 0.6 else self.own[k])
        if k == len(self.problem.steps):
            return self.surplus()
        if self.rng.random() < 0.03:
            return CLOSE, 0
        return self.judged(k, self.invented(k))

    def judged(self, k: int, text: str) -> Candidate:
        """A text with the rating that the exact checker gives it."""
        done = {line.subject for line in self.problem.steps[:k]}
        return text + DELIMITER, RATINGS[judge_step(self.problem, text, done)]

    def invented(self, k: int) -> str:
        """Right, right but not needed here, or spoiled."""
        kind, here = self.rng.random(), self.problem.steps[k]
        if kind < 0.42:
            return self.style(here)
        if kind < 0.50:
            done = {line.subject for line in self.problem.steps[:k]}
            beside = [line for line in self.problem.distractors if done.issuperset(line.parents)]
            return self.style(self.rng.choice([*beside, *self.problem.steps[:k]] or [here]))
        return spoil(self.rng, self.problem, k)

    def surplus(self) -> Candidate:
        """After the last step: the end of thinking, or a step that nothing needs any more."""
        if self.rng.random() < 0.7:
            return CLOSE, RIGHT
        return self.style(self.rng.choice([*self.problem.distractors, *self.problem.steps])) + DELIMITER, UNNEEDED

    def wrong(self, k: int) -> list[str]:
        """Wrong ways to write step k, the draft's own first."""
        own = [text for text, rating in self.own.get(k, []) if rating < UNNEEDED and text.endswith(DELIMITER)]
        return own or [spoil(self.rng, self.problem, k) + DELIMITER]


def rated(candidates: Candidates, weight: float) -> Text:
    """A solved problem with candidates for each of its steps as branches; a few of them are compared."""
    rng, problem = candidates.rng, candidates.problem
    text = solved(problem, candidates.style)
    for k in range(len(problem.steps) + 1):
        for candidate, rating in {candidates.draw(k) for _ in range(count(rng, problem, k))}:
            text.branch((candidate + RATE, 0.0), (str(rating), weight), at=k + 1)
    if rng.random() < 0.3:
        compare(text, candidates, rng.randrange(len(problem.steps)), weight)
    return text


def compare(text: Text, candidates: Candidates, k: int, weight: float) -> None:
    """One more branch: a right step and a wrong one, in any order."""
    right, wrong = candidates.style(candidates.problem.steps[k]), candidates.rng.choice(candidates.wrong(k))
    first = candidates.rng.random() < 0.5
    pair = (right, wrong) if first else (wrong, right)
    text.branch((better(*pair), 0.0), ("A" if first else "B", weight), at=k + 1)


def outcome(candidates: Candidates, weight: float) -> Text:
    """A whole solution, right or gone wrong on the way, and whether its answer is right."""
    rng, problem = candidates.rng, candidates.problem
    steps = derailed(rng, problem) if rng.random() < 0.5 else problem.steps
    text = Text().say(asking(problem.question))
    for line in steps:
        text.say(candidates.style(line) + DELIMITER)
    right = steps[-1].value == problem.answer
    return text.say(CLOSE + boxed(steps[-1].value) + RATE_ANSWER).learn(str(RIGHT if right else 0), weight)


def count(rng: Random, problem: WordProblem, k: int) -> int:
    """How many candidates of step k are rated: more where a judge errs more."""
    if k == len(problem.steps):
        return int(rng.random() < 0.5)
    operation = problem.steps[k].operation
    if operation in EASY:
        return int(rng.random() < 0.45)
    return 1 + int(operation in HARD and rng.random() < 0.5)
