"""What pydantic found wrong, as one sentence at its place: what was written, what would have been right."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from ...budget.errors import meant
from ..errors import RecipeError
from .language import BudgetForm, Form, LimitsForm, MapForm, ModelForm, NodeForm, RecipeForm, RetryForm
from .source import Source, dotted, said
from .yaml_reader import KeyPath

_TAKES: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
    "too_short": "at least one entry",
}
_NUMBERS: Final = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def complaint(found: ValidationError, source: Source, at: KeyPath = (), owner: str = "") -> RecipeError:
    """The first error in the order of the file. at: where what was validated stands; owner: what to call it."""
    raw = [cast(Mapping[str, Any], error) for error in found.errors()]
    # a key that is misspelt is also missing; its spelling is the better hint
    told = [error for error in raw if error["type"] != "missing"] or raw
    errors = [source_error(error, source, at, owner) for error in told]
    return min(errors, key=lambda error: (error.line or 0, error.column or 0))


def source_error(error: Mapping[str, Any], source: Source, at: KeyPath, owner: str) -> RecipeError:
    """One of pydantic's errors, in our words."""
    path: KeyPath = (*at, *_clean(error["loc"]))
    kind, last = str(error["type"]), path[-1] if path else ""
    called = owner if owner and len(error["loc"]) == 1 else f"`{dotted(path[:-1])}`" if len(path) > 1 else "a recipe"
    if kind == "extra_forbidden":
        return source.error(path, f"{called} takes no `{last}`", hint=_spelling(path), key=True)
    if kind == "missing":
        return source.error(path[:-1], f"{called} needs `{last}`", hint=_example(path))
    if kind == "value_error":
        reason = str(error["ctx"]["error"]).removeprefix(f"{last}: ")
        return source.error(path, f"`{dotted(path)}`: {reason}")
    if "[key]" in error["loc"]:
        return source.error(path, f"`{last}` is no name", hint="write letters, digits, `_` or `-`", key=True)
    return source.error(path, f"`{dotted(path)}` takes {_taken(kind, error)}; found {said(error['input'])}")


def _taken(kind: str, error: Mapping[str, Any]) -> str:
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind in _NUMBERS:
        words, bound = _NUMBERS[kind]
        return f"{words} {context[bound]}"
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind == "string_pattern_mismatch":
        return "NODE.items" if error["loc"][-1] == "over" else "a name of letters, digits, `_` or `-`"
    return _TAKES.get(kind) or str(error["msg"]).removeprefix("Input should be ")


def _clean(loc: Sequence[str | int]) -> KeyPath:
    """Without pydantic's own marks, such as the branch of a union or `[key]`."""
    return tuple(part for part in loc if not (isinstance(part, str) and part.endswith(("]", "Form"))))


def _spelling(path: KeyPath) -> str:
    match path:
        case ("budget", str(unit)) if unit in LimitsForm.model_fields:
            return f"write `each: {{{unit}: ...}}` for each problem, or `total: {{{unit}: ...}}` for all"
        case ("nodes", _, str(key)) if key not in NodeForm.model_fields:
            return f"{meant(key, keys(NodeForm), 'it takes')}; a strategy's knobs stand under `with`"
        case _:
            form = _form(path)
            return meant(str(path[-1]), keys(form) if form else ("use", "with"), "it takes")


def _form(path: KeyPath) -> type[Form] | None:
    """The form that the last key of a path belongs to; None for a strategy in a knob."""
    match path:
        case ("models", _, _):
            return ModelForm
        case ("budget", _):
            return BudgetForm
        case ("budget", _, _) | ("nodes", _, "budget", _):
            return LimitsForm
        case ("nodes", _, "map", _):
            return MapForm
        case ("nodes", _, "retry", _):
            return RetryForm
        case ("nodes", _, _):
            return NodeForm
        case (_,):
            return RecipeForm
        case _:
            return None


def _example(path: KeyPath) -> str:
    match path:
        case ("version",):
            return "begin with `version: 1`"
        case ("models",):
            return "write `models: {target: local:embedded/target}`"
        case ("nodes",):
            return "write `nodes: {solve: {use: direct}}`"
        case ("nodes", _, "use"):
            return "name a strategy; `headgate list` names them all"
        case _:
            return ""


def keys(form: type[BaseModel]) -> list[str]:
    """The keys of a form as they are written."""
    return [field.alias or name for name, field in form.model_fields.items()]
