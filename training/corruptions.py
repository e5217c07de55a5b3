"""Wrong versions of a right step, made on purpose, so that a judge sees every kind of error from the first batch on."""

import random
import re
from collections.abc import Sequence

from ..tasks.word_problems import Line, WordProblem

SLIP, WRONG = 3, 0  # ratings: a wrong result of the right formula, and wrong altogether
SUM = re.compile(r"(\d+)(\+|-|\*|/| mod )(\d+)")
CHOICE = re.compile(r"(max|min)\((\d+),(\d+)\)")
SWAPPED = {"+": "-", "-": "+", "*": "+", "/": "*"}


def spoil(rng: random.Random, problem: WordProblem, k: int, planning: float = 0.4) -> tuple[str, int]:
    """A wrong text for step k, and its rating: a wrong choice in a share `planning` of cases, else wrong working."""
    line = problem.steps[k]
    text = misplan(rng, problem, k) if rng.random() < planning else None
    if text is not None:
        return text, WRONG
    if line.operation == "copy" or rng.random() < 0.12:
        return misread(rng, problem, line), WRONG
    return miscount(rng, line), SLIP


def miscount(rng: random.Random, line: Line) -> str:
    """The right formula with a wrong result."""
    *working, result = line.formula.split("=")
    if line.operation == "mul22" and rng.random() < 0.65:
        return mismultiply(rng, line.subject, working)
    if line.operation == "cmp":
        (_, a, b) = CHOICE.findall(working[-1])[0]
        other = b if result == a else a
        result = other if other != result else slip(rng, result)
    elif line.operation in ("mod2", "mod3"):
        n = int(working[-1].split()[-1])
        result = str(rng.choice([left for left in range(n) if left != line.value]))
    else:
        result = slip(rng, result)
    return "=".join([line.subject, *working, result]) + "."


def mismultiply(rng: random.Random, subject: str, working: Sequence[str]) -> str:
    """A two-digit product with one wrong partial product, added up rightly."""
    tens, ones = working[-1].split("+")
    if rng.random() < 0.6:
        tens = slip(rng, tens[:-1]) + "0"
    else:
        ones = slip(rng, ones)
    return "=".join([subject, *working[:-1], f"{tens}+{ones}", str(int(tens) + int(ones))]) + "."


def misread(rng: random.Random, problem: WordProblem, line: Line) -> str:
    """Another number, or another operator worked out rightly."""
    parts = line.formula.split("=")
    sign = next((c for c in parts[0] if c in SWAPPED), None)
    if sign and len(parts) >= 3 and rng.random() < 0.5:
        symbols, numbers = (part.replace(sign, SWAPPED[sign]) for part in parts[:2])
        return f"{line.subject}={symbols}={numbers}={abs(work_out(numbers) or 0)}."
    others = [x.value for x in problem.lines.values() if x.value != line.value]
    value = slip(rng, str(line.value)) if not others or rng.random() < 0.5 else str(rng.choice(others))
    return "=".join([line.subject, *parts[:-1], value]) + "."


def misplan(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A wrong choice of subject, number or operand with right arithmetic; None where the problem offers none."""
    right = {line.text for line in problem.lines.values()}
    for _ in range(6):
        make = rng.choices((other_subject, other_number, other_operand, too_early), (35, 20, 25, 20))[0]
        text = make(rng, problem, k)
        if text is not None and text not in right:
            return text
    return None


def other_subject(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    line, done = problem.steps[k], {x.subject for x in problem.steps[: k + 1]}
    left = [name for name in problem.lines if name not in done]
    if not left:
        return None
    name = problem.asked if problem.asked in left and rng.random() < 0.4 else rng.choice(left)
    return f"{name}={line.formula}."


def other_number(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A number of the question that is not this step's."""
    line, numbers = problem.steps[k], re.findall(r"\d+", problem.question)
    own = re.findall(r"\d+", line.formula.split("=")[0])
    new = rng.choice(numbers)
    if not simple(line) or not own or new == own[0]:
        return None
    symbols, working = (part for part in line.formula.split("=")[:2])
    at_front = symbols.startswith(own[0])
    working = new + working[len(own[0]) :] if at_front else working[: -len(own[0])] + new
    return finished(line.subject, symbols.replace(own[0], new), working)


def other_operand(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A quantity known already, but not the one that is asked for here."""
    line = problem.steps[k]
    known = [x for x in problem.steps[:k] if x.subject not in line.parents]
    if not known or not simple(line):
        return None
    new, old = rng.choice(known), problem.lines[rng.choice(line.parents)]
    symbols, working = line.formula.split("=")[:2]
    symbols = re.sub(rf"\b{old.subject}\b", new.subject, symbols)
    return finished(line.subject, symbols, re.sub(rf"\b{old.value}\b", str(new.value), working, count=1))


def too_early(rng: random.Random, problem: WordProblem, k: int) -> str | None:
    """A later step, with a guess in place of a quantity that is not known yet."""
    done = {x.subject: x for x in problem.steps[:k]}
    later = [x for x in problem.steps[k + 1 :] if simple(x) and not done.keys() >= set(x.parents)]
    if not later or not done:
        return None
    line, guess = rng.choice(later), rng.choice(list(done.values()))
    old = problem.lines[next(name for name in line.parents if name not in done)]
    symbols, working = line.formula.split("=")[:2]
    return finished(line.subject, symbols, re.sub(rf"\b{old.value}\b", str(guess.value), working, count=1))


def simple(line: Line) -> bool:
    """Whether the formula is `symbols=numbers=result`."""
    return line.formula.count("=") == 2


def finished(subject: str, symbols: str, numbers: str) -> str | None:
    value = work_out(numbers)
    return None if value is None else f"{subject}={symbols}={numbers}={abs(value)}."


def work_out(expression: str) -> int | None:
    """The value of a sum of two numbers; None where it has none."""
    if chosen := CHOICE.fullmatch(expression):
        a, b = int(chosen[2]), int(chosen[3])
        return max(a, b) if chosen[1] == "max" else min(a, b)
    found = SUM.fullmatch(expression)
    if not found:
        return None
    a, sign, b = int(found[1]), found[2], int(found[3])
    if sign in ("/", " mod ") and b == 0:
        return None
    return {"+": a + b, "-": a - b, "*": a * b}.get(sign, a // max(b, 1) if sign == "/" else a % max(b, 1))


def slip(rng: random.Random, number: str) -> str:
    """A number close to this one, as people and small models get it wrong."""
    right, kind = int(number), rng.random()
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
    return str(wrong if wrong >= 0 and wrong != right else right + 1)
