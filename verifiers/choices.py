"""An answer to a multiple-choice question is a letter, with or without what stands behind it, or a choice's own text.

What is both a letter and the text of another choice is read as the text.
"""

import re
from collections.abc import Sequence
from typing import Final

from . import exact
from .base import Problem

_LETTER: Final = re.compile(r"\(?([a-z])\)?(?:[).:\s]+(.*))?", re.DOTALL)


def right(answer: str, problem: Problem) -> bool:
    """Whether answer and reference name the same choice; an answer that names none is wrong."""
    chosen = index(answer, problem.choices)
    return chosen is not None and chosen == index(problem.reference or "", problem.choices)


def lacks(problem: Problem) -> str:
    """What is missing or wrong in choices and reference; "" where an answer can be judged."""
    if len(problem.choices) < 2:
        return f"there are {len(problem.choices)} `choices`; give at least 2"
    if problem.reference is not None and index(problem.reference, problem.choices) is None:
        return f"the answer `{problem.reference}` is none of the choices; write its letter, or its text"
    return ""


def index(answer: str, choices: Sequence[str]) -> int | None:
    """Which choice an answer names, counted from 0; None where it names none, or two at once."""
    said, texts = exact.normal(answer), [exact.normal(choice) for choice in choices]
    if said in texts:
        return texts.index(said)
    found = _LETTER.fullmatch(said)
    if found is None:
        return None
    place = ord(found[1]) - ord("a")
    if place >= len(texts):
        return None
    rest = (found[2] or "").strip()
    return place if not rest or rest == texts[place] else None
