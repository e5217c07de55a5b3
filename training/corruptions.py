"""Wrong versions of a right step, made on purpose, so that a judge sees every kind of error from the first batch on."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..tasks.formula import Formula, Operand
from ..tasks.word_problems import Line, WordProblem, written

SUM = re.compile(r"\d+\+\d+")
SWAPPED = {"+": "-", "-": "+", "*": "+", "/": "*", "max": "min", "min": "max"}


def spoil(rng: random.Random, problem: WordProblem, k: int, planning: float = 0.4) -> str:
    """A wrong text for step k: a wrong choice in a share `planning` of cases, else wrong working."""
    right = {text for line in problem.lines.values() for text in line.texts}
    for _ in range(6):
        text = misplan(rng, problem, k) if rng.random() < planning else miswork(rng, problem, problem.steps[k])
        if text is not None and text not in right:
            return text
    return miscount(rng, problem.steps[k])


def misplan(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A wrong choice of subject, number or operand with right arithmetic; None where the problem offers none."""
    make = rng.choices((other_subject, other_number, other_operand, too_early), (35, 20, 25, 20))[0]
    return make(rng, problem, k)


def other_subject(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    line, done = problem.steps[k], {x.subject for x in problem.steps[: k + 1]}
    left = [name for name in problem.lines if name not in done]
    if not left:
        return None
    name = problem.asked if problem.asked in left and rng.random() < 0.4 else rng.choice(left)
    return written(name, line.working, line.value)


def other_number(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A number of the question that is not this step's."""
    line, new = problem.steps[k], Operand(int(rng.choice(re.findall(r"\d+", problem.question))))
    if line.formula is None:
        return written(line.subject, (), new.value)
    if not line.formula.left.name:
        return worked_out(line.subject, replace(line.formula, left=new))
    return None if line.formula.right.name else worked_out(line.subject, replace(line.formula, right=new))


def other_operand(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A quantity known already, but not the one that is asked for here."""
    line = problem.steps[k]
    known = [x for x in problem.steps[:k] if x.subject not in line.parents]
    if not known or line.formula is None:
        return None
    return worked_out(line.subject, exchanged(line.formula, rng.choice(line.parents), rng.choice(known).operand))


def too_early(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A later step, with a guess in place of a quantity that is not known yet."""
    done = {x.subject: x for x in problem.steps[:k]}
    later = [(x, x.formula) for x in problem.steps[k + 1 :] if x.formula and not done.keys() >= set(x.parents)]
    if not later or not done:
        return None
    (line, formula), guess = rng.choice(later), rng.choice(list(done.values()))
    unknown = next(name for name in line.parents if name not in done)
    return worked_out(line.subject, exchanged(formula, unknown, Operand(guess.value, unknown)))


def miswork(rng: random.Random, problem: WordProblem, line: Line) -> str | None:
    """Another operation, an operand's value misread, or a slip."""
    kind = rng.random()
    if line.formula and kind < 0.1:
        sign = SWAPPED.get(line.formula.sign)
        return None if sign is None else worked_out(line.subject, replace(line.formula, sign=sign))
    if line.formula and kind < 0.3:
        return misread(rng, problem, line, line.formula)
    return miscount(rng, line)


def misread(rng: random.Random, problem: WordProblem, line: Line, formula: Formula) -> str | None:
    """The right operand with the value of another, or with one digit misread."""
    name = rng.choice(line.parents)
    others = [x.value for x in problem.lines.values() if x.subject != name]
    value = rng.choice(others) if others and rng.random() < 0.6 else slip(rng, problem.lines[name].value)
    return worked_out(line.subject, exchanged(formula, name, Operand(value, name)))


def miscount(rng: random.Random, line: Line) -> str:
    """The right formula, worked out in any right way, with a wrong result."""
    working = line.working if rng.random() < 0.7 else rng.choice(line.workings)
    if len(working) == 3 and rng.random() < 0.65 and SUM.fullmatch(working[-1]):
        return misadd(rng, line.subject, working)
    return written(line.subject, working, wrong_result(rng, line))


def wrong_result(rng: random.Random, line: Line) -> int:
    formula = line.formula
    if formula and formula.sign in ("max", "min") and formula.left.value != formula.right.value:
        return formula.left.value + formula.right.value - line.value
    if formula and formula.sign == "mod" and formula.right.value < 10:
        return rng.choice([left for left in range(formula.right.value) if left != line.value])
    return slip(rng, line.value)


def misadd(rng: random.Random, subject: str, working: Sequence[str]) -> str:
    """One wrong part, added up rightly."""
    first, second = map(int, working[-1].split("+"))
    if rng.random() < 0.6:
        first = slip(rng, first // 10) * 10
    else:
        second = slip(rng, second)
    return written(subject, [*working[:-1], f"{first}+{second}"], first + second)


def derailed(rng: random.Random, problem: WordProblem) -> list[Line]:
    """The steps with one wrong result on the way, from which all later ones follow rightly."""
    at, values, steps = rng.randrange(len(problem.steps)), dict[str, int](), list[Line]()
    for k, line in enumerate(problem.steps):
        formula = line.formula and carried(line.formula, values)
        value = formula.value if formula else line.value
        values[line.subject] = slip(rng, value) if k == at else value
        steps.append(replace(line, formula=formula, value=values[line.subject]))
    return steps


def carried(formula: Formula, values: Mapping[str, int]) -> Formula:
    """The formula over what its quantities came to."""
    left, right = (Operand(values.get(o.name, o.value), o.name) for o in (formula.left, formula.right))
    return replace(formula, left=left, right=right)


def exchanged(formula: Formula, name: str, new: Operand) -> Formula:
    """The formula with another operand in the place of the one of that name."""
    return replace(formula, left=new) if formula.left.name == name else replace(formula, right=new)


def worked_out(subject: str, formula: Formula) -> str | None:
    """The step of a formula; None where it has no result that a step may have."""
    if formula.sign in ("/", "mod") and formula.right.value == 0:
        return None
    value, working = formula.value, (str(formula), *formula.workings[0])
    return None if value < 0 else written(subject, working, value)


def slip(rng: random.Random, right: int) -> int:
    """A number close to this one, as people and small models get it wrong."""
    number, kind = str(right), rng.random()
    if kind < 0.35:
        wrong = right + rng.choice((-1, 1))
    elif kind < 0.6:
        wrong = right + rng.choice((-10, 10))
    elif kind < 0.75 and right > 99:
        wrong = right + rng.choice((-100, 100))
    elif kind < 0.9:
        at = rng.randrange(len(number))
        wrong = int(number[:at] + rng.choice("0123456789") + number[at + 1 :])
    else:
        wrong = right + rng.choice((-2, 2, -5, 5, 9, -9))
    return wrong if wrong >= 0 and wrong != right else right + 1
