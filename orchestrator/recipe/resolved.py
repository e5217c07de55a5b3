"""A recipe written back as YAML, every default filled in: what a run keeps beside its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import yaml

from ...backends.registry import ModelSpec
from ...budget.cost import Limits
from ..graph import Node
from .checks import graph
from .knobs import knobs_of

if TYPE_CHECKING:
    from .recipe import Recipe

_UNITS: Final = ("tokens", "output", "tool_calls", "dollars", "seconds")


def dump(recipe: Recipe) -> str:
    """The recipe as resolved, every default written out, as YAML that loads to the same recipe."""
    values: dict[str, object] = {
        "version": 1,
        "models": {name: dump_model(spec) for name, spec in recipe.models.items()},
        "budget": {
            "each": dump_limits(recipe.budget.each),
            "total": dump_limits(recipe.budget.total),
            "answer_reserve": recipe.budget.answer_reserve,
        },
        "nodes": {name: _plain_node(node) for name, node in recipe.nodes.items()},
        "output": list(graph(recipe).output),
    }
    if recipe.tools:
        values["tools"] = list(recipe.tools)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def dump_limits(limits: Limits) -> dict[str, object]:
    """Limits as a recipe writes them."""
    written: dict[str, object] = {unit: getattr(limits, unit) for unit in _UNITS if getattr(limits, unit) is not None}
    return written | ({"dollars": str(limits.dollars)} if limits.dollars is not None else {})


def dump_model(spec: ModelSpec) -> object:
    """A model as a recipe writes it."""
    more: dict[str, object] = {
        name: getattr(spec, name) for name in ("base_url", "key_env", "dtype", "dialect") if getattr(spec, name)
    }
    if spec.price:
        rates = ("input", "cached_input", "cache_write", "output")
        per_million: dict[str, object] = {name: getattr(spec.price, name) / 1_000_000 for name in rates}
        about = {"source": spec.price.source, "date": spec.price.date, "nominal": spec.price.nominal}
        more["price"] = per_million | about
    return {"backend": spec.backend, "model": spec.model, **more} if more else str(spec)


def _plain_node(node: Node) -> dict[str, object]:
    written: dict[str, object] = {"use": node.strategy_name, "with": knobs_of(node.strategy), "roles": dict(node.roles)}
    if node.needs:
        written["needs"] = list(node.needs)
    if node.when:
        written["when"] = {need: sorted(outcomes) for need, outcomes in node.when.items()}
    if node.map:
        written["map"] = {"over": node.map.over, "as": node.map.item}
    if node.limits:
        written["budget"] = dump_limits(node.limits)
    return written | ({"question": node.question} if node.question else {})
