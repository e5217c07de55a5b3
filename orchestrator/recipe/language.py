"""The recipe language as pydantic models: what a recipe may hold, in one place, for checking and for editors."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from ...backends import registry as backends
from ...backends.registry import ModelSpec
from ...budget.cost import Limits
from ...budget.prices import Price
from ...budget.rates import RATES

_AMOUNT: Final = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\$?[\d_.,]+[kKmMgG]?$"}]}
_TOOLS: Final = {"anyOf": [*_AMOUNT["anyOf"], {"type": "object", "additionalProperties": _AMOUNT}]}


def _limit(unit: str) -> BeforeValidator:
    def read(value: object) -> object:
        return getattr(Limits.of({unit: value}), unit)

    return BeforeValidator(read)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _several(value: object) -> object:
    if not isinstance(value, str | list):
        return value
    return (value,) if isinstance(value, str) else tuple(cast(list[object], value))


def _used(value: object) -> object:
    return {"use": value} if isinstance(value, str) else value


def _share(value: object) -> float:
    """`5%` or 0.05."""
    text = str(value).strip()
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if isinstance(value, bool) or not 0 <= share < 1:
        raise ValueError(f"answer_reserve: {value!r} is no share; write 5% or 0.05, at least 0% and below 100%")
    return share


def _model(value: object) -> object:
    """`BACKEND:WHERE` as the mapping that it stands for."""
    if not isinstance(value, str):
        return value
    backend, colon, model = value.partition(":")
    if not colon or not backend or not model:
        known = ", ".join(backends.names())
        raise ValueError(f"{value!r} names no model; write BACKEND:WHERE, such as local:embedded/draft ({known})")
    return {"backend": backend, "model": model}


def _price(value: object) -> object:
    if value is None or isinstance(value, Price):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"a price is written {{input: 0.5, output: 2}}, dollars per million tokens; found {value!r}")
    return Price.of(cast(Mapping[str, object], value))


_Executor = Literal["local", "ray"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Outcome = Literal["answered", "abstained", "exhausted", "failed", "skipped", "cancelled"]
Names = Annotated[list[Name], BeforeValidator(_listed, json_schema_input_type=Name | list[Name])]
Outcomes = Annotated[list[Outcome], BeforeValidator(_listed, json_schema_input_type=Outcome | list[Outcome])]


class Form(BaseModel):
    """What all parts of a recipe share: unknown keys and loose types are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class LimitsForm(Form):
    """What may be spent; a unit that is left out has no limit."""

    tokens: Annotated[int | None, _limit("tokens"), WithJsonSchema(_AMOUNT)] = Field(
        default=None, description="prompt and generated tokens together, such as 20k"
    )
    output: Annotated[int | None, _limit("output"), WithJsonSchema(_AMOUNT)] = Field(
        default=None, description="generated tokens"
    )
    tool_calls: Annotated[int | dict[str, int] | None, _limit("tool_calls"), WithJsonSchema(_TOOLS)] = Field(
        default=None, description="of all tools together, or by name"
    )
    dollars: Annotated[Decimal | None, _limit("dollars"), WithJsonSchema(_AMOUNT)] = Field(
        default=None, description="every model needs a price"
    )
    seconds: Annotated[float | None, _limit("seconds"), WithJsonSchema(_AMOUNT)] = Field(
        default=None, description="of wall clock"
    )

    @property
    def limits(self) -> Limits:
        """As the ledger takes them."""
        return Limits(**{name: getattr(self, name) for name in LimitsForm.model_fields})


class ModelForm(Form):
    """A model: a backend and where it finds the weights or the server."""

    backend: Text = Field(json_schema_extra={"enum": list(backends.names())})
    model: Text
    base_url: Annotated[tuple[Text, ...], BeforeValidator(_several, json_schema_input_type=Text | list[Text])] = Field(
        default=(), description="of one server, or of several that have the same model"
    )
    key_env: Text | None = Field(default=None, description="the environment variable that holds the key")
    dtype: Text | None = None
    price: Annotated[Any, BeforeValidator(_price)] = Field(
        default=None, description=f"dollars per million tokens: {', '.join(RATES)}; `tiers` for long prompts"
    )
    dialect: Text | None = Field(default=None, description="a file in place of the model's own wording")
    engine: dict[str, Any] = Field(default_factory=dict[str, Any], description="what else that backend can be told")

    @property
    def spec(self) -> ModelSpec:
        """As a backend takes it."""
        return ModelSpec(**{name: getattr(self, name) for name in ModelForm.model_fields})


