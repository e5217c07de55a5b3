"""What a token costs: dated, sourced rows, and the exact price of a call.

Rates are whole picodollars per token; a call is priced exactly and rounded up once, to a nanodollar, so that sums
of prices never fall below what was spent. Long prompts may have other rates, which then hold for the whole call.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final, Self, cast

from .cost import Cost
from .rates import RATES, Rates, Tier, rates_of, refuse_unknown

KEYS: Final = (*RATES, "tiers", "source", "version", "date", "nominal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(Rates):
    """A row of a price table: rates, and other rates above a stated length of prompt, in ascending order.

    source, version, date: who says so, in which version of which table, and when; nominal: nobody charges it.
    """

    tiers: tuple[Tier, ...] = ()
    source: str
    version: str = ""
    date: str
    nominal: bool = False

    @classmethod
    def of(cls, row: Mapping[str, object]) -> Self:
        """Read a row in dollars per million tokens, such as `as_row` writes.

        Cached input and cache writes default to `input`, writes for an hour to `cache_write`, reasoning to `output`;
        what a tier leaves out is as below it.

        Raises: ValueError naming the rate that is missing or no number, or the key that no price has.
        """
        refuse_unknown(row, KEYS, "a price")
        below = {name: row[name] for name in RATES if name in row}
        return cls(
            **rates_of(below),
            tiers=Tier.ladder(below, row.get("tiers", ())),
            source=str(row.get("source", "the recipe")),
            version=str(row.get("version", "")),
            date=str(row.get("date", "")),
            nominal=bool(row.get("nominal", False)),
        )

    def as_row(self) -> dict[str, object]:
        """Plain values, in dollars per million tokens, that `of` reads back exactly: for journals and recipes."""
        about = {"source": self.source, "version": self.version, "date": self.date, "nominal": self.nominal}
        tiers = [{"above": tier.above, **tier.dollars()} for tier in self.tiers]
        return {**self.dollars(), **({"tiers": tiers} if tiers else {}), **about}

    def rates(self, prompt: int) -> Rates:
        """What holds for a call with a prompt of so many tokens, cached ones and cache writes included."""
        return next((tier for tier in reversed(self.tiers) if prompt > tier.above), self)

    def nanodollars(self, cost: Cost) -> int:
        """The price of one call."""
        prompt = cost.input + cost.cached_input + cost.cache_write
        return -(-self.rates(prompt).picodollars(cost) // 1000)

    def worst(self, prompt: int, output: int) -> int:
        """Nanodollars that no call with at most so many tokens of prompt and of output exceeds; grows with both."""
        reached: list[Rates] = [self, *(tier for tier in self.tiers if prompt > tier.above)]
        return -(-max(rates.dearest(prompt, output) for rates in reached) // 1000)

    def priced(self, cost: Cost) -> Cost:
        """The same call with its price filled in."""
        return replace(cost, nanodollars=self.nanodollars(cost))


def find(model: str, *, on: date | None = None) -> Price | None:
    """What a model such as `openai/gpt-5` costs on a day, today by default: our row, else genai-prices' if installed.

    None where neither has a row, or theirs cannot be said exactly in ours.
    """
    return ours(model) or _hosted(model, on or datetime.now(UTC).date())


def ours(model: str) -> Price | None:
    """The row of our own table, or None; all that a model without a provider can have."""
    return _table().get(model)


@cache
def _table() -> dict[str, Price]:
    text = files(__package__ or "headgate.budget").joinpath("prices.toml").read_text(encoding="utf-8")
    written = tomllib.loads(text, parse_float=Decimal)
    version = str(written.pop("version"))
    vendors = cast(dict[str, dict[str, dict[str, object]]], written)
    return {
        f"{vendor}/{name}": Price.of({"version": version, **row})
        for vendor, rows in vendors.items()
        for name, row in rows.items()
    }


@cache
def _hosted(model: str, on: date) -> Price | None:
    """Resolved once a day: their own calculation is far too slow for every call."""
    vendor, _, name = model.partition("/")
    if not name or not vendor.replace("-", "").replace("_", "").isalnum():
        return None
    from .hosted import row

    found = row(vendor, name, on)
    try:
        return Price.of(found) if found else None
    except ValueError:  # a rate finer than a picodollar
        return None
