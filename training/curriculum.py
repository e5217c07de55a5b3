"""What the models read while they learn: solved problems with rating branches, problems cut short, and bare sums.

A rating branch is a candidate for one step and the request to rate it. It stands after the document, sees the document
up to that step and itself, and its positions go on from there: the model reads exactly what it will read when it
judges, while the document is paid for once. Loss stands only on right steps, answers and ratings.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..tasks.word_problems import (
    ITEMS,
    NAMES,
    OPERATIONS,
    Line,
    Mix,
    Verdict,
    WordProblem,
    base,
    derive,
    draw,
    judge_step,
)
from .corruptions import spoil
from .formats import CLOSE, DELIMITER, END, RATE, asking, boxed
from .tokenizer import Encoder

RIGHT, UNNEEDED = 9, 6
RATINGS: Mapping[Verdict, int] = {
    Verdict.RIGHT: RIGHT,
    Verdict.UNNEEDED: UNNEEDED,
    Verdict.SLIP: 3,
    Verdict.WRONG: 0,
}
IGNORED = -1
VALUE = re.compile(r"(?<=[a-z])(\d+)")
TILTED: Mapping[str, float] = {
    "same": 3,
    "add": 13,
    "subtract": 13,
    "times": 17,
    "times_two_digit": 13,
    "sum": 13,
    "half": 6,
    "compare": 14,
    "remainder": 15,
}
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
EASY = frozenset({"copy", "half", "mod100", "mul11"})
HARD = frozenset({"mod2", "mod3", "mul22", "add3", "cmp", "add2"})

Own = dict[int, list[tuple[list[int], int]]]  # by step: ids that the draft wrote there, and their rating


@dataclass(slots=True)
class Document:
    """Ids with, at each place, what should follow and how much that counts."""

    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    trunk: int = 0  # where the document ends and the branches begin
    branches: list[tuple[int, int, int]] = field(default_factory=list)  # start, end, end of what it sees of the trunk

    def add(self, ids: Sequence[int], weight: float = 0.0) -> None:
        """Go on with the document; `weight` is what predicting these ids counts."""
        if self.ids and ids:
            self.targets[-1], self.weights[-1] = ids[0], weight
        self.positions += range(len(self.ids), len(self.ids) + len(ids))
        self.ids += ids
        self.targets += [*ids[1:], IGNORED]
        self.weights += [weight] * (len(ids) - 1) + [0.0]
        self.trunk = len(self.ids)

    def branch(self, cut: int, ids: Sequence[int], target: int, weight: float) -> None:
        """A continuation of the first `cut` ids, with loss on what follows its last id only."""
        start = len(self.ids)
        self.ids += ids
        self.targets += [IGNORED] * (len(ids) - 1) + [target]
        self.weights += [0.0] * (len(ids) - 1) + [weight]
        self.positions += range(cut, cut + len(ids))
        self.branches.append((start, len(self.ids), cut))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is drawn how often at one moment of the training."""

    looked_up: float = 0.0
    drill: float = 0.05
    cut_short: float = 0.04
    rated: float = 0.0  # share of solved problems that carry rating branches
    own: float = 0.0  # share of those whose candidates are the draft's own steps
    rating_weight: float = 3.0
    operations: Mapping[str, float] = field(default_factory=lambda: dict(OPERATIONS))
    shuffled: float = 0.0
    drilled: Mapping[str, float] = field(default_factory=lambda: dict(DRILLED))


def draft_plan(fraction: float) -> Plan:
    """The draft reads the standard mix from beginning to end."""
    return Plan()


def target_plan(fraction: float) -> Plan:
    """First to look values up by names, then to solve, then to rate; hard operations come more often from a third on.

    A model that meets look-ups only now and then never learns them: it copies the latest value, which is mostly right.
    """
    looking, solving, late = fraction < 0.08, fraction < 0.4, fraction > 0.7
    return Plan(
        looked_up=0.9 if looking else 0.05,
        drill=0.2,
        cut_short=0.03,
        rated=0.0 if looking else 0.2 if solving else 0.6,
        own=0.75 if late else 0.65,
        rating_weight=2.0 if solving else 3.0,
        operations=OPERATIONS if fraction < 0.3 else TILTED,
        shuffled=0.08,
    )


