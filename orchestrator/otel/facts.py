"""What a run's recipe says about its spans: which model plays a role, where it is, and what each scope may spend.

Read from the recipe as `run_start` tells it, and leniently: a journal is exported on other machines too, where
neither the models nor the files that the recipe names exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, cast
from urllib.parse import urlsplit

import yaml

from ...budget.cost import Limits
from . import semconv

_PROVIDERS: Final = {"openai": "openai"}  # the well-known names; every other backend is one of ours
_EMBEDDED: Final = "embedded/"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a live run waits for it, once


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Attributes that are known before anything happens.

    models: of the calls of each model. remote: the models outside this process. limits: by path, where "" is the whole
    run, "*" each problem, "*/NODE" a node.
    """

    models: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    remote: frozenset[str] = frozenset()
    limits: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])

    @classmethod
    def of(cls, recipe: object) -> Self:
        """Read a recipe's YAML; what it does not say is left out."""
        values = _read(recipe)
        specs = {name: _spec(spec) for name, spec in _mapping(values.get("models")).items()}
        remote = frozenset(name for name, spec in specs.items() if _backend(spec) in _PROVIDERS or "base_url" in spec)
        models = {name: _model(spec) for name, spec in specs.items()}
        return cls(models=models, remote=remote, limits=_limits(values))

    def model(self, role: str) -> Mapping[str, object]:
        """What is known of a model before its call leaves: all that sampling may want to see."""
        return self.models.get(role) or {semconv.PROVIDER: "headgate", semconv.MODEL: role}


def _read(recipe: object) -> Mapping[str, object]:
    try:
        return _mapping(yaml.load(recipe, _LOADER) if isinstance(recipe, str) else recipe)
    except yaml.YAMLError:
        return {}


def _limits(values: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    budget = _mapping(values.get("budget"))
    written = {"": budget.get("total"), "*": budget.get("each")}
    written |= {f"*/{name}": _mapping(node).get("budget") for name, node in _mapping(values.get("nodes")).items()}
    return {path: found for path, limits in written.items() if (found := _caps(limits))}


def _caps(written: object) -> dict[str, object]:
    """The caps as numbers, dollars as nanodollars, and the deadline."""
    try:
        limits = Limits.of(_mapping(written))
    except (ValueError, TypeError):
        return {}
    caps: dict[str, object] = {semconv.LIMIT + unit: cap for unit, cap in limits.caps().items()}
    return caps | ({} if limits.seconds is None else {f"{semconv.LIMIT}seconds": limits.seconds})


def _spec(spec: object) -> dict[str, str]:
    if isinstance(spec, str):
        backend, _, model = spec.partition(":")
        return {"backend": backend, "model": model}
    return {name: str(_first(value)) for name, value in _mapping(spec).items() if value is not None}


def _first(value: object) -> object:
    """Of several servers, which all have the same model, the first."""
    several: list[object] = cast(list[object], value) if isinstance(value, list) else [value]
    return several[0] if several else ""


def _backend(spec: Mapping[str, str]) -> str:
    return spec.get("backend", "")


def _model(spec: Mapping[str, str]) -> dict[str, object]:
    backend, model = _backend(spec), spec.get("model", "")
    if backend in ("local", "scripted") and not model.startswith(_EMBEDDED):
        model = model.replace("\\", "/").rstrip("/").rpartition("/")[2]  # a path says more of a machine than of a model
    named = {semconv.PROVIDER: _PROVIDERS.get(backend, f"headgate.{backend}" if backend else "headgate")}
    return {**named, semconv.MODEL: model, **_server(spec.get("base_url", ""))}


def _server(url: str) -> dict[str, object]:
    try:
        server = urlsplit(url)
        port = server.port or (443 if server.scheme == "https" else 80)
    except ValueError:
        return {}
    return {semconv.SERVER_ADDRESS: server.hostname, semconv.SERVER_PORT: port} if server.hostname else {}


def _mapping(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}
