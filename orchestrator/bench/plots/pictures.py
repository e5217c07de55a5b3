"""Which pictures a bench has: what accuracy costs, who wrote which step, and how well scores tell right from wrong."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..bench import Outcome
from . import accuracy, calibration, coverage, routing
from .style import RC, save

MISSING: Final = 'the pictures need matplotlib: pip install "headgate[plots]"'
_PICTURES: Final[Mapping[str, tuple[str, Callable[[Outcome], Any]]]] = {
    "accuracy": ("Accuracy against tokens, dollars and seconds", accuracy.picture),
    "routing": ("Who wrote which step", routing.picture),
    "calibration": ("How often answers are right, by the score of their steps", calibration.picture),
    "coverage": ("Wrong answers, when only those with good scores are given", coverage.picture),
}


def draw(outcome: Outcome, folder: Path) -> tuple[dict[Path, str], str]:
    """Draw what the records have. Returns titles by file, PNGs only, and what is missing, if anything."""
    try:
        matplotlib: Any = import_module("matplotlib")
    except ModuleNotFoundError:
        return {}, MISSING
    drawn: dict[Path, str] = {}
    with matplotlib.rc_context(dict(RC)):
        for name, (title, picture) in _PICTURES.items():
            figure = picture(outcome)
            if figure is not None:
                drawn[save(figure, folder / name)[0]] = title
    return drawn, ""
