"""Small puzzles with many right plans: measuring with jugs, and who comes on which day.

Sources: the jugs are the water-pouring puzzle; the days are unit-time scheduling with precedence and a capacity, as in
Graham et al. 1979, "Optimization and Approximation in Deterministic Sequencing and Scheduling: a Survey", section 3.
A plan is judged by carrying it out (`verifiers/plan.py`), so that any that works is right, be it longer than need be;
days have as many as the shortest plan. The shortest is found by search, and its length is the difficulty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import Final

from ..verifiers.base import Problem
from ..verifiers.plan import State, pour
from . import word_problems
from .base import Knob, Task
from .word_problems import Split, digest

JUGS, DAYS = "planning_jugs-v1", "planning_days-v1"
LARGEST: Final = 24  # what a jug holds
MOST_MOVES: Final = 10
MOST_DAYS: Final = 6
Move = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jugs:
    """What two jugs hold and have, what one of them is to have, and a shortest plan."""

    holds: tuple[int, ...]
    has: State
    goal: int
    plan: tuple[Move, ...]

    @property
    def question(self) -> str:
        told = (f"Jug {_jug(i)} holds {most} and has {now}." for i, (most, now) in enumerate(self._pairs))
        return f"{' '.join(told)} Fill, empty or pour until one jug has {self.goal}. Which moves?"

    @property
    def _pairs(self) -> Iterator[tuple[int, int]]:
        return zip(self.holds, self.has, strict=True)

    @property
    def answer(self) -> str:
        return ", ".join(map(worded, self.plan))

    @property
    def steps(self) -> tuple[str, ...]:
        """The moves with what the jugs have after each: `pour A B: A=0 B=5.`"""
        states, lines = [self.has], list[str]()
        for move in self.plan:
            states.append(pour(states[-1], self.holds, move))
            after = " ".join(f"{_jug(i)}={amount}" for i, amount in enumerate(states[-1]))
            lines.append(f"{worded(move)}: {after}.")
        return tuple(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """People, each coming on a later day than some others, a capacity, and a plan of fewest days."""

    people: tuple[str, ...]
    after: Mapping[str, tuple[str, ...]]
    a_day: int
    plan: tuple[tuple[str, ...], ...]

    @property
    def question(self) -> str:
        rules = (f"{name} comes on a later day than {' and '.join(firsts)}." for name, firsts in self.after.items())
        told = f"{', '.join(self.people[:-1])} and {self.people[-1]} come within {len(self.plan)} days."
        return f"{told} At most {self.a_day} come on one day. {' '.join(rules)} Who comes on each day?"

    @property
    def answer(self) -> str:
        return "; ".join(" ".join(day) for day in self.plan)


def draw_jugs(rng: Random, moves: int, *, split: Split = "held_out") -> Jugs:
    """Two jugs and an amount that takes exactly so many moves, 1 to 10."""
    while True:
        holds = tuple(sorted(rng.sample(range(2, LARGEST + 1), 2), reverse=True))
        has = tuple(rng.randint(0, most) if rng.random() < 0.5 else 0 for most in holds)
        plans = shortest(holds, has)
        goals = [goal for goal, plan in plans.items() if len(plan) == moves]
        if not goals:
            continue
        goal = rng.choice(goals)
        drawn = Jugs(holds=holds, has=has, goal=goal, plan=plans[goal])
        if side(drawn.question) == split:
            return drawn


def shortest(holds: Sequence[int], has: State) -> dict[int, tuple[Move, ...]]:
    """A shortest plan for every amount that some jug can come to have; ties go to the first jug's moves."""
    jugs = range(len(holds))
    moves = [(kind, i, i) for kind in ("fill", "empty") for i in jugs]
    moves += [("pour", i, k) for i in jugs for k in jugs if i != k]
    plans: dict[State, tuple[Move, ...]] = {has: ()}
    found: dict[int, tuple[Move, ...]] = {}
    queue = [has]
    for state in queue:  # grows while it is read: breadth first
        for amount in state:
            found.setdefault(amount, plans[state])
        for move in moves:
            after = pour(state, holds, move)
            if after not in plans:
                plans[after] = (*plans[state], move)
                queue.append(after)
    return found


