"""Who wrote which step: for each recipe and place in the chain, the share of chains whose step there is whose."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..bench import Outcome
from ..records import Record
from .style import authors, columns, figure

Shapes = Mapping[str, Mapping[str, str]]
_STEPS: Final = 16  # at most so many places are drawn
_ACROSS: Final = 3  # panels side by side


def picture(outcome: Outcome) -> Any:
    """A panel for each recipe that writes in steps; None where none does."""
    counted = {name: found for name, some in outcome.records.items() if len(found := shares(some)) > 1}
    if not counted:
        return None
    names = sorted(
        {author for places in counted.values() for place in places for author in place},
        key=lambda name: (name != "draft", name != "target", name),
    )
    across = len(counted) if len(counted) <= _ACROSS else math.ceil(len(counted) / math.ceil(len(counted) / _ACROSS))
    down = math.ceil(len(counted) / across)
    drawn = figure(0.6 + 3.2 * across, 0.8 + 2.3 * down)
    axes = [axis for line in drawn.subplots(down, across, sharey=True, sharex=True, squeeze=False) for axis in line]
    shapes = authors(names)
    for axis, (recipe, places) in zip(axes, counted.items(), strict=False):
        _panel(axis, recipe, places, shapes)
    for axis in axes[len(counted) :]:
        axis.set_visible(False)
    for index, axis in enumerate(axes[: len(counted)]):
        if index % across == 0:
            axis.set_ylabel("chains, %")
        if index + across >= len(counted):
            axis.set_xlabel("step that stands")
            axis.tick_params(labelbottom=True)
    handles = _handles(shapes)
    width = columns([handle.get_label() for handle in handles], 0.6 + 3.2 * across)
    drawn.legend(handles=handles, loc="outside lower center", ncols=width, frameon=False)
    return drawn


def shares(records: Sequence[Record]) -> list[dict[str, float]]:
    """For each place, from the first: by author, the share of all chains whose step there is theirs."""
    chains = [[step.author for step in chain if step.kept] for record in records for chain in record.chains]
    chains = [chain for chain in chains if chain]
    longest = min(_STEPS, max(map(len, chains), default=0))
    counted = (Counter(chain[place] for chain in chains if len(chain) > place) for place in range(longest))
    return [{author: n / len(chains) for author, n in place.items()} for place in counted]


def _panel(axis: Any, recipe: str, places: Sequence[Mapping[str, float]], shapes: Shapes) -> None:
    at, bottom = range(1, len(places) + 1), [0.0] * len(places)
    for name, shape in shapes.items():
        heights = [100 * place.get(name, 0.0) for place in places]
        axis.bar(at, heights, bottom=bottom, width=0.86, edgecolor="black", linewidth=0.5, **shape)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axis.set_title(recipe, fontsize=9, loc="left")
    axis.set_ylim(0, 100)
    axis.grid(visible=False, axis="x")
    axis.set_xticks(at)


def _handles(shapes: Shapes) -> list[Any]:
    from matplotlib.patches import Patch

    patch: Any = Patch
    line: dict[str, Any] = {"edgecolor": "black", "linewidth": 0.5}
    named = [patch(label=f"{name} wrote it", **line, **shape) for name, shape in shapes.items()]
    return [*named, patch(facecolor="white", edgecolor="#bbbbbb", linewidth=0.5, label="the chain had ended")]
