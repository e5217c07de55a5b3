"""Accuracy against what it costs, with intervals, and the recipes that no other beats in both (the Pareto front)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..bench import Outcome
from ..metrics import Row, pareto
from .style import bar, columns, figure, look

_FRONT: Final = "filled: none is cheaper and better"
_WIDE: Final = 80.0  # from here on only powers of ten are named
_LOG: Final = 4.0  # where the dearest costs so many times the cheapest, the axis counts in powers


def picture(outcome: Outcome) -> Any:
    """One panel for each cost that is known; None where nobody knows what is right."""
    rows = [row for row in outcome.rows if row.accuracy is not None]
    if not rows:
        return None
    panels, shapes = _panels(outcome, rows), look([row.recipe for row in rows])
    width = 3.5 * len(panels)
    across = columns([*shapes, _FRONT], width)
    drawn = figure(width, 3.6 + 0.2 * math.ceil((len(rows) + 1) / across))
    axes = drawn.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (label, cost) in zip(axes, panels.items(), strict=True):
        _panel(axis, label, {row.recipe: (cost(row), row) for row in rows}, shapes)
    axes[0].set_ylabel("problems answered right, % (bars: 95 %)")
    drawn.legend(handles=_handles(shapes), loc="outside lower center", ncols=across, frameon=False)
    return drawn


def _handles(shapes: Mapping[str, Mapping[str, str]]) -> list[Any]:
    from matplotlib.lines import Line2D

    line: Any = Line2D
    points = [line([], [], label=name, linestyle="", markersize=7, **shape) for name, shape in shapes.items()]
    front = line([], [], label=_FRONT, color="#333333", linestyle=":")
    return [*points, front]


def _panels(outcome: Outcome, rows: Sequence[Row]) -> dict[str, Callable[[Row], float]]:
    panels: dict[str, Callable[[Row], float]] = {"tokens generated a problem": lambda row: row.generated}
    if outcome.priced and any(row.dollars for row in rows):
        panels["millionths of a dollar a problem"] = lambda row: 1e6 * (row.dollars or 0.0)
    panels[f"seconds a problem, {outcome.asked.parallel} at a time"] = lambda row: row.seconds
    return panels


def _panel(
    axis: Any, label: str, points: Mapping[str, tuple[float, Row]], shapes: Mapping[str, Mapping[str, str]]
) -> None:
    best = pareto({name: (cost, row.accuracy or 0.0) for name, (cost, row) in points.items()})
    for place, (name, (cost, row)) in enumerate(points.items()):
        share, fill = 100 * (row.accuracy or 0.0), {} if name in best else {"markerfacecolor": "none"}
        error = bar(share / 100, row.low, row.high)
        shape: dict[str, Any] = {**shapes[name], **fill, "linestyle": "", "capsize": 3}
        shape["markersize"] = max(5.0, 11.0 - place)  # so that one that lies on another hides it in part
        axis.errorbar([cost], [share], yerr=error, elinewidth=1.1, **shape)
    front = [(points[name][0], 100 * (points[name][1].accuracy or 0.0)) for name in best]
    axis.step(*zip(*front, strict=True), where="post", color="#333333", linestyle=":", linewidth=1.1, zorder=1)
    costs = [cost for cost, _ in points.values() if cost > 0]
    if costs and max(costs) > _LOG * min(costs):
        axis.set_xscale("log")
        _plain(axis, max(costs) / min(costs))
        axis.set_xlim(min(costs) / 1.35, max(costs) * 1.35)
    else:
        axis.set_xlim(0, max(costs, default=1.0) * 1.1)
    axis.set_xlabel(label)


def _plain(axis: Any, ratio: float) -> None:
    """Numbers on a logarithmic axis as people write them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if ratio < _WIDE else (1.0,)))
    axis.xaxis.set_major_formatter(FuncFormatter(_number))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _number(value: float, _: int | None) -> str:
    return f"{value:,g}"