def draw_days(rng: Random, days: int, *, split: Split = "held_out") -> Days:
    """Up to 9 people whose shortest plan takes exactly so many days, 2 to 6."""
    while True:
        a_day = rng.randint(2, 3)
        count = min(9, rng.randint(days + 1, a_day * days))
        people = tuple(rng.sample(word_problems.NAMES, count))
        after = {name: _firsts(rng, people[:i]) for i, name in enumerate(people) if i}
        after = {name: firsts for name, firsts in after.items() if firsts}
        plan = fewest_days(people, after, a_day)
        drawn = Days(people=tuple(rng.sample(people, count)), after=after, a_day=a_day, plan=plan)
        if after and len(plan) == days and side(drawn.question) == split:
            return drawn


def fewest_days(people: Sequence[str], after: Mapping[str, Sequence[str]], a_day: int) -> tuple[tuple[str, ...], ...]:
    """A plan of fewest days, by breadth-first search over who has come; nobody is left out when there is room."""
    start: frozenset[str] = frozenset()
    plans: dict[frozenset[str], tuple[tuple[str, ...], ...]] = {start: ()}
    queue = [start]
    for come in queue:
        ready = [name for name in people if name not in come and come.issuperset(after.get(name, ()))]
        if not ready:
            return plans[come]
        for day in combinations(ready, min(a_day, len(ready))):
            now = come.union(day)
            if now not in plans:
                plans[now] = (*plans[come], day)
                queue.append(now)
    raise AssertionError("the people whom nobody precedes can always come")


def side(question: str) -> Split:
    """Which side of the split a puzzle is on: the last bit of a hash of its text."""
    return "held_out" if digest(question) & 1 else "training"


def worded(move: Move) -> str:
    """A move as a plan has it: `fill A`, `pour A B`."""
    kind, from_, into = move
    return f"{kind} {_jug(from_)} {_jug(into)}" if kind == "pour" else f"{kind} {_jug(from_)}"


def jugs_problem(drawn: Jugs) -> Problem:
    """As it is asked; the reference is one of the shortest plans."""
    puzzle = {"kind": "jugs", "holds": list(drawn.holds), "has": list(drawn.has), "goal": drawn.goal}
    return _problem(JUGS, drawn.question, drawn.answer, puzzle, len(drawn.plan))


def days_problem(drawn: Days) -> Problem:
    """As it is asked; the reference is one of the plans of fewest days."""
    after = {name: list(firsts) for name, firsts in drawn.after.items()}
    puzzle = {"kind": "days", "people": list(drawn.people), "after": after, "a_day": drawn.a_day}
    return _problem(DAYS, drawn.question, drawn.answer, {**puzzle, "days": len(drawn.plan)}, len(drawn.plan))


def _problem(version: str, text: str, answer: str, puzzle: Mapping[str, object], difficulty: int) -> Problem:
    meta = {"difficulty": difficulty, "puzzle": puzzle}
    return Problem(text=text, id=f"{version}-{digest(text):016x}", reference=answer, verifier="plan", meta=meta)


def _firsts(rng: Random, earlier: Sequence[str]) -> tuple[str, ...]:
    return tuple(rng.sample(earlier, min(len(earlier), rng.choice((0, 1, 1, 2)))))


def _jug(index: int) -> str:
    return "ABCDEFGH"[index]


def _jugs_stream(rng: Random, difficulty: int | None) -> Iterator[Problem]:
    while True:
        yield jugs_problem(draw_jugs(rng, difficulty or rng.randint(1, MOST_MOVES)))


def _days_stream(rng: Random, difficulty: int | None) -> Iterator[Problem]:
    while True:
        yield days_problem(draw_days(rng, difficulty or rng.randint(2, MOST_DAYS)))


JUGS_TASK: Final = Task(
    name="planning_jugs",
    summary="Which moves measure an amount with two jugs; any plan that works is right.",
    knob=Knob("moves of the shortest plan", 1, MOST_MOVES),
    draw=_jugs_stream,
)
DAYS_TASK: Final = Task(
    name="planning_days",
    summary="Who comes on which day, with some after others and few on one day; any plan that works is right.",
    knob=Knob("days of the shortest plan", 2, MOST_DAYS),
    draw=_days_stream,
)
