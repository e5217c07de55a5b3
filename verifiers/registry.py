"""Which verifiers judge a final answer, by the name that a problem gives.

A name is data and survives files and processes, as a function would not. A verifier reads the answer and the problem,
never how the answer came about. Those that foreign packages bring work in a process of their own.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from ..budget.errors import meant
from . import apart, choices, exact, numeric, plan
from .base import Problem

EXTRA: Final = "pip install 'headgate[tasks]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerVerifier:
    """What judges answers: in this process, or, with `package`, what that brings, in another.

    lacks: what a problem does not say that it should; "" for one that can be judged. needs_reference: whether without
    one nothing can be said.
    """

    summary: str
    right: Callable[[str, Problem], bool]
    lacks: Callable[[Problem], str] = lambda problem: ""
    needs_reference: bool = True
    package: str = ""


def names() -> tuple[str, ...]:
    """All verifiers of answers."""
    return tuple(_VERIFIERS)


def summary(name: str) -> str:
    """What a verifier takes for right, in a line. Raises: KeyError."""
    return _VERIFIERS[name].summary


async def right(answer: str, problem: Problem) -> bool | None:
    """Whether an answer to a problem is right; None where nobody can tell."""
    verifier = _VERIFIERS.get(problem.verifier)
    if verifier is None or lacks(problem) or (verifier.needs_reference and problem.reference is None):
        return None
    if not verifier.package:
        return verifier.right(answer, problem)
    return None if missing(problem) else await asyncio.to_thread(verifier.right, answer, problem)


def lacks(problem: Problem) -> str:
    """What keeps a problem from being judged by the verifier that it names: a whole sentence, or ""."""
    verifier = _VERIFIERS.get(problem.verifier)
    if verifier is None:
        return f"there is no verifier `{problem.verifier}`; {meant(problem.verifier, names())}"
    what = verifier.lacks(problem)
    return f"the verifier `{problem.verifier}` cannot judge this: {what}" if what else ""


def missing(problem: Problem) -> str:
    """That the package of the problem's verifier is not installed, and how to add it; "" when it is."""
    verifier = _VERIFIERS.get(problem.verifier)
    if verifier is None or not verifier.package or find_spec(verifier.package):
        return ""
    return f"the verifier `{problem.verifier}` needs the package {verifier.package.replace('_', '-')}; {EXTRA}"


def _numeric(answer: str, problem: Problem) -> bool:
    return numeric.same(answer, problem.reference or "")


def _exact(answer: str, problem: Problem) -> bool:
    return exact.same(answer, problem.reference or "")


def _math(answer: str, problem: Problem) -> bool:
    return _numeric(answer, problem) or apart.ask("math", answer, {"reference": problem.reference or ""})


def _gym(answer: str, problem: Problem) -> bool:
    asked = {"question": problem.text, "answer": problem.reference, "metadata": problem.meta["metadata"]}
    told = {"dataset": problem.meta["dataset"], "level": problem.meta.get("difficulty"), "entry": asked}
    return apart.ask("reasoning_gym", answer, told)


def _gym_lacks(problem: Problem) -> str:
    absent = [name for name in ("dataset", "metadata") if name not in problem.meta]
    if absent:
        return f"there is no `{absent[0]}`"
    level = problem.meta.get("difficulty")
    return "" if level is None or isinstance(level, int) else f"`difficulty` is {level!r}, not a level"


_VERIFIERS: Final[Mapping[str, AnswerVerifier]] = {
    "numeric": AnswerVerifier(summary="The same number, or else the same text.", right=_numeric),
    "exact": AnswerVerifier(summary="The same text, but for case and spaces.", right=_exact),
    "choices": AnswerVerifier(summary="The same choice.", right=choices.right, lacks=choices.lacks),
    "plan": AnswerVerifier(
        summary="A plan that works, whichever.", right=plan.right, lacks=plan.lacks, needs_reference=False
    ),
    "math": AnswerVerifier(summary="An equal formula, by math-verify.", right=_math, package="math_verify"),
    "reasoning_gym": AnswerVerifier(
        summary="What the data set's own scoring takes for fully right.",
        right=_gym,
        lacks=_gym_lacks,
        needs_reference=False,
        package="reasoning_gym",
    ),
}
