"""One vector of units for everything that is spent: `Cost` is what was measured, `Limits` what a person allows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Final, Self

NANO: Final = 1_000_000_000
_MOST: Final = 10**15  # of any unit; far beyond what anybody means, and no number to choke on
_THOUSANDS: Final = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_SUFFIX: Final = {"k": 1_000, "K": 1_000, "m": 1_000_000, "M": 1_000_000, "g": NANO, "G": NANO}

Amount = int | float | str | Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured, in whole tokens, whole calls, nanodollars and busy seconds.

    input: prompt tokens that were not read from a cache; cached_input: those that were; cache_write: prompt
    tokens for which a provider charges the writing of its cache; cache_write_1h: the part of them that is kept
    for an hour. output: generated tokens; reasoning: the part of them spent on thinking. A part is never added
    again. nanodollars: priced exactly, rounded up once per call.
    seconds: how long models and tools were busy; informational, since parallel calls overlap.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    calls: int = 0
    tool_calls: Mapping[str, int] = field(default_factory=dict[str, int])
    nanodollars: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """New work: a context continued from cache is not paid again."""
        return self.input + self.cache_write + self.output

    @property
    def dollars(self) -> float:
        """For people; sums are kept in `nanodollars`."""
        return self.nanodollars / NANO

    # sum and difference are written out: the ledger adds in every scope of every call
    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            input=self.input + other.input,
            cached_input=self.cached_input + other.cached_input,
            cache_write=self.cache_write + other.cache_write,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            calls=self.calls + other.calls,
            tool_calls=_sum_by_name(self.tool_calls, other.tool_calls, 1) if other.tool_calls else self.tool_calls,
            nanodollars=self.nanodollars + other.nanodollars,
            seconds=self.seconds + other.seconds,
        )

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            input=self.input - other.input,
            cached_input=self.cached_input - other.cached_input,
            cache_write=self.cache_write - other.cache_write,
            cache_write_1h=self.cache_write_1h - other.cache_write_1h,
            output=self.output - other.output,
            reasoning=self.reasoning - other.reasoning,
            calls=self.calls - other.calls,
            tool_calls=_sum_by_name(self.tool_calls, other.tool_calls, -1) if other.tool_calls else self.tool_calls,
            nanodollars=self.nanodollars - other.nanodollars,
            seconds=self.seconds - other.seconds,
        )

    def units(self) -> dict[str, int]:
        """The figures that limits cap, by unit; `tool_calls.NAME` beside their sum."""
        named = {f"tool_calls.{name}": count for name, count in self.tool_calls.items()}
        return named | {
            "tokens": self.tokens,
            "output": self.output,
            "tool_calls": sum(self.tool_calls.values()),
            "nanodollars": self.nanodollars,
        }

    def as_dict(self) -> dict[str, object]:
        """Every unit, for JSON; dollars beside nanodollars so that a person can read the line."""
        values: dict[str, object] = {item.name: getattr(self, item.name) for item in fields(self)}
        values["tool_calls"] = dict(self.tool_calls)
        values["seconds"] = round(self.seconds, 6)
        return values | {"tokens": self.tokens, "dollars": self.dollars}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a person allows, written alike in YAML, `--budget` and Python; None means no limit.

    tokens: input + cache_write + output. output: generated tokens. tool_calls: a number for all tools together,
    or one by name. dollars: exact to the nanodollar. seconds: a wall-clock deadline; children inherit the smaller.
    Raises: ValueError naming the unit and what would have been right.
    """

    tokens: int | None = None
    output: int | None = None
    tool_calls: int | Mapping[str, int] | None = None
    dollars: Decimal | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Read what a person wrote, such as `{"tokens": "20k", "dollars": 0.05}`.

        Raises: ValueError naming the unit and what would have been right.
        """
        known = [item.name for item in fields(cls)]
        if unknown := next((unit for unit in values if unit not in known), None):
            raise ValueError(f"a budget has no `{unknown}`; it has {', '.join(known)}")
        return cls(**values)  # type: ignore[arg-type]  # __post_init__ reads and checks every value

    def __post_init__(self) -> None:
        for unit, read in _READ.items():
            if (value := getattr(self, unit)) is not None:
                object.__setattr__(self, unit, read(unit, value))

    def caps(self) -> dict[str, int]:
        """The integer caps by unit, as `Cost.units` names them; the deadline is apart."""
        caps: dict[str, int] = {}
        if isinstance(self.tool_calls, Mapping):
            caps |= {f"tool_calls.{name}": count for name, count in self.tool_calls.items()}
        elif self.tool_calls is not None:
            caps["tool_calls"] = self.tool_calls
        if self.tokens is not None:
            caps["tokens"] = self.tokens
        if self.output is not None:
            caps["output"] = self.output
        if self.dollars is not None:
            caps["nanodollars"] = int(self.dollars * NANO)
        return caps


def parse_amount(text: Amount, what: str = "an amount") -> Decimal:
    """A number that a person wrote: 20000, 0.05, "20k", "1.5M", "$0.05". Raises: ValueError."""
    written = str(text).strip().removeprefix("$").replace("_", "")
    written = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), written)
    scale = _SUFFIX.get(written[-1:], 1)
    try:
        value = Decimal(written[:-1] if scale > 1 else written) * scale
    except ArithmeticError:
        raise ValueError(f"{what}: {text!r} is no amount; write 20000, 20k, 1.5M or 0.05") from None
    if not value.is_finite() or not 0 <= value <= _MOST:
        raise ValueError(f"{what}: {text!r} is no limit; write a number from 0 to {_MOST:.0e}")
    return value


def _whole(unit: str, value: object) -> int:
    amount = parse_amount(_number(unit, value), unit)
    if amount != int(amount):
        raise ValueError(f"{unit}: {value!r} is not whole; write {int(amount)} or {int(amount) + 1}")
    return int(amount)


def _number(unit: str, value: object) -> Amount:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"{unit}: {value!r} is no amount; write 20000, 20k, 1.5M or 0.05")
    return value


def _exact(unit: str, value: object) -> Decimal:
    return parse_amount(_number(unit, value), unit)


def _tools(unit: str, value: object) -> int | dict[str, int]:
    if isinstance(value, Mapping):
        return {str(name): _whole(f"{unit}.{name}", count) for name, count in value.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    return _whole(unit, value)


def _seconds(unit: str, value: object) -> float:
    return float(_exact(unit, value))


_READ: Final = {
    "tokens": _whole,
    "output": _whole,
    "tool_calls": _tools,
    "dollars": _exact,
    "seconds": _seconds,
}


def _sum_by_name(left: Mapping[str, int], right: Mapping[str, int], sign: int) -> Mapping[str, int]:
    return {name: left.get(name, 0) + sign * right.get(name, 0) for name in {**left, **right}}
