"""How pictures look: shapes and hatches that tell things apart in black and white, colours only beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "8")
HATCHES: Final = ("", "////", "....", "xxxx", "----", "\\\\\\\\")
AUTHORS: Final[Mapping[str, str]] = {"draft": "#a8cdea", "target": "#d9731a"}
_OTHERS: Final = ("#7cc4a4", "#8a5aa0", "#c7bd3a", "#b0466e")
# blue, orange, green and so on in different lightness: Okabe and Ito's palette for every kind of colour blindness
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#555555", "#a08c00")
RC: Final[Mapping[str, object]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a name may hold a dollar sign
    "svg.hashsalt": "headgate",  # the same picture is the same file
}


def look(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """A marker and a colour for each recipe."""
    return {
        name: {"marker": MARKERS[i % len(MARKERS)], "color": COLOURS[i % len(COLOURS)]} for i, name in enumerate(names)
    }


def authors(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """A fill and a hatch for each author; draft and target have their own."""
    others = [name for name in names if name not in AUTHORS]
    fills = dict(AUTHORS) | {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}
    order = ["draft", "target", *others]
    return {name: {"facecolor": fills[name], "hatch": HATCHES[order.index(name) % len(HATCHES)]} for name in names}


def columns(labels: Sequence[str], width: float) -> int:
    """How many entries of a legend stand side by side in so many inches."""
    return max(1, min(len(labels), int(width / (0.6 + 0.075 * max(map(len, labels))))))


def bar(share: float, low: float, high: float) -> list[list[float]]:
    """How far an interval reaches below and above a share, in percent."""
    return [[max(0.0, 100 * (share - low))], [max(0.0, 100 * (high - share))]]


def figure(width: float, height: float) -> Any:
    """An empty figure, in inches; of no window, and no state outside it."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(drawn: Any, path: Path) -> list[Path]:
    """As PNG and SVG; `path` has no ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path.with_suffix(".png"), path.with_suffix(".svg")]
    drawn.savefig(files[0], dpi=160, metadata={"Software": None})
    drawn.set_layout_engine("none")  # it is laid out by now, which takes as long as drawing it
    drawn.savefig(files[1], metadata={"Date": None})
    return files
