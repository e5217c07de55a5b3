"""What a step costs in time by each strategy's own algebra: what a pair of models would gain, before it is tried.

Source: our own sums over the papers' loops; for lookahead_reasoning the speed-up of its paper (arXiv 2506.19830). A
step takes the draft D and the target T; a decision takes V, of which a first token's entropy is a part of D; `a` is the
share of steps, or of tokens, that the draft may write. Reading what the other model wrote is left out: all but the last
step is cached.

| decided | a step takes | in |
|---|---|---|
| after the draft | D + V + (1 - a) T | spec_reason, likelihood_gate, rsd, arbitrage, trig_reason |
| after it, where in doubt | at most D + V + (1 - a) T, V the mean over all steps | hybrid_routing |
| after it, drafting ahead | a max(D, V) + (1 - a) (D + V + T) | the same with `overlap` |
| before the step | a D + (1 - a) (T + one token of the draft) | glimp_router |
| by a coin | D + p n / tokens (T - D) | foreal |
| by token, cue or chance | a D + (1 - a) T | entropy_switching, speculative_thinking, random_routing |
| in parallel | T (1 - a + c (a - a^(k+1) - k (1 - a) a^k)) / (1 - a^k), c = D / T | lookahead_reasoning |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

Knobs = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models at work, in milliseconds.

    draft_ms, target_ms: of one token. judge_ms: of one decision. tokens: of a step. accept: the share that the draft
    may write, 0 to 1.
    """

    draft_ms: float
    target_ms: float
    judge_ms: float = 0.0
    tokens: float = 30.0
    accept: float = 0.7

    @property
    def draft(self) -> float:
        """A step by the draft."""
        return self.draft_ms * self.tokens

    @property
    def target(self) -> float:
        """A step by the target."""
        return self.target_ms * self.tokens


def after(pair: Pair, knobs: Knobs) -> float:
    """A draft, a decision, and perhaps the target."""
    d, v, t, a = pair.draft, pair.judge_ms, pair.target, pair.accept
    if knobs.get("overlap"):
        return a * max(d, v) + (1 - a) * (d + v + t)
    return d + v + (1 - a) * t


def before(pair: Pair, knobs: Knobs) -> float:
    """One of the two, by the draft's first token."""
    return pair.accept * pair.draft + (1 - pair.accept) * (pair.target + pair.draft_ms)


def by_coin(pair: Pair, knobs: Knobs) -> float:
    """The target leads n tokens of a sentence with probability p, the draft writes the rest."""
    led = knobs["p"] * min(1.0, knobs["n"] / pair.tokens)
    return float(pair.draft + led * (pair.target - pair.draft))


def mixed(pair: Pair, knobs: Knobs) -> float:
    """Each its share of the tokens."""
    return pair.accept * pair.draft + (1 - pair.accept) * pair.target


def parallel(pair: Pair, knobs: Knobs) -> float:
    """The target writes every step, several at a time; what a judge takes is hidden."""
    a, k, c = min(pair.accept, 1 - 1e-9), knobs["gamma"], pair.draft / pair.target
    written: float = (1 - a**k) / ((1 - a) + c * (a - a ** (k + 1) - k * (1 - a) * a**k))
    return pair.target / written


STEP_MS: Final[Mapping[str, Callable[[Pair, Knobs], float]]] = {
    "spec_reason": after,
    "likelihood_gate": after,
    "rsd": after,
    "arbitrage": after,
    "trig_reason": after,
    "hybrid_routing": after,
    "glimp_router": before,
    "foreal": by_coin,
    "entropy_switching": mixed,
    "speculative_thinking": mixed,
    "random_routing": mixed,
    "lookahead_reasoning": parallel,
}


def break_even(strategy: str, pair: Pair, knobs: Knobs) -> float | None:
    """The share at which a step takes as long as by the target alone, to a thousandth; None where none does."""

    def gain(accept: float) -> float:
        return pair.target - STEP_MS[strategy](replace(pair, accept=accept), knobs)

    low, high = 0.0, 1.0
    if gain(low) > 0 or gain(high) < 0 or gain(low) == gain(high):
        return None
    while high - low > 0.0005:
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) < 0 else (low, middle)
    return high
