"""What verifiers read and say: the problem, a step of its solution, and a score."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..backends.base import Completion, Context
from ..budget.cost import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A question, with what is known about its answer.

    id: names the problem in a run; where two problems share a text, ids tell their random draws apart. reference:
    the right answer, if known. choices: the options of a multiple-choice question. givens: the beginning of `text`
    that is known before anything is asked, so that work on it serves every problem with the same givens. verifier:
    what judges an answer, by its name in `verifiers/registry.py`; what that needs to know stands in `meta`.
    """

    text: str
    id: str = ""
    reference: str | None = None
    choices: tuple[str, ...] = ()
    givens: str = ""
    verifier: str = "numeric"
    meta: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def asked(self) -> str:
        """What stands in `text` after the givens."""
        return self.text.removeprefix(self.givens).lstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good something is by one signal; `reason` is a few words for a trace; `cost` what it took to know.

    digits: where a digit was read, the probability of each from 0 to 9.
    """

    value: float
    signal: str
    reason: str = ""
    digits: tuple[float, ...] = ()
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of reasoning: what was written, by which model, whether it stands, and what a verifier said of it."""

    completion: Completion
    author: str
    kept: bool = True
    score: Score | None = None

    @property
    def text(self) -> str:
        """The step as written."""
        return self.completion.text


class StepVerifier(Protocol):
    """How good the next step of a context is; it changes neither model's state."""

    async def __call__(self, context: Context, step: Step) -> Score:
        """Score a candidate step after this context. Raises: BudgetExceeded, BackendError."""
        ...
