"""Which strategies there are: a file of this folder that defines an async function of its own name."""

import inspect
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from importlib.resources import files
from types import ModuleType
from typing import Any, Literal, cast

from .base import Strategy


@cache
def names() -> tuple[str, ...]:
    """All strategies, in alphabetical order."""
    stems = (
        entry.name.removesuffix(".py")
        for entry in files(__package__ or "headgate.strategies").iterdir()
        if entry.name.endswith(".py")
    )
    return tuple(sorted(stem for stem in stems if _function(stem) is not None))


def find(name: str) -> Strategy:
    """The strategy of a name. Raises: KeyError."""
    function = _function(name) if name in names() else None
    if function is None:
        raise KeyError(name)
    return function


def summary(name: str) -> str:
    """The first line of its docstring."""
    return (inspect.getdoc(find(name)) or "").partition("\n")[0]


def knobs(strategy: Strategy) -> Mapping[str, inspect.Parameter]:
    """Its keyword-only arguments: what a recipe may write under `with:`."""
    parameters = inspect.signature(_bare(strategy), eval_str=True).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def needs(strategy: Strategy) -> dict[str, frozenset[str]]:
    """The operations each role must offer, for it and for the strategies nested in its knobs."""
    given = cast(Mapping[str, object], getattr(strategy, "keywords", {}))
    nested = {name: given.get(name, knob.default) for name, knob in knobs(strategy).items()}
    wanted: dict[str, frozenset[str]] = {}
    inner = [needs(cast(Strategy, value)) for value in nested.values() if is_strategy(value)]
    for part in [_declared(strategy, given), *inner]:
        for role, operations in part.items():
            wanted[role] = wanted.get(role, frozenset()) | operations
    return wanted


def calibrated(strategy: Strategy) -> tuple[str, Literal["above", "below"]] | None:
    """The knob that decides how much the target writes, and on which side of it; None where there is none."""
    return getattr(import_module(_bare(strategy).__module__), "CALIBRATED", None)


def is_strategy(value: object) -> bool:
    """Whether a knob's value is a strategy, with or without knobs of its own."""
    return inspect.iscoroutinefunction(value.func if isinstance(value, partial) else value)


def _bare(strategy: Strategy) -> Any:
    return cast(Any, strategy.func) if isinstance(strategy, partial) else strategy


def _declared(strategy: Strategy, given: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """The module's `NEEDS`, or what its `needs` says where that depends on the knobs."""
    module = import_module(_bare(strategy).__module__)
    declared: Mapping[str, set[str]] = module.needs(**given) if hasattr(module, "needs") else module.NEEDS
    return {role: frozenset(operations) for role, operations in declared.items()}


def _function(stem: str) -> Strategy | None:
    if stem.startswith("_"):
        return None
    module: ModuleType = import_module(f".{stem}", __package__)
    function = getattr(module, stem, None)
    return cast(Strategy, function) if inspect.iscoroutinefunction(function) else None
