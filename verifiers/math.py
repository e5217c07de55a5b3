r"""Two answers compared as formulas: `\frac{\sqrt{8}}{2}` is `\sqrt{2}`, `(1, 2)` is not `(2, 1)`.

Source: the package math-verify, which reads LaTeX and compares by sympy. It runs apart from headgate (`apart.py`).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load() -> Any:
    """Import the package, which takes seconds."""
    return import_module("math_verify")


def right(answer: str, told: Mapping[str, Any]) -> bool:
    """Whether an answer equals `told["reference"]`; both as they stand in a box."""
    package = load()
    gold, said = (package.parse(f"\\boxed{{{text}}}") for text in (told["reference"], answer))
    return bool(package.verify(gold, said))
