"""The threshold at which a wanted share of steps goes to the large model, found on problems without answers.

Source: the quantile rule of "Look Before You Leap" (EACL 2026): the threshold is the quantile of the signal over the
steps of unlabelled problems. Routing moves the states that are routed, so that it is done again at the threshold found,
two or three times. Our own: a round more measures what share was reached. A strategy says which knob that is, and on
which side of it the target writes, in its module's `CALIBRATED`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..backends.base import Backend
from ..strategies import registry
from ..strategies.base import Answer
from ..verifiers.base import Problem
from .agent import Agent
from .errors import RecipeError
from .intervals import wilson
from .recipe import Recipe, override
from .recipe.knobs import knobs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """The knob to be set: of which node, and whether the target writes above or below its value."""

    node: str
    knob: str
    side: Literal["above", "below"]
    value: float

    def found(self, values: Sequence[float], share: float) -> float:
        """The value beyond which about a share of the signal's values lies, to four digits; equals stay together."""
        ordered = sorted(values)
        wanted = share * len(ordered)
        return _cut(ordered, len(ordered) - wanted if self.side == "above" else wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a value of the knob gave: steps that were decided, how many the target wrote, and its share of tokens."""

    value: float
    signals: tuple[float, ...]
    escalated: int
    target_tokens: int
    tokens: int

    @property
    def share(self) -> float:
        """Of steps that were decided, those that the target wrote."""
        return self.escalated / len(self.signals) if self.signals else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of that share, steps taken as independent."""
        return wilson(self.escalated, len(self.signals))


def dial(recipe: Recipe, node: str = "") -> Dial:
    """What can be set in a recipe. Raises: RecipeError."""
    found = {
        name: registry.calibrated(part.strategy) for name, part in recipe.nodes.items() if not node or name == node
    }
    known = {name: what for name, what in found.items() if what}
    if not known:
        can = [name for name in registry.names() if registry.calibrated(registry.find(name))]
        what = f"`{node or recipe.name}` has no threshold between two models"
        raise RecipeError(what, hint=f"these strategies have: {', '.join(can)}")
    if len(known) > 1:
        raise RecipeError(f"`{recipe.name}` has several: {', '.join(known)}", hint="say which with --node")
    name, (knob, side) = next(iter(known.items()))
    return Dial(node=name, knob=knob, side=side, value=float(str(knobs_of(recipe.nodes[name].strategy)[knob])))


def turned(recipe: Recipe, dial: Dial, value: float) -> Recipe:
    """The recipe with another value of the knob."""
    return override(recipe, settings=[f"nodes.{dial.node}.with.{dial.knob}={value:g}"])


async def measure(
    recipe: Recipe,
    dial: Dial,
    problems: Sequence[Problem],
    *,
    backends: Mapping[str, Backend],
    folder: Path,
    seed: int = 0,
    parallel: int = 16,
    told: Callable[[], None] = lambda: None,
) -> Round:
    """One round at the dial's value, kept in a folder like any run; `told` after each problem.

    Raises: RecipeError where no step was decided.
    """
    answers: list[Answer] = []
    agent = Agent(turned(recipe, dial, dial.value), seed=seed, folder=folder, backends=backends)
    async with agent, aclosing(agent.solve_all(problems, parallel=parallel)) as ending:
        async for solved in ending:
            answers.append(solved.answer)
            told()
    found = _round(dial, answers)
    if not found.signals:
        raise RecipeError(f"no step of {len(problems)} problems was decided by `{dial.node}`")
    return found


def after(dial: Dial, found: Round, share: float) -> Dial:
    """The dial at the value that the signals of a round say."""
    return replace(dial, value=dial.found(found.signals, share))


def _round(dial: Dial, answers: Sequence[Answer]) -> Round:
    decided = [step for answer in answers for step in answer.steps if step.score is not None]
    signals = tuple(step.score.value for step in decided if step.score is not None)
    sent = sum(value > dial.value if dial.side == "above" else value < dial.value for value in signals)
    by_target = sum(answer.cost_by_role["target"].output for answer in answers if "target" in answer.cost_by_role)
    total = sum(answer.cost.output for answer in answers)
    return Round(value=dial.value, signals=signals, escalated=sent, target_tokens=by_target, tokens=total)


def _cut(ordered: Sequence[float], wanted: float) -> float:
    """A value between two different ones, that about so many lie below."""
    cuts = [i for i in range(len(ordered) + 1) if i in (0, len(ordered)) or ordered[i - 1] < ordered[i]]
    index = min(cuts, key=lambda i: abs(i - wanted))
    below = ordered[index - 1] if index > 0 else ordered[0] - 1
    above = ordered[index] if index < len(ordered) else ordered[-1] + 1
    return float(f"{(below + above) / 2:.4g}")
