"""The recipe language as JSON Schema, for editors: the form, and for each strategy the knobs of its `with`."""

from typing import Any, TypeGuard

from ...strategies import registry
from .knobs import knob_form
from .language import RecipeForm

_TITLE = "A headgate recipe"


def schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    whole = RecipeForm.model_json_schema()
    forms: dict[str, Any] = whole["$defs"]
    for name in registry.names():
        forms[f"with_{name}"] = _knobs(name)
    forms["strategy"] = _use(forms)
    node = forms["NodeForm"]
    node["properties"]["use"] = forms["strategy"]["properties"]["use"]
    node["allOf"] = forms["strategy"]["allOf"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "title": _TITLE}


def _knobs(name: str) -> dict[str, Any]:
    """A strategy's knobs, with every strategy in them replaced by a reference."""
    form = knob_form(name).model_json_schema()
    form.pop("$defs", None)
    return {**_referring(form), "title": name, "description": registry.summary(name)}


def _use(forms: dict[str, Any]) -> dict[str, Any]:
    names = list(registry.names())
    told = [{"const": name, "description": registry.summary(name)} for name in names]
    rules = [
        {
            "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
            "then": {"properties": {"with": {"$ref": f"#/$defs/with_{name}"}}},
        }
        for name in names
    ]
    properties = {"use": {"description": "a strategy", "oneOf": told}, "with": {"type": "object"}}
    shape: dict[str, Any] = {"type": "object", "required": ["use"], "additionalProperties": False}
    return {**shape, "properties": properties, "allOf": rules}


def _referring(value: object) -> Any:
    if _is_mapping(value):
        inside = {key: _referring(item) for key, item in value.items()}
        return inside | ({"$ref": "#/$defs/strategy"} if inside.get("$ref") == "#/$defs/StrategyForm" else {})
    return [_referring(item) for item in value] if _is_list(value) else value


def _is_mapping(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)