class MapForm(Form):
    """One call for every item of a list that an earlier node answered."""

    over: Annotated[str, StringConstraints(pattern=r"^[\w-]+\.\w+$")] = Field(description="NODE.items")
    item: Name = Field(default="item", alias="as", description="the item's name in the node's `question`")


class RetryForm(Form):
    """How often a node as a whole is tried again; model calls have retries of their own."""

    attempts: int = Field(default=3, ge=1, description="in all, the first included")
    wait_s: float = Field(default=1.0, ge=0, description="seconds before the second, about; doubles with every further")


class NodeForm(Form):
    """A strategy at work."""

    use: Text = Field(description="a strategy")
    knobs: dict[str, Any] = Field(default_factory=dict[str, Any], alias="with", description="the strategy's knobs")
    roles: dict[str, Name] = Field(default_factory=dict, description="who plays which of its roles: `role: model`")
    needs: Names = Field(default_factory=list, description="nodes that end before this one begins")
    when: dict[str, Outcomes] = Field(
        default_factory=dict,
        description="outcomes of a need after which the node runs; else any but skipped, cancelled and failed",
    )
    map: MapForm | None = None
    budget: LimitsForm | None = Field(default=None, description="what this node may spend on each problem")
    question: str = Field(default="", description="what is asked, with {question}, {item} or {NODE} filled in")
    join: int | None = Field(
        default=None, description="how many of its needs must have ended; the others are cancelled unless still needed"
    )
    retry: RetryForm | None = Field(default=None, description="tries again when it failed, within the same limits")
    timeout_s: float | None = Field(
        default=None, gt=0, description="seconds, over all attempts, after which it is cancelled and has failed"
    )
    on_unknown: Literal["retry", "fail"] = Field(
        default="retry", description="after a crash: run it again if a call of it may have gone through, or fail"
    )


class BudgetForm(Form):
    """What may be spent on each problem, on all together, and what of it is kept for writing an answer."""

    each: LimitsForm = Field(default_factory=lambda: LimitsForm())
    total: LimitsForm = Field(default_factory=lambda: LimitsForm())
    answer_reserve: Annotated[
        float, BeforeValidator(_share), WithJsonSchema({"type": ["string", "number"], "examples": ["5%"]})
    ] = 0.05
    on_unpriced: Literal["refuse", "allow"] = Field(
        default="refuse", description="whether a model without a price may spend where dollars are limited"
    )


class ExecutorForm(Form):
    """Who solves the problems: this process, worker processes, or actors of Ray."""

    use: Literal["local", "ray"] = "local"
    workers: int | None = Field(default=None, ge=0, description="else one of Ray, or none: this process solves all")
    cpus: float = Field(default=1.0, ge=0, description="that Ray sets aside for each worker")
    gpus: float = Field(default=0.0, ge=0, description="that Ray sets aside for each worker")


class RecipeForm(Form):
    """A headgate recipe: models, a budget, and the strategies that use them, as a graph."""

    version: Literal[1]
    models: dict[Name, Annotated[ModelForm, BeforeValidator(_model, json_schema_input_type=str | ModelForm)]] = Field(
        min_length=1
    )
    tools: list[Text] = Field(default_factory=list)
    budget: BudgetForm = Field(default_factory=lambda: BudgetForm())
    executor: Annotated[ExecutorForm, BeforeValidator(_used, json_schema_input_type=_Executor | ExecutorForm)] = Field(
        default_factory=lambda: ExecutorForm(), description="local, ray, or one of them with what it takes"
    )
    nodes: dict[Name, NodeForm] = Field(min_length=1)
    output: Names = Field(default_factory=list, description="the first that ran and answered; else the last node")
