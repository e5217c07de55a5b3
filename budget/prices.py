"""What a token costs: dated, sourced rows, and the exact price of a call.

Rates are whole picodollars per token; a call is priced exactly and rounded up once, to a nanodollar, so that sums
of prices never fall below what was spent.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Self

from .cost import Cost

_RATES = ("input", "cached_input", "cache_write", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Picodollars per token by class; `nominal` when nobody charges it."""

    input: int
    cached_input: int
    cache_write: int
    output: int
    source: str
    date: str
    nominal: bool = False

    @classmethod
    def of(cls, row: Mapping[str, object]) -> Self:
        """Read a row in dollars per million tokens; cached input and cache writes default to `input`.

        Raises: ValueError naming the rate that is missing or no number.
        """
        rates = {name: row.get(name, row.get("input")) for name in _RATES if name != "output"}
        pico = {name: _pico(name, value) for name, value in (rates | {"output": row.get("output")}).items()}
        source, date = str(row.get("source", "the recipe")), str(row.get("date", ""))
        return cls(**pico, source=source, date=date, nominal=bool(row.get("nominal", False)))

    def nanodollars(self, cost: Cost) -> int:
        """The price of one call."""
        pico = cost.input * self.input + cost.cached_input * self.cached_input
        pico += cost.cache_write * self.cache_write + cost.output * self.output
        return -(-pico // 1000)

    def priced(self, cost: Cost) -> Cost:
        """The same call with its price filled in."""
        return replace(cost, nanodollars=self.nanodollars(cost))

    @property
    def dearest_input(self) -> int:
        """What an input token costs at the worst, for a reservation."""
        return max(self.input, self.cached_input, self.cache_write)


def find(model: str) -> Price | None:
    """The row of a model such as `embedded/draft`, or None where nobody has written one."""
    return _table().get(model)


@cache
def _table() -> dict[str, Price]:
    text = files(__package__ or "headgate.budget").joinpath("prices.toml").read_text(encoding="utf-8")
    vendors = tomllib.loads(text, parse_float=Decimal)
    return {f"{vendor}/{name}": Price.of(row) for vendor, rows in vendors.items() for name, row in rows.items()}


def _pico(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value < 1e9:
        raise ValueError(f"a price needs `{name}` in dollars per million tokens, such as 0.40; found {value!r}")
    return int(Decimal(str(value)) * 1_000_000)