class Curriculum:
    """Draws documents; `own_steps` are problems with what the draft wrote at each of their steps."""

    def __init__(self, encoder: Encoder, own_steps: Sequence[tuple[WordProblem, Own]] = ()) -> None:
        self.encoder, self.own_steps = encoder, own_steps
        self.digits = [encoder.one(str(digit)) for digit in range(10)]
        self.rate, self.close = encoder.encode(RATE), encoder.encode(CLOSE)

    def draw(self, rng: random.Random, plan: Plan) -> Document:
        if rng.random() < plan.looked_up:
            return self.looked_up(rng)
        kind = rng.random()
        if kind < plan.drill:
            return self.drill(rng, plan)
        if kind < plan.drill + plan.cut_short:
            return self.cut_short(rng, plan)
        if rng.random() >= plan.rated:
            return self.solved(self.problem(rng, plan))[0]
        problem, own = self.problem(rng, plan), Own()
        if self.own_steps and rng.random() < plan.own:
            problem, own = rng.choice(self.own_steps)
        return self.rated(rng, problem, plan, own)

    def problem(self, rng: random.Random, plan: Plan) -> WordProblem:
        mix = Mix(operations=plan.operations, shuffled=plan.shuffled)
        return draw(rng, split="training", mix=mix)

    def solved(self, problem: WordProblem) -> tuple[Document, list[int]]:
        """A problem, its steps and its answer; and where each step begins."""
        document, cuts = Document(), list[int]()
        document.add(self.encoder.encode(asking(problem.question)))
        for line in problem.steps:
            cuts.append(len(document.ids))
            document.add(self.encoder.encode(line.text + DELIMITER), 1.0)
        cuts.append(len(document.ids))
        document.add([*self.close, *self.encoder.encode(boxed(problem.answer) + END)], 1.0)
        return document, cuts

    def rated(self, rng: random.Random, problem: WordProblem, plan: Plan, own: Own) -> Document:
        """A solved problem with candidates for each of its steps as branches."""
        document, cuts = self.solved(problem)
        for k, cut in enumerate(cuts):
            seen: list[list[int]] = []
            for _ in range(branches(rng, problem, k)):
                ids, rating = self.candidate(rng, problem, k, own)
                if ids not in seen:
                    document.branch(cut, [*ids, *self.rate], self.digits[rating], plan.rating_weight)
                seen.append(ids)
        return document

    def candidate(self, rng: random.Random, problem: WordProblem, k: int, own: Own) -> tuple[list[int], int]:
        """Ids that could stand as step k, and the rating that they deserve."""
        if k in own and rng.random() < 0.85:
            wrong = [c for c in own[k] if c[1] < UNNEEDED]
            return rng.choice(wrong if wrong and rng.random() < 0.6 else own[k])
        if k == len(problem.steps):
            return self.surplus(rng, problem)
        if rng.random() < 0.03:
            return self.close, 0
        text, done = invented(rng, problem, k), {line.subject for line in problem.steps[:k]}
        return self.encoder.encode(text + DELIMITER), RATINGS[judge_step(problem, text, done)]

    def surplus(self, rng: random.Random, problem: WordProblem) -> tuple[list[int], int]:
        """After the last step: the end of thinking, or a step that nothing needs any more."""
        if rng.random() < 0.7:
            return self.close, RIGHT
        line = rng.choice([*problem.distractors, *problem.steps])
        return self.encoder.encode(line.text + DELIMITER), UNNEEDED

    def cut_short(self, rng: random.Random, plan: Plan) -> Document:
        """Thinking ended after a few steps, or never begun; the answer is asked for all the same."""
        problem = self.problem(rng, plan)
        kept = 0 if rng.random() < 0.3 else rng.randrange(len(problem.steps))
        document = Document()
        document.add(self.encoder.encode(asking(problem.question)))
        for line in problem.steps[:kept]:
            document.add(self.encoder.encode(line.text + DELIMITER), 1.0)
        if kept == 0 and rng.random() < 0.6:  # the chat template's form for no thinking at all
            document = Document()
            document.add(self.encoder.encode(asking(problem.question) + "\n"))
        document.add(self.close)
        document.add(self.encoder.encode(boxed(problem.answer) + END), 1.0)
        return document

    def looked_up(self, rng: random.Random) -> Document:
        """Quantities told once and then again and again, loss on every value that was told before."""
        document, names = Document(), rng.sample(NAMES, rng.randint(3, 10))
        known: dict[str, int] = {}
        for name in [*names, *rng.choices(names, k=rng.randint(10, 30))]:
            told = name in known
            value = known.setdefault(name, rng.randrange(10 ** rng.choice((1, 2, 2, 3, 3, 4))))
            document.add(self.encoder.encode(name))
            document.add(self.encoder.encode(str(value)), float(told))
            document.add(self.encoder.encode(f".{DELIMITER}"))
        return document

    def drill(self, rng: random.Random, plan: Plan) -> Document:
        """Steps without a question, each from any before it: loss on values that are looked up, and on results."""
        document, known = Document(), list[Line]()
        for name in rng.sample(NAMES, rng.randint(6, 12)):
            line = bare_step(rng, name, known, plan)
            for part, learned in parts(line):
                document.add(self.encoder.encode(part), float(learned))
            known.append(line)
        return document


