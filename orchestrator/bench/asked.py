"""What a bench is asked: which recipes, over which problems, with which seeds, for how much; and `bench.yaml`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml

from ...budget.cost import Limits
from ...budget.errors import meant
from ...verifiers.base import Problem
from .. import recipe as recipes
from ..errors import RecipeError
from ..recipe import Recipe
from ..recipe.source import Source
from .problems import seal

TARGET: Final = "target"
HEAD: Final = "# What was asked; `headgate resume` goes on with it. Only `budget_total` may be changed.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One bench.

    tasks: as they were named. problems: in the order that every recipe sees. seeds: how many runs of each recipe,
    seeded `seed`, `seed` + 1 and so on. until_width: a run stops when its accuracy's interval is narrower. total:
    limits for all runs together. baseline: the recipe that the others are compared with. parallel: problems at a time,
    which seconds depend on.
    """

    recipes: Mapping[str, Recipe]
    tasks: tuple[str, ...]
    problems: Sequence[Problem]
    seed: int = 0
    seeds: int = 1
    until_width: float | None = None
    total: Limits
    baseline: str
    parallel: int = 16

    def written(self) -> dict[str, object]:
        """As `bench.yaml` has it."""
        return {
            "tasks": list(self.tasks),
            "n": len(self.problems),
            "problems": seal(self.problems),
            "seed": self.seed,
            "seeds": self.seeds,
            "until_width": self.until_width,
            "budget_total": recipes.dump_limits(self.total),
            "baseline": self.baseline,
            "parallel": self.parallel,
            "recipes": {name: yaml.safe_load(recipes.dump(recipe)) for name, recipe in self.recipes.items()},
        }

    def yaml(self) -> str:
        """The text of `bench.yaml`."""
        return HEAD + yaml.safe_dump(
            self.written(), sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
        )


def named(loaded: Sequence[Recipe]) -> dict[str, Recipe]:
    """Recipes by name. Raises: RecipeError for none, and for two of one name."""
    if not loaded:
        raise RecipeError("there are no recipes", hint=f"name some: {', '.join(recipes.shipped())}, or files")
    found: dict[str, Recipe] = {}
    for recipe in loaded:
        if recipe.name in found:
            hint = "rename one of the files, for a row of the table is called after its file"
            raise RecipeError(f"two recipes are called `{recipe.name}`", hint=hint)
        found[recipe.name] = recipe
    return found


def baseline(found: Mapping[str, Recipe], asked: str) -> str:
    """The recipe to compare with: as asked, the target alone where one is, else the first. Raises: RecipeError."""
    if asked and asked not in found:
        raise RecipeError(f"there is no recipe `{asked}`", file="--baseline", hint=meant(asked, found))
    return asked or next((name for name, recipe in found.items() if _target_alone(recipe)), next(iter(found)))


def limits(written: str, found: Mapping[str, Recipe]) -> Limits:
    """Limits for all runs together, as an option has them. Raises: RecipeError."""
    if not written:
        return Limits()
    for recipe in found.values():  # says whether the amounts are any, and whether dollars can be counted
        recipes.override(recipe, total=written)
    units: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        unit, _, amount = part.partition("=")
        unit, _, tool = unit.strip().partition(".")
        units[unit] = units.get(unit, {}) | {tool: amount} if tool else amount
    return Limits.of(units)


def load(file: Path, problems: Sequence[Problem]) -> Asked:
    """What a bench was asked, from its `bench.yaml` and its problems. Raises: RecipeError."""
    source = Source.of_file(file)
    told = cast(dict[str, Any], source.values)
    try:
        found = {
            name: recipes.of(Source(values=values, file=f"{name}.yaml")) for name, values in told["recipes"].items()
        }
        asked = Asked(
            recipes=found,
            tasks=tuple(told["tasks"]),
            problems=problems,
            seed=told["seed"],
            seeds=told["seeds"],
            until_width=told["until_width"],
            total=Limits.of(told["budget_total"]),
            baseline=told["baseline"],
            parallel=told["parallel"],
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        said = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise RecipeError(f"is no bench: {said}", file=file, hint="`headgate bench --help` makes one") from error
    if told["problems"] != seal(problems):
        raise RecipeError("are not the problems that were asked", file=file.parent / "problems.jsonl")
    return asked


def differences(before: Asked, now: Asked) -> list[str]:
    """What two benches were asked differently, in a few words each."""
    was, now_is = before.written(), now.written()
    told: list[str] = []
    for key, value in was.items():
        if value != now_is[key]:
            told.append(_change(key, value, now_is[key]))
    return told


def _change(key: str, was: object, now: object) -> str:
    if key == "problems":
        return "other problems"
    if key != "recipes":
        return f"{key} {_said(was)}, not {_said(now)}"
    old, new = cast(dict[str, object], was), cast(dict[str, object], now)
    if list(old) != list(new):
        return f"recipes {', '.join(old)}, not {', '.join(new)}"
    changed = [name for name in old if old[name] != new[name]]
    return f"another {', '.join(f'`{name}`' for name in changed)}"


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast(list[object], value)))
    if isinstance(value, dict):
        return ",".join(f"{unit}={amount}" for unit, amount in cast(dict[str, object], value).items()) or "none"
    return "none" if value is None else str(value)


def _target_alone(recipe: Recipe) -> bool:
    nodes = list(recipe.nodes.values())
    return len(nodes) == 1 and nodes[0].strategy_name == "direct" and set(nodes[0].roles.values()) == {TARGET}
