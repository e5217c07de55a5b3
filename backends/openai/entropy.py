r"""A lower bound of an entropy, in nats, from the few probabilities that a server tells of a distribution.

Let S be the tokens that are told, with probabilities p_i, and r = 1 - sum p_i the mass of all others. The entropy is

    H = - sum_{i in S} p_i log p_i  -  sum_{j not in S} q_j log q_j,    sum q_j = r,    0 <= q_j <= m

where m is a bound of every untold probability: the k-th largest of those told, if the k most likely were asked for,
and otherwise the largest. The second sum is concave in q, so that it is least at a corner of the set that q may lie
in: with h(x) = - x log x, floor(r / m) tokens of exactly m and one of what remains,

    H >= sum_{i in S} h(p_i) + floor(r / m) h(m) + h(r - floor(r / m) m).

A server rounds: r is only known to within SLACK. The last two terms are concave between multiples of m, so that their
least value over the doubt lies at its ends or at such a multiple; a share of SLACK is taken off what results.
"""

import math
from collections.abc import Sequence
from typing import Final

SLACK: Final = 2e-6  # of probabilities that were computed and written as single precision
_ABSURD: Final = 1e-2
_UNLIKELY: Final = 1e-7  # of the likeliest token: no vocabulary is so large


def lower_bound(logprobs: Sequence[float], k: int) -> float:
    """From natural logs of probabilities of different tokens, the k most likely ones among them.

    Fewer than k: any tokens, with the most likely one among them. What cannot be a distribution says nothing: 0.
    """
    told = sorted((math.exp(log) for log in logprobs if log <= SLACK), reverse=True)
    if not told or told[0] < _UNLIKELY or len(told) < len(logprobs) or sum(told) > 1 + _ABSURD:
        return 0.0
    most = told[k - 1] if 0 < k <= len(told) else told[0]
    rest = 1.0 - math.fsum(told)
    known = math.fsum(map(_term, told))
    least = known + _least(max(0.0, rest - SLACK), max(0.0, rest + SLACK), most)
    return max(0.0, least - SLACK * (1 + least))


def _least(low: float, high: float, most: float) -> float:
    """The least that a mass between `low` and `high` adds, in tokens of at most `most`."""
    if most <= SLACK:  # a flat and endless tail: its own logarithm is all that is sure
        return low * -math.log(SLACK)
    multiple = math.ceil(low / most) * most
    masses = [low, high, *([multiple] if low < multiple < high else [])]
    return min(_packed(mass, most) for mass in masses)


def _packed(mass: float, most: float) -> float:
    whole = math.floor(mass / most)
    return whole * _term(most) + _term(max(0.0, mass - whole * most))


def _term(p: float) -> float:
    return -p * math.log(p) if p > 0 else 0.0