def branches(rng: random.Random, problem: WordProblem, k: int) -> int:
    """How many candidates of step k are rated: more where a judge errs more."""
    if k == len(problem.steps):
        return int(rng.random() < 0.5)
    operation = problem.steps[k].operation
    if operation in EASY:
        return int(rng.random() < 0.45)
    return 1 + int(operation in HARD and rng.random() < 0.5)


def invented(rng: random.Random, problem: WordProblem, k: int) -> str:
    """A candidate made by rule: right, right but not needed here, or spoiled."""
    kind, done = rng.random(), {line.subject for line in problem.steps[:k]}
    if kind < 0.42:
        return problem.steps[k].text
    if kind < 0.50:
        beside = [line for line in problem.distractors if done.issuperset(line.parents)]
        spare = [*beside, *problem.steps[:k]]
        return rng.choice(spare).text if spare else problem.steps[k].text
    return spoil(rng, problem, k)


def bare_step(rng: random.Random, name: str, known: Sequence[Line], plan: Plan) -> Line:
    """A number, or what follows from one or two of the quantities that are known."""
    mix = Mix(operations=plan.drilled)
    while len(known) > 1 and rng.random() < 0.8:
        a, *others = rng.sample(known, len(known))
        line = derive(rng, name, a, others, mix)
        if line is not None and len(set(line.parents)) == len(line.parents):
            return line
    return base(rng, name, rng.choice(ITEMS))


def parts(line: Line) -> Iterator[tuple[str, bool]]:
    """A drilled step in pieces, and whether each can be known from what stands before it."""
    if line.formula is None:
        yield line.text + DELIMITER, False
        return
    given = f"{line.subject}:{line.formula};"
    for part in VALUE.split(given):
        yield part, part.isdecimal()
    yield line.text.removeprefix(given) + DELIMITER, True


def plain_texts(count: int, seed: int) -> Iterator[str]:
    """What the vocabulary is learned from: whole conversations as the models will meet them."""
    rng = random.Random(seed)
    for _ in range(count):
        problem = draw(rng, split="training")
        steps = "".join(line.text + DELIMITER for line in problem.steps)
        yield asking(problem.question) + steps + CLOSE + boxed(problem.answer) + END + RATE
