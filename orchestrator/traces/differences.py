"""What differs: between two batches, problem by problem, and between two runs of one problem, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from .parts import Scope, Step
from .tree import RunTree

Same = Literal["same", "changed", "left", "right"]  # left, right: there is one on that side alone
Words = Literal["same", "left", "right"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two things that belong together, one of which may be missing."""

    kind: Same
    left: Scope | Step | None
    right: Scope | Step | None


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch of two texts: in both, or in one of them alone."""

    kind: Words
    text: str


def batches(left: RunTree, right: RunTree) -> list[Pair]:
    """The problems of two runs by their place, those of the left in order and then what only the right has.

    Changed is one that ended otherwise or gave another answer; cost and time differ always, and are not compared.
    """
    theirs = {scope.path: scope for scope in right.problems}
    pairs = [_paired(scope, theirs.pop(scope.path, None)) for scope in left.problems]
    return pairs + [Pair(kind="right", left=None, right=scope) for scope in theirs.values()]


def sides(left: Scope, right: Scope) -> list[Pair]:
    """Two runs of one problem: their scopes by place, and the steps of each side by side, matched by what they say."""
    theirs = {_below(scope, right): scope for scope in right.walk()}
    pairs: list[Pair] = []
    for scope in left.walk():
        other = theirs.pop(_below(scope, left), None)
        pairs.append(_paired(scope, other))
        pairs += _steps(scope.steps, other.steps if other else [])
    for scope in theirs.values():
        pairs.append(Pair(kind="right", left=None, right=scope))
        pairs += _steps([], scope.steps)
    return pairs


def changes(left: str, right: str) -> list[Change]:
    """Two texts as stretches, by difflib over words and signs; equal ones and what only one has, in reading order."""
    ours, theirs = _words(left), _words(right)
    found: list[Change] = []
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Change("same", "".join(ours[a:b])))
            continue
        found += [Change("left", "".join(ours[a:b]))] if b > a else []
        found += [Change("right", "".join(theirs[c:d]))] if d > c else []
    return found


def _paired(left: Scope, right: Scope | None) -> Pair:
    if right is None:
        return Pair(kind="left", left=left, right=None)
    same = (left.status, left.text, left.correct) == (right.status, right.text, right.correct)
    return Pair(kind="same" if same else "changed", left=left, right=right)


def _steps(left: Sequence[Step], right: Sequence[Step]) -> list[Pair]:
    """Steps that say the same and stand alike face each other; what lies between them is paired by its place."""
    ours, theirs = [_said(step) for step in left], [_said(step) for step in right]
    pairs: list[Pair] = []
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs += [
                Pair(kind="same", left=one, right=other) for one, other in zip(left[a:b], right[c:d], strict=True)
            ]
        else:
            pairs += _unlike(left[a:b], right[c:d])
    return pairs


def _unlike(left: Sequence[Step], right: Sequence[Step]) -> list[Pair]:
    """Steps of the same index face each other, first with first; a rejected draft and its rewrite share one."""
    pairs: list[Pair] = []
    for index in sorted({step.index for step in (*left, *right)}):
        ours, theirs = ([step for step in side if step.index == index] for side in (left, right))
        for one, other in zip_longest(ours, theirs):
            alone: Same = "right" if one is None else "left" if other is None else "changed"
            pairs.append(Pair(kind=alone, left=one, right=other))
    return pairs


def _said(step: Step) -> tuple[str, str, bool]:
    return step.text.strip(), step.author, step.kept


def _below(scope: Scope, top: Scope) -> str:
    return scope.path.removeprefix(top.path)


def _words(text: str) -> list[str]:
    """Runs of letters, runs of digits, runs of blanks, and every other sign by itself."""
    words: list[str] = []
    kind = ""
    for char in text:
        now = "a" if char.isalpha() else "0" if char.isdigit() else " " if char.isspace() else ""
        if now and now == kind:
            words[-1] += char
        else:
            words.append(char)
        kind = now
    return words
