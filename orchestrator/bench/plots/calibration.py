"""How well scores tell right from wrong: of answers whose worst step scored so, the share that is right.

A chain is judged by its worst step that stands: the lowest score, or the highest where the signal tells of a risk. A
coin tells of nothing, and is left out. Whether a single step is right nobody knows; whether its answer is, the
reference says.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...intervals import wilson
from ..bench import Outcome
from ..records import Rated, Record
from .style import bar, figure, look

_SIGNALS: Final = {
    "digit_expected": "expected digit among the steps",
    "digit_greedy": "digit among the steps",
    "min_logprob": "natural log-probability of a token",
    "mean_logprob": "mean natural log-probability of a step",
    "entropy": "entropy among the steps, nats",
    "first_entropy": "entropy of a first token, nats",
    "mean_entropy": "mean entropy of a few tokens, nats",
    "process_reward": "process reward of a step",
    "advantage": "chance that the target's is better",
    "over_confidence": "share of sure tokens in a step",
}
_RISKS: Final = ("entropy", "advantage", "over_confidence", "doubts")  # the higher, the worse
_COIN: Final = "gate"
_BINS: Final = 8
_ACROSS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Answers whose worst score lies together: the mean score, how many, and how many of them are right."""

    score: float
    n: int
    right: int


def picture(outcome: Outcome) -> Any:
    """A panel for each recipe and signal; None where nothing was scored."""
    counted = {
        (name, signal): bins(pairs, digits="digit" in signal)
        for name, some in outcome.records.items()
        for signal, pairs in worst(some).items()
    }
    counted = {key: found for key, found in counted.items() if len(found) > 1}
    if not counted:
        return None
    across = min(_ACROSS, len(counted))
    down = math.ceil(len(counted) / across)
    drawn = figure(0.6 + 3.2 * across, 0.4 + 2.6 * down)
    axes = [axis for line in drawn.subplots(down, across, sharey=True, squeeze=False) for axis in line]
    shapes = look(list(outcome.records))
    for axis, ((name, signal), found) in zip(axes, counted.items(), strict=False):
        _panel(axis, name, signal, found, shapes[name])
    for axis in axes[len(counted) :]:
        axis.set_visible(False)
    for axis in axes[::across]:
        axis.set_ylabel("right answers, % (bars: 95 %)\nand how many there are")
    return drawn


def worst(records: Sequence[Record]) -> dict[str, list[tuple[float, bool]]]:
    """By signal: the worst score among the steps of a chain that stand, and whether its answer is right."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for chain, right in (pair for record in records for pair in _chains(record)):
        scores: dict[str, list[float]] = {}
        for step in chain:
            if step.kept and step.score is not None and step.signal != _COIN:
                scores.setdefault(step.signal, []).append(step.score)
        for signal, some in scores.items():
            found.setdefault(signal, []).append((max(some) if risky(signal) else min(some), right))
    return found


def bins(pairs: Sequence[tuple[float, bool]], *, digits: bool) -> list[Bin]:
    """Answers of like score together: a bin for each digit, or else about as many in each, equal scores in one."""
    ordered = sorted(pairs)
    if digits:
        groups = [[pair for pair in ordered if round(pair[0]) == digit] for digit in range(10)]
    else:
        groups = _alike(ordered, math.ceil(len(ordered) / _BINS))
    return [
        Bin(score=sum(score for score, _ in group) / len(group), n=len(group), right=sum(right for _, right in group))
        for group in groups
        if group
    ]


def risky(signal: str) -> bool:
    """Whether a high score is a bad one."""
    return any(risk in signal for risk in _RISKS)


def _alike(ordered: Sequence[tuple[float, bool]], size: int) -> list[list[tuple[float, bool]]]:
    groups: list[list[tuple[float, bool]]] = []
    for pair in ordered:
        if groups and (len(groups[-1]) < size or groups[-1][-1][0] == pair[0]):
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return groups


def _chains(record: Record) -> Iterator[tuple[Sequence[Rated], bool]]:
    """Chains whose answer is known to be right or wrong."""
    if record.correct is None:
        return
    if len(record.chains) == 1:
        yield record.chains[0], record.correct
    elif len(record.chains) == len(record.samples):
        for chain, sample in zip(record.chains, record.samples, strict=True):
            yield chain, sample.right


def _panel(axis: Any, name: str, signal: str, found: Sequence[Bin], shape: dict[str, str]) -> None:
    line: dict[str, Any] = {**shape, "markersize": 6, "linestyle": "", "capsize": 3, "elinewidth": 1.1}
    for place, one in enumerate(found):
        low, high = wilson(one.right, one.n)
        share = one.right / one.n
        axis.errorbar([one.score], [100 * share], yerr=bar(share, low, high), **line)
        above = (0, 3 + 9 * (place % 2))  # by turns, so that no two lie on each other
        axis.annotate(f"{one.n}", (one.score, 0.0), xytext=above, textcoords="offset points", ha="center", fontsize=7)
    shares = [100 * one.right / one.n for one in found]
    axis.plot([one.score for one in found], shares, linewidth=0.8, color=shape["color"])
    if "digit" in signal:
        axis.plot([0, 9], [0, 100], linestyle=":", linewidth=1.0, color="#555555")
        axis.set_xlim(-0.5, 9.5)
        axis.set_xticks(range(10))
    axis.set_ylim(-4, 104)
    axis.set_title(name, fontsize=9, loc="left")
    axis.set_xlabel(f"{_side(signal)} {_SIGNALS.get(signal, signal.replace('_', ' '))}")


def _side(signal: str) -> str:
    return "highest" if risky(signal) else "lowest"
