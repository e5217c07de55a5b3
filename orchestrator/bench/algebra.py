"""What a step took in a bench, beside what its strategy's algebra makes of the same models."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ...strategies.algebra import STEP_MS, Pair, break_even
from ..recipe import Recipe
from ..recipe.knobs import knobs_of
from .records import Rated, Record

_WRITING: Final = ("think", "wasted")
_IN_PIECES: Final = {"foreal"}  # a step is several pieces, and was decided where the first of them was


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A recipe's pair of models as it was measured, in busy milliseconds, and what a step took.

    even: the draft's share below which the target alone is quicker, by the algebra. step_ms: what a step should take by
    the algebra, of any pair.
    """

    recipe: str
    pair: Pair
    took_ms: float
    even: float | None
    step_ms: Callable[[Pair], float]

    @property
    def expected_ms(self) -> float:
        """What a step should take."""
        return self.step_ms(self.pair)


def timed(recipe: Recipe, records: Sequence[Record]) -> Timed | None:
    """None where no two models shared a chain, one of them never wrote, or nobody took their time."""
    node = next((one for one in recipe.nodes.values() if one.strategy_name in STEP_MS), None)
    steps = [step for record in records for chain in record.chains for step in chain]
    by_draft, by_target = ([step for step in steps if step.author == role] for role in ("draft", "target"))
    if node is None or not by_draft or not by_target:
        return None
    name, knobs = node.strategy_name, knobs_of(node.strategy)
    stand = sum(step.kept and (name not in _IN_PIECES or step.score is not None) for step in steps)
    pair = _pair(records, steps, by_draft, by_target, stand)
    if not pair.draft or not pair.target:
        return None
    return Timed(
        recipe=recipe.name,
        pair=pair,
        took_ms=1e3 * _seconds(records, thinking=True) / max(stand, 1),
        even=break_even(name, pair, knobs),
        step_ms=lambda pair: STEP_MS[name](pair, knobs),
    )


def _pair(
    records: Sequence[Record], steps: Sequence[Rated], draft: Sequence[Rated], target: Sequence[Rated], stand: int
) -> Pair:
    """The two models in milliseconds; a decision's are those of all that neither wrote, and shares are of tokens."""
    decided = [step for step in steps if step.score is not None]
    kept = max(1, sum(step.tokens for step in steps if step.kept))
    return Pair(
        draft_ms=_token_ms(records, "draft", draft),
        target_ms=_token_ms(records, "target", target),
        judge_ms=1e3 * _seconds(records) / max(len(decided), 1),
        tokens=kept / max(stand, 1),
        accept=sum(step.tokens for step in draft if step.kept) / kept,
    )


def _token_ms(records: Sequence[Record], role: str, steps: Sequence[Rated]) -> float:
    seconds = sum(record.busy.get(role, {}).get(purpose, 0.0) for record in records for purpose in _WRITING)
    return 1e3 * seconds / max(sum(step.tokens for step in steps), 1)


def _seconds(records: Iterable[Record], *, thinking: bool = False) -> float:
    """What all models were busy with beside the answers: with deciding alone, or with all of the thinking."""
    busy = (item for record in records for one in record.busy.values() for item in one.items())
    return sum(s for purpose, s in busy if purpose != "answer" and (thinking or purpose not in _WRITING))
