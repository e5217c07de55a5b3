"""What is lost by answering only where the scores are good: the share of wrong answers at each coverage.

Source: Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural Networks", arXiv 1705.08500. Answers are
taken in the order of their worst step that stands, best first; a signal that says nothing is a level line, and one that
says all is zero until the wrong ones begin.
"""

from collections.abc import Sequence
from typing import Any

from ..bench import Outcome
from .calibration import risky, worst
from .style import COLOURS, figure

_STYLES = ("-", "--", "-.", ":")
_LEAST = 20  # answers before a share of them says anything


def picture(outcome: Outcome) -> Any:
    """A line for each recipe and signal; None where nothing was scored."""
    lines = {
        f"{name}, {signal.replace('_', ' ')}": risks(pairs, best_first=not risky(signal))
        for name, some in outcome.records.items()
        for signal, pairs in worst(some).items()
        if len(pairs) > _LEAST
    }
    if not lines:
        return None
    drawn = figure(6.4, 3.6 + 0.22 * len(lines))
    axis = drawn.subplots()
    for index, (label, found) in enumerate(lines.items()):
        _line(axis, f"{label} (area {area(found):.1f} %)", found, index)
    axis.set_xlabel("answered, % of problems, best scores first")
    axis.set_ylabel("wrong among those answered, %")
    axis.set_xlim(0, 100)
    axis.set_ylim(bottom=0)
    drawn.legend(loc="outside lower left", frameon=False, handlelength=3)
    return drawn


def risks(pairs: Sequence[tuple[float, bool]], *, best_first: bool = True) -> list[tuple[float, float]]:
    """Coverage and risk, in percent, at each number of answers; equal scores are taken together.

    best_first: a high score is a good one.
    """
    ordered = sorted(pairs, key=lambda pair: -pair[0] if best_first else pair[0])
    found: list[tuple[float, float]] = []
    wrong = 0
    for taken, (score, right) in enumerate(ordered, start=1):
        wrong += not right
        if taken == len(ordered) or ordered[taken][0] != score:
            found.append((100 * taken / len(ordered), 100 * wrong / taken))
    return found


def area(found: Sequence[tuple[float, float]]) -> float:
    """The mean risk over all coverages, in percent: the smaller, the better the signal sorts."""
    steps = zip([0.0, *(coverage for coverage, _ in found)], found, strict=False)
    return sum((coverage - before) * risk for before, (coverage, risk) in steps) / 100


def _line(axis: Any, label: str, found: Sequence[tuple[float, float]], index: int) -> None:
    axis.plot(
        [coverage for coverage, _ in found],
        [risk for _, risk in found],
        drawstyle="steps-pre",
        linestyle=_STYLES[index % len(_STYLES)],
        color=COLOURS[index % len(COLOURS)],
        linewidth=1.4,
        label=label,
    )
