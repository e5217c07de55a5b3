"""A plan is right when carrying it out, move by move, keeps every rule and ends at the goal; many plans may be.

A puzzle is data, in a problem's `meta["puzzle"]`, so that it can be judged from a file:
`{"kind": "jugs", "holds": [5, 3], "has": [0, 2], "goal": 4}`, jugs A, B, ... and an amount that one of them has in the
end; or `{"kind": "days", "people": ["Tom", "Mia"], "after": {"Mia": ["Tom"]}, "a_day": 2, "days": 2}`, who comes on a
later day than whom, how many come on one day at most, and within how many days all come.
Moves are parted by commas, semicolons or lines, days by semicolons or lines. Any length is right that is at most 1,000.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from . import exact
from .base import Problem

LONGEST: Final = 1000  # moves
_MOVE: Final = re.compile(r"(fill|empty) (?:jug )?([a-z])|pour (?:jug )?([a-z]) (?:in)?(?:to )?(?:jug )?([a-z])")
_DAY: Final = re.compile(r"^(?:day )?\d+ ?[:.)] ?")

State = tuple[int, ...]


def right(answer: str, problem: Problem) -> bool:
    """Whether a plan solves the problem's puzzle. Raises: KeyError without one."""
    puzzle = cast(Mapping[str, Any], problem.meta["puzzle"])
    return _KINDS[puzzle["kind"]](exact.normal(answer.replace("\n", ";")), puzzle)


def lacks(problem: Problem) -> str:
    """What is missing or wrong in `meta["puzzle"]`; "" for a puzzle that can be judged."""
    puzzle: object = problem.meta.get("puzzle")
    if not isinstance(puzzle, Mapping):
        return 'there is no object `puzzle`, such as {"kind": "jugs", "holds": [5, 3], "has": [0, 0], "goal": 4}'
    given = cast(Mapping[str, object], puzzle)
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS:
        return f"`puzzle.kind` is {kind!r}; there are {', '.join(_FIELDS)}"
    wrong = next((name for name, of in _FIELDS[kind].items() if not of(given.get(name))), "")
    if wrong:
        return f"`puzzle.{wrong}` of kind {kind} is {given.get(wrong)!r}"
    if kind == "jugs" and len(cast(list[int], given["holds"])) != len(cast(list[int], given["has"])):
        return "`puzzle.holds` and `puzzle.has` are not of the same length"
    return _strangers(given) if kind == "days" else ""


def _strangers(puzzle: Mapping[str, Any]) -> str:
    """Who is ordered, but is none of the people; compared as answers are, without case."""
    people = {name.casefold() for name in puzzle["people"]}
    named = (name for last, firsts in puzzle["after"].items() for name in (last, *firsts))
    stranger = next((name for name in named if name.casefold() not in people), "")
    return f"`puzzle.after` names {stranger}, who is none of the people" if stranger else ""


def pour(state: State, holds: Sequence[int], move: tuple[str, int, int]) -> State:
    """What the jugs have after one move: (fill | empty | pour, from, into); fill and empty name one jug twice."""
    kind, from_, into = move
    after = list(state)
    if kind == "pour":
        moved = min(state[from_], holds[into] - state[into])
        after[from_] -= moved
        after[into] += moved
    else:
        after[from_] = holds[from_] if kind == "fill" else 0
    return tuple(after)


def moves(answer: str, jugs: int) -> list[tuple[str, int, int]] | None:
    """The moves of a plan; None where a part of it is none, or is about a jug that there is not."""
    read: list[tuple[str, int, int]] = []
    for part in _parts(answer, ",;"):
        found = _MOVE.fullmatch(part)
        if found is None:
            return None
        kind, named = ("pour", (found[3], found[4])) if found[3] else (found[1], (found[2], found[2]))
        from_, into = (ord(letter) - ord("a") for letter in named)
        if max(from_, into) >= jugs or (kind == "pour" and from_ == into):
            return None
        read.append((kind, from_, into))
    return read if len(read) <= LONGEST else None


def _jugs(answer: str, puzzle: Mapping[str, Any]) -> bool:
    holds, state = puzzle["holds"], tuple(puzzle["has"])
    planned = moves(answer, len(holds))
    if planned is None:
        return False
    for move in planned:
        state = pour(state, holds, move)
    return puzzle["goal"] in state


def _days(answer: str, puzzle: Mapping[str, Any]) -> bool:
    """Every person on one day, no day too full, none too many, and nobody before whom they come after."""
    days = [_people(day) for day in _parts(answer, ";")]
    on = {name: number for number, day in enumerate(days) for name in day}
    if sorted(name for day in days for name in day) != sorted(name.casefold() for name in puzzle["people"]):
        return False
    if len(days) > puzzle["days"] or any(len(day) > puzzle["a_day"] for day in days):
        return False
    after: Mapping[str, Sequence[str]] = puzzle["after"]
    return all(on[first.casefold()] < on[name.casefold()] for name, firsts in after.items() for first in firsts)


def _people(day: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", _DAY.sub("", day)) if name not in ("", "and")]


def _parts(answer: str, marks: str) -> list[str]:
    return [part for piece in re.split(f"[{marks}]", answer) if (part := " ".join(piece.split()).removesuffix("."))]


def _numbers(value: object) -> bool:
    """Some numbers, at least one."""
    given = cast(list[object], value) if isinstance(value, list | tuple) else []
    return len(given) > 0 and all(map(_number, given))


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in cast(list[object], value))


def _orders(value: object) -> bool:
    return isinstance(value, Mapping) and all(_names(firsts) for firsts in cast(Mapping[str, object], value).values())


_KINDS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], bool]]] = {"jugs": _jugs, "days": _days}
_FIELDS: Final[Mapping[str, Mapping[str, Callable[[object], bool]]]] = {
    "jugs": {"holds": _numbers, "has": _numbers, "goal": _number},
    "days": {"people": _names, "after": _orders, "a_day": _number, "days": _number},
}
