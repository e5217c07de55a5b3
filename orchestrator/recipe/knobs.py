"""A strategy as a recipe writes it, `{use: NAME, with: {...}}`, checked against its signature and bound."""

import inspect
import re
import types
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final, Union, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ...budget.errors import meant
from ...strategies import registry
from ...strategies.base import Strategy
from .language import Form
from .source import Source
from .wording import complaint
from .yaml_reader import KeyPath

_CONFIG: Final = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=())


class StrategyForm(Form):
    """A knob that is a strategy."""

    use: str
    knobs: dict[str, Any] = Field(default_factory=dict[str, Any], alias="with")


def bind(source: Source, path: KeyPath, use: str, written: Mapping[str, object]) -> Strategy:
    """The strategy with its knobs, nested strategies included. path: of the mapping that holds `use` and `with`.

    Raises: RecipeError at the knob or the name that is wrong.
    """
    try:
        strategy = registry.find(use)
    except KeyError:
        raise source.error((*path, "use"), f"there is no strategy `{use}`", hint=meant(use, registry.names())) from None
    at = (*path, "with")
    _check_names(source, at, use, written)
    try:
        form = knob_form(use).model_validate(written)
    except ValidationError as error:
        raise complaint(error, source, at, f"`{use}`") from None
    given = {name: _bound(source, (*at, name), getattr(form, name)) for name in written}
    return partial(strategy, **given) if given else strategy


def knobs_of(strategy: Strategy) -> dict[str, object]:
    """All its knobs as a recipe writes them, defaults filled in."""
    given = cast(Mapping[str, object], getattr(strategy, "keywords", {}))
    return {name: _plain(given.get(name, knob.default)) for name, knob in registry.knobs(strategy).items()}


@cache
def knob_form(use: str) -> type[BaseModel]:
    """The knobs of a strategy as a pydantic model, from its signature."""
    told = described(use)
    fields = {
        name: (_written(knob.annotation), Field(_default(knob), description=told.get(name)))
        for name, knob in registry.knobs(registry.find(use)).items()
    }
    return cast(type[BaseModel], cast(Any, create_model)(use, __config__=_CONFIG, **fields))


def described(use: str) -> dict[str, str]:
    """What a strategy's docstring says of each knob: `name: text.`"""
    text = " ".join((inspect.getdoc(registry.find(use)) or "").split())
    names = "|".join(registry.knobs(registry.find(use)))
    found = re.findall(rf"\b({names}): (.*?)(?=\s(?:{names}): |\sRaises: |$)", text) if names else []
    return {name: said.rstrip(". ") for name, said in found}


def _check_names(source: Source, at: KeyPath, use: str, written: Mapping[str, object]) -> None:
    names = list(knob_form(use).model_fields)
    if unknown := next((name for name in written if name not in names), None):
        hint = meant(unknown, names, "it takes")
        raise source.error((*at, unknown), f"`{use}` takes no `{unknown}`", hint=hint, key=True)


def _bound(source: Source, path: KeyPath, value: object) -> object:
    """A knob's value with every strategy in it bound."""
    if isinstance(value, StrategyForm):
        return bind(source, path, value.use, value.knobs)
    if isinstance(value, list):
        return [_bound(source, (*path, index), item) for index, item in enumerate(cast(list[object], value))]
    return value


def _written(annotation: Any) -> Any:
    """An annotation with `Strategy` replaced by the form that a recipe writes it in."""
    if annotation is Strategy:
        return StrategyForm
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return Union[tuple(_written(part) for part in inside)]  # noqa: UP007
    if origin in (list, tuple) and Strategy in inside:
        return cast(Any, origin)[tuple(_written(part) for part in inside)]
    return annotation


def _default(knob: inspect.Parameter) -> object:
    if knob.default is inspect.Parameter.empty:
        return ...
    return StrategyForm.model_validate(_plain(knob.default)) if registry.is_strategy(knob.default) else knob.default


def _plain(value: object) -> object:
    """A knob's value as YAML."""
    if registry.is_strategy(value):
        bare = value.func if isinstance(value, partial) else value
        return {"use": cast(Any, bare).__name__, "with": knobs_of(cast(Strategy, value))}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast(list[object], value)]
    return value
