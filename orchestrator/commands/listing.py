"""What `headgate list`, `show` and `check` print: the parts there are, and a recipe as a tree."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import cast

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ...backends import registry as backends
from ...budget.cost import Limits
from ...budget.prices import Price
from ...strategies import registry as strategies
from ...tasks import registry as task_registry
from ...verifiers import registry as verifiers
from ..graph import Graph, Node
from ..recipe import Recipe, shipped
from ..recipe.checks import graph
from ..recipe.knobs import described, knobs_of


def everything() -> RenderableType:
    """Strategies, recipes, tasks, verifiers of answers and shipped models, a line each."""
    sections = {
        "strategies": [(name, strategies.summary(name)) for name in strategies.names()],
        "recipes": [(name, _first_comment(path.read_text(encoding="utf-8"))) for name, path in shipped().items()],
        "tasks": [(name, summary) for name, summary, _ in _tasks()],
        "verifiers of answers": [(name, verifiers.summary(name)) for name in verifiers.names()],
        "backends": [(name, backends.summary(name)) for name in backends.names()],
        "models": [(f"local:{name}", "shipped with headgate") for name in backends.embedded()],
    }
    return Group(*(_section(title, rows) for title, rows in sections.items()))


def tasks() -> RenderableType:
    """Tasks, what each asks and what its difficulty counts."""
    grid = Table("task", "what it asks", "--difficulty counts", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.columns[0].no_wrap = True
    for row in _tasks():
        grid.add_row(*map(escape, row))
    return Group(grid, Text(), Text("headgate tasks sample NAME --n 3 --difficulty 5 --seed 1", "dim"))


def _tasks() -> list[tuple[str, str, str]]:
    plain = [task_registry.find(name) for name in task_registry.names()]
    rows = [(task.name, task.summary, str(task.knob or "")) for task in plain]
    opened = task_registry.openers().items()
    return rows + [(f"{name}:{opener.reads}", opener.summary, opener.counts) for name, opener in opened]


def strategy(name: str) -> RenderableType:
    """A strategy's knobs, with their defaults and what its docstring says of them."""
    found, told = strategies.find(name), described(name)
    rows = [(f"{knob} = {_value(value)}", told.get(knob, "")) for knob, value in knobs_of(found).items()]
    wanted = strategies.needs(found).items()
    roles = [(role, f"can {', '.join(sorted(operations))}") for role, operations in wanted]
    return Group(Text(strategies.summary(name)), Text(), _section("roles", roles), _section("knobs", rows))


def tree(recipe: Recipe) -> Tree:
    """A recipe: models, budget, and every node below the first one that it waits for."""
    made = graph(recipe)
    root = Tree(Text(recipe.name, "bold"))
    models = root.add("models")
    for name, spec in recipe.models.items():
        models.add(Text.assemble((name, "bold"), f" = {spec}", (_price(spec.cost), "dim")))
    budget = root.add("budget")
    budget.add(f"each problem: {_limits(recipe.budget.each)}, {recipe.budget.answer_reserve:.0%} kept for the answer")
    budget.add(f"all together: {_limits(recipe.budget.total)}")
    nodes = root.add("nodes")
    drawn: dict[str, Tree] = {}
    for node in made.in_order():
        above = drawn[node.waits_for[0]] if node.waits_for else nodes
        drawn[node.name] = _node(above, made, node)
    root.add(f"output: {', '.join(made.output)}" + (", the first that ran and answered" if made.output[1:] else ""))
    return root


def found(recipe: Recipe) -> str:
    """What `check` says of a recipe that is right."""
    models = ", ".join(f"{name} = {spec}" for name, spec in recipe.models.items())
    nodes = ", ".join(f"{node.name} ({node.strategy_name})" for node in recipe.nodes.values())
    return f"{recipe.source.file}: right. models: {models}; nodes: {nodes}; output: {', '.join(graph(recipe).output)}"


def table(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and what they are, in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    for name, said in rows:
        grid.add_row(escape(name), escape(said))
    return grid


def _section(title: str, rows: Iterable[tuple[str, str]]) -> RenderableType:
    return Group(Text(title, "dim"), table((f"  {name}", said) for name, said in rows), Text())


def _node(above: Tree, made: Graph, node: Node) -> Tree:
    said = Text.assemble((node.name, "bold"), f" = {node.strategy_name}", (_cast(node), "dim"))
    drawn = above.add(said)
    if node.waits_for:
        waits = ((need, " or ".join(sorted(node.when.get(need, ())))) for need in node.waits_for)
        joined = f"any {node.join} of " if node.join else ""
        drawn.add(Text(f"after {joined}{', '.join(f'{need} {outcomes}'.strip() for need, outcomes in waits)}"))
    if node.map:
        drawn.add(Text(f"for every {node.map.item} of {node.map.over}"))
    if node.limits:
        drawn.add(Text(f"at most {_limits(node.limits)}"))
    if patience := _patience(node):
        drawn.add(Text(patience))
    if knobs := _knobs(knobs_of(node.strategy)):
        drawn.add(Text(knobs, "dim"))
    return drawn


def _patience(node: Node) -> str:
    said = [f"up to {node.retry.attempts} attempts, {node.retry.wait_s:g} s apart and doubling"] if node.retry else []
    said += [f"at most {node.timeout_s:g} s"] if node.timeout_s is not None else []
    said += ["fails where an earlier call's outcome is unknown"] if node.on_unknown == "fail" else []
    return ", ".join(said)


def _cast(node: Node) -> str:
    roles = (f"{role}: {model}" if role != model else role for role, model in node.roles.items())
    return f"  by {', '.join(roles)}"


def _limits(limits: Limits) -> str:
    written = {unit: getattr(limits, unit) for unit in ("tokens", "output", "tool_calls", "dollars", "seconds")}
    return ", ".join(f"{_value(value)} {unit}" for unit, value in written.items() if value is not None) or "no limit"


def _price(price: Price | None) -> str:
    if price is None:
        return "  no price"
    nominal = ", nominal" if price.nominal else ""
    return f"  ${price.input / 1e6:g} in, ${price.output / 1e6:g} out for a million tokens{nominal}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        inside = cast(dict[str, dict[str, object]], value)
        return f"{inside['use']} ({_knobs(inside['with'])})"
    return f"{value:g}" if isinstance(value, float | Decimal) else "none" if value is None else str(value)


def _knobs(knobs: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in knobs.items())


def _first_comment(text: str) -> str:
    """The first line of a recipe's first comment."""
    lines = text.splitlines()
    return lines[0].lstrip("# ").rstrip() if lines and lines[0].startswith("#") else ""
