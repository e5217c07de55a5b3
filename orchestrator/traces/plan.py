"""What a run's recipe says of its tree: limits by scope, who needs whom; read leniently, since journals travel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, cast

import yaml

from ...budget.cost import Limits

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """limits: by path, where "" is the whole run, "*" each problem, "*/NODE" a node. needs: by a node's name.

    models: what each name stands for, such as `local:embedded/draft`.
    """

    limits: Mapping[str, Limits] = field(default_factory=dict[str, Limits])
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    models: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, recipe: object) -> Self:
        """Read a recipe's YAML; what it does not say is left out."""
        values = _read(recipe)
        nodes, budget = _mapping(values.get("nodes")), _mapping(values.get("budget"))
        written = {"": budget.get("total"), "*": budget.get("each")}
        written |= {f"*/{name}": _mapping(node).get("budget") for name, node in nodes.items()}
        return cls(
            limits={path: found for path, said in written.items() if (found := _limits(said))},
            needs={name: some for name, node in nodes.items() if (some := _names(_mapping(node).get("needs")))},
            models={name: _model(said) for name, said in _mapping(values.get("models")).items()},
        )

    def limits_of(self, path: str) -> Limits | None:
        """Of the scope at a path, if it has its own."""
        problem, _, rest = path.partition("/")
        return self.limits.get(f"*/{rest}" if rest else "*" if problem else "")

    def needs_of(self, path: str) -> tuple[str, ...]:
        """The paths that must have ended before the node at a path begins."""
        above, _, name = path.rpartition("/")
        return tuple(f"{above}/{need}" for need in self.needs.get(name, ())) if "/" not in above else ()


def _read(recipe: object) -> Mapping[str, object]:
    try:
        return _mapping(yaml.load(recipe, _LOADER) if isinstance(recipe, str) else recipe)
    except yaml.YAMLError:
        return {}


def _limits(written: object) -> Limits | None:
    try:
        limits = Limits.of(_mapping(written))
    except (ValueError, TypeError):
        return None
    return limits if limits != Limits() else None


def _names(value: object) -> tuple[str, ...]:
    several: list[object] = cast(list[object], value) if isinstance(value, list) else [value] if value else []
    return tuple(map(str, several))


def _model(value: object) -> str:
    spec = _mapping(value)
    return str(value) if isinstance(value, str) else f"{spec.get('backend', '')}:{spec.get('model', '')}"


def _mapping(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}
