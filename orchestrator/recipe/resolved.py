"""A recipe written back as YAML, every default filled in: what a run keeps beside its answers."""

from typing import Final

import yaml

from ...backends.registry import ModelSpec
from ...budget.cost import Limits
from ..graph import Node
from .checks import graph
from .knobs import knobs_of
from .recipe import Executor, Recipe

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
            "on_unpriced": recipe.budget.on_unpriced,
        },
        "nodes": {name: _plain_node(node) for name, node in recipe.nodes.items()},
        "output": list(graph(recipe).output),
    }
    if recipe.tools:
        values["tools"] = list(recipe.tools)
    if recipe.executor != Executor():
        values["executor"] = dump_executor(recipe.executor)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def dump_executor(executor: Executor) -> dict[str, object]:
    """Who solves the problems, as a recipe writes it."""
    workers = {} if executor.workers is None else {"workers": executor.workers}
    return {"use": executor.use, **workers, "cpus": executor.cpus, "gpus": executor.gpus}


def dump_limits(limits: Limits) -> dict[str, object]:
    """Limits as a recipe writes them."""
    written: dict[str, object] = {unit: getattr(limits, unit) for unit in _UNITS if getattr(limits, unit) is not None}
    return written | ({"dollars": str(limits.dollars)} if limits.dollars is not None else {})


def dump_model(spec: ModelSpec) -> object:
    """A model as a recipe writes it."""
    told = ("key_env", "dtype", "dialect", "engine")
    more: dict[str, object] = {name: getattr(spec, name) for name in told if getattr(spec, name)}
    if urls := list(spec.base_url):
        more["base_url"] = urls if len(urls) > 1 else urls[0]
    if spec.price:
        more["price"] = spec.price.as_row()
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
    if node.question:
        written["question"] = node.question
    return written | _patience(node)


def _patience(node: Node) -> dict[str, object]:
    """How long it waits and how often it tries, where a recipe says so."""
    retry = {"attempts": node.retry.attempts, "wait_s": node.retry.wait_s} if node.retry else None
    keys: dict[str, object] = {"join": node.join, "retry": retry, "timeout_s": node.timeout_s}
    unknown = {} if node.on_unknown == "retry" else {"on_unknown": node.on_unknown}
    return {key: value for key, value in keys.items() if value is not None} | unknown
